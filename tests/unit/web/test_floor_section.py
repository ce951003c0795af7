"""The noise floor on the candidate's page: classes, excesses, what does not count and why."""

from dataclasses import replace

from builders_snapshot import a_calibration, a_settings, a_snapshot
from starlette.testclient import TestClient

from shadow.exporters.base import Snapshot
from shadow.stats.floor import Moved
from shadow.web.floors import floor_view
from shadow.web.server import create_app
from shadow.web.state import WebState


def page_of(name: str, snapshot: Snapshot | None = None) -> str:
    shown = snapshot or a_snapshot()
    state = WebState(
        snapshot=lambda: shown,
        metrics=lambda accept: (b"", "text/plain"),
        health=lambda: {"ok": True},
        ready=lambda: {"ok": True},
        calls=lambda candidate, show, most: [],
        call=lambda key: None,
        trails=lambda candidate: (),
        policy=a_settings().policy,
    )
    return TestClient(create_app(state), base_url="http://127.0.0.1:9464").get(f"/candidates/{name}").text


def test_the_page_shows_classes_and_excesses_beside_the_gates() -> None:
    page = page_of("qwen3-8b-fp8")

    assert '<h2 id="floor">Noise floor</h2>' in page
    for text in (
        "deterministic",
        "open-ended",
        "calls without a route",
        "does not count",
        "+7.80 pp",
        "+5.80 to +9.80 pp",
    ):
        assert text in page
    assert "the incumbent differs from itself in 46 % of 402 answers" in page


def test_a_candidate_without_a_floor_has_no_such_section() -> None:
    assert 'id="floor"' not in page_of("qwen3-4b")


def test_a_route_cannot_write_into_the_page() -> None:
    hostile = replace(a_calibration().routes[0], route="<script>alert(1)</script>")
    snapshot = a_snapshot()
    view = replace(snapshot.candidates[0], calibration=a_calibration(routes=(hostile,)))
    page = page_of("qwen3-8b-fp8", replace(snapshot, candidates=(view,)))

    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_a_moving_floor_is_said_and_only_of_routes_that_count() -> None:
    moved = Moved(direction="lower", hour=1, before=0.9, since=None, to_go=300)
    routes = tuple(replace(route, moved=moved) for route in a_calibration().routes)

    view = floor_view(a_calibration(routes=routes))

    assert view is not None
    assert view.moving == ("sql", "support")
    assert floor_view(None) is None


def test_only_an_excess_that_is_certain_is_marked() -> None:
    view = floor_view(a_calibration())

    assert view is not None
    assert [row.tone for row in view.excesses] == ["bad", ""]
