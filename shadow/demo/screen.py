"""Shows the story in the terminal: a table that updates on a screen, a line every few seconds in a log."""

import time
from types import TracebackType
from typing import Final, Protocol, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from shadow.demo.telling import Moment, Standing, failure_share
from shadow.exporters.base import ArmView
from shadow.records import BASELINE, INCUMBENT

WORDS: Final = {
    "promote": ("✓ promote", "bold green"),
    "reject": ("✗ reject", "bold red"),
    "hold": ("‖ hold", "bold cyan"),
}
_REFERENCES: Final = {INCUMBENT: "answers production", BASELINE: "the incumbent asked again"}
_LINE_SECONDS: Final = 5.0
_WIDE: Final = 104


class Screen(Protocol):
    """Takes moments of the story; `say` is for a line that stays, after `end` nothing is drawn again."""

    def show(self, moment: Moment) -> None: ...

    def say(self, line: str) -> None: ...

    def end(self) -> None: ...

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
        self._live.update(render(moment, self._console.width))

    def say(self, line: str) -> None:
        self._live.console.print(Text(line))

    def end(self) -> None:
        self._live.stop()

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
        self._last: tuple[str, tuple[str, ...]] = ("", ())
        self._next = 0.0

    def show(self, moment: Moment) -> None:
        now = time.monotonic()
        state = (moment.phase, tuple(s.word for s in moment.standings))
        if state != self._last or now >= self._next:
            self._last, self._next = state, now + _LINE_SECONDS
            self.say(line(moment))

    def say(self, line: str) -> None:
        self._console.print(Text(line), soft_wrap=True)

    def end(self) -> None:
        pass

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


def render(moment: Moment, width: int = 120) -> RenderableType:
    """A moment as a table; a narrow terminal gets fewer columns."""
    wide = width >= _WIDE
    snapshot = moment.snapshot
    head = Text.assemble(("Shadow demo ", "bold"), (f"{moment.seconds:3.0f} s  ", "dim"), moment.phase)
    if moment.sent:
        read = 0 if snapshot is None else snapshot.read
        head.append(f"   {moment.sent:,} requests, {read:,} accounted for, {moment.rate:.1f} a second")
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("arm", "verdict"):
        table.add_column(name, no_wrap=True)
    for name in ("pairs", "gates", "failures", "P95", "$/1k calls") if wide else ("pairs", "$/1k calls"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("what decides")
    for arm in (INCUMBENT, BASELINE):
        view = moment.arm(arm)
        if view is not None:
            told = Text(_REFERENCES[arm] + _agreement(view), style="dim")
            cells = ("", "", *_figures(view)) if wide else ("", _cost(view))
            table.add_row(Text(arm, style="dim"), "", *cells, told)
    for standing in moment.standings:
        table.add_row(*_row(standing, wide=wide))
    return Group(head, Text(), table)


def _row(standing: Standing, *, wide: bool) -> tuple[RenderableType, ...]:
    text, style = WORDS[standing.word]
    gates = () if standing.view is None else standing.view.verdict.gates
    proven = f"{sum(g.state == 'proven' for g in gates)}/{len(gates)}" if gates else ""
    pairs = "" if standing.view is None else f"{standing.view.verdict.n:,}"
    cells = (pairs, proven, *_figures(standing.arm)) if wide else (pairs, _cost(standing.arm))
    told = Text(standing.effect or standing.part.pitch)
    return Text(standing.part.name, style="bold"), Text(text, style=style), *cells, told


def _figures(arm: ArmView | None) -> tuple[str, str, str]:
    share = None if arm is None else failure_share(arm)
    p95 = None if arm is None else arm.latency.p95
    return (
        "" if share is None else f"{100 * share:.1f} %",
        "" if p95 is None else f"{p95:.2f} s",
        _cost(arm),
    )


def _cost(arm: ArmView | None) -> str:
    return "" if arm is None or arm.cost_usd_per_1k is None else f"${arm.cost_usd_per_1k:.3f}"


def _agreement(arm: ArmView) -> str:
    agrees = arm.score_means.get("agreement")
    return "" if agrees is None else f": agrees with itself {agrees:.2f}"


def padded(content: RenderableType) -> Padding:
    """Content set off from the left edge."""
    return Padding(content, (0, 0, 0, 2))
