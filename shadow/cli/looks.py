"""Looks at paired outcomes of a file, one after the other, for `shadow judge`."""

from collections.abc import Iterator
from typing import Any

from shadow.cli.paired import PairedFile
from shadow.settings import Policy
from shadow.stats.segments import segment_effects
from shadow.stats.spec import FoldSpec, parse_metric
from shadow.stats.state import PairState
from shadow.verdict.decide import decide
from shadow.verdict.evidence import Blocked, Context, Evidence
from shadow.verdict.holds import UTILITY
from shadow.verdict.result import Crossing, Verdict


def looks(policy: Policy, pairs: PairedFile, candidate: str, look_every: int | None) -> Iterator[tuple[Verdict, bool]]:
    """(verdict, whether it is the last) after every `look_every` units and after all; details for the last alone."""
    spec = FoldSpec.from_policy(policy, {policy.quality: "absolute"})
    context = _context(policy, pairs, candidate)
    states: dict[int, PairState] = {}
    latched: dict[str, Crossing] = {}
    units = pairs.units
    for n, unit in enumerate(units, start=1):
        state = states.get(unit.exponent)
        if state is None:
            state = states[unit.exponent] = PairState(spec.key)
        state.add(unit.pair, spec)
        final = n == len(units)
        if final or (look_every is not None and n % look_every == 0):
            verdict = decide(policy, Evidence(pairs=states, latched=latched), context, detail=final)
            latched.update({crossing.key: crossing for crossing in verdict.crossings})
            yield verdict, final


def _context(policy: Policy, pairs: PairedFile, candidate: str) -> Context:
    """Gates whose column is nowhere in the file are not evaluable; the rest is unknown to a file."""
    columns = ("score", "violation", "failure", "latency_seconds", "cost_usd")
    held = {name: any(None not in getattr(unit.pair, name) for unit in pairs.units) for name in columns}
    alone = {name: any(getattr(unit.pair, name)[0] is not None for unit in pairs.units) for name in columns}
    blocked: dict[str, Blocked] = {}
    for gate in policy.gates:
        metric = parse_metric(gate.metric)
        name = "" if metric is None else metric.name
        column = {"tail": "score", "slow": "latency_seconds", "latency": "latency_seconds"}.get(name, name)
        known = alone if gate.kind in ("rate", "quantile") and column != "score" else held
        if not known.get(column, False):
            blocked[gate.id] = Blocked(state="not_evaluable", reason=f"the file holds no {column} pairs")
    if policy.utility is not None:
        missing = [column for column in columns if column in policy.utility.reads and not held[column]]
        if missing:
            instead = ", or set the term's weight to 0" if policy.utility.kind == "log" else ""
            reason = f"the file holds no {' and no '.join(missing)} pairs; give them{instead}"
            blocked[UTILITY] = Blocked(state="not_evaluable", reason=reason)
    return Context(candidate=candidate, blocked=blocked, records_per_day=_per_day(pairs))


def _per_day(pairs: PairedFile) -> float | None:
    times = [unit.pair.ts_unix_ms for unit in pairs.units if unit.pair.ts_unix_ms is not None]
    span = (max(times) - min(times)) / 86_400_000 if times else 0.0
    return len(times) / span if span > 0 else None


def segments(policy: Policy, pairs: PairedFile) -> list[dict[str, Any]]:
    """Quality by segment, worst first; empty unless the file names several."""
    spec = FoldSpec.from_policy(policy, {policy.quality: "absolute"})
    states: dict[str, dict[int, PairState]] = {}
    if len({unit.segment for unit in pairs.units if unit.segment is not None}) < 2:
        return []
    for unit in pairs.units:
        if unit.segment is not None:
            of_class = states.setdefault(unit.segment, {})
            of_class.setdefault(unit.exponent, PairState(spec.key)).add(unit.pair, spec)
    margin = next((g.margin for g in policy.gates if g.kind == "mean_drop" and g.margin is not None), 0.05)
    return [
        {"segment": e.segment, "n": e.n, "state": e.state, "lower": e.lower, "point": e.point, "upper": e.upper}
        for e in segment_effects(states, margin=margin, alpha=policy.alpha.reject)
    ]
