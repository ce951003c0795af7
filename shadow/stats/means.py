"""Means of bounded values, valid at every look: a betting mixture on histograms, with two fallbacks.

Counts come as a mapping from weight exponent k (weight class v = 2^-k) to an array of shape (..., bins): the last axis
holds counts on the grid x = i / (bins - 1) in [0, 1], leading axes are independent streams. Weights all one is {0: counts}.
Another grid is known by its number of bins: `SIGNED_BINS` is that of `shadow.stats.grid.SIGNED_VALUES`, on x = (y + 1) / 2.
"""

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import gammainc, gammaln, lambertw

from shadow.stats.grid import SIGNED_VALUES

Floats = NDArray[np.float64]
Counts = Mapping[int, NDArray[np.int64] | Floats]
Side = Literal["greater", "less"]

BETS: Floats = np.array([2.0**-j for j in range(12, 0, -1)] + [0.85, 0.97])
"""Fixed bets c_j. Fixed, so that wealth depends on the histogram only: order-free, exactly mergeable."""

SIGNED_BINS = len(SIGNED_VALUES)
"""No other histogram has so many bins."""

N_OPT = 5000
_EDGE = 1e-9
_NONE = -math.inf


def log_e_greater(counts: Counts, m: float) -> Floats:
    """Log evidence against "mean <= m": ln of (1/J) sum_j prod_i (1 + c_j v_i (x_i/m - 1)), m in (0, 1).

    An e-process when E[x_i | past] <= m (no independence needed): reject when it reaches ln(1/alpha) at any look.
    Source: betting confidence sequences (Waudby-Smith and Ramdas 2023) with a fixed mixture. Shape: the leading axes of
    the counts; 0 (no evidence) without data.
    """
    return _log_e(counts, m, "greater")


def log_e_less(counts: Counts, m: float) -> Floats:
    """Log evidence against "mean >= m": as `log_e_greater` with (1-x)/(1-m) in place of x/m."""
    return _log_e(counts, m, "less")


def mean(counts: Counts) -> float | None:
    """Hajek estimate sum v x / sum v of one stream; None without data."""
    weight = total = 0.0
    for exponent, histogram in counts.items():
        v = 2.0**-exponent
        weight += v * float(histogram.sum())
        total += v * float(histogram @ grid(histogram.shape[-1]))
    return total / weight if weight else None


def bounds(counts: Counts, alpha: float) -> tuple[float, float]:
    """(lower, upper) for the mean of one stream, each end alone valid at 1 - alpha at every look.

    Both together hold at 1 - 2 alpha; `interval` splits. Where a bound is never crossed, the end of [0, 1].
    """
    centre = mean(counts)
    if centre is None:
        return 0.0, 1.0
    level = math.log(1.0 / alpha)
    present = _present(counts)
    lower, upper = 0.0, 1.0
    inner = min(max(centre, 2 * _EDGE), 1 - 2 * _EDGE)
    if _point_e(present, _EDGE, "greater") >= level > _point_e(present, inner, "greater"):
        lower = float(brentq(lambda m: _point_e(present, m, "greater") - level, _EDGE, inner, xtol=1e-10))
    if _point_e(present, 1 - _EDGE, "less") >= level > _point_e(present, inner, "less"):
        upper = float(brentq(lambda m: _point_e(present, m, "less") - level, inner, 1 - _EDGE, xtol=1e-10))
    return lower, upper


def interval(counts: Counts, alpha: float) -> tuple[float, float]:
    """Two-sided confidence sequence {m : both E < 2/alpha} of one stream; (0, 1) without data."""
    return bounds(counts, alpha / 2)


def grid(bins: int) -> Floats:
    """The values of a histogram's bins: i / (bins - 1), or those of the signed grid."""
    return _grid(bins)


def dense(histogram: Mapping[int, int], bins: int) -> NDArray[np.int64]:
    """A sparse histogram as an array of `bins` counts."""
    array = np.zeros(bins, dtype=np.int64)
    if histogram:
        array[np.fromiter(histogram.keys(), np.int64, len(histogram))] = np.fromiter(
            histogram.values(), np.int64, len(histogram)
        )
    return array


