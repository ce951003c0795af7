"""Quantiles of durations, valid at every look, from counts on the logarithmic grid.

Counts come by weight exponent as sparse histograms (`grid.log_bin`); a bin's edge is its largest value, so the count up
to an edge is exact and rounding goes outward. No union over edges is needed: each is tested for the same quantile.
"""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln

from shadow.stats import means
from shadow.stats.grid import edge_seconds
from shadow.stats.rates import N_OPT_UTILITY, scale

Histograms = Mapping[int, Mapping[int, int]]
"""Sparse duration histograms by weight exponent."""


def bounds(histograms: Histograms, q: float, alpha: float) -> tuple[float, float]:
    """(lower, upper) in seconds for the q-quantile, each end alone valid at 1 - alpha at every look; (0, inf) without data.

    lower: the largest edge rejected as having too little below it; upper: the smallest rejected as having too much.
    Unit weights: the beta-binomial mixture on F_i = #{X <= edge_i} at p = q (n_opt 2000). Weights: the betting mixture
    on 1{X <= edge_i} at mean q.
    """
    bins, below, n = _cumulated(histograms)
    if not len(bins):
        return 0.0, math.inf
    too_low, too_high = _rejected(below, n, q, alpha)
    lower = edge_seconds(int(bins[too_low][-1])) if too_low.any() else 0.0
    upper = edge_seconds(int(bins[too_high][0])) if too_high.any() else math.inf
    return lower, upper


def point(histograms: Histograms, q: float) -> float | None:
    """Weighted q-quantile in seconds (upper edge of its bin, infinity in the overflow bin); None without data."""
    weights: dict[int, float] = {}
    for exponent, histogram in histograms.items():
        for index, count in histogram.items():
            weights[index] = weights.get(index, 0.0) + 2.0**-exponent * count
    total = sum(weights.values())
    seen = 0.0
    for index in sorted(weights):
        seen += weights[index]
        if seen >= q * total * (1 - 1e-12):
            return edge_seconds(index)
    return None


def log_e_share(above: Mapping[int, tuple[int, int]], q: float, alpha: float) -> tuple[float, float]:
    """Log evidence about one exact limit from (above, units) counts by weight exponent: (within, beyond).

    `within` speaks for "the q-quantile is at most the limit", `beyond` for "it is above". 0 where the sample lies on
    the other side. Read each against ln(1/alpha): that is an end of the confidence sequence of `bounds`.
    """
    if not any(units for _, units in above.values()):
        return 0.0, 0.0
    below = {k: np.array([units - over], dtype=np.int64) for k, (over, units) in above.items()}
    n = {k: units for k, (_, units) in above.items()}
    low, high = _log_e_sides(below, n, q, alpha)
    return float(high[0]), float(low[0])


def _cumulated(histograms: Histograms) -> tuple[NDArray[np.int64], dict[int, NDArray[np.int64]], dict[int, int]]:
    """Every bin that any class holds, plus each bin's left neighbour: the edges where F can change."""
    held: set[int] = set()
    for histogram in histograms.values():
        for index, count in histogram.items():
            if count:
                held.update((index, max(index - 1, 0)))
    bins = np.array(sorted(held), dtype=np.int64)
    below: dict[int, NDArray[np.int64]] = {}
    n: dict[int, int] = {}
    for exponent, histogram in histograms.items():
        counts = np.fromiter((histogram.get(int(i), 0) for i in bins), np.int64, len(bins))
        below[exponent] = np.cumsum(counts)
        n[exponent] = int(counts.sum())
    return bins, below, n


def _rejected(
    below: Mapping[int, NDArray[np.int64]], n: Mapping[int, int], q: float, alpha: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    low, high = _log_e_sides(below, n, q, alpha)
    level = math.log(1.0 / alpha)
    return low >= level, high >= level


def _log_e_sides(
    below: Mapping[int, NDArray[np.int64]], n: Mapping[int, int], q: float, alpha: float
) -> tuple[means.Floats, means.Floats]:
    """Per edge: evidence that less, and that more than a share q lies at or below it."""
    if set(n) <= {0}:
        k, units = below[0].astype(np.float64), float(n[0])
        big_k = scale(N_OPT_UTILITY, alpha)
        a, b = big_k * q, big_k * (1.0 - q)
        e = betaln(a + k, b + units - k) - betaln(a, b) - k * math.log(q) - (units - k) * math.log1p(-q)
        return np.where(k < units * q, e, 0.0), np.where(k > units * q, e, 0.0)
    pairs = {exponent: np.stack([n[exponent] - f, f], axis=-1) for exponent, f in below.items()}
    return means.log_e_less(pairs, q), means.log_e_greater(pairs, q)
