"""How many records a gate needs, by running its own test on the counts that a given truth would give.

The tests of a verdict are functions of counts. Here they see expected counts, moved to the unlucky side by `LUCK` standard
errors: the n at which they then cross is the n by which about four of five real streams have crossed. Where a stream of
independent draws is simulated, that agrees with the tables of measured records to within their scatter.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy.special import ndtri

from shadow.settings import Gate
from shadow.stats import means, quantiles, rates
from shadow.stats.grid import EDGES_SECONDS
from shadow.stats.plan import bisect
from shadow.stats.spec import parse_metric
from shadow.verdict.gates import Levels, limit_of

LUCK = float(ndtri(0.8))
MOST_RECORDS = 1e9
_BINS = 401
_FIRST = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What the traffic is taken to look like. Shares are of all calls; `log_sd` is the spread of latency on the log scale.

    `same` is the share of calls on which two equal models do the same: there nothing can differ. `apart` holds measured
    shares of pairs in which only one of the two has an event, by metric; they replace `same`.
    """

    violation: float = 0.01
    failure: float = 0.01
    tail: float = 0.01
    slow: float = 0.01
    score_sd: float = 0.11
    log_sd: float = 0.5
    same: float = 0.5
    apart: Mapping[str, float] = field(default_factory=dict)

    def share(self, gate: Gate) -> float:
        """The share of calls that a gate on shares counts; `slow` for absolute limits of latency."""
        metric = parse_metric(gate.metric)
        name = metric.name if metric is not None else "violation"
        known = {"violation": self.violation, "failure": self.failure, "tail": self.tail}
        return known.get(name, self.slow)

    def one_sided(self, gate: Gate) -> float:
        """The share of pairs in which only the candidate has the event, for a candidate that equals the incumbent."""
        measured = self.apart.get(gate.metric.strip())
        share = self.share(gate)
        return share * (1 - share) * (1 - self.same) if measured is None else measured / 2


def records_when_equal(gate: Gate, truth: Truth, levels: Levels) -> float:
    """Pairs until the gate is proven for a candidate that equals the incumbent; infinity when it never is."""
    return _bisected(lambda n: proven(gate, n, limit_of(gate), truth, levels))


def records_when_worse(gate: Gate, truth: Truth, levels: Levels) -> float:
    """Pairs until the gate alone rejects a candidate that is off by twice what the gate allows; infinity when never.

    Twice: the margin or the maximum doubled, twice the allowed share above a latency, twice the allowed excess of a ratio.
    """
    return _bisected(lambda n: _rejected(gate, n, truth, levels))


def smallest(gate: Gate, n: float, truth: Truth, levels: Levels) -> float | None:
    """The tightest limit that n pairs prove for an equal candidate, in the gate's unit; None when none is.

    For an absolute limit of latency: the largest share of calls above it with which the gate is still proven.
    """
    if n < _FIRST:
        return None
    if gate.kind == "quantile":
        return _largest_share(gate, n, levels)
    if gate.kind == "quantile_ratio":
        found = _bisected(lambda excess: proven(gate, n, 1.0 + excess, truth, levels), first=1e-3, most=1e3)
        return None if math.isinf(found) else 1.0 + found
    first = truth.share(gate) if gate.kind == "rate" else 0.0
    found = _bisected(lambda extra: _within(gate, n, first + extra, truth, levels), first=1e-6, most=1.0)
    return None if math.isinf(found) else first + found


def proven(gate: Gate, n: float, limit: float, truth: Truth, levels: Levels) -> bool:
    """Whether expected counts of n pairs of an equal candidate prove the gate with this limit."""
    if gate.kind == "mean_drop":
        counts = _differences(n, 0.0, truth.score_sd, -1.0)
        return float(means.log_e_greater(counts, (1.0 - limit) / 2.0)) >= levels.ln_promote
    if gate.kind == "risk_difference":
        alone = truth.one_sided(gate)
        counts = _discordant(n, alone, alone, 1.0)
        return float(means.log_e_less(counts, (1.0 + limit) / 2.0)) >= levels.ln_promote
    if gate.kind == "rate":
        share = truth.share(gate)
        k = min(n, share * n + LUCK * math.sqrt(share * (1 - share) * n))
        n_opt = rates.n_to_prove(limit, levels.promote)
        return share < limit and rates.log_e_below(k, n, limit, levels.promote, n_opt) >= levels.ln_promote
    if gate.kind == "quantile":
        return _quantile_proven(gate, n, truth.slow, levels)
    low, high = _ratio(gate, n, 1.0, truth, levels.promote / 2, LUCK)
    return low > 0 and high / low < limit


