"""One gate at one look: how strongly the evidence speaks for "within the limit" and for "beyond it".

Bounds shown: each end alone holds at 1 - alpha.promote at every look, so that a gate is proven exactly when its bound
lies within the limit.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from shadow.settings import Gate
from shadow.stats import means, plan, quantiles, rates
from shadow.stats.spec import Metric, parse_metric, slow_table
from shadow.verdict.evidence import Pairs, differences, events, paired_events, size

Bounds = tuple[float | None, float | None, float | None]
"""lower, point, upper; None where nothing is known."""

_UNKNOWN: Bounds = (None, None, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """Error rates of a look. `items` is G: gates + 1, over which rejection is averaged."""

    promote: float
    reject: float
    items: int

    @property
    def ln_promote(self) -> float:
        """ln(1 / alpha.promote)."""
        return math.log(1.0 / self.promote)

    @property
    def ln_reject(self) -> float:
        """ln(1 / alpha.reject)."""
        return math.log(1.0 / self.reject)

    @property
    def ln_alone(self) -> float:
        """ln(G / alpha.reject): evidence of this size rejects alone."""
        return math.log(self.items / self.reject)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A gate's evidence. `leaning`: the present estimate lies within the limit. `share` is what it adds to the averaged
    rejection (log). `bounds` and `to_go` are computed on demand. `lacking`: segments of a fixed mix without data."""

    n: int
    proven: bool = False
    leaning: bool = False
    paged: bool = False
    share: float = -math.inf
    log_ok: float | None = None
    log_bad: float | None = None
    bounds: Callable[[], Bounds] = lambda: _UNKNOWN
    to_go: Callable[[], int | None] = lambda: None
    lacking: tuple[str, ...] = ()


def limit_of(gate: Gate) -> float:
    """The number a gate compares with, in the unit of its bounds."""
    value = {
        "risk_difference": gate.margin,
        "mean_drop": gate.margin,
        "rate": gate.max,
        "quantile": gate.max_seconds,
        "quantile_ratio": gate.max,
    }[gate.kind]
    return math.inf if value is None else value


def measure(gate: Gate, pairs: Pairs, levels: Levels) -> Measured:
    """The evidence of one gate; n = 0 when its metric has no data (or names nothing that is counted)."""
    metric = parse_metric(gate.metric)
    if metric is None:
        return Measured(n=0)
    if gate.kind == "mean_drop":
        return _mean_drop(gate, pairs, levels)
    if gate.kind == "quantile":
        return _quantile(gate, pairs, levels)
    if gate.kind == "quantile_ratio":
        return _quantile_ratio(gate, pairs, levels)
    if metric.table is None:
        return Measured(n=0)
    return (_risk_difference if gate.kind == "risk_difference" else _rate)(gate, metric, pairs, levels)


def point(gate: Gate, pairs: Pairs) -> float | None:
    """The gate's estimate on any states, such as the A/A floor; None without data."""
    return measure(gate, pairs, Levels(promote=0.05, reject=0.05, items=1)).bounds()[1]


def _mean_drop(gate: Gate, pairs: Pairs, levels: Levels) -> Measured:
    counts = differences(pairs)
    m = (1.0 - limit_of(gate)) / 2.0

    def bounds() -> Bounds:
        low, high = means.bounds(counts, levels.promote)
        centre = means.mean(counts)
        return 1.0 - 2.0 * high, None if centre is None else 1.0 - 2.0 * centre, 1.0 - 2.0 * low

    ok, bad = float(means.log_e_greater(counts, m)), float(means.log_e_less(counts, m))
    return _of_means(counts, m, "greater", ok, bad, bounds, levels)


def _risk_difference(gate: Gate, metric: Metric, pairs: Pairs, levels: Levels) -> Measured:
    counts = paired_events(pairs, metric.table or "")
    m = (1.0 + limit_of(gate)) / 2.0

    def bounds() -> Bounds:
        low, high = means.bounds(counts, levels.promote)
        centre = means.mean(counts)
        return 2.0 * low - 1.0, None if centre is None else 2.0 * centre - 1.0, 2.0 * high - 1.0

    ok, bad = float(means.log_e_less(counts, m)), float(means.log_e_greater(counts, m))
    return _of_means(counts, m, "less", ok, bad, bounds, levels)


def _of_means(
    counts: means.Counts,
    m: float,
    ok_side: means.Side,
    ok: float,
    bad: float,
    bounds: Callable[[], Bounds],
    levels: Levels,
) -> Measured:
    n = size(counts)
    centre = means.mean(counts)
    distance = -math.inf if centre is None else centre - m if ok_side == "greater" else m - centre

    def to_go() -> int | None:
        summary = means.hajek(counts)
        if summary is None or distance <= 0:
            return None
        log_e = means.log_e_greater if ok_side == "greater" else means.log_e_less

        def grown(units: float) -> bool:
            scaled: means.Counts = {k: h.astype(np.float64) * (units / n) for k, h in counts.items()}
            return float(log_e(scaled, m)) >= levels.ln_promote

        planned = plan.plan_n(distance, summary.sd, levels.promote)
        if not math.isfinite(planned):
            return None
        return plan.remaining(max(planned * n / summary.n, plan.bisect(grown, n)), n)

    return Measured(
        n=n,
        proven=n > 0 and ok >= levels.ln_promote,
        leaning=distance > 0,
        paged=bad >= levels.ln_reject,
        share=bad if n else -math.inf,
        log_ok=ok if n else None,
        log_bad=bad if n else None,
        bounds=bounds if n else lambda: _UNKNOWN,
        to_go=to_go if n else lambda: None,
    )


