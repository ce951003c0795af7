"""Ratios of paired means (score, cost): Fieller's interval with the asymptotic confidence sequence as its margin."""

import math
from collections.abc import Mapping
from typing import NamedTuple

from shadow.stats.means import N_OPT, asymptotic_margin
from shadow.stats.state import Moments


class PairedMeans(NamedTuple):
    """Means, population variances and covariance of paired values (candidate c, reference b), and their number."""

    n: float
    c: float
    b: float
    var_c: float
    var_b: float
    cov: float


def paired_means(moments: Mapping[int, Moments]) -> PairedMeans | None:
    """Weighted means of v z and their covariance, by weight exponent; None without pairs.

    n is sum v, the pairs that the lowest rate in force would have taken; with weights all one, plain population moments.
    On the difference c - theta b at the true ratio theta the mean is 0, so the choice of n cancels where it matters.
    """
    n = c = b = cc = cb = bb = 0.0
    for exponent, m in moments.items():
        v = 2.0**-exponent
        n += v * m.n
        c += v * m.c
        b += v * m.b
        cc += v * v * m.cc
        cb += v * v * m.cb
        bb += v * v * m.bb
    if n <= 0:
        return None
    mean_c, mean_b = c / n, b / n
    return PairedMeans(
        n,
        mean_c,
        mean_b,
        max(cc / n - mean_c * mean_c, 0.0),
        max(bb / n - mean_b * mean_b, 0.0),
        cb / n - mean_c * mean_b,
    )


def ratio_interval(means: PairedMeans, alpha: float, n_opt: float = N_OPT) -> tuple[float, float]:
    """Two-sided interval for E[c]/E[b], positive means assumed; (0, inf) where the denominator may be 0.

    Fieller: with k = (margin at sd 1)^2, A = mb^2 - k vb, B = mb mc - k cov, H = mc^2 - k vc: (B -+ sqrt(B^2 - A H)) / A.
    Asymptotic: the level is approximate. The lower end is never below 0.
    """
    k = asymptotic_margin(means.n, alpha, n_opt) ** 2
    if not math.isfinite(k):
        return 0.0, math.inf
    a = means.b * means.b - k * means.var_b
    middle = means.b * means.c - k * means.cov
    h = means.c * means.c - k * means.var_c
    if a <= 0:
        return 0.0, math.inf
    half = math.sqrt(max(middle * middle - a * h, 0.0))  # never below 0 for a > 0, but for rounding where c = const * b
    return max((middle - half) / a, 0.0), (middle + half) / a


def ratio_point(means: PairedMeans) -> float | None:
    """E[c]/E[b] as observed; None where the denominator's mean is 0."""
    return means.c / means.b if means.b > 0 else None
