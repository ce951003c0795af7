"""Did shadow load change the incumbent's latency? From blocks with and without it, in pairs of random order. Pure.

Each pair is one block with shadow load and one without, side by side in time, in an order that was drawn by lot. The
effect of a pair is d = ln(quantile with / quantile without). If load multiplies the quantile by a constant, d minus its
logarithm is as likely positive as negative, because the lot decided which block was which: Wilcoxon's signed-rank test
holds exactly, whatever the distribution of latencies, and its inversion gives the interval (Hodges-Lehmann; Lehmann,
Nonparametrics, 1975, chapter 4).
"""

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Literal

Verdict = Literal["harmless", "harmful", "undecided"]
FEW_REQUESTS = 100
"""Below that many requests a block's P99 is about its largest value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Buckets:
    """Durations counted in buckets: `counts[i]` of those above `edges[i - 1]` and up to `edges[i]`, the last ones above all."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]

    @classmethod
    def of(cls, edges: tuple[float, ...], seconds: Iterable[float]) -> "Buckets":
        """Counts single durations."""
        counts = [0] * (len(edges) + 1)
        for one in seconds:
            counts[bisect_left(edges, one)] += 1
        return cls(edges=edges, counts=tuple(counts))

    @property
    def n(self) -> int:
        """How many there are."""
        return sum(self.counts)

    def since(self, before: "Buckets") -> "Buckets | None":
        """What came after `before`; None when it is no earlier reading of the same histogram (a restart)."""
        if self.edges != before.edges:
            return None
        risen = tuple(now - then for now, then in zip(self.counts, before.counts, strict=True))
        return Buckets(edges=self.edges, counts=risen) if min(risen) >= 0 else None

    def with_(self, other: "Buckets") -> "Buckets":
        """Both together; raises ValueError for other edges."""
        if self.edges != other.edges:
            raise ValueError("histograms with different edges cannot be added up")
        return Buckets(edges=self.edges, counts=tuple(a + b for a, b in zip(self.counts, other.counts, strict=True)))

    def quantile(self, q: float) -> float | None:
        """Linear within its bucket, as Prometheus does; None without data or above the last edge."""
        rank, below = q * self.n, 0
        if not self.n:
            return None
        for index, count in enumerate(self.counts[:-1]):
            if count and below + count >= rank:
                low = self.edges[index - 1] if index else 0.0
                return low + (self.edges[index] - low) * (rank - below) / count
            below += count
        return None

    def bucket(self, q: float) -> tuple[float, float] | None:
        """The edges between which the quantile lies: what is known without interpolating. None as `quantile`."""
        value = self.quantile(q)
        if value is None:
            return None
        index = bisect_left(self.edges, value)
        return (self.edges[index - 1] if index else 0.0), self.edges[index]


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One block of a trial. `latency` is None when it could not be measured, `calls` (of the shadow) when nobody counted."""

    pair: int
    on: bool
    seconds: float
    latency: Buckets | None
    calls: int | None = None
    paused: str | None = None  # why the shadow asked nobody, where it should have


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Relative change: 0.1 is ten per cent more with shadow load. `level` is the exact coverage, at least what was asked for."""

    lower: float
    point: float
    upper: float
    level: float
    pairs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a trial shows. Seconds are the quantile of all blocks of a kind together; None is unknown."""

    verdict: Verdict
    why: str
    quantile: float
    limit: float
    change: Interval | None
    with_load_seconds: float | None
    without_load_seconds: float | None
    requests_with: int
    requests_without: int
    calls_with: int | None
    calls_without: int | None
    pairs_dropped: int
    notes: tuple[str, ...] = ()


def pairs_needed(level: float) -> int:
    """The fewest pairs with which an interval of this level exists at all: 2 * 2**-pairs <= 1 - level."""
    return math.ceil(1 - math.log2(1 - level))


def change_of(effects: Sequence[float], level: float) -> Interval | None:
    """The interval for the change behind log ratios of pairs; None with fewer pairs than `pairs_needed`."""
    n = len(effects)
    rank, coverage = _rank(n, 1 - level)
    if not rank:
        return None
    walsh = sorted((a + b) / 2 for a, b in combinations_with_replacement(effects, 2))
    middle = (walsh[(len(walsh) - 1) // 2] + walsh[len(walsh) // 2]) / 2
    lower, upper = walsh[rank - 1], walsh[len(walsh) - rank]
    return Interval(lower=math.expm1(lower), point=math.expm1(middle), upper=math.expm1(upper), level=coverage, pairs=n)


def find(blocks: Sequence[Block], *, q: float, level: float, limit: float) -> Finding:
    """What the blocks show about the q-quantile. `limit`: the relative change that is still taken for harmless."""
    effects, dropped = _effects(blocks, q)
    change = change_of(effects, level)
    with_, without = (_pooled(b for b in blocks if b.on is on) for on in (True, False))
    calls_with, calls_without = (_calls(b for b in blocks if b.on is on) for on in (True, False))
    verdict, why = _judged(change, len(effects), level, limit, calls_with)
    return Finding(
        verdict=verdict,
        why=why,
        quantile=q,
        limit=limit,
        change=change,
        with_load_seconds=None if with_ is None else with_.quantile(q),
        without_load_seconds=None if without is None else without.quantile(q),
        requests_with=0 if with_ is None else with_.n,
        requests_without=0 if without is None else without.n,
        calls_with=calls_with,
        calls_without=calls_without,
        pairs_dropped=dropped,
        notes=tuple(_notes(blocks, q, with_, without)),
    )


def _judged(change: Interval | None, pairs: int, level: float, limit: float, calls: int | None) -> tuple[Verdict, str]:
    if calls == 0:
        return "undecided", "the shadow asked nobody while its load was on: nothing was tried"
    if change is None:
        return "undecided", f"{pairs} usable pairs are too few: an interval needs at least {pairs_needed(level)}"
    if change.upper <= limit:
        return "harmless", f"at most {change.upper:+.1%}, within the limit of {limit:+.1%}"
    if change.lower > limit:
        return "harmful", f"at least {change.lower:+.1%}, beyond the limit of {limit:+.1%}"
    return (
        "undecided",
        f"the interval {change.lower:+.1%} .. {change.upper:+.1%} holds the limit {limit:+.1%}: try longer",
    )


def _effects(blocks: Sequence[Block], q: float) -> tuple[list[float], int]:
    """Log ratios of the pairs whose two blocks have the quantile, and how many have not."""
    by_pair: dict[int, dict[bool, Block]] = {}
    for block in blocks:
        by_pair.setdefault(block.pair, {})[block.on] = block
    effects = []
    for both in by_pair.values():
        values = [_quantile(both.get(on), q) for on in (True, False)]
        if values[0] and values[1]:
            effects.append(math.log(values[0] / values[1]))
    return effects, len(by_pair) - len(effects)


def _quantile(block: Block | None, q: float) -> float | None:
    return None if block is None or block.latency is None else block.latency.quantile(q)


def _pooled(blocks: Iterable[Block]) -> Buckets | None:
    found: Buckets | None = None
    for block in blocks:
        if block.latency is not None and (found is None or found.edges == block.latency.edges):
            found = block.latency if found is None else found.with_(block.latency)
    return found


def _calls(blocks: Iterable[Block]) -> int | None:
    known = [block.calls for block in blocks if block.calls is not None]
    return sum(known) if known else None


def _notes(blocks: Sequence[Block], q: float, with_: Buckets | None, without: Buckets | None) -> Iterable[str]:
    sizes = [block.latency.n for block in blocks if block.latency is not None]
    if sizes and min(sizes) < FEW_REQUESTS and q > 1 - 1 / FEW_REQUESTS - 1e-9:
        yield (
            f"blocks with as few as {min(sizes)} requests: their P{100 * q:g} is about the slowest one; longer blocks or more "
            "requests narrow the interval"
        )
    coarse = []
    for name, buckets in (("with", with_), ("without", without)):
        between = None if buckets is None else buckets.bucket(q)
        if between is not None and between[0] > 0 and between[1] / between[0] > 1.2:
            coarse.append(f"{1000 * between[0]:g} .. {1000 * between[1]:g} ms {name} load")
    if coarse:
        yield (
            f"the histogram's bucket around the quantile is wide ({', '.join(coarse)}); where in it the quantile lies is "
            "interpolated, and changes smaller than the bucket are uncertain: measure by --probe instead"
        )
    held = sorted({block.paused.partition(":")[0] for block in blocks if block.on and block.paused is not None})
    if held:
        yield f"while its load was on, the shadow was held back at times by: {', '.join(held)}"


def _rank(n: int, alpha: float) -> tuple[int, float]:
    """(how many Walsh averages to leave out on each side plus one, exact coverage): the largest c with
    2 P(T < c) <= alpha, T the signed-rank statistic of n pairs; 0 when there is none."""
    if n < 1:
        return 0, 0.0
    ways = [1]  # ways[t]: subsets of the ranks 1..n that add up to t
    for rank in range(1, n + 1):
        longer = ways + [0] * rank
        for t, count in enumerate(ways):
            longer[t + rank] += count
        ways = longer
    below = found = 0
    coverage = 0.0
    for c, count in enumerate(ways, start=1):
        below += count
        outside = 2 * below / 2**n
        if outside > alpha * (1 + 1e-12):
            break
        found, coverage = c, 1 - outside
    return found, coverage


def order(pairs: int, draw: Iterable[bool]) -> list[tuple[int, bool]]:
    """The blocks in the order of the trial: (pair, with load), two of each pair, `draw` saying which comes first."""
    return [(pair, on) for pair, first in zip(range(pairs), draw, strict=False) for on in (first, not first)]