class Summary(NamedTuple):
    """Mean, standard deviation of one observation, and the number of observations they stand for."""

    mean: float
    sd: float
    n: float


def hajek(counts: Counts, offered: float | None = None) -> Summary | None:
    """Weighted mean and its per-request sd of one stream: m = sum v x / sum v, variance (sum v^2 (x-m)^2 / n) / (sum v / n)^2.

    n is the number of offered requests; without it, sum v: the requests that the lowest rate in force would have taken
    (all of them under uniform sampling). None without data.
    """
    centre = mean(counts)
    if centre is None:
        return None
    weight = squares = 0.0
    for exponent, histogram in counts.items():
        v = 2.0**-exponent
        weight += v * float(histogram.sum())
        squares += v * v * float(histogram @ (grid(histogram.shape[-1]) - centre) ** 2)
    n = weight if offered is None else offered
    return Summary(centre, math.sqrt(squares / n) / (weight / n), n)


def effective_n(n_by_exponent: Mapping[int, int]) -> float | None:
    """Kish's effective sample size (sum v)^2 / sum v^2 of units by weight exponent; None without units."""
    weight = sum(2.0**-k * n for k, n in n_by_exponent.items())
    squares = sum(4.0**-k * n for k, n in n_by_exponent.items())
    return weight * weight / squares if squares else None


def rho(v_opt: float, alpha: float) -> float:
    """Scale of a normal mixture that is tightest at variance `v_opt`: v / (2L + ln(1 + 2L)), L = ln(1/alpha)."""
    log_inverse = math.log(1.0 / alpha)
    return v_opt / (2 * log_inverse + math.log1p(2 * log_inverse))


def normal_bound(v: float, alpha: float, v_opt: float) -> float:
    """Two-sided normal-mixture bound on a sum of variance v: sqrt((v + rho)(ln(1 + v/rho) + 2L)). A cross-check."""
    r = rho(v_opt, alpha)
    return math.sqrt((v + r) * (math.log1p(v / r) + 2 * math.log(1.0 / alpha)))


@lru_cache(maxsize=256)
def asymptotic_r(n_opt: float, alpha: float) -> float:
    """Tuning of the asymptotic sequence: (-W_{-1}(-alpha^2/e) - 1) / n_opt."""
    return float((-lambertw(-alpha * alpha / math.e, -1).real - 1.0) / n_opt)


def asymptotic_margin(n: float, alpha: float, n_opt: float = N_OPT, *, two_sided: bool = True) -> float:
    """Half width at sd = 1 of the asymptotic confidence sequence (Waudby-Smith et al. 2024); infinity for n <= 0.

    For averages with many events only: on rare events (fewer than 10) it is wrong, use the betting mixture.
    """
    if n <= 0:
        return math.inf
    r = asymptotic_r(n_opt, alpha if two_sided else 2 * alpha)
    inner = math.sqrt(n * r + 1) / (alpha if two_sided else 2 * alpha)
    logarithm = math.log(inner) if two_sided else math.log1p(inner)
    return math.sqrt(2 * (n * r + 1) * logarithm / (n * n * r))


class Bernstein:
    """Three numbers (n, S, V) instead of a histogram: V = sum (x_i - prediction_i)^2, prediction (S + .5)/(n + 1), first .5.

    Adds over partitions, each with its own predictions. Exact for the running conditional mean under any drift; about
    twice as wide as the betting mixture at n = 300. Unit weights only; for weights see `log_e_bernstein_weighted`.
    """

    __slots__ = ("n", "sum", "variance")

    def __init__(self, n: int = 0, total: float = 0.0, variance: float = 0.0) -> None:
        self.n, self.sum, self.variance = n, total, variance

    def add(self, x: float) -> None:
        """Counts one value in [0, 1]."""
        prediction = (self.sum + 0.5) / (self.n + 1)
        self.variance += (x - prediction) ** 2
        self.sum += x
        self.n += 1

    def merge(self, other: "Bernstein") -> "Bernstein":
        """The sum of two partitions' states."""
        return Bernstein(self.n + other.n, self.sum + other.sum, self.variance + other.variance)

    def log_e(self, m: float, alpha: float, side: Side, v_opt: float = 100.0) -> float:
        """Log evidence against "running mean <= m" (greater) or ">= m" (less); 0 without data.

        Gamma-exponential mixture (Howard et al. 2021), c = 1, scaled by rho(v_opt, 2 alpha).
        """
        if not self.n:
            return 0.0
        s = self.sum - self.n * m
        return _gamma_exponential(s if side == "greater" else -s, self.variance, rho(v_opt, 2 * alpha))


