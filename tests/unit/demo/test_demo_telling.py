"""What the story says of a snapshot."""

from dataclasses import replace
from io import StringIO

import pytest
from builders_snapshot import a_snapshot, a_verdict, proven_gates, rejected_gates
from rich.console import Console

from shadow.demo.roster import PARTS
from shadow.demo.screen import LineScreen, line, render
from shadow.demo.summary import Ending, as_json, tell
from shadow.demo.telling import Moment, standings
from shadow.exporters.base import CandidateView


def a_view(name, word, gates):
    verdict = a_verdict(name, word, gates=gates)
    return CandidateView(verdict=verdict, epoch=1, epoch_started_unix_ms=0, since_unix_ms=None)


def violated(gate_id):
    return tuple(
        replace(g, id=gate_id, state="violated", violated_at_n=90) if i == 0 else g
        for i, g in enumerate(rejected_gates()[:3])
    )


@pytest.fixture
def snapshot():
    views = [a_view(p.name, p.expected, proven_gates() if p.gate is None else violated(p.gate)) for p in PARTS]
    return a_snapshot(candidates=tuple(views))


def a_moment(snapshot, **changes):
    told = {"phase": "traffic", "seconds": 61.0, "sent": 200, "rate": 4.0, "snapshot": snapshot}
    return Moment(**(told | {"standings": standings(PARTS, snapshot)} | changes))


def an_ending(moment):
    return Ending(
        moment=moment, start_seconds=20, traffic_seconds=50, wall_seconds=80, decided={"thrifty": (40.0, 110)},
        folder="/tmp/x", kept=False,
    )  # fmt: skip


def shown(renderable, width=120):
    console = Console(width=width, record=True, file=StringIO())
    console.print(renderable)
    return console.export_text()


def test_the_story_is_settled_when_every_verdict_came_for_its_reason(snapshot):
    assert a_moment(snapshot).settled


def test_a_rejection_for_another_reason_is_not_the_expected_one(snapshot):
    views = tuple(
        a_view(v.verdict.candidate, "reject", violated("latency")) if v.verdict.candidate == "obedient" else v
        for v in snapshot.candidates
    )

    moment = a_moment(replace(snapshot, candidates=views))

    assert [s.part.name for s in moment.standings if not s.as_expected] == ["obedient"]
    assert not moment.settled


def test_before_the_first_look_every_candidate_is_on_hold():
    moment = a_moment(None)

    assert {s.word for s in moment.standings} == {"hold"}
    assert not moment.settled
    assert line(moment) == "[  61 s] traffic"


def test_the_effect_shown_is_that_of_the_violated_gate(snapshot):
    for standing in standings(PARTS, snapshot):
        if standing.part.gate is not None:
            assert standing.key_gate.id == standing.part.gate
            assert "limit" in standing.effect


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_names_every_candidate_with_its_verdict(snapshot, width):
    text = shown(render(a_moment(snapshot), width), width)

    for part in PARTS:
        assert part.name in text
    assert "promote" in text
    assert "reject" in text


def test_a_log_gets_a_line_when_a_verdict_changes_and_not_at_every_look(snapshot, capsys):
    screen = LineScreen(Console(width=200))
    screen.show(a_moment(None))
    screen.show(a_moment(None))
    screen.show(a_moment(snapshot))

    assert len(capsys.readouterr().out.splitlines()) == 2


def test_the_summary_says_verdict_reason_and_what_to_do_next(snapshot, capsys):
    tell(an_ending(a_moment(snapshot)), Console(width=130))
    text = capsys.readouterr().out

    for words in ("thrifty: promote", "obedient: reject", "What to do next", "shadow check -c", "margins", "4 of 4"):
        assert words in text


def test_the_summary_for_machines_has_every_candidate_with_its_gates(snapshot):
    summary = as_json(an_ending(a_moment(snapshot)))

    assert summary["ok"] is True
    assert [c["verdict"] for c in summary["candidates"]] == [p.expected for p in PARTS]
    assert all(c["reason"] and c["gates"] for c in summary["candidates"])
    assert summary["candidates"][0]["decided_at_n"] == 110
    assert len(summary["next"]) == 3
