"""From answers to effects: how much worse an ablated engine is than the same engine untouched, on the same cases. Pure.

Of every case there are three answers: the untouched engine's, the untouched engine's again, and the ablated one's. An
absolute scorer compares the first with the third. A comparative one measures change against the first answer, so that what
counts is the change of the ablated answer less the change of the repeated one: the noise floor of the same case.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from scorers import base as scorers
from scorers.running import run_scorer
from shadow.records import ArmOutcome, FailureKind
from shadow.scoring import Entry, messages_of, nested_draw, reply_of
from shadow.stats import means
from shadow.stats.grid import D_BINS, rounded_bin, uniforms
from shadow.stats.multiple import e_bh
from shadow.suites.ablate_cases import AblationCase

State = Literal["worse", "not_worse", "undecided"]
Pair = tuple[float, float]
"""(ablated, untouched), each in [0, 1]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What one ablation did, as it is kept: numbers only, one entry per case, None where a case was not judged."""

    name: str
    scores: dict[str, list[Pair | None]]
    changed: list[bool | None]
    failures: dict[str, int] = field(default_factory=dict)
    output_tokens: tuple[int, int] | None = None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """A mean paired difference, ablated minus untouched, with its interval; None where no case was judged."""

    n: int
    point: float | None
    lower: float | None
    upper: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One ablation in the report. `state` is None where the quality scorer judged no case."""

    name: str
    state: State | None
    effects: dict[str, Effect]
    changed: int
    compared: int
    failures: dict[str, int]
    output_tokens_ratio: float | None
    log_evidence: float


def measured(
    name: str,
    cases: Sequence[AblationCase],
    answers: tuple[Sequence[ArmOutcome], Sequence[ArmOutcome], Sequence[ArmOutcome]],
    entries: Sequence[Entry],
    seconds: float,
) -> Measured:
    """Scores (untouched, untouched again, ablated) answers; a case that the untouched engine failed is in no pair."""
    untouched, again, ablated = answers
    usable = [_usable(u) and _usable(a) for u, a in zip(untouched, again, strict=True)]
    failures: dict[str, int] = {}
    tokens = [0, 0]
    for ok, before, after in zip(usable, untouched, ablated, strict=True):
        if ok and after.failure is not None:
            failures[after.failure] = failures.get(after.failure, 0) + 1
        elif ok and before.answer.usage.output_tokens and after.answer.usage.output_tokens:
            tokens[0] += after.answer.usage.output_tokens
            tokens[1] += before.answer.usage.output_tokens
    return Measured(
        name=name,
        scores={entry.label: _pairs(entry, cases, usable, answers) for entry in entries},
        changed=[
            same_answer(before, after) is False if ok else None
            for ok, before, after in zip(usable, untouched, ablated, strict=True)
        ],
        failures=failures,
        output_tokens=(tokens[0], tokens[1]) if tokens[1] else None,
        seconds=seconds,
    )


def findings(
    kept: Sequence[Measured], ids: Sequence[str], *, quality: str, margin: float, alpha: float
) -> tuple[Finding, ...]:
    """The report's rows. `worse` is proven: its mean drop exceeds `margin`, at false discovery rate `alpha` over all
    ablations (e-BH); `not_worse` means that the lower end of its interval is within the margin.
    """
    evidence = [means.log_e_less(_histogram(m, quality, ids), (1 - margin) / 2) for m in kept]
    worse = set(e_bh([float(e) for e in evidence], alpha)) if evidence else set()
    found = []
    for index, one in enumerate(kept):
        effects = {label: _effect(one, label, ids, alpha) for label in one.scores}
        compared = [value for value in one.changed if value is not None]
        tokens = one.output_tokens
        found.append(
            Finding(
                name=one.name,
                state=_state(effects.get(quality), index in worse, margin),
                effects=effects,
                changed=sum(compared),
                compared=len(compared),
                failures=one.failures,
                output_tokens_ratio=None if tokens is None else tokens[0] / tokens[1],
                log_evidence=float(evidence[index]),
            )
        )
    return tuple(found)


