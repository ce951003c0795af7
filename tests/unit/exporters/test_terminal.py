"""One screen says what needs a person, and hostile names cannot steer the terminal."""

from dataclasses import replace
from io import StringIO

from builders_snapshot import a_snapshot, a_verdict, empty_snapshot
from rich.console import Console, RenderableType

from shadow.exporters.terminal import render_live, render_status


def shown(renderable: RenderableType, width: int = 120) -> str:
    console = Console(file=StringIO(), width=width, color_system=None)
    console.print(renderable)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    return str(text)


def test_status_names_what_needs_a_person_before_anything_else() -> None:
    text = shown(render_status(a_snapshot()))

    assert text.index("Needs a person") < text.index("promote")
    for expected in (
        "lag 12",
        "accounted",
        "✗ reject  qwen3-4b",
        "safety violated",
        "down",
        "$0.958",
        "Per 1,000 acceptable answers: qwen3-8b-fp8 $0.972",
        "not_sampled 43,113",
    ):
        assert expected in text


def test_records_that_are_unaccounted_for_are_said_at_once() -> None:
    assert "3 unaccounted" in shown(render_status(a_snapshot(residual=3))).splitlines()[0]


def test_no_data_is_said_and_not_shown_as_zero() -> None:
    text = shown(render_status(empty_snapshot()))

    assert "nothing was read yet" in text
    assert "no data" in text
    assert "$0" not in text
    assert "0 ms" not in text


def test_the_live_view_has_one_row_per_candidate_and_stays_small() -> None:
    lines = shown(render_live(a_snapshot()), width=200).splitlines()

    assert len(lines) == 6
    assert "‖ hold" in lines[-1]


def test_markup_and_control_characters_are_data() -> None:
    view = a_snapshot().candidates[0]
    hostile = replace(view, verdict=a_verdict(sentence="[bold red]x[/bold red]\x1b[2J\x07\nsecond"))
    text = shown(render_status(a_snapshot(candidates=(hostile,))))

    assert "[bold red]x[/bold red]?[2J??second" in text
    assert "\x1b" not in text
