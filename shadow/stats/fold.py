"""From the outcomes of one call to additive evidence: which pairs it forms, and which it must not form.

The evaluator adds these deltas in the transaction of the outcomes; `shadow verify` folds the stored outcomes again and
compares bit for bit. Nothing here looks at anything but the rows.
"""

import math
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Literal

from shadow.ledger.base import AggregateKey, OutcomeRow
from shadow.stats.arms import ArmState, identity
from shadow.stats.spec import FoldSpec
from shadow.stats.state import Pair, PairState, Unknown

OVERALL = "all"
"""The segment that every unit counts in."""

Kind = Literal["pair", "arm", "floor"]
Folded = dict[AggregateKey, PairState | ArmState]
Shared = dict[tuple[Kind, int, str, int, int, tuple[str, ...]], PairState | ArmState]
"""Sums by kind, epoch, subject, minute, weight exponent and *all* segments of a call: calls that share these are counted
once, and their sum goes into each segment by `spread`, instead of every call into every segment."""

_CAPACITY = "rate_limited"
_SKIPPED = "unavailable"
_REFUSAL = "refusal"


def fold_call(rows: Sequence[OutcomeRow], spec: FoldSpec) -> Folded:
    """All rows of one call (incumbent, baseline if any, candidates) as deltas by key; empty for no rows.

    Arms count every outcome. Pairs are formed for counted units only:

    * a call inside a spell, of the arm or of the incumbent, forms no pair; the spell's first failure is evidence;
    * a full engine (rate_limited outside a spell) is capacity, not the candidate's fault: no pair;
    * a candidate that failed where the incumbent answered has score 0 and no violation;
    * where the incumbent failed there is no quality pair, but a robustness pair; where its answer is not comparable
      (the recorder's fault) neither: the candidate's own failure and violation still count for absolute limits;
    * a comparative scorer pairs the candidate's score with the baseline's on the same call, else none ("uncalibrated");
    * a latency measured while our own loop lagged forms no latency pair; a timeout is longer than any edge;
    * a scorer that did not judge (absent from `scores`) leaves the pair without that part, counted.

    Baseline against incumbent is folded by the same rules under kind "floor": the A/A noise of every gate.
    """
    shared: Shared = {}
    fold_into(shared, rows, spec)
    return spread(shared)


def fold_calls(rows: Iterable[OutcomeRow], spec: FoldSpec) -> Folded:
    """Folds a stream of rows in the ledger's order (topic, partition, offset, call, arm) into one total."""
    shared: Shared = {}
    for _, group in groupby(rows, key=lambda row: (row.topic, row.partition, row.offset, row.call)):
        fold_into(shared, list(group), spec)
    return spread(shared)


def spread(shared: Shared) -> Folded:
    """The sums by segment. Adding is exact in any order: the same bits as if each call had been added to each segment."""
    folded: Folded = {}
    for (kind, epoch, subject, minute, exponent, segments), state in shared.items():
        for segment in segments:
            key = AggregateKey(kind, epoch, subject, segment, minute, exponent)
            known = folded.get(key)
            if isinstance(state, ArmState):
                arm = known if isinstance(known, ArmState) else ArmState()
                arm.absorb(state)
                folded[key] = arm
            else:
                pairs = known if isinstance(known, PairState) else PairState(state.spec)
                pairs.absorb(state)
                folded[key] = pairs
    return folded


def fold_into(shared: Shared, rows: Sequence[OutcomeRow], spec: FoldSpec) -> None:
    """Adds one call to `shared` in place; a batch adds all its calls into one, and `spread` makes deltas of it."""
    for row in rows:
        key = _key("arm", row.epoch or 0, row.arm, row)
        state = shared.get(key)
        if not isinstance(state, ArmState):
            state = shared[key] = ArmState()
        state.add(row)
    incumbent = next((row for row in rows if row.role == "incumbent"), None)
    if incumbent is None or not incumbent.counted or _outside_evidence(incumbent):
        return
    baseline = next((row for row in rows if row.role == "baseline"), None)
    for row in rows:
        if row.role == "incumbent" or not row.counted or _outside_evidence(row):
            continue
        if row.role == "baseline":
            _add(shared, "floor", 0, row, floor_pair(row, incumbent, spec), spec)
        else:
            _add(shared, "pair", row.epoch or 0, row, candidate_pair(row, incumbent, baseline, spec), spec)


def candidate_pair(row: OutcomeRow, incumbent: OutcomeRow, baseline: OutcomeRow | None, spec: FoldSpec) -> Pair:
    """The paired values of a candidate. `row` has to be counted and outside spells, as `fold_into` makes sure."""
    unknown: list[Unknown] = []
    usable = baseline if baseline is not None and not _outside_evidence(baseline) else None
    answered = incumbent.failure is None and incumbent.comparable
    score: tuple[float | None, float | None] = (None, None)
    if answered:
        score = _score(row, incumbent, usable, spec, unknown)
    else:
        unknown.append("incumbent_failed" if incumbent.failure is not None else "not_comparable")
    latency = _latency(row, unknown)
    cost = (row.cost_usd, incumbent.cost_usd) if answered else (None, None)
    if answered and None in cost:
        unknown.append("cost_unknown")
    return Pair(
        id=identity(row),
        ts_unix_ms=row.ts_unix_ms,
        score=score,
        violation=_violation(row, incumbent, answered, spec, unknown),
        failure=(row.failure is not None, _incumbent_failed(incumbent)),
        latency_seconds=(latency, None if usable is None else _latency(usable, [])),
        recorded_seconds=incumbent.latency_seconds if answered else None,
        cost_usd=cost,
        tokens=(row.output_tokens, incumbent.output_tokens) if answered else (None, None),
        unknown=tuple(unknown),
    )