def log_e_bernstein_weighted(counts: Counts, m: float, alpha: float, side: Side, v_opt: float = 100.0) -> float:
    """As `Bernstein.log_e` for one weighted stream: increments v (x - m) with prediction 0, so V = sum v^2 (x - m)^2.

    Prediction 0 because whether a request is sampled is not known beforehand; wider than the unweighted form.
    """
    s = variance = 0.0
    for exponent, histogram in counts.items():
        v = 2.0**-exponent
        deviation = grid(histogram.shape[-1]) - m
        s += v * float(histogram @ deviation)
        variance += v * v * float(histogram @ deviation**2)
    return _gamma_exponential(s if side == "greater" else -s, variance, rho(v_opt, 2 * alpha))


def _gamma_exponential(s: float, variance: float, r: float) -> float:
    a, b = variance + r, s + variance + r
    if b <= 0:
        return _NONE
    tail, normal = float(gammainc(a, b)), float(gammainc(r, r))
    if tail <= 0.0:
        return _NONE
    return (
        r * math.log(r)
        - float(gammaln(r))
        - math.log(normal)
        + float(gammaln(a))
        + math.log(tail)
        - a * math.log(b)
        + s
        + variance
    )


@lru_cache(maxsize=64)
def _grid(bins: int) -> Floats:
    values = np.linspace(0.0, 1.0, bins) if bins != SIGNED_BINS else (np.array(SIGNED_VALUES) + 1.0) / 2.0
    values.setflags(write=False)
    return values


@lru_cache(maxsize=2048)
def log_factors(bins: int, m: float, side: Side, exponent: int) -> Floats:
    """T[x, j] = log1p(c_j v u(x)), shape (bins, J): with a fixed margin all streams are one matrix product."""
    table = _log_factors(_grid(bins), m, side, exponent)
    table.setflags(write=False)
    return table


def _log_factors(x: Floats, m: float, side: Side, exponent: int) -> Floats:
    u = x / m - 1.0 if side == "greater" else (1.0 - x) / (1.0 - m) - 1.0
    return np.log1p(np.outer(u, BETS * 2.0**-exponent))


def _log_e(counts: Counts, m: float, side: Side) -> Floats:
    wealth: Floats | float = 0.0
    for exponent, histogram in counts.items():
        wealth = wealth + histogram @ log_factors(histogram.shape[-1], m, side, exponent)
    if isinstance(wealth, float):
        return np.zeros(())
    return _mixture(wealth)


def _mixture(wealth: Floats) -> Floats:
    top = wealth.max(axis=-1)
    result: Floats = top + np.log(np.exp(wealth - top[..., None]).mean(axis=-1))
    return result


_Present = list[tuple[int, Floats, NDArray[np.int64] | Floats]]


def _present(counts: Counts) -> _Present:
    """Only the bins that hold anything: a root search evaluates tables at margins nobody asks for twice."""
    result = []
    for exponent, histogram in counts.items():
        held = np.flatnonzero(histogram)
        if len(held):
            result.append((exponent, _grid(histogram.shape[-1])[held], histogram[held]))
    return result


def _point_e(present: _Present, m: float, side: Side) -> float:
    wealth = sum((n @ _log_factors(x, m, side, exponent) for exponent, x, n in present), np.zeros(len(BETS)))
    return float(_mixture(wealth))
