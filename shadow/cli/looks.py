"""Looks at paired outcomes of a file, one after the other, for `shadow judge`: as the sidecar looks at its ledger."""

from collections.abc import Iterator
from typing import Any

from shadow.cli.paired import PairedFile, Unit
from shadow.errors import ShadowError
from shadow.settings import Policy
from shadow.stats.aa import NO_ROUTE, Scores, route_of
from shadow.stats.fold import OVERALL
from shadow.stats.grid import SCORE_BINS, rounded_bin, uniforms
from shadow.stats.spec import FoldSpec, parse_metric
from shadow.stats.state import PairState
from shadow.verdict.calibrated import with_calibration
from shadow.verdict.calibration import Calibration, answers_of, calibrate, evidence_of
from shadow.verdict.decide import decide
from shadow.verdict.evidence import Blocked, Context, Evidence, parts_of
from shadow.verdict.holds import UTILITY
from shadow.verdict.result import Crossing, Verdict
from shadow.verdict.segments import SegmentResult, segment_results, segment_verdicts

_HOUR_MS = 3_600_000


class Judging:
    """Adds the units of a file up and looks at them.

    `comparative`: the policy's quality is a comparative scorer, and the second score of a line is the incumbent's own when
    it is asked again; then routes (segments `route=NAME`) are classified by it, and some do not count. `calibration` and
    `segments` are those of the last look. Raises ShadowError where the policy fixes shares of segments that the file lacks.
    """

    def __init__(self, policy: Policy, pairs: PairedFile, candidate: str, *, comparative: bool = False) -> None:
        self._policy, self._pairs, self._comparative = policy, pairs, comparative
        self._spec = FoldSpec.from_policy(policy, {policy.quality: "comparative" if comparative else "absolute"})
        self._context = _context(policy, pairs, candidate)
        self._states: dict[str, dict[int, PairState]] = {OVERALL: {}}
        self._aa: Scores = {}
        self.calibration: Calibration | None = None
        self.segments: tuple[SegmentResult, ...] = ()
        named = {unit.segment for unit in pairs.units if unit.segment is not None}
        unknown = sorted(set(policy.shares) - named)
        if unknown:
            there = ", ".join(sorted(named)[:10]) or "none"
            raise ShadowError(f"policy.shares: no line has the segment {unknown[0]!r}; in the file are {there}")
        self._by_segment = len(named) > 1 or comparative

    def looks(self, look_every: int | None) -> Iterator[tuple[Verdict, bool]]:
        """(verdict, whether it is the last) after every `look_every` units and after all; details for the last alone."""
        latched: dict[str, Crossing] = {}
        units = self._pairs.units
        for n, unit in enumerate(units, start=1):
            self._add(unit)
            final = n == len(units)
            if final or (look_every is not None and n % look_every == 0):
                verdict = self._look(latched, final)
                latched.update({crossing.key: crossing for crossing in verdict.crossings})
                yield verdict, final

    def _add(self, unit: Unit) -> None:
        for segment in (OVERALL, unit.segment if self._by_segment else None):
            if segment is None:
                continue
            states = self._states.setdefault(segment, {})
            state = states.get(unit.exponent)
            if state is None:
                state = states[unit.exponent] = PairState(self._spec.key)
            state.add(unit.pair, self._spec)
        reference = unit.pair.score[1]
        if self._comparative and reference is not None:
            route = (route_of(unit.segment) if unit.segment is not None else None) or NO_ROUTE
            hours = self._aa.setdefault(route, {})
            histogram = hours.setdefault((unit.pair.ts_unix_ms or 0) // _HOUR_MS, {}).setdefault(unit.exponent, {})
            index = rounded_bin(reference, SCORE_BINS, uniforms(unit.pair.id)[2])
            histogram[index] = histogram.get(index, 0) + 1

    def _look(self, latched: dict[str, Crossing], final: bool) -> Verdict:
        context, pairs = self._context, self._states
        if self._comparative:
            self.calibration = calibrate(self._policy, answers_of(self._aa), pairs, "baseline")
            context = with_calibration(context, self._policy, self.calibration)
            pairs = evidence_of(pairs, self.calibration)
        evidence = Evidence(pairs=pairs[OVERALL], parts=parts_of(self._policy, pairs), latched=latched)
        verdict = decide(self._policy, evidence, context, detail=final)
        if final and len(pairs) > 2:
            verdicts = segment_verdicts(self._policy, pairs, {}, context)
            self.segments = segment_results(self._policy, verdicts, {})
        return verdict


def segment_object(result: SegmentResult) -> dict[str, Any]:
    """A segment for machines: `gate` is the comparing gate with most evidence against it, its bounds in the gate's unit."""
    gate = result.gate
    return {
        "segment": result.segment,
        "n": result.n,
        "state": result.state,
        "gate": gate.id if gate is not None else None,
        "lower": gate.lower if gate is not None else None,
        "point": gate.point if gate is not None else None,
        "upper": gate.upper if gate is not None else None,
        "limit": gate.limit if gate is not None else None,
        "log_evalue": result.log_evalue,
    }


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
