"""Quality, cost and robustness weighed against each other: "5 % worse, 3x cheaper, 10x more robust" as one number.

kind: log. V = w_q ln(Q_c/Q_b) + w_c ln(C_b/C_c) + w_r ln((f_b + eps)/(f_c + eps)). Weights are exchange rates: w_c = 0.10 means that
ten percent cheaper is worth one percent of quality. Score and cost ratios are asymptotic, so the level is approximate.

kind: linear. u = score_usd * score - cost - violation_usd * violation, candidate minus reference call by call: one bounded
stream, with the betting mixture of `shadow.stats.means`. The level is exact, as far as no call costs more than declared.
"""

import math
from dataclasses import dataclass

import numpy as np

from shadow.settings import Utility
from shadow.stats import means, rates, ratios
from shadow.stats.state import NANO
from shadow.verdict import words
from shadow.verdict.evidence import Pairs, moments, size, worths
from shadow.verdict.mixed import Mix, Strand, span, total_point
from shadow.verdict.result import UtilityTerm

_COMPONENTS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    """The utility's interval and its terms, of a linear one in dollars a call. `missing` names what has no data; all numbers
    are None then; `refuted`: the declared range is. `log_e_bad` is the evidence of a linear one against "not below 0", an e-process."""

    n: int
    terms: tuple[UtilityTerm, ...] = ()
    lower: float | None = None
    point: float | None = None
    upper: float | None = None
    missing: str | None = None
    refuted: bool = False
    asymptotic: bool = True  # then `policy.min_records` applies
    log_e_bad: float | None = None


def weigh(utility: Utility, pairs: Pairs, alpha: float, *, factor: float = 1.0, mix: Mix | None = None) -> Weighed:
    """The utility with its confidence sequence. Of kind log: the interval sum of four components at alpha / 4 each; of kind
    linear: ends that each hold alone at 1 - alpha, over the fixed `mix` where there is one.

    `factor` imagines so many times the evidence of the same kind (planning). A weight of 0 leaves its
    term out. n is the smallest number of pairs behind a term.
    """
    if utility.kind == "linear":
        return _linear(utility, pairs, alpha, factor) if mix is None else _mixed(utility, pairs, alpha, mix)
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


def better_in_sum(utility: Utility, pairs: Pairs, alpha: float, factor: float, *, mix: Mix | None = None) -> bool:
    """Whether so many times the evidence of the same kind would have its lower bound above 0."""
    if utility.kind == "linear" and mix is not None:
        return span([strand.times(factor) for strand in _strands(utility, mix)], alpha)[0] > 0
    if utility.kind == "linear":
        return float(means.log_e_greater(_times(worths(pairs), factor), 0.5)) >= math.log(1.0 / alpha)
    return (weigh(utility, pairs, alpha, factor=factor).lower or 0.0) > 0


def _linear(utility: Utility, pairs: Pairs, alpha: float, factor: float) -> Weighed:
    if (refuted := _refuted(utility, pairs)) is not None:
        return refuted
    counts = worths(pairs)
    n = size(counts)
    if not n:
        needed = "score and cost" if not utility.violation_usd else "score, cost and violation"
        return Weighed(n=0, missing=f"no pairs whose {needed} are known for both arms", asymptotic=False)
    sums = ratios.paired_means(moments(pairs, "worth"))
    grown = _times(counts, factor)
    reach = range_usd(utility)
    ends = [(2.0 * x - 1.0) * reach for x in means.bounds(grown, alpha)]
    return Weighed(
        n=n,
        terms=() if sums is None else _arms(sums.c, sums.b),
        lower=ends[0],
        point=(2.0 * (means.mean(counts) or 0.5) - 1.0) * reach,
        upper=ends[1],
        asymptotic=False,
        log_e_bad=float(means.log_e_less(grown, 0.5)),
    )


def _mixed(utility: Utility, pairs: Pairs, alpha: float, mix: Mix) -> Weighed:
    if (refuted := _refuted(utility, pairs)) is not None:
        return refuted
    strands = _strands(utility, mix)
    point = total_point(strands)
    if point is None:
        without = sorted(name for name in mix.shares if not worths(mix.parts.get(name, {})))
        return Weighed(n=0, missing=words.lacking(without), asymptotic=False)
    sums = [ratios.paired_means(moments(mix.parts[name], "worth")) for name in mix.shares]
    shares = list(mix.shares.values())
    c, b = (
        sum(share * getattr(found, arm) for share, found in zip(shares, sums, strict=True) if found is not None)
        for arm in ("c", "b")
    )
    lower, upper = span(strands, alpha)
    n = sum(size(strand.counts) for strand in strands)
    return Weighed(n=n, terms=_arms(c, b), lower=lower, point=point, upper=upper, asymptotic=False)


def _strands(utility: Utility, mix: Mix) -> list[Strand]:
    reach = range_usd(utility)
    return [Strand(share, worths(mix.parts.get(name, {})), 2.0 * reach, -reach) for name, share in mix.shares.items()]


def _refuted(utility: Utility, pairs: Pairs) -> Weighed | None:
    beyond = sum(state.unknown.get("beyond_max_cost", 0) for state in pairs.values())
    if not beyond:
        return None
    calls = "1 call costs" if beyond == 1 else f"{beyond:,} calls cost"
    missing = f"{calls} more than utility.max_cost_usd ({utility.max_cost_usd:g}); raise it"
    return Weighed(n=0, missing=missing, refuted=True, asymptotic=False)


def _arms(candidate_nano: float, incumbent_nano: float) -> tuple[UtilityTerm, ...]:
    arms = (("candidate", candidate_nano / NANO), ("incumbent", -incumbent_nano / NANO))
    return tuple(UtilityTerm(name=name, lower=None, point=usd, upper=None) for name, usd in arms)


def range_usd(utility: Utility) -> float:
    """How far the worth of two answers can lie apart, by a linear utility."""
    return (utility.score_usd or 0.0) + (utility.violation_usd or 0.0) + (utility.max_cost_usd or 0.0)


def _times(counts: means.Counts, factor: float) -> means.Counts:
    return counts if factor == 1.0 else {k: h.astype(np.float64) * factor for k, h in counts.items()}


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
