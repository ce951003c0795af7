"""Before any GPU is spent: records and days until each gate is decided, and the smallest difference that will be seen."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from shadow.app.checking import scorer_kinds
from shadow.app.expecting import Truth, records_when_equal, records_when_worse, smallest
from shadow.settings import Gate, Settings
from shadow.stats import FoldSpec, PairState, means, parse_metric, quantiles
from shadow.stats.spec import Metric
from shadow.verdict import words
from shadow.verdict.evidence import differences
from shadow.verdict.gates import Levels, limit_of
from shadow.verdict.policy import evaluable

DAYS = (1, 7, 30)
_Z95 = 1.6448536269514722
_ENOUGH = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Units that will count, per day; None where nobody knows. `words` says where the figure comes from."""

    units_per_day: float | None
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GatePlan:
    """One gate. Records are counted units, infinity is never; `share` of them have the pair that the gate reads.

    `smallest` holds, by days, the tightest limit that is proven then for an equal candidate (None: nothing is).
    """

    id: str
    asks: str
    unit: str
    blocked: str | None = None
    share: float = 1.0
    equal_records: float = math.inf
    worse_records: float = math.inf
    equal_days: float | None = None
    worse_days: float | None = None
    smallest: Mapping[int, float | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All gates, what was assumed, and what would decide sooner."""

    traffic: Traffic
    gates: tuple[GatePlan, ...]
    assumptions: tuple[str, ...]
    advice: str

    @property
    def records(self) -> float:
        """Counted units until the slowest gate that can be decided is proven; infinity when one never is."""
        return max((g.equal_records for g in self.gates if g.blocked is None), default=math.inf)


def plan(settings: Settings, truth: Truth, traffic: Traffic, sources: Iterable[str]) -> Plan:
    """The plan of a policy. `sources` are sentences that say where the assumptions in `truth` come from."""
    policy = settings.policy
    levels = Levels(promote=policy.alpha.promote, reject=policy.alpha.reject, items=len(policy.gates) + 1)
    prices = settings.incumbent.price is not None and all(c.price is not None for c in settings.candidates)
    blocked = evaluable(policy, scorer_kinds(settings), has_baseline=settings.baseline is not None, has_prices=prices)
    gates = []
    for gate in policy.gates:
        reason = blocked[gate.id].reason if gate.id in blocked else None
        gates.append(_gate(gate, settings, truth, traffic, levels, reason))
    return Plan(
        traffic=traffic,
        gates=tuple(gates),
        assumptions=(*sources, *_assumed(settings)),
        advice=_advice(settings, tuple(gates), truth, levels),
    )


def traffic_of(settings: Settings, records_per_day: float, turns: float, origin: str) -> Traffic:
    """From records a day in the topic: those of chosen sessions count, one turn of each.

    Of a session with k turns one is counted with probability 1 - 2^-k (the first always with counted_turn: first).
    """
    sampling = settings.sampling
    per_record = (1.0 if sampling.counted_turn == "first" or turns <= 1 else 1.0 - 2.0**-turns) / max(turns, 1.0)
    units = records_per_day * sampling.rate * per_record
    said = f"{records_per_day:,.0f} records a day {origin}, {words.percent(sampling.rate)} of sessions, {turns:g} turns each"
    return Traffic(units_per_day=units, words=f"{said}: {units:,.0f} count a day")


def truth_from(pairs: Mapping[int, PairState], spec: FoldSpec, truth: Truth) -> tuple[Truth, list[str]]:
    """`truth` with what the ledger's pairs show in place of defaults, and sentences about it. Pairs by weight class."""
    total = sum(state.pairs for state in pairs.values())
    if total < _ENOUGH:
        return truth, [] if not total else [f"the ledger holds {total} pairs only: the defaults are kept"]
    said = []
    apart: dict[str, float] = {}
    tables = ["violation", "failure", *(Metric("tail", t).table or "" for t in spec.tails)]
    for table in tables:
        n11, n10, n01, n00 = (sum(s.table(table)[i] for s in pairs.values()) for i in range(4))
        n = n11 + n10 + n01 + n00
        if n < _ENOUGH:
            continue
        share = (n11 + n01 + 0.5) / (n + 1)
        apart[table] = (n10 + n01 + 0.5) / (n + 1)
        truth = _with_share(truth, table, share)
        said.append(
            f"{words.subject(table)} {words.percent(share)}, different in {words.percent(apart[table])} of {n:,} pairs"
        )
    if (scores := means.hajek(differences(pairs))) is not None and scores.n >= _ENOUGH and scores.sd > 0:
        truth = replace(truth, score_sd=2 * scores.sd)
        said.append(f"score differences with a standard deviation of {2 * scores.sd:.3g}")
    histograms = {k: state.latency("alone")[0] for k, state in pairs.items()}
    middle, high = quantiles.point(histograms, 0.5), quantiles.point(histograms, 0.95)
    if middle and high and math.isfinite(high) and high > middle:
        truth = replace(truth, log_sd=math.log(high / middle) / _Z95)
        said.append(f"latency with a median of {words.seconds(middle)} and a P95 of {words.seconds(high)}")
    return replace(truth, apart=apart), [f"measured in the ledger: {'; '.join(said)}"] if said else []


def _with_share(truth: Truth, table: str, share: float) -> Truth:
    if table == "violation":
        return replace(truth, violation=share)
    return replace(truth, failure=share) if table == "failure" else replace(truth, tail=share)


def _gate(
    gate: Gate, settings: Settings, truth: Truth, traffic: Traffic, levels: Levels, blocked: str | None
) -> GatePlan:
    asks, unit = words.asks(gate, limit_of(gate), gate.q, gate.against), _unit(gate)
    if blocked is not None:
        return GatePlan(id=gate.id, asks=asks, unit=unit, blocked=blocked)
    share = _share(gate, settings)
    equal = records_when_equal(gate, truth, levels) / share
    worse = records_when_worse(gate, truth, levels) / share
    per_day = traffic.units_per_day
    found = {} if per_day is None else {d: smallest(gate, d * per_day * share, truth, levels) for d in DAYS}
    return GatePlan(
        id=gate.id,
        asks=asks,
        unit=unit,
        share=share,
        equal_records=equal,
        worse_records=worse,
        equal_days=_days(equal, per_day),
        worse_days=_days(worse, per_day),
        smallest=found,
    )


def _share(gate: Gate, settings: Settings) -> float:
    """The share of counted units that have this gate's pair: the baseline answers only some of them."""
    if settings.baseline is None:
        return 1.0
    metric = parse_metric(gate.metric)
    name = metric.name if metric is not None else ""
    comparative = scorer_kinds(settings).get(settings.policy.quality) == "comparative"
    needs = (
        (name in ("score", "tail") and comparative)
        or (gate.kind == "quantile_ratio" and gate.against == "baseline")
        or (name == "slow" and gate.kind == "risk_difference")
    )
    return settings.baseline.rate if needs else 1.0


def _days(records: float, per_day: float | None) -> float | None:
    return records / per_day if per_day and math.isfinite(records) else None


def _unit(gate: Gate) -> str:
    return {
        "risk_difference": "points",
        "rate": "share",
        "mean_drop": "score",
        "quantile": "share above",
        "quantile_ratio": "ratio",
    }[gate.kind]


def _assumed(settings: Settings) -> list[str]:
    found = [
        "records are counted units (one turn of a session); about four of five streams need no more",
        "equal: the candidate is as good as the incumbent; twice as bad: off by twice what the gate allows, rejected by it alone",
        "seen after: the tightest limit that is proven then for an equal candidate (for a limit in seconds: the largest share "
        "of slower answers)",
    ]
    if settings.sampling.strata:
        found.append("strata are left out: calls of an oversampled stratum weigh less, the others count as here")
    return found


def _advice(settings: Settings, gates: tuple[GatePlan, ...], truth: Truth, levels: Levels) -> str:
    """One sentence: what decides sooner, for the gate that takes longest."""
    open_gates = [g for g in gates if g.blocked is None]
    if not open_gates:
        return "No gate can be decided with this file; `shadow check` says what each of them lacks."
    slowest = max(open_gates, key=lambda g: g.equal_records)
    gate = next(g for g in settings.policy.gates if g.id == slowest.id)
    if math.isinf(slowest.equal_records):
        return (
            f"{gate.id} is never proven under these assumptions: what it limits is expected at or above its limit; "
            "raise the limit, or correct the assumption with --assume."
        )
    if slowest.share < 0.5:
        better = min(1.0, slowest.share * 4)
        return (
            f"{gate.id} takes longest, because only {words.percent(slowest.share)} of the calls have a baseline answer: "
            f"baseline.rate {better:g} in place of {slowest.share:g} decides it {better / slowest.share:g} times sooner."
        )
    wider = _wider(gate)
    asks = words.asks(wider, limit_of(wider), wider.q, wider.against)
    records = records_when_equal(wider, truth, levels)
    sooner = f"with {asks} it needs {records:,.0f} records in place of {slowest.equal_records:,.0f}"
    rate = settings.sampling.rate
    if rate < 1:
        return f"{gate.id} takes longest: sampling.rate 1 in place of {rate:g} decides it {1 / rate:g} times sooner; {sooner}."
    return f"{gate.id} takes longest, and every session is replayed already: {sooner}."


def _wider(gate: Gate) -> Gate:
    """The gate with twice the room."""
    if gate.margin is not None:
        return gate.model_copy(update={"margin": min(2 * gate.margin, 0.99)})
    if gate.kind == "quantile_ratio":
        return gate.model_copy(update={"max": 1 + 2 * ((gate.max or 1.0) - 1)})
    if gate.kind == "quantile":
        return gate.model_copy(update={"q": 1 - min(2 * (1 - (gate.q or 0.5)), 0.99)})
    return gate.model_copy(update={"max": min(2 * (gate.max or 0.0), 0.99)})
