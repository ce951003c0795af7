"""What the pages say of candidates: snapshots turned into words and positions. Pure functions; templates only place them."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from shadow.exporters.base import ArmView, CandidateView, Quantiles, Snapshot
from shadow.records import INCUMBENT, VerdictWord
from shadow.settings import Policy
from shadow.verdict import words
from shadow.verdict.result import GateResult, GateState, HoldReason, SegmentState, UtilityTerm, Verdict
from shadow.verdict.segments import SegmentResult
from shadow.web import formats as f
from shadow.web.charts import EffectBar, effect_bar
from shadow.web.wellbeing import Fact

WORDS: dict[VerdictWord, str] = {"promote": "Promote", "reject": "Reject", "hold": "Hold"}
HOLDS: dict[HoldReason, str] = {
    "undecided": "not enough evidence yet",
    "uncalibrated": "no noise floor to compare with",
    "not_evaluable": "a gate has no data",
    "equivalent": "equivalent: neither better nor worse",
    "too_early": "too early",
    "stale": "no fresh traffic",
    "mix_drift": "the traffic changed",
    "scorer_drift": "a scorer changed",
    "unavailable": "not available enough",
    "alarm": "an alarm is active",
}
GATE_STATES: dict[GateState, str] = {
    "proven": "within",
    "violated": "violated",
    "undecided": "undecided",
    "uncalibrated": "uncalibrated",
    "not_evaluable": "no data",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRow:
    """One gate as a line: what it asks, where its interval lies, what that means."""

    gate: GateResult
    title: str
    bar: EffectBar | None
    lower: str
    point: str
    upper: str
    interval: str
    limit: str
    floor: str | None
    state: str
    reason: str
    spoken: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateCard:
    """One candidate as the overview shows it."""

    name: str
    word: str
    title: str
    sentence: str
    since: str
    since_iso: str
    n: str
    arm: ArmView | None
    arm_state: str
    gates: tuple[GateRow, ...]
    holds: tuple[tuple[str, str], ...]
    latency: tuple[Fact, ...]
    facts: tuple[Fact, ...]


def _failed(arm: ArmView) -> tuple[int, int]:
    """(failures that count, calls that were answered or failed); calls inside an outage are in neither."""
    inside = arm.failures.get("unavailable", 0)
    return sum(arm.failures.values()) - inside, max(arm.outcomes - inside, 0)


def failure_share(arm: ArmView | None) -> float | None:
    """Failures per call outside outages, None without calls."""
    if arm is None:
        return None
    failures, calls = _failed(arm)
    return failures / calls if calls else None


def findings(arm: ArmView | None) -> int | None:
    """Findings of all scorers together, None without calls."""
    return None if arm is None or arm.outcomes == 0 else sum(arm.finding_counts.values())


def _compared(name: str, mine: float | None, other: float | None, show: Any) -> Fact:
    """A figure beside the incumbent's; less is better."""
    value = show(mine)
    if mine is None or other is None:
        return Fact(name=name, value=value, note="" if other is None else f"incumbent {show(other)}")
    ratio = mine / other if other > 0 else None
    tone = "" if ratio is None or 0.95 <= ratio <= 1.05 else ("good" if ratio < 1 else "bad")
    factor = f", {ratio:.2f}×" if ratio is not None else ""
    return Fact(name=name, value=value, note=f"incumbent {show(other)}{factor}", tone=tone)


def _latency(mine: Quantiles, other: Quantiles) -> tuple[Fact, ...]:
    return (
        _compared("P50", mine.p50, other.p50, f.seconds),
        _compared("P95", mine.p95, other.p95, f.seconds),
        _compared("P99", mine.p99, other.p99, f.seconds),
    )


def _interval(lower: str, upper: str) -> str:
    """Both ends; a unit that both share is said once."""
    number, _, unit = upper.partition(" ")
    return f"{lower.removesuffix(f' {unit}') if unit else lower} to {number}{f' {unit}' if unit else ''}"


def gate_row(gate: GateResult, policy: Policy) -> GateRow:
    """One gate in words and positions."""
    q = next((g.q for g in policy.gates if g.id == gate.id), None)
    lower, point, upper = (f.effect(gate.kind, v) for v in (gate.lower, gate.point, gate.upper))
    title, limit, state = (
        f.gate_title(gate.kind, gate.metric, q),
        f.limit(gate.kind, gate.limit),
        GATE_STATES[gate.state],
    )
    bar = effect_bar(gate)
    interval = f"between {lower} and {upper}" if bar is not None else "no data"
    to_go = f"about {f.count(gate.records_to_go)} records to go" if gate.records_to_go is not None else ""
    return GateRow(
        gate=gate,
        title=title,
        bar=bar,
        lower=lower,
        point=point,
        upper=upper,
        interval=_interval(lower, upper),
        limit=limit,
        floor=None if gate.floor is None else f.effect(gate.kind, gate.floor),
        state=state,
        reason=gate.reason or to_go,
        spoken=f"{title}: {interval}, {limit}: {state}",
    )