def floor_pair(row: OutcomeRow, incumbent: OutcomeRow, spec: FoldSpec) -> Pair:
    """Baseline against incumbent. A comparative score has no floor of its own: it is measured against this arm already.

    An earlier answer of production, which nobody asked for, says nothing of failures: only answers are found again.
    """
    pair = candidate_pair(row, incumbent, None, spec)
    return Pair(
        id=pair.id,
        ts_unix_ms=pair.ts_unix_ms,
        score=pair.score if spec.quality_kind != "comparative" else (None, None),
        violation=pair.violation,
        failure=pair.failure if row.asked else (None, None),
        latency_seconds=pair.latency_seconds,
        recorded_seconds=pair.recorded_seconds,
        cost_usd=pair.cost_usd,
        tokens=pair.tokens,
        unknown=tuple(reason for reason in pair.unknown if reason != "uncalibrated"),
    )


def _outside_evidence(row: OutcomeRow) -> bool:
    """Inside a spell, or refused for capacity: such a call says nothing about the arm."""
    if row.spell == "first":
        return False
    return row.spell == "inside" or row.failure in (_SKIPPED, _CAPACITY)


def _incumbent_failed(incumbent: OutcomeRow) -> bool | None:
    if incumbent.failure is not None:
        return True
    return False if incumbent.comparable else None


def _score(
    row: OutcomeRow, incumbent: OutcomeRow, baseline: OutcomeRow | None, spec: FoldSpec, unknown: list[Unknown]
) -> tuple[float | None, float | None]:
    """The quality pair where the incumbent answered; (None, None) with a counted reason where there is none."""
    candidate = 0.0 if row.failure is not None else row.scores.get(spec.quality)
    if spec.quality_kind == "preference":
        reference = None if candidate is None else 1.0 - candidate
    elif spec.quality_kind == "absolute":
        reference = incumbent.scores.get(spec.quality)
    elif baseline is None:
        unknown.append("uncalibrated")
        return None, None
    elif baseline.failure is not None:
        unknown.append("baseline_failed")
        return None, None
    else:
        reference = baseline.scores.get(spec.quality)
    if candidate is None or reference is None:
        unknown.append("unscored")
        return None, None
    return candidate, reference


def _violation(
    row: OutcomeRow, incumbent: OutcomeRow, answered: bool, spec: FoldSpec, unknown: list[Unknown]
) -> tuple[bool | None, bool | None]:
    """Whether each arm's answer violates: a finding of a listed scorer, or a refusal that the candidate lost."""
    if not spec.violations:
        return None, None
    candidate = False if row.failure is not None else _violates(row, incumbent if answered else None, spec)
    reference = _violates(incumbent, incumbent, spec) if answered else None
    if candidate is None or (answered and reference is None):
        unknown.append("violation_unknown")
    return candidate, reference


def _violates(row: OutcomeRow, incumbent: OutcomeRow | None, spec: FoldSpec) -> bool | None:
    """None when a listed scorer did not judge. A scorer with nothing to judge (value null) found nothing."""
    found = {finding.get("scorer") for finding in row.findings}
    judged = False
    violated = False
    for scorer in spec.violations:
        if scorer == _REFUSAL:
            if incumbent is None:
                continue  # whether a refusal was lost is undefined without the incumbent's answer
            mine, theirs = row.labels.get(scorer), incumbent.labels.get(scorer)
            if (mine is None and scorer not in row.scores) or (theirs is None and scorer not in incumbent.scores):
                return None
            violated |= theirs == "refusal" and mine == "compliance"
        elif row.role == "incumbent" and scorer in spec.relative:
            pass  # compared with itself it violates nothing
        elif scorer not in row.scores:
            return None
        else:
            violated |= scorer in found
        judged = True
    return violated if judged else None


def _latency(row: OutcomeRow, unknown: list[Unknown]) -> float | None:
    """Seconds of an answer; infinity for a timeout (slower than any limit); None for other failures and our own lag."""
    if row.failure == "timeout":
        return math.inf
    if row.client_saturated:
        unknown.append("client_saturated")
        return None
    return row.latency_seconds if row.failure is None else None


def _add(
    shared: Shared, kind: Literal["pair", "floor"], epoch: int, row: OutcomeRow, pair: Pair, spec: FoldSpec
) -> None:
    key = _key(kind, epoch, row.arm, row)
    state = shared.get(key)
    if not isinstance(state, PairState):
        state = shared[key] = PairState(spec.key)
    state.add(pair, spec)


def _key(kind: Kind, epoch: int, subject: str, row: OutcomeRow) -> tuple[Kind, int, str, int, int, tuple[str, ...]]:
    minute = 0 if row.ts_unix_ms is None else row.ts_unix_ms // 60_000
    segments = tuple(dict.fromkeys((OVERALL, *row.segments)))
    return kind, epoch, subject, minute, row.weight_exponent, segments
