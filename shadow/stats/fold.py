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
from shadow.stats.state import PairState, Unknown

OVERALL = "all"
"""The segment that every unit counts in."""

Kind = Literal["pair", "arm", "floor"]
Folded = dict[AggregateKey, PairState | ArmState]
_SharedKey = tuple[Kind, int, str, int, int, tuple[str, ...]]
Shared = dict[_SharedKey, PairState | ArmState]
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
    if not rows:
        return
    seed = identity(rows[0])
    places = [_place(row) for row in rows]
    incumbent = baseline = None
    for row, place in zip(rows, places, strict=True):
        key: _SharedKey = ("arm", row.epoch or 0, row.arm, *place)
        state = shared.get(key)
        if not isinstance(state, ArmState):
            state = shared[key] = ArmState()
        state.add(row, seed)
        if row.role == "incumbent":
            incumbent = incumbent or row
        elif row.role == "baseline":
            baseline = baseline or row
    if incumbent is None or not incumbent.counted or _outside_evidence(incumbent):
        return
    reference = _Reference(incumbent, baseline, spec)
    for row, place in zip(rows, places, strict=True):
        if row.role == "incumbent" or not row.counted or _outside_evidence(row):
            continue
        floor = row.role == "baseline"
        key = ("floor" if floor else "pair", 0 if floor else row.epoch or 0, row.arm, *place)
        state = shared.get(key)
        if not isinstance(state, PairState):
            state = shared[key] = PairState(spec.key)
        reference.count(state, row, seed, floor=floor)


class _Reference:
    """What every arm of one call is compared with, found out once."""

    __slots__ = ("answered", "baseline", "failed", "incumbent", "seconds_b", "spec", "violated")

    def __init__(self, incumbent: OutcomeRow, baseline: OutcomeRow | None, spec: FoldSpec) -> None:
        self.incumbent, self.spec = incumbent, spec
        self.baseline = baseline if baseline is not None and not _outside_evidence(baseline) else None
        self.answered = incumbent.failure is None and incumbent.comparable
        self.failed = _incumbent_failed(incumbent)
        self.violated = _violates(incumbent, incumbent, spec) if spec.violations and self.answered else None
        self.seconds_b = None if self.baseline is None else _latency(self.baseline, [])

    def count(self, state: PairState, row: OutcomeRow, seed: str, *, floor: bool) -> None:
        """Counts a candidate, or the baseline against the incumbent (`floor`). A comparative score has no floor of its own:
        it is measured against this arm already. An earlier answer of production, which nobody asked for, says nothing of
        failures: only answers are found again."""
        incumbent, spec, answered = self.incumbent, self.spec, self.answered
        unknown: list[Unknown] = []
        score_c = score_b = recorded = cost_c = cost_b = None
        tokens_c = tokens_b = None
        comparative = spec.quality_kind == "comparative"
        if answered:
            if not (floor and comparative):
                score_c, score_b = _score(row, incumbent, None if floor else self.baseline, spec, unknown)
            recorded = incumbent.latency_seconds
            cost_c, cost_b = row.cost_usd, incumbent.cost_usd
            tokens_c, tokens_b = row.output_tokens, incumbent.output_tokens
        else:
            unknown.append("incumbent_failed" if incumbent.failure is not None else "not_comparable")
        seconds_c = _latency(row, unknown)
        if answered and (cost_c is None or cost_b is None):
            unknown.append("cost_unknown")
        violated_c = violated_b = None
        if spec.violations:
            violated_c = False if row.failure is not None else _violates(row, incumbent if answered else None, spec)
            violated_b = self.violated
            if violated_c is None or (answered and violated_b is None):
                unknown.append("violation_unknown")
        asked = row.asked or not floor
        state.count(
            spec,
            seed,
            row.ts_unix_ms,
            score_c,
            score_b,
            violated_c,
            violated_b,
            (row.failure is not None) if asked else None,
            self.failed if asked else None,
            seconds_c,
            None if floor else self.seconds_b,
            recorded,
            cost_c,
            cost_b,
            tokens_c,
            tokens_b,
            unknown,
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


def _violates(row: OutcomeRow, incumbent: OutcomeRow | None, spec: FoldSpec) -> bool | None:
    """None when a listed scorer did not judge. A scorer with nothing to judge (value null) found nothing."""
    found = {finding.get("scorer") for finding in row.findings} if row.findings else frozenset()
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


def _place(row: OutcomeRow) -> tuple[int, int, tuple[str, ...]]:
    """Minute, weight exponent and all segments of a row."""
    segments = row.segments
    if OVERALL in segments or len(set(segments)) != len(segments):
        segments = tuple(dict.fromkeys((OVERALL, *segments)))
    else:
        segments = (OVERALL, *segments)
    return 0 if row.ts_unix_ms is None else row.ts_unix_ms // 60_000, row.weight_exponent, segments
