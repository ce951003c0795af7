"""Answers of six real models to 300 instructions: what each scorer says of them against the incumbent's. Figures only.

Two controls need no other model: the incumbent's answers handed to the wrong prompts, and a model that gives every prompt
one constant text. Both have to fail on relevance whatever their language looks like.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from bench.labelled.figures import SHARED, Estimate, mean, run, share, table
from scorers import registry
from scorers.base import Case, Reply, Score, Scorer
from shadow.settings import Gate, Policy
from shadow.stats import FoldSpec, Pair, PairState
from shadow.verdict.decide import decide
from shadow.verdict.evidence import Context, Evidence

FILE = SHARED / "data" / "instructions.jsonl"
INCUMBENT = "Meta-Llama-3-70B-Instruct"
SHUFFLED = "the incumbent's answers to other prompts"
ABSOLUTE = ("relevance", "refusal", "leakage", "toxicity", "injection")
MARGIN = 0.05
LOOK_EVERY = 10
POLICY = Policy(quality="relevance", gates=[Gate(id="relevance", metric="score", kind="mean_drop", margin=MARGIN)])
SPEC = FoldSpec.from_policy(POLICY, {"relevance": "absolute"})


class Asked(NamedTuple):
    """The prompts, and each arm's answers to them, the incumbent's among them."""

    prompts: list[str]
    answers: dict[str, list[str]]


class Column(NamedTuple):
    """One scorer's values of one arm (None where unscored) and its CPU milliseconds per answer."""

    values: list[float | None]
    milliseconds: float


def absent() -> str | None:
    """Why there is nothing to measure; None when the data are here."""
    return None if FILE.exists() else "the 300 instructions (instructions.jsonl) are not on this machine"


def load(limit: int | None = None) -> Asked:
    """The data with the two controls; the shuffled one moves every answer on by a fixed step, so none stays in place."""
    rows = [json.loads(line) for line in FILE.read_text("utf-8").split("\n") if line.strip()][:limit]
    names = [INCUMBENT, *(name for name in rows[0]["answers"] if name != INCUMBENT)]
    answers = {name: [row["answers"][name] for row in rows] for name in names}
    step = len(rows) // 3
    answers[SHUFFLED] = answers[INCUMBENT][step:] + answers[INCUMBENT][:step]
    return Asked([row["prompt"] for row in rows], answers)


def column(scorer: Scorer, asked: Asked, arm: str) -> Column:
    """An absolute scorer on every answer of an arm."""
    cases = [
        Case(id=str(i), prompt=prompt, candidate=Reply(text=answer))
        for i, (prompt, answer) in enumerate(zip(asked.prompts, asked.answers[arm], strict=True))
    ]
    measured = run(scorer, cases, repeats=1)
    return Column([r.value if isinstance(r, Score) else None for r in measured.results], measured.milliseconds)


def difference(candidate: Sequence[float | None], incumbent: Sequence[float | None]) -> Estimate:
    """Mean of candidate minus incumbent over the prompts where both have a value.

    Where not one pair differs there is nothing to resample: the interval is then what 0 of n leaves possible (Wilson).
    """
    found = [c - i for c, i in zip(candidate, incumbent, strict=True) if c is not None and i is not None]
    if found and not any(found):
        most = share(0, len(found)).high or 0.0
        return Estimate(-most, 0.0, most)
    return mean(found)


def gate(candidate: Sequence[float | None], incumbent: Sequence[float | None]) -> tuple[str, int]:
    """The verdict of a policy with one gate, a drop of relevance by at most the margin, and the pairs it took."""
    state, latched = PairState(SPEC.key), {}
    for i, (c, b) in enumerate(zip(candidate, incumbent, strict=True)):
        state.add(Pair(id=str(i), score=(c, b), violation=(None, None), failure=(False, False)), SPEC)
        if (i + 1) % LOOK_EVERY == 0:
            verdict = decide(POLICY, Evidence(pairs={0: state}, latched=latched), Context(candidate="c"), detail=False)
            latched |= {crossing.key: crossing for crossing in verdict.crossings}
            if verdict.word != "hold":
                return verdict.word, i + 1
    return "hold", len(candidate)


def agreement(asked: Asked, arm: str, options: Mapping[str, Any]) -> tuple[Estimate, float, float]:
    """Share of answers that `agreement` flags, share it could not tell (label `unknown`), CPU milliseconds per pair."""
    scorer = registry.build("agreement", options)
    cases = [
        Case(id=str(i), prompt=prompt, incumbent=Reply(text=a), candidate=Reply(text=b))
        for i, (prompt, a, b) in enumerate(
            zip(asked.prompts, asked.answers[INCUMBENT], asked.answers[arm], strict=True)
        )
    ]
    measured = run(scorer, cases, repeats=1)
    labels = [r.label if isinstance(r, Score) and r.value is not None else "unknown" for r in measured.results]
    return share(labels.count("flagged"), len(labels)), labels.count("unknown") / len(labels), measured.milliseconds


def unscored(values: Sequence[float | None]) -> float:
    """Share without a value."""
    return sum(v is None for v in values) / len(values)


def section(*, model: bool) -> str:
    """Three tables: differences to the incumbent, change and what a gate on relevance decides, what could not be judged."""
    asked = load()
    options: dict[str, dict[str, Any]] = {"relevance": {"similarity": "on" if model else "off"}}
    columns: dict[str, dict[str, Column]] = {}
    for kind in ABSOLUTE:
        scorer = registry.build(kind, options.get(kind, {}))
        columns[kind] = {arm: column(scorer, asked, arm) for arm in asked.answers}
    arms = [arm for arm in asked.answers if arm != INCUMBENT]
    own = {kind: columns[kind][INCUMBENT].values for kind in ABSOLUTE}
    deltas = [
        [arm, *(difference(columns[kind][arm].values, own[kind]).shown(sign=True) for kind in ABSOLUTE)] for arm in arms
    ]
    means = [f"{mean([v for v in own[kind] if v is not None]).value or 0:.3f}" for kind in ABSOLUTE]
    change, blind = [], []
    for arm in arms:
        flagged, left, spent = agreement(asked, arm, {"similarity": "off"})
        word, n = gate(columns["relevance"][arm].values, own["relevance"])
        change.append([arm, flagged.shown(), word, n, f"{spent:.2f}"])
        blind.append([arm, *(f"{unscored(columns[k][arm].values):.1%}" for k in ABSOLUTE), f"{left:.1%}"])
    cost = [f"{columns[kind][INCUMBENT].milliseconds:.2f}" for kind in ABSOLUTE]
    said = "with MiniLM" if model else "without a model"
    return "\n\n".join(
        (
            f"Differences to {INCUMBENT}, higher is better, n = {len(asked.prompts)} paired; `relevance` {said}:",
            table(("arm", *ABSOLUTE), [["the incumbent's own mean", *means], *deltas, ["CPU ms per answer", *cost]]),
            f"Change, and a gate on relevance (mean drop at most {MARGIN}, alpha as by default, a look every {LOOK_EVERY} records):",
            table(("arm", "flagged by agreement, no model", "verdict", "records", "CPU ms per pair"), change),
            "Share of answers that a scorer could not judge (no value; for `agreement` the label unknown, which proves neither):",
            table(("arm", *ABSOLUTE, "agreement, no model"), blind),
        )
    )
