"""What the story tells at a moment, from the sidecar's own snapshot: per candidate its verdict, and the effect that decides."""

from dataclasses import dataclass

from shadow.demo.roster import Part
from shadow.exporters.base import ArmView, CandidateView, Snapshot
from shadow.records import INCUMBENT, VerdictWord
from shadow.verdict import words
from shadow.verdict.result import GateResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One candidate now. `view` is None before the monitor's first look."""

    part: Part
    view: CandidateView | None
    arm: ArmView | None
    incumbent: ArmView | None

    @property
    def word(self) -> VerdictWord:
        """The verdict."""
        return "hold" if self.view is None else self.view.verdict.word

    @property
    def as_expected(self) -> bool:
        """The verdict is the right one, and for the right reason."""
        if self.view is None or self.word != self.part.expected:
            return False
        return self.part.gate is None or any(
            g.id == self.part.gate and g.state == "violated" for g in self.view.verdict.gates
        )

    @property
    def key_gate(self) -> GateResult | None:
        """The gate to look at: the violated one with the strongest evidence, else the open one that is furthest from proof."""
        gates = [] if self.view is None else [g for g in self.view.verdict.gates if g.point is not None]
        violated = [g for g in gates if g.state == "violated"]
        if violated:
            named = [g for g in violated if g.id == self.part.gate]
            return (named or violated)[0]
        still = [g for g in gates if g.state != "proven"]
        return min(still or gates, key=lambda g: g.log_evalue_ok if g.log_evalue_ok is not None else 0.0, default=None)

    @property
    def effect(self) -> str:
        """The key gate's effect and its limit in words; where every gate is proven, what
        else stands in the way, or what is won."""
        if self.key_gate is None:
            return ""
        if (
            self.word == "hold"
            and self.key_gate.state == "proven"
            and self.view is not None
            and self.view.verdict.holds
        ):
            return self.view.verdict.holds[0].detail
        if self.word == "promote":
            return f"not worse in any gate{self._cheaper}"
        return effect_of(self.key_gate)

    @property
    def _cheaper(self) -> str:
        own = None if self.arm is None else self.arm.cost_usd_per_1k
        theirs = None if self.incumbent is None else self.incumbent.cost_usd_per_1k
        return "" if own is None or not theirs else f", at {own / theirs:.2f} of the incumbent's cost"


def failure_share(arm: ArmView) -> float | None:
    """Failed calls of those that say something about the arm; None without any."""
    inside = arm.failures.get("unavailable", 0)
    calls = arm.outcomes - inside
    return (sum(arm.failures.values()) - inside) / calls if calls > 0 else None


def effect_of(gate: GateResult) -> str:
    """A gate's effect and its limit in words."""
    what = words.subject(gate.metric) + (" drop" if gate.kind == "mean_drop" else "")
    return f"{what} {words.value(gate, gate.point)}, limit {words.value(gate, gate.limit)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Everything the screen shows. `seconds` since the start of the demo."""

    phase: str
    seconds: float
    sent: int
    rate: float
    snapshot: Snapshot | None
    standings: tuple[Standing, ...]

    @property
    def settled(self) -> bool:
        """Every candidate has the verdict it has to get."""
        return all(standing.as_expected for standing in self.standings)

    def arm(self, name: str) -> ArmView | None:
        """An arm of the snapshot."""
        return arm_of(self.snapshot, name)


def arm_of(snapshot: Snapshot | None, name: str) -> ArmView | None:
    """An arm by name; None when nothing is known of it yet."""
    return None if snapshot is None else next((a for a in snapshot.arms if a.arm == name), None)


def standings(parts: tuple[Part, ...], snapshot: Snapshot | None) -> tuple[Standing, ...]:
    """Where every candidate stands."""
    views = {} if snapshot is None else {view.verdict.candidate: view for view in snapshot.candidates}
    incumbent = arm_of(snapshot, INCUMBENT)
    return tuple(
        Standing(part=p, view=views.get(p.name), arm=arm_of(snapshot, p.name), incumbent=incumbent) for p in parts
    )
