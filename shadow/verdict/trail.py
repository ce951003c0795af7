"""How the evidence grew: every gate's interval and evidence after each part of the epoch, from the same additive states.

The bounds hold at every look, so that looking back at all of them costs nothing: each point is what stood there then.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from shadow.settings import Policy
from shadow.stats.fold import OVERALL
from shadow.stats.state import PairState
from shadow.verdict.evidence import Evidence, Pairs, parts_of
from shadow.verdict.gates import Levels, limit_of, point
from shadow.verdict.mixed import measured

MOST_POINTS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class TrailPoint:
    """A gate after `n` pairs, the newest of them at `at_unix_ms` (None without timestamps); None where nothing is known.
    Bounds are in the gate's unit, evidence is a natural logarithm."""

    at_unix_ms: int | None
    n: int
    lower: float | None
    point: float | None
    upper: float | None
    log_evalue_ok: float | None
    log_evalue_bad: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GateTrail:
    """One gate over time, oldest first. `ok_at`, `bad_at`: the log evidence that proves it, and that violates it alone."""

    gate: str
    kind: str
    metric: str
    q: float | None
    limit: float
    floor: float | None
    ok_at: float
    bad_at: float
    points: tuple[TrailPoint, ...]


def trails(
    policy: Policy,
    buckets: Iterable[Mapping[str, Pairs]],
    floor: Pairs,
    *,
    most: int = MOST_POINTS,
) -> tuple[GateTrail, ...]:
    """Every gate of the policy over cumulative buckets; `buckets` in time order, each by segment and weight exponent. Only
    all traffic is needed, and the segments of `policy.shares`.

    At most `most` points, evenly over pairs, the last of them all pairs. Costs about 2 ms a point and five gates, with
    fixed shares as much for each segment; then there are fewer points.
    """
    most = max(most // max(len(policy.shares), 1), 4)
    levels = Levels(promote=policy.alpha.promote, reject=policy.alpha.reject, items=len(policy.gates) + 1)
    by_gate: list[list[TrailPoint]] = [[] for _ in policy.gates]
    for by_segment in _cumulative(list(buckets), most):
        evidence = Evidence(pairs=by_segment[OVERALL], parts=parts_of(policy, by_segment))
        for gate, points in zip(policy.gates, by_gate, strict=True):
            m = measured(policy, gate, evidence, frozenset(), levels)
            lower, centre, upper = m.bounds()
            points.append(
                TrailPoint(
                    at_unix_ms=evidence.last_unix_ms,
                    n=evidence.n,
                    lower=lower,
                    point=centre,
                    upper=upper,
                    log_evalue_ok=m.log_ok,
                    log_evalue_bad=m.log_bad,
                )
            )
    return tuple(
        GateTrail(
            gate=gate.id,
            kind=gate.kind,
            metric=gate.metric,
            q=gate.q,
            limit=limit_of(gate),
            floor=point(gate, floor) if floor else None,
            ok_at=levels.ln_promote,
            bad_at=levels.ln_alone,
            points=tuple(points),
        )
        for gate, points in zip(policy.gates, by_gate, strict=True)
    )


def _cumulative(buckets: list[Mapping[str, Pairs]], most: int) -> Iterable[Mapping[str, Pairs]]:
    """Sums of the first buckets, wherever another share of all pairs is reached. The same mapping each time, grown."""
    whole = sum(state.pairs for bucket in buckets for state in bucket.get(OVERALL, {}).values())
    total: dict[str, dict[int, PairState]] = {OVERALL: {}}
    seen, shown = 0, 0
    for bucket in buckets:
        for segment, pairs in bucket.items():
            grown = total.setdefault(segment, {})
            for exponent, state in pairs.items():
                grown.setdefault(exponent, PairState(state.spec)).absorb(state)
        seen += sum(state.pairs for state in bucket.get(OVERALL, {}).values())
        step = seen * most // whole if whole else 0
        if step > shown:
            shown = step
            yield total
