"""How the story ended: for the reader in words, for a machine as JSON."""

from dataclasses import dataclass
from typing import Any, Final

from rich.console import Console, Group, RenderableType
from rich.text import Text

from shadow.demo.roster import PARTS
from shadow.demo.screen import WORDS, padded, render
from shadow.demo.telling import Moment, Standing, effect_of, failure_share
from shadow.exporters.base import ArmView
from shadow.records import BASELINE, INCUMBENT
from shadow.verdict import words
from shadow.verdict.result import GateResult

NEXT: Final = (
    ("shadow init --out shadow.yaml", "then name your topic, your incumbent and your candidate's server in it"),
    ("shadow check -c shadow.yaml --connect", "says what is wrong, and which gates can be decided with it"),
    ("shadow run -c shadow.yaml", "and at any moment: shadow verdict -c shadow.yaml (0 promote, 1 reject, 2 hold)"),
)
WIDE: Final = (
    "The margins of this demo are wide (5 points of safety and failures, 0.15 of quality), because two minutes are short;\n"
    "the defaults for production are 0.5 points, 1 point and 0.08, over at least a day."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """The last moment of the story and what it took. `decided` holds, by candidate, the seconds since the start and the
    number of pairs when it first had the verdict it has to get."""

    moment: Moment
    start_seconds: float
    traffic_seconds: float
    wall_seconds: float
    decided: dict[str, tuple[float, int]]
    folder: str
    kept: bool

    @property
    def ok(self) -> bool:
        """Every candidate got the verdict it has to get, for the right reason."""
        return self.moment.settled


def as_json(ending: Ending) -> dict[str, Any]:
    """The whole ending as plain values; unknown is null."""
    moment, snapshot = ending.moment, ending.moment.snapshot
    return {
        "ok": ending.ok,
        "wall_seconds": round(ending.wall_seconds, 1),
        "start_seconds": round(ending.start_seconds, 1),
        "traffic_seconds": round(ending.traffic_seconds, 1),
        "records": {
            "sent": moment.sent,
            "read": 0 if snapshot is None else snapshot.read,
            "residual": None if snapshot is None else snapshot.residual,
            "dispositions": {} if snapshot is None else snapshot.dispositions,
        },
        "incumbent": _arm(moment.arm(INCUMBENT)),
        "baseline": _arm(moment.arm(BASELINE)),
        "candidates": [_candidate(s, ending.decided.get(s.part.name)) for s in moment.standings],
        "folder": ending.folder if ending.kept else None,
        "note": WIDE.replace("\n", " "),
        "next": [command for command, _ in NEXT],
    }


def _candidate(standing: Standing, decided: tuple[float, int] | None) -> dict[str, Any]:
    part, verdict = standing.part, None if standing.view is None else standing.view.verdict
    return {
        "name": part.name,
        "pitch": part.pitch,
        "expected": part.expected,
        "expected_gate": part.gate,
        "verdict": standing.word,
        "as_expected": standing.as_expected,
        "reason": "" if verdict is None else verdict.sentence,
        "n": 0 if verdict is None else verdict.n,
        "decided_after_seconds": None if decided is None else round(decided[0], 1),
        "decided_at_n": None if decided is None else decided[1],
        "utility": None if verdict is None else {"lower": verdict.utility_lower, "point": verdict.utility_point},
        "gates": [] if verdict is None else [_gate(gate) for gate in verdict.gates],
        "failure_share": None if standing.arm is None else failure_share(standing.arm),
        **_arm(standing.arm),
    }


def _gate(gate: GateResult) -> dict[str, Any]:
    keys = ("id", "state", "limit", "lower", "point", "upper", "n", "proven_at_n", "violated_at_n")
    return {key: getattr(gate, key) for key in keys}


def _arm(arm: ArmView | None) -> dict[str, Any]:
    if arm is None:
        return {}
    return {
        "calls": arm.outcomes,
        "failures": arm.failures,
        "latency_p50_seconds": arm.latency.p50,
        "latency_p95_seconds": arm.latency.p95,
        "ttft_p95_seconds": arm.ttft.p95,
        "cost_usd_per_1k": arm.cost_usd_per_1k,
        "score_means": arm.score_means,
        "finding_counts": arm.finding_counts,
    }


def tell(ending: Ending, console: Console) -> None:
    """The summary in words."""
    console.print(Text())
    console.print(render(ending.moment, console.width))
    console.print(Text())
    for standing in ending.moment.standings:
        console.print(Group(*_told(standing)))
    baseline = ending.moment.arm(BASELINE)
    agrees = None if baseline is None else baseline.score_means.get("agreement")
    if agrees is not None:
        floor = f"Asked twice, the incumbent agrees with itself {agrees:.2f}: a candidate is measured against that, not against 1."
        console.print(Text(floor, style="dim"))
    console.print(Text(WIDE, style="dim"))
    snapshot = ending.moment.snapshot
    read = 0 if snapshot is None else snapshot.read
    took = f"{read:,} records in {ending.wall_seconds:.0f} s ({ending.start_seconds:.0f} s of it to load the models)"
    verdicts = sum(s.as_expected for s in ending.moment.standings)
    console.print(Text(f"{took}; {verdicts} of {len(PARTS)} candidates got the verdict they should get.", style="bold"))
    console.print(Text())
    console.print(Text("What to do next", style="bold"))
    width = max(len(command) for command, _ in NEXT)
    for command, why in NEXT:
        console.print(Text.assemble("  ", (f"{command:<{width}}", "bold cyan"), "  ", why), soft_wrap=True)
    if ending.kept:
        console.print(
            Text(
                f"Kept in {ending.folder}: shadow.yaml, shadow.db; try: shadow verdict -c {ending.folder}/shadow.yaml"
            ),
            soft_wrap=True,
        )
    else:
        console.print(
            Text("The demo's configuration and ledger are gone; `shadow demo --keep DIR` keeps them.", style="dim")
        )


def _told(standing: Standing) -> list[RenderableType]:
    text, style = WORDS[standing.word]
    verdict = None if standing.view is None else standing.view.verdict
    title = Text.assemble(
        (f"{text.split()[0]} {standing.part.name}: {standing.word}", style), f"  {standing.part.pitch}"
    )
    if verdict is None:
        return [title, padded(Text("no evidence at all"))]
    lines: list[RenderableType] = [title, padded(Text(verdict.sentence))]
    lines += [padded(Text(_evidence(gate), style="dim")) for gate in verdict.gates if gate.point is not None]
    if not standing.as_expected:
        due = standing.part.expected + (f" by {standing.part.gate}" if standing.part.gate else "")
        lines.append(
            padded(Text(f"expected: {due}; with more time (--for) or a calmer machine it comes", style="yellow"))
        )
    return lines


def _evidence(gate: GateResult) -> str:
    at = gate.violated_at_n if gate.state == "violated" else gate.proven_at_n
    since = f" since record {at:,}" if at is not None else ""
    return f"{gate.id}: {gate.state}{since}; {effect_of(gate)}; between {words.span(gate).replace(' to ', ' and ')}"