def same_answer(one: ArmOutcome, other: ArmOutcome) -> bool:
    """Whether two answers say the same, byte for byte; failures are alike when their kinds are."""
    return _said(one) == _said(other)


def _said(outcome: ArmOutcome) -> tuple[object, ...]:
    answer = outcome.answer
    return outcome.failure, answer.text or "", answer.reasoning or "", repr(answer.tool_calls), answer.finish_reason


def _usable(outcome: ArmOutcome) -> bool:
    return outcome.failure is None and outcome.answer.comparable


def _pairs(
    entry: Entry,
    cases: Sequence[AblationCase],
    usable: Sequence[bool],
    answers: tuple[Sequence[ArmOutcome], Sequence[ArmOutcome], Sequence[ArmOutcome]],
) -> list[Pair | None]:
    untouched, again, ablated = answers
    reference = untouched if entry.scorer.kind == "absolute" else again
    asked = [i for i, ok in enumerate(usable) if ok and nested_draw(cases[i].call.id) < entry.rate]
    after = [i for i in asked if ablated[i].failure is None]
    before = run_scorer(entry.scorer, [_case(cases[i], reference[i], untouched[i]) for i in asked])
    results = run_scorer(entry.scorer, [_case(cases[i], ablated[i], untouched[i]) for i in after])
    base = {i: _value(score) for i, score in zip(asked, before, strict=True)}
    mine: dict[int, float | None] = dict.fromkeys(asked, 0.0)  # no answer where the untouched engine had one
    mine |= {i: _value(score) for i, score in zip(after, results, strict=True)}
    found: list[Pair | None] = [None] * len(cases)
    for i in asked:
        value, other = mine[i], base[i]
        if value is not None and other is not None:
            found[i] = (value, other)
    return found


def _case(case: AblationCase, judged: ArmOutcome, untouched: ArmOutcome) -> scorers.Case:
    return scorers.Case(
        id=case.call.id,
        prompt=case.call.prompt_text,
        candidate=reply_of(judged.answer),
        incumbent=reply_of(untouched.answer),
        messages=messages_of(case.call),
        route=case.call.route,
        expected=case.expected,
        schema=case.schema,
        rubric=case.rubric,
        canary=case.canary,
    )


def _value(result: scorers.Score | scorers.ScorerFailure) -> float | None:
    return None if isinstance(result, scorers.ScorerFailure) else result.value


def _histogram(one: Measured, label: str, ids: Sequence[str]) -> means.Counts:
    counts: dict[int, int] = {}
    for index, pair in enumerate(one.scores.get(label, [])):
        if pair is not None:
            u = uniforms(f"{one.name}/{label}/{index}/{ids[index]}")[0]
            place = rounded_bin((pair[0] - pair[1] + 1) / 2, D_BINS, u)
            counts[place] = counts.get(place, 0) + 1
    return {0: means.dense(counts, D_BINS)}


def _effect(one: Measured, label: str, ids: Sequence[str], alpha: float) -> Effect:
    differences = [pair[0] - pair[1] for pair in one.scores[label] if pair is not None]
    if not differences:
        return Effect(n=0, point=None, lower=None, upper=None)
    lower, upper = means.interval(_histogram(one, label, ids), alpha)
    point = math.fsum(differences) / len(differences)
    return Effect(n=len(differences), point=point, lower=min(2 * lower - 1, point), upper=max(2 * upper - 1, point))


def _state(effect: Effect | None, worse: bool, margin: float) -> State | None:
    if effect is None or effect.lower is None:
        return None
    if worse:
        return "worse"
    return "not_worse" if effect.lower >= -margin else "undecided"


OUTAGES: frozenset[FailureKind] = frozenset({"connection", "unavailable", "rate_limited", "http_5xx", "out_of_memory"})
"""Failures that say something about the engine and nothing about an ablation: the run stops, and can be resumed."""


def outage(outcomes: Sequence[ArmOutcome]) -> Mapping[str, int]:
    """Failures of that kind among these answers."""
    found: dict[str, int] = {}
    for outcome in outcomes:
        if outcome.failure in OUTAGES:
            found[str(outcome.failure)] = found.get(str(outcome.failure), 0) + 1
    return found
