"""Many questions at once (segments, scorers, arms): which discoveries survive, whatever their dependence."""

import math
from collections.abc import Sequence


def e_bh(log_e_values: Sequence[float], alpha: float) -> list[int]:
    """Indices of the hypotheses rejected at false discovery rate `alpha`: the k largest, k = max{k : e_(k) >= K/(alpha k)}.

    Source: Wang and Ramdas 2022; any dependence. Valid for e-values of the same moment, never for running maxima: adjust
    those with `log_adjusted_supremum` first. Empty for no hypotheses.
    """
    total = len(log_e_values)
    order = sorted(range(total), key=lambda i: -log_e_values[i])
    kept = 0
    for k, index in enumerate(order, start=1):
        if log_e_values[index] >= math.log(total / (alpha * k)):
            kept = k
    return sorted(order[:kept])


def log_adjusted_supremum(log_supremum: float) -> float:
    """Log of an e-value made of a running maximum E* >= 1 of an e-process: ln(sqrt(E*) - 1); -inf for E* = 1.

    Needed when "the largest ever seen" is reported or latched (Dawid et al. 2011; sqrt(x) - 1 is an adjuster).
    """
    half = log_supremum / 2.0
    if half <= 0.0:
        return -math.inf
    return half + math.log(-math.expm1(-half))


def log_mean(log_e_values: Sequence[float], count: int) -> float:
    """ln((1/count) sum E): the average of concurrent e-processes is one, whatever their dependence; missing ones add 0."""
    finite = [v for v in log_e_values if v > -math.inf]
    if not finite or count <= 0:
        return -math.inf
    top = max(finite)
    return top + math.log(sum(math.exp(v - top) for v in finite)) - math.log(count)
