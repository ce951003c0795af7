"""Rates and paired binary outcomes, valid at every look, rare events included.

k events among n units of weight one. For weighted units every function of `means` applies to the histogram
{exponent: [non-events, events]} (rates) or {exponent: [n01, n11 + n00, n10]} (paired differences).
"""

import math
from functools import lru_cache

from scipy.optimize import brentq
from scipy.special import betainc, betaincc, betaln

N_OPT_UTILITY = 2000
N_OPT_RARE = 5000
_NONE = -math.inf
_EDGE = 1e-12


@lru_cache(maxsize=1024)
def scale(n_opt: float, alpha: float) -> float:
    """K of the beta mixture that is tightest at n_opt units: max(n_opt / (2L + ln(1 + 2L)) - 1, 1), L = ln(1/alpha)."""
    log_inverse = math.log(1.0 / alpha)
    return max(n_opt / (2 * log_inverse + math.log1p(2 * log_inverse)) - 1.0, 1.0)


def log_e(k: float, n: float, p: float, alpha: float, n_opt: float) -> float:
    """Two-sided log evidence against "rate = p", p in (0, 1): ln B(a+k, b+n-k)/B(a,b) - k ln p - (n-k) ln(1-p), a = Kp, b = K(1-p).

    Source: beta-binomial mixture (Robbins 1970; Howard et al. 2021). Large on both sides of p, so it is no one-sided
    evidence: use `log_e_above` and `log_e_below` there. 0 for n = 0.
    """
    big_k = scale(n_opt, alpha)
    a, b = big_k * p, big_k * (1.0 - p)
    return float(betaln(a + k, b + n - k) - betaln(a, b)) - k * math.log(p) - (n - k) * math.log1p(-p)


def interval(k: float, n: float, alpha: float, n_opt: float) -> tuple[float, float]:
    """Confidence sequence {p : E(p) < 1/alpha}; both ends together and each alone hold at 1 - alpha. (0, 1) for n = 0."""
    if n <= 0:
        return 0.0, 1.0
    level, centre = math.log(1.0 / alpha), k / n

    def excess(p: float) -> float:
        return log_e(k, n, p, alpha, n_opt) - level

    lower, upper = 0.0, 1.0
    if k > 0:
        inner = min(centre, 1.0 - _EDGE)
        lower = float(brentq(excess, _EDGE, inner, xtol=1e-12)) if excess(_EDGE) > 0 > excess(inner) else 0.0
    if k < n:
        inner = max(centre, _EDGE)
        upper = float(brentq(excess, inner, 1 - _EDGE, xtol=1e-12)) if excess(1 - _EDGE) > 0 > excess(inner) else 1.0
    return lower, upper


def log_e_above(k: float, n: float, p: float, alpha: float, n_opt: float) -> float:
    """One-sided log evidence against "rate <= p": the mixture truncated to rates above p.

    Minus infinity on underflow, that is when everything speaks for the null: rounding evidence down is valid, a floor
    would turn into false evidence. 0 for n = 0.
    """
    big_k = scale(n_opt, alpha)
    a, b = big_k * p, big_k * (1.0 - p)
    return _truncated(k, n, p, a, b, float(betaincc(a + k, b + n - k, p)), float(betaincc(a, b, p)))


def log_e_below(k: float, n: float, p: float, alpha: float, n_opt: float) -> float:
    """One-sided log evidence against "rate >= p": the mixture truncated to rates below p. As `log_e_above` otherwise."""
    big_k = scale(n_opt, alpha)
    a, b = big_k * p, big_k * (1.0 - p)
    return _truncated(k, n, p, a, b, float(betainc(a + k, b + n - k, p)), float(betainc(a, b, p)))


def bounds(k: float, n: float, alpha: float, n_opt: float) -> tuple[float, float]:
    """(lower, upper), each end alone valid at 1 - alpha: where the truncated mixtures reach 1/alpha. (0, 1) for n = 0."""
    if n <= 0:
        return 0.0, 1.0
    level, centre = math.log(1.0 / alpha), min(max(k / n, 2e-9), 1 - 2e-9)

    def low(p: float) -> float:
        return max(log_e_above(k, n, p, alpha, n_opt), -1e6) - level

    def high(p: float) -> float:
        return max(log_e_below(k, n, p, alpha, n_opt), -1e6) - level

    lower = float(brentq(low, 1e-9, centre, xtol=1e-12)) if k > 0 and low(1e-9) > 0 > low(centre) else 0.0
    upper = float(brentq(high, centre, 1 - 1e-9, xtol=1e-12)) if k < n and high(1 - 1e-9) > 0 > high(centre) else 1.0
    return lower, upper


def n_to_prove(limit: float, alpha: float) -> float:
    """The n_opt of a gate with this limit: 4 / limit, tightest about where a candidate without events is proven."""
    return 4.0 / limit


def log_e_mcnemar(only_candidate: int, only_reference: int) -> float:
    """Log evidence against "the candidate is not worse" from discordant pairs (n10: only the candidate is bad, n01: only
    the reference): ln 2^(n10+n01) B_{>1/2}(1+n10, 1+n01) / B_{>1/2}(1, 1).

    Minus infinity where the tail underflows: the candidate is then far better. 0 without discordant pairs. With a
    margin use the betting mixture on d in {-1, 0, 1}.
    """
    tail = float(betaincc(1.0 + only_candidate, 1.0 + only_reference, 0.5))
    if tail <= 0.0:
        return _NONE
    whole = float(betaln(1.0 + only_candidate, 1.0 + only_reference))
    return (only_candidate + only_reference) * math.log(2.0) + whole + math.log(tail) - math.log(0.5)


def _truncated(k: float, n: float, p: float, a: float, b: float, tail: float, prior_tail: float) -> float:
    if tail <= 0.0 or prior_tail <= 0.0:
        return _NONE
    likelihood = k * math.log(p) + (n - k) * math.log1p(-p)
    return float(betaln(a + k, b + n - k) - betaln(a, b)) + math.log(tail) - math.log(prior_tail) - likelihood