def card(view: CandidateView, snapshot: Snapshot, policy: Policy) -> CandidateCard:
    """One candidate with its arm beside the incumbent's."""
    verdict = view.verdict
    arms = {arm.arm: arm for arm in snapshot.arms}
    mine, incumbent = arms.get(verdict.candidate), arms.get(INCUMBENT)
    nothing = Quantiles()
    return CandidateCard(
        name=verdict.candidate,
        word=verdict.word,
        title=WORDS[verdict.word],
        sentence=verdict.sentence,
        since=f.NO_DATA if view.since_unix_ms is None else f.age(snapshot.at_unix_ms - view.since_unix_ms),
        since_iso="" if view.since_unix_ms is None else f.iso(view.since_unix_ms),
        n=f.count(verdict.n),
        arm=mine,
        arm_state=(mine.state if mine is not None else None) or "unknown",
        gates=tuple(gate_row(gate, policy) for gate in verdict.gates),
        holds=tuple((HOLDS[hold.reason], hold.detail or (hold.gate or "")) for hold in verdict.holds),
        latency=_latency(
            mine.latency if mine is not None else nothing, incumbent.latency if incumbent is not None else nothing
        ),
        facts=(
            _compared(
                "Cost per 1,000 calls",
                None if mine is None else mine.cost_usd_per_1k,
                None if incumbent is None else incumbent.cost_usd_per_1k,
                f.usd,
            ),
            _compared("Failures", failure_share(mine), failure_share(incumbent), lambda v: f.percent(v, 2)),
            _findings_fact(mine, incumbent),
            *_tail_fact(view),
        ),
    )


def _tail_fact(view: CandidateView) -> tuple[Fact, ...]:
    """The depth of the tail, beside the reference's: a report that decides nothing. Empty without scores."""
    mine, other = view.tail, view.tail_reference
    if mine is None:
        return ()
    beside = "" if other is None else f"; reference {other.point:.2f}"
    name = f"Mean of the lowest {f.percent(mine.share, 0)} of scores"
    return (Fact(name=name, value=f"{mine.point:.2f}", note=f"{mine.lower:.2f} to {mine.upper:.2f}{beside}"),)


def _findings_fact(mine: ArmView | None, incumbent: ArmView | None) -> Fact:
    """Findings as counts, judged by their share of calls: arms answer different numbers of calls."""
    here, there = findings(mine), findings(incumbent)
    note = "" if there is None else f"incumbent {f.count(there)}"
    tone = ""
    if mine is not None and incumbent is not None and here is not None and there is not None:
        excess = here / mine.outcomes - there / incumbent.outcomes
        tone = "bad" if excess > 0.005 else ""
    return Fact(name="Findings", value=f.count(here), note=note, tone=tone)


SEGMENT_STATES: dict[SegmentState, tuple[str, str]] = {
    "worse": ("worse", "violated"),
    "not_worse": ("not worse", "proven"),
    "insufficient": ("insufficient evidence", "undecided"),
}
"""Words of a segment's state, and the gate state that has its look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentRow:
    """One segment: its state, and the gate that most speaks against it."""

    name: str
    n: str
    state: str
    look: str
    alarm: bool
    gate: str
    interval: str
    point: str
    limit: str
    evidence: str


def segment_rows(results: Iterable[SegmentResult]) -> tuple[SegmentRow, ...]:
    """Segments as lines, in their order."""
    return tuple(_segment_row(result) for result in results)


def _segment_row(result: SegmentResult) -> SegmentRow:
    gate = result.gate
    state, look = SEGMENT_STATES[result.state]
    known = gate is not None and gate.point is not None
    lower, point, upper = (
        (f.effect(gate.kind, v) for v in (gate.lower, gate.point, gate.upper)) if gate is not None else (f.NO_DATA,) * 3
    )
    return SegmentRow(
        name=result.segment,
        n=f.count(result.n),
        state=state,
        look=look,
        alarm=result.alarm,
        gate=gate.id if gate is not None else f.NO_DATA,
        interval=_interval(lower, upper) if known else "",
        point=point,
        limit=f.limit(gate.kind, gate.limit).replace("at most ", "") if gate is not None else f.NO_DATA,
        evidence=f.signed(result.log_evalue, 1) if math.isfinite(result.log_evalue) else f.NO_DATA,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class UtilityRow:
    """One addend of the utility and its interval."""

    name: str
    lower: str
    point: str
    upper: str


def utility_rows(verdict: Verdict) -> tuple[UtilityRow, ...]:
    """Every addend, and their sum last; empty without a utility."""
    if verdict.utility_point is None and not verdict.utility:
        return ()
    total = UtilityTerm(
        name="sum", lower=verdict.utility_lower, point=verdict.utility_point, upper=verdict.utility_upper
    )

    def show(value: float | None) -> str:
        if value is None:
            return f.NO_DATA
        return words.worth("linear", value) if verdict.utility_kind == "linear" else f.signed(value, 3)

    return tuple(
        UtilityRow(name=t.name, lower=show(t.lower), point=show(t.point), upper=show(t.upper))
        for t in (*verdict.utility, total)
    )


def failure_kinds(arm: ArmView | None) -> tuple[tuple[str, int], ...]:
    """Failures by kind, most frequent first; calls inside outages last."""
    if arm is None:
        return ()
    return tuple(sorted(arm.failures.items(), key=lambda item: (item[0] == "unavailable", -item[1], item[0])))


def history(view: CandidateView, at_unix_ms: int) -> tuple[tuple[str, str, str, str], ...]:
    """(when, how long ago, word, n) of every verdict, newest first."""
    return tuple((f.moment(ms), f.age(at_unix_ms - ms), word, f.count(n)) for ms, word, n in reversed(view.history))


def find(snapshot: Snapshot, name: str) -> CandidateView | None:
    """The candidate of that name."""
    return next((view for view in snapshot.candidates if view.verdict.candidate == name), None)


def scorers_of(arms: Iterable[ArmView]) -> Sequence[str]:
    """Every scorer that some arm has a mean of."""
    return sorted({name for arm in arms for name in arm.score_means})