def _rejected(gate: Gate, n: float, truth: Truth, levels: Levels) -> bool:
    limit = limit_of(gate)
    if gate.kind == "mean_drop":
        counts = _differences(n, -min(2 * limit, 1.0), truth.score_sd, 1.0)
        return float(means.log_e_less(counts, (1.0 - limit) / 2.0)) >= levels.ln_alone
    if gate.kind == "risk_difference":
        alone = truth.one_sided(gate)
        counts = _discordant(n, min(1.0, alone + 2 * limit), alone, -1.0)
        return float(means.log_e_greater(counts, (1.0 + limit) / 2.0)) >= levels.ln_alone
    if gate.kind == "rate":
        worse = min(1.0, 2 * limit)
        k = max(0.0, worse * n - LUCK * math.sqrt(worse * (1 - worse) * n))
        n_opt = rates.n_to_prove(limit, levels.promote)
        return k > limit * n and rates.log_e_above(k, n, limit, levels.reject, n_opt) >= levels.ln_alone
    if gate.kind == "quantile":
        q = gate.q or 0.5
        worse = min(1.0, 2 * (1 - q))
        over = round(max(0.0, worse * n - LUCK * math.sqrt(worse * (1 - worse) * n)))
        level = levels.reject / levels.items
        return quantiles.log_e_share({0: (over, round(n))}, q, level)[1] >= levels.ln_alone
    factor = 1.0 + 2 * (limit - 1.0)
    low, high = _ratio(gate, n, factor, truth, levels.reject / levels.items / 2, -LUCK)
    return math.isfinite(high) and low > limit * high


def _within(gate: Gate, n: float, limit: float, truth: Truth, levels: Levels) -> bool:
    return limit < 1.0 and proven(gate, n, limit, truth, levels)


def _largest_share(gate: Gate, n: float, levels: Levels) -> float | None:
    allowed = 1.0 - (gate.q or 0.5)
    if not _quantile_proven(gate, n, 0.0, levels):
        return None
    low, high = 0.0, allowed
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (middle, high) if _quantile_proven(gate, n, middle, levels) else (low, middle)
    return low


def _quantile_proven(gate: Gate, n: float, share: float, levels: Levels) -> bool:
    q = gate.q or 0.5
    over = round(min(n, share * n + LUCK * math.sqrt(share * (1 - share) * n)))
    within, _ = quantiles.log_e_share({0: (over, round(n))}, q, levels.promote)
    return share < 1 - q and within >= levels.ln_promote


def _discordant(n: float, only_candidate: float, only_reference: float, side: float) -> means.Counts:
    """Expected paired outcomes in {-1, 0, 1}, their mean moved by LUCK standard errors to `side`."""
    mean = only_candidate - only_reference
    sd = math.sqrt(max(0.0, only_candidate + only_reference - mean * mean))
    moved = side * LUCK * sd / math.sqrt(n) / 2
    bad = min(1.0, max(0.0, only_candidate + moved))
    good = min(1.0 - bad, max(0.0, only_reference - moved))
    return {0: np.array([n * good, n * (1 - good - bad), n * bad])}


def _differences(n: float, mean: float, sd: float, side: float) -> means.Counts:
    """Expected score differences on x = (D + 1) / 2: half equal, half apart by so much that the sd is right."""
    centre = mean + side * LUCK * sd / math.sqrt(n)
    apart = min(1.0, sd * math.sqrt(2.0))
    histogram = np.zeros(_BINS)
    for value, share in ((centre - apart, 0.25), (centre, 0.5), (centre + apart, 0.25)):
        place = (min(1.0, max(-1.0, value)) + 1.0) / 2.0 * (_BINS - 1)
        left = min(int(place), _BINS - 2)
        histogram[left] += n * share * (left + 1 - place)
        histogram[left + 1] += n * share * (place - left)
    return {0: histogram}


def _ratio(gate: Gate, n: float, factor: float, truth: Truth, alpha: float, side: float) -> tuple[float, float]:
    """(lower bound of the reference or candidate, upper bound of the other) for two log-normal arms of n records.

    For `factor` 1 the candidate's upper end over the reference's lower end decides; beyond it, its lower end over the
    reference's upper one.
    """
    q = gate.q or 0.5
    z = float(ndtri(q))
    density = math.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    moved = math.exp(side * truth.log_sd * math.sqrt(2 * q * (1 - q) / n) / density)
    reference = quantiles.bounds({0: _latencies(n, 1.0, truth.log_sd)}, q, alpha)
    candidate = quantiles.bounds({0: _latencies(n, factor * moved, truth.log_sd)}, q, alpha)
    return (reference[0], candidate[1]) if factor == 1.0 else (candidate[0], reference[1])


def _latencies(n: float, median_seconds: float, log_sd: float) -> dict[int, int]:
    z = (np.log(np.array(EDGES_SECONDS)) - math.log(median_seconds)) / log_sd
    below = np.round(n * np.array([0.5 * math.erfc(-x / math.sqrt(2.0)) for x in z])).astype(int)
    counts = np.diff(below, prepend=0)
    return {int(i): int(counts[i]) for i in np.flatnonzero(counts)}


def _bisected(holds: Callable[[float], bool], first: float = _FIRST, most: float = MOST_RECORDS) -> float:
    return bisect(holds, first, most)