def _rate(gate: Gate, metric: Metric, pairs: Pairs, levels: Levels) -> Measured:
    counts = events(pairs, metric.table or "")
    limit = limit_of(gate)
    if not set(counts) <= {0}:
        ok, bad = float(means.log_e_less(counts, limit)), float(means.log_e_greater(counts, limit))

        def weighted() -> Bounds:
            low, high = means.bounds(counts, levels.promote)
            return low, means.mean(counts), high

        return _of_means(counts, limit, "less", ok, bad, weighted, levels)
    n = size(counts)
    if not n:
        return Measured(n=0)
    k = float(counts[0][1])
    n_opt = rates.n_to_prove(limit, levels.promote)

    def bounds() -> Bounds:
        low, high = rates.bounds(k, n, levels.promote, n_opt)
        return low, k / n, high

    def to_go() -> int | None:
        def grown(units: float) -> bool:
            e = rates.log_e_below(k * units / n, units, limit, levels.promote, n_opt)
            return e >= levels.ln_promote

        return plan.remaining(plan.bisect(grown, n), n) if k / n < limit else None

    ok = rates.log_e_below(k, n, limit, levels.promote, n_opt)
    bad = rates.log_e_above(k, n, limit, levels.reject, n_opt)
    return Measured(
        n=n,
        proven=ok >= levels.ln_promote,
        leaning=k / n < limit,
        paged=bad >= levels.ln_reject,
        share=bad,
        log_ok=ok,
        log_bad=bad,
        bounds=bounds,
        to_go=to_go,
    )


def _quantile(gate: Gate, pairs: Pairs, levels: Levels) -> Measured:
    q, table = gate.q or 0.5, slow_table(limit_of(gate))
    above = {k: state.candidate_counts(table) for k, state in pairs.items() if state.candidate_counts(table)[1]}
    n = sum(units for _, units in above.values())
    if not n:
        return Measured(n=0)

    def bounds() -> Bounds:
        histograms = {k: state.latency("alone")[0] for k, state in pairs.items()}
        low, high = quantiles.bounds(histograms, q, levels.promote)
        return low, quantiles.point(histograms, q), high

    def to_go() -> int | None:
        def grown(units: float) -> bool:
            scaled = {k: (round(over * units / n), round(all_ * units / n)) for k, (over, all_) in above.items()}
            return quantiles.log_e_share(scaled, q, levels.promote)[0] >= levels.ln_promote

        return plan.remaining(plan.bisect(grown, n), n)

    ok, _ = quantiles.log_e_share(above, q, levels.promote)
    _, bad = quantiles.log_e_share(above, q, levels.reject / levels.items)
    _, own = quantiles.log_e_share(above, q, levels.reject)
    return Measured(
        n=n,
        proven=ok >= levels.ln_promote,
        leaning=sum(2.0**-k * (over - (1 - q) * units) for k, (over, units) in above.items()) < 0,
        paged=own >= levels.ln_reject,
        share=levels.ln_alone if bad >= levels.ln_alone else -math.inf,
        log_ok=ok,
        log_bad=own,
        bounds=bounds,
        to_go=to_go,
    )


def _quantile_ratio(gate: Gate, pairs: Pairs, levels: Levels) -> Measured:
    q, limit = gate.q or 0.5, limit_of(gate)
    both = {k: state.latency(gate.against) for k, state in pairs.items()}
    candidate = {k: c for k, (c, _) in both.items() if c}
    reference = {k: r for k, (_, r) in both.items() if r}
    n = sum(sum(h.values()) for h in candidate.values())
    if not n:
        return Measured(n=0)

    def ends(alpha: float, factor: float = 1.0) -> tuple[float, float]:
        """The ratio's interval, each arm at alpha / 2."""
        c = {k: _scaled(h, factor) for k, h in candidate.items()} if factor != 1.0 else candidate
        b = {k: _scaled(h, factor) for k, h in reference.items()} if factor != 1.0 else reference
        low_c, high_c = quantiles.bounds(c, q, alpha / 2)
        low_b, high_b = quantiles.bounds(b, q, alpha / 2)
        low = low_c / high_b if math.isfinite(high_b) else 0.0
        return low, high_c / low_b if low_b > 0 else math.inf

    low, high = ends(levels.promote)
    of_c, of_b = quantiles.point(candidate, q), quantiles.point(reference, q)
    ratio = of_c / of_b if of_c is not None and of_b is not None and math.isfinite(of_b) else None

    def bounds() -> Bounds:
        return low, ratio, high

    def to_go() -> int | None:
        planned = plan.bisect(lambda units: ends(levels.promote, units / n)[1] < limit, n, 1e7)
        return plan.remaining(planned, n)

    return Measured(
        n=n,
        proven=high < limit,
        leaning=ratio is not None and ratio < limit,
        paged=gate.hard and ends(levels.reject)[0] > limit,
        share=levels.ln_alone
        if (ratio or math.inf) > limit and ends(levels.reject / levels.items)[0] > limit
        else -math.inf,
        bounds=bounds,
        to_go=to_go,
    )


def _scaled(histogram: dict[int, int], factor: float) -> dict[int, int]:
    return {index: round(count * factor) for index, count in histogram.items()}
