"""Effects over a mix that the policy fixes: the sum of every segment's share times its own effect.

Whatever the traffic does, the mix stays; so a verdict need not wait when the traffic moves between the segments. Each of S
segments has its bounds at alpha / S, and the ends add up (union bound): a gate is proven when its bound over the mix is
within the limit, and it rejects alone when the other one is beyond it at alpha.reject / G.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from shadow.settings import Gate, Policy
from shadow.stats import means, plan, rates
from shadow.stats.spec import Metric, parse_metric
from shadow.verdict.evidence import Evidence, Pairs, differences, events, paired_events, size
from shadow.verdict.gates import Levels, Measured, limit_of, measure

FIXABLE: Final = frozenset({"mean_drop", "risk_difference", "rate"})
"""Kinds of gates that are sums over segments. A quantile of a mix is none of its parts' quantiles."""

UNFIXED = 0.15
"""Share of the pairs that may lie in no segment of the mix before a verdict waits."""


@dataclass(frozen=True, slots=True)
class Mix:
    """Shares by segment, adding up to 1, and the segments' states."""

    shares: Mapping[str, float]
    parts: Mapping[str, Pairs]

    def without(self, segments: frozenset[str]) -> "Mix":
        """The mix of the other segments; the same when nothing would be left."""
        left = {name: share for name, share in self.shares.items() if name not in segments}
        whole = sum(left.values())
        return Mix({name: share / whole for name, share in left.items()}, self.parts) if left else self


@dataclass(frozen=True, slots=True)
class Strand:
    """One segment's stream: effect = scale * mean + offset, for counts whose mean lies in [0, 1]."""

    share: float
    counts: means.Counts
    scale: float
    offset: float
    n_opt: float | None = None  # of a plain rate: beta-binomial bounds

    def ends(self, alpha: float) -> tuple[float, float]:
        """Lower and upper bound of the effect, each alone at 1 - alpha; the whole range without data."""
        plain = self.counts.get(0)
        if self.n_opt is not None and plain is not None and len(self.counts) == 1:
            low, high = rates.bounds(float(plain[1]), float(plain.sum()), alpha, self.n_opt)
        else:
            low, high = means.bounds(self.counts, alpha)
        first, second = self.scale * low + self.offset, self.scale * high + self.offset
        return min(first, second), max(first, second)

    def times(self, factor: float) -> "Strand":
        """So many times the evidence of the same kind."""
        return replace(self, counts={k: h.astype(np.float64) * factor for k, h in self.counts.items()})

    @property
    def point(self) -> float | None:
        """The effect as observed; None without data."""
        centre = means.mean(self.counts)
        return None if centre is None else self.scale * centre + self.offset


def unfixed(policy: Policy) -> tuple[str, ...]:
    """What is over the traffic as it comes although the policy fixes a mix: ids of gates, "utility" for one of kind log."""
    left = [gate.id for gate in policy.gates if gate.kind not in FIXABLE]
    return (*left, *(["utility"] if policy.utility is not None and policy.utility.kind == "log" else []))


def outside(mix: Mix, n: int) -> float:
    """Share of the pairs that lie in no segment of the mix."""
    inside = sum(state.pairs for name in mix.shares for state in mix.parts.get(name, {}).values())
    return max(1.0 - inside / n, 0.0) if n else 0.0


def measured(policy: Policy, gate: Gate, evidence: Evidence, uncounted: frozenset[str], levels: Levels) -> Measured:
    """The evidence of one gate: over the policy's mix where it fixes one and the gate can be over it."""
    if policy.shares and gate.kind in FIXABLE:
        return measure_mixed(gate, Mix(policy.shares, evidence.parts), uncounted, levels)
    return measure(gate, evidence.pairs, levels)


def measure_mixed(gate: Gate, mix: Mix, uncounted: frozenset[str], levels: Levels) -> Measured:
    """The evidence of one gate over the mix. Segments of `uncounted` have no score that counts: gates that read the score
    are over the rest of the mix. The gate's kind has to be one of `FIXABLE`."""
    metric = parse_metric(gate.metric)
    if metric is None or (metric.table is None and metric.name != "score"):
        return Measured(n=0)
    mix = mix.without(uncounted) if metric.name in ("score", "tail") else mix
    strands = {
        name: _strand(gate, metric, share, mix.parts.get(name, {}), levels) for name, share in mix.shares.items()
    }
    found = list(strands.values())
    limit, n = limit_of(gate), sum(size(s.counts) for s in found)
    if not n:
        return Measured(n=0)
    lower, upper = span(found, levels.promote)
    centre = total_point(found)
    beyond = centre is None or centre > limit
    return Measured(
        n=n,
        proven=upper < limit,
        leaning=centre is not None and centre < limit,
        paged=gate.hard and beyond and span(found, levels.reject)[0] > limit,
        share=levels.ln_alone if beyond and span(found, levels.reject / levels.items)[0] > limit else -math.inf,
        bounds=lambda: (lower, centre, upper),
        to_go=lambda: None if centre is None else records_to_go(found, limit - centre, levels.promote),
        lacking=tuple(sorted(name for name, strand in strands.items() if not size(strand.counts))),
    )


def span(strands: list[Strand], alpha: float) -> tuple[float, float]:
    """Bounds of the sum, each alone at 1 - alpha."""
    ends = [strand.ends(alpha / len(strands)) for strand in strands]
    return (
        sum(s.share * low for s, (low, _) in zip(strands, ends, strict=True)),
        sum(s.share * high for s, (_, high) in zip(strands, ends, strict=True)),
    )


def total_point(strands: list[Strand]) -> float | None:
    """The sum as observed; None while a segment has no data."""
    points = [strand.point for strand in strands]
    known = [p for p in points if p is not None]
    return sum(s.share * p for s, p in zip(strands, known, strict=True)) if len(known) == len(points) else None


def records_to_go(strands: list[Strand], distance: float, alpha: float) -> int | None:
    """Records until a distance from the limit is proven if it goes on like this, by the asymptotic margins (a forecast,
    never evidence); None when the estimate lies beyond the limit or a segment has no data."""
    summaries = [means.hajek(strand.counts) for strand in strands]
    known = [s for s in summaries if s is not None]
    n = sum(size(strand.counts) for strand in strands)
    if distance <= 0 or len(known) != len(strands):
        return None

    def proven(units: float) -> bool:
        each = alpha / len(strands)
        margins = (
            abs(s.share * s.scale)
            * (found.sd * means.asymptotic_margin(grown, each, two_sided=False) + _least(each) / grown)
            for s, found, grown in ((s, f, f.n * units / n) for s, f in zip(strands, known, strict=True))
        )
        return sum(margins) < distance

    return plan.remaining(plan.bisect(proven, n), n)


def _least(alpha: float) -> float:
    """What even a stream without variance needs, as a margin times its records: bets are below 1, and mixed."""
    return 0.5 * (math.log(1.0 / alpha) + math.log(len(means.BETS)))


def _strand(gate: Gate, metric: Metric, share: float, pairs: Pairs, levels: Levels) -> Strand:
    if gate.kind == "mean_drop":
        return Strand(share, differences(pairs), -2.0, 1.0)
    if gate.kind == "risk_difference":
        return Strand(share, paired_events(pairs, metric.table or ""), 2.0, -1.0)
    n_opt = rates.n_to_prove(limit_of(gate), levels.promote)
    return Strand(share, events(pairs, metric.table or ""), 1.0, 0.0, n_opt)
