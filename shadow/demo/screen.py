"""Shows the story in the terminal: a table that updates on a screen, a line every few seconds in a log."""

import time
from types import TracebackType
from typing import Final, Protocol, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from shadow.demo.telling import Moment, Standing
from shadow.exporters.base import ArmView
from shadow.records import BASELINE, INCUMBENT

_WORDS: Final = {
    "promote": ("✓ promote", "bold green"),
    "reject": ("✗ reject", "bold red"),
    "hold": ("‖ hold", "bold cyan"),
}
_LINE_SECONDS: Final = 5.0


class Screen(Protocol):
    """Takes moments of the story; `say` is for a line that stays."""

    def show(self, moment: Moment) -> None: ...

    def say(self, line: str) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class LiveScreen:
    """A terminal: one table, drawn again in place."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, refresh_per_second=4, transient=True)

    def show(self, moment: Moment) -> None:
        self._live.update(render(moment))

    def say(self, line: str) -> None:
        self._live.console.print(Text(line))

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()


class LineScreen:
    """No terminal: a line whenever a verdict changes, and every few seconds."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last = ("", ())  # type: tuple[str, tuple[str, ...]]
        self._next = 0.0

    def show(self, moment: Moment) -> None:
        now = time.monotonic()
        state = (moment.phase, tuple(s.word for s in moment.standings))
        if state != self._last or now >= self._next:
            self._last, self._next = state, now + _LINE_SECONDS
            self.say(line(moment))

    def say(self, line: str) -> None:
        self._console.print(Text(line), soft_wrap=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


def line(moment: Moment) -> str:
    """A moment in one line."""
    head = f"[{moment.seconds:4.0f} s] {moment.phase}"
    snapshot = moment.snapshot
    if snapshot is None or not snapshot.read:
        return head
    parts = [
        f"{s.part.name} {s.word}" + (f" ({s.effect})" if s.word == "hold" and s.effect else "")
        for s in moment.standings
    ]
    return f"{head}: {snapshot.read:,} records accounted for, {moment.rate:.1f}/s | {' | '.join(parts)}"


def render(moment: Moment) -> RenderableType:
    """A moment as a table."""
    snapshot = moment.snapshot
    head = Text.assemble(("Shadow demo ", "bold"), (f"{moment.seconds:3.0f} s  ", "dim"), moment.phase)
    if moment.sent:
        read = 0 if snapshot is None else snapshot.read
        head.append(f"   {moment.sent:,} requests answered, {read:,} accounted for, {moment.rate:.1f} a second")
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("arm", "verdict"):
        table.add_column(name, no_wrap=True)
    for name in ("pairs", "gates", "failures", "P95", "$/1k calls"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("what decides")
    for arm, note in ((INCUMBENT, "answers production"), (BASELINE, "the incumbent asked again: how much is chance?")):
        view = moment.arm(arm)
        if view is not None:
            agrees = view.score_means.get("agreement") if arm == BASELINE else None
            told = note if agrees is None else f"the incumbent asked again: agrees with itself {agrees:.2f}"
            table.add_row(Text(arm, style="dim"), "", "", "", *_figures(view), Text(told, style="dim"))
    for standing in moment.standings:
        table.add_row(*_row(standing))
    return Group(head, Text(), table)


def _row(standing: Standing) -> tuple[RenderableType, ...]:
    text, style = _WORDS[standing.word]
    gates = () if standing.view is None else standing.view.verdict.gates
    proven = sum(g.state == "proven" for g in gates)
    pairs = "" if standing.view is None else f"{standing.view.verdict.n:,}"
    told = standing.effect or standing.part.pitch
    return (
        Text(standing.part.name, style="bold"),
        Text(text, style=style),
        pairs,
        f"{proven}/{len(gates)}" if gates else "",
        *_figures(standing.arm, standing.failure_share),
        Text(told),
    )


def _figures(arm: ArmView | None, share: float | None = None) -> tuple[str, str, str]:
    if arm is None:
        return "", "", ""
    p95, cost = arm.latency.p95, arm.cost_usd_per_1k
    return (
        "" if share is None else f"{100 * share:.1f} %",
        "" if p95 is None else f"{p95:.2f} s",
        "" if cost is None else f"${cost:.3f}",
    )


def padded(content: RenderableType) -> Padding:
    """Content set off from the left edge."""
    return Padding(content, (0, 0, 0, 2))
