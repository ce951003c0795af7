"""A verdict that a person understands at first sight: as a terminal table and as a comment for a pull request."""

from typing import TYPE_CHECKING

from shadow.settings import Policy
from shadow.verdict import words
from shadow.verdict.calibrated import lines as calibration_lines
from shadow.verdict.calibration import Calibration
from shadow.verdict.mixed import unfixed
from shadow.verdict.result import GateResult, Verdict

if TYPE_CHECKING:
    from rich.console import RenderableType

_STATES = {
    "proven": ("✔", "proven", "green"),
    "violated": ("✘", "violated", "bold red"),
    "undecided": ("…", "open", "yellow"),
    "uncalibrated": ("?", "uncalibrated", "magenta"),
    "not_evaluable": ("–", "no data", "magenta"),
}
_WORDS = {"promote": "bold green", "reject": "bold red", "hold": "bold yellow"}
_COLUMNS = ("", "gate", "asks", "effect", "between", "n")


def render(verdict: Verdict, policy: Policy | None = None, calibration: Calibration | None = None) -> "RenderableType":
    """A rich renderable: headline, sentence, one row a gate, the utility's terms, the noise floor, further reasons to hold.

    `policy` adds quantiles to the wording; without it the gates' results alone are read.
    """
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in _COLUMNS:
        table.add_column(name, justify="right" if name in ("effect", "n") else "left", overflow="fold")
    for gate in verdict.gates:
        mark, state, style = _STATES[gate.state]
        name = f"{gate.id}{' (hard)' if gate.hard else ''}"
        cells = _cells(gate, policy)
        table.add_row(Text(f"{mark} {state}", style=style), Text(name), *(Text(cell) for cell in cells))
    parts: list[RenderableType] = [
        Text(words.headline(verdict), style=_WORDS[verdict.word]),
        Text(verdict.sentence),
        Text(""),
        table,
    ]
    if verdict.utility:
        parts += [Text(""), Text(_utility_line(verdict))]
    if policy is not None and policy.shares:
        parts += [Text(""), Text(_mix_line(policy))]
    if calibration is not None:
        parts += [Text(""), *(Text(line) for line in calibration_lines(calibration))]
    parts += [Text(f"  {hold.reason}: {hold.detail}", style="dim") for hold in verdict.holds[1:]]
    return Group(*parts)


def text(
    verdict: Verdict, policy: Policy | None = None, calibration: Calibration | None = None, *, width: int = 120
) -> str:
    """The same as plain text without colours."""
    from io import StringIO

    from rich.console import Console

    buffer = StringIO()
    Console(file=buffer, width=width, color_system=None, legacy_windows=False).print(
        render(verdict, policy, calibration)
    )
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines()) + "\n"


def markdown(verdict: Verdict, policy: Policy | None = None, calibration: Calibration | None = None) -> str:
    """The verdict as a comment for a pull request."""
    lines = [
        f"### Shadow: {_md(words.headline(verdict))}",
        "",
        _md(verdict.sentence),
        "",
        "| state | gate | asks | effect | between | n |",
        "|---|---|---|---:|---|---:|",
    ]
    for gate in verdict.gates:
        mark, state, _ = _STATES[gate.state]
        name = f"**{_md(gate.id)}** (hard)" if gate.hard else _md(gate.id)
        lines.append(f"| {mark} {state} | {name} | {' | '.join(_md(cell) for cell in _cells(gate, policy))} |")
    if verdict.utility:
        lines += ["", _md(_utility_line(verdict))]
    if policy is not None and policy.shares:
        lines += ["", _md(_mix_line(policy))]
    if calibration is not None:
        lines += ["", *(f"- {_md(line)}" for line in calibration_lines(calibration))]
    lines += ["", *(f"- `{hold.reason}`: {_md(hold.detail)}" for hold in verdict.holds)] if verdict.holds else []
    lines += ["", "Each bound holds alone, however often anyone looked."]
    return "\n".join(lines) + "\n"


def _cells(gate: GateResult, policy: Policy | None) -> tuple[str, str, str, str]:
    setting = next((g for g in policy.gates if g.id == gate.id), None) if policy is not None else None
    asks = words.asks(gate, gate.limit, setting.q if setting else None, setting.against if setting else "baseline")
    between = words.span(gate)
    if gate.state in ("uncalibrated", "not_evaluable"):
        between = gate.reason or "–"
    return asks, words.value(gate, gate.point), between, f"{gate.n:,}"


def _utility_line(verdict: Verdict) -> str:
    def number(value: float | None) -> str:
        return words.worth(verdict.utility_kind, value)

    terms = ", ".join(f"{term.name} {number(term.point)}" for term in verdict.utility)
    return (
        f"utility {number(verdict.utility_point)} (between {number(verdict.utility_lower)} "
        f"and {number(verdict.utility_upper)}, has to be above 0): {terms}"
    )


def _mix_line(policy: Policy) -> str:
    shares = ", ".join(f"{name} {words.percent(share)}" for name, share in policy.shares.items())
    left = unfixed(policy)
    return (
        f"over the mix that the policy fixes: {shares}{f'; as the traffic comes: {words.listed(left)}' if left else ''}"
    )


def _md(text_: str) -> str:
    """Table cells may not hold a bar or a line break; names come from a configuration file."""
    return text_.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
