"""How many records each gate will need, before any evidence: for a candidate that is as good as the incumbent."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from shadow.settings import Gate, Policy
from shadow.stats import means, plan, quantiles, rates
from shadow.stats.grid import EDGES_SECONDS
from shadow.stats.spec import parse_metric
from shadow.verdict.gates import limit_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumptions:
    """What the traffic is taken to look like: shares of all calls, the sd of the paired score difference, and the log-normal
    spread of latency. Take them from the arms' states where there are any."""

    violation_rate: float = 0.01
    failure_rate: float = 0.01
    tail_rate: float = 0.02
    score_sd: float = 0.11
    latency_log_sd: float = 0.5
    p95_seconds: float | None = None


def forecast(
    policy: Policy, assumptions: Assumptions | None = None, *, shares: Mapping[str, float] | None = None
) -> dict[str, float]:
    """Records until each gate is proven with a chance of about 80 %, by gate id; infinity where it never will be.

    The candidate is taken to equal the incumbent. `shares`: the share of records in which a gate's pair exists (the
    baseline's rate for comparative scores and latency ratios), 1 where absent.
    """
    taken = assumptions or Assumptions()
    alpha = policy.alpha.promote
    return {gate.id: _records(gate, alpha, taken) / (shares or {}).get(gate.id, 1.0) for gate in policy.gates}


def _records(gate: Gate, alpha: float, taken: Assumptions) -> float:
    metric = parse_metric(gate.metric)
    limit = limit_of(gate)
    if metric is None:
        return math.inf
    if gate.kind == "mean_drop":
        return plan.plan_n(limit, taken.score_sd, alpha)
    if gate.kind == "quantile_ratio":
        return plan.bisect(lambda n: _ratio_proven(n, gate.q or 0.5, limit, alpha, taken.latency_log_sd), 20.0, 1e7)
    rate = {
        "violation": taken.violation_rate,
        "failure": taken.failure_rate,
        "tail": taken.tail_rate,
        "slow": 0.05,
    }.get(metric.name, 0.05)
    if gate.kind == "quantile":
        return _quantile_records(gate, limit, alpha, taken)
    if gate.kind == "rate":
        if rate >= limit:
            return math.inf
        n_opt, slack = rates.n_to_prove(limit, alpha), float(ndtri(0.8)) * math.sqrt(rate * (1 - rate))

        def proven(n: float) -> bool:
            return rates.log_e_below(min(rate * n + slack * math.sqrt(n), n), n, limit, alpha, n_opt) >= -math.log(
                alpha
            )

        return plan.bisect(proven, 2.0)

    def grown(n: float) -> bool:
        return float(means.log_e_less({0: np.array([0.0, n, 0.0])}, (1.0 + limit) / 2.0)) >= -math.log(alpha)

    return max(plan.plan_n(limit, math.sqrt(2 * rate * (1 - rate)), alpha), plan.bisect(grown, 2.0))


def _quantile_records(gate: Gate, limit: float, alpha: float, taken: Assumptions) -> float:
    """From the assumed P95 and spread; infinity where no P95 is assumed or it lies beyond the limit."""
    if taken.p95_seconds is None:
        return math.inf
    median_log = math.log(taken.p95_seconds) - taken.latency_log_sd * float(ndtri(0.95))
    over = 1.0 - _normal_cdf((math.log(limit) - median_log) / taken.latency_log_sd)
    q = gate.q or 0.5
    if over >= 1.0 - q:
        return math.inf

    def proven(n: float) -> bool:
        return quantiles.log_e_share({0: (round(over * n), round(n))}, q, alpha)[0] >= -math.log(alpha)

    return plan.bisect(proven, 2.0)


def _ratio_proven(n: float, q: float, limit: float, alpha: float, log_sd: float) -> bool:
    """Whether two equal log-normal arms of n records show a ratio below the limit."""
    edges = np.log(np.array(EDGES_SECONDS))
    cumulated = np.round(n * np.vectorize(_normal_cdf)(edges / log_sd)).astype(int)
    counts = np.diff(cumulated, prepend=0)
    histogram = {int(i): int(counts[i]) for i in np.flatnonzero(counts)}
    low, high = quantiles.bounds({0: histogram}, q, alpha / 2)
    return low > 0 and high / low < limit


def _normal_cdf(z: float) -> float:
    return 0.5 * math.erfc(-z / math.sqrt(2.0))
