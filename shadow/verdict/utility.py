"""Quality, cost and robustness weighed against each other: "5 % worse, 3x cheaper, 10x more robust" as one number.

V = w_q ln(Q_c/Q_b) + w_c ln(C_b/C_c) + w_r ln((f_b + eps)/(f_c + eps)). Weights are exchange rates: w_c = 0.10 means that
ten percent cheaper is worth one percent of quality. Score and cost ratios are asymptotic, so the level is approximate.
"""

import math
from dataclasses import dataclass

import numpy as np

from shadow.settings import Utility
from shadow.stats import means, rates, ratios
from shadow.verdict.evidence import Pairs, moments
from shadow.verdict.result import UtilityTerm

_COMPONENTS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    """The utility's interval and its terms. `missing` names what has no data; all numbers are None then."""

    n: int
    terms: tuple[UtilityTerm, ...] = ()
    lower: float | None = None
    point: float | None = None
    upper: float | None = None
    missing: str | None = None


def weigh(utility: Utility, pairs: Pairs, alpha: float, *, factor: float = 1.0) -> Weighed:
    """The utility with its confidence sequence: the interval sum of four components at alpha / 4 each.

    `factor` imagines so many times the evidence of the same kind (planning). A weight of 0 leaves its
    term out. n is the smallest number of pairs behind a term.
    """
    terms: list[UtilityTerm] = []
    sizes: list[int] = []
    for name, sums, weight in (("quality", "score", utility.quality), ("cost", "cost", -utility.cost)):
        if not weight:
            continue
        found = ratios.paired_means(moments(pairs, sums))
        if found is None:
            return Weighed(n=0, missing="no score pairs" if sums == "score" else "no cost of both arms (price sheet)")
        sizes.append(sum(m.n for m in moments(pairs, sums).values()))
        found = found._replace(n=found.n * factor)
        low, high = ratios.ratio_interval(found, alpha / _COMPONENTS)
        terms.append(_term(name, weight, low, ratios.ratio_point(found), high))
    if utility.robustness:
        robustness = _robustness(utility, pairs, alpha / _COMPONENTS, factor)
        if robustness is None:
            return Weighed(n=0, missing="no failure pairs")
        sizes.append(sum(sum(state.table("failure")) for state in pairs.values()))
        terms.append(robustness)
    return Weighed(
        n=min(sizes, default=0),
        terms=tuple(terms),
        lower=_sum([t.lower for t in terms]),
        point=_sum([t.point for t in terms]),
        upper=_sum([t.upper for t in terms]),
    )


def _robustness(utility: Utility, pairs: Pairs, alpha: float, factor: float) -> UtilityTerm | None:
    ends = []
    for first, second in ((0, 1), (0, 2)):  # candidate: n11 + n10; reference: n11 + n01
        counts: dict[int, means.Floats] = {}
        for exponent, state in pairs.items():
            cells = state.table("failure")
            if sum(cells):
                failed = cells[first] + cells[second]
                counts[exponent] = factor * np.array([sum(cells) - failed, failed], dtype=np.float64)
        if not counts:
            return None
        centre = means.mean(counts) or 0.0
        if set(counts) == {0}:
            low, high = rates.interval(float(counts[0][1]), float(counts[0].sum()), alpha, rates.N_OPT_UTILITY)
        else:
            low, high = means.interval(counts, alpha)
        ends.append((low + utility.eps, centre + utility.eps, high + utility.eps))
    (c_low, c_point, c_high), (b_low, b_point, b_high) = ends
    w = utility.robustness
    return UtilityTerm(
        name="robustness",
        lower=w * math.log(b_low / c_high),
        point=w * math.log(b_point / c_point),
        upper=w * math.log(b_high / c_low),
    )


def _term(name: str, weight: float, low: float, point: float | None, high: float) -> UtilityTerm:
    """weight * ln(ratio), the ends swapped for a negative weight; infinite ends where the ratio's are 0 or infinite."""
    ends = sorted(weight * _ln(ratio) for ratio in (low, high))
    return UtilityTerm(name=name, lower=ends[0], point=None if not point else weight * _ln(point), upper=ends[1])


def _ln(ratio: float) -> float:
    if ratio <= 0.0:
        return -math.inf
    return math.log(ratio) if math.isfinite(ratio) else math.inf


def _sum(values: list[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return sum(known) if len(known) == len(values) and known else None
