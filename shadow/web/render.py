"""Pages as HTML: templates with everything escaped, and the same frame around each."""

import time
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

from shadow.exporters.base import Snapshot
from shadow.web import formats, pages, wellbeing
from shadow.web.compare import LIST_CHARACTERS, PAGE_CHARACTERS, pair
from shadow.web.floors import floor_view
from shadow.web.state import CallKey, WebState
from shadow.web.trails import trail_view
from shadow.web.worst import SHOWS

_TEMPLATES = Path(__file__).parent / "templates"
_MOST_CALLS = 20


def environment() -> Environment:
    """Escapes everything, fails on a name that a template misspells, knows the formats as filters."""
    env = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    for name in ("count", "percent", "seconds", "usd", "age", "moment", "iso"):
        env.filters[name] = getattr(formats, name)
    env.filters["signed"] = formats.signed
    env.filters["failure_share"] = pages.failure_share
    env.filters["findings"] = pages.findings
    env.globals["NO_DATA"] = formats.NO_DATA
    return env


class Pages:
    """Every page of the site. Calls of `calls` and `call` may block on the ledger; the others only compute."""

    def __init__(self, state: WebState) -> None:
        self._state = state
        self._env = environment()

    def _page(self, template: str, status: int = 200, **values: Any) -> Response:
        snapshot: Snapshot | None = values.pop("snapshot", None)
        frame = {
            "snapshot": snapshot,
            "monitor": () if snapshot is None else wellbeing.monitor_facts(snapshot, time.time_ns() // 1_000_000),
            "guarded": self._state.token is not None,
        }
        page = self._env.get_template(template).render(frame | values)
        # A lone surrogate in a name from the traffic cannot be written as UTF-8; it costs a question mark, not the page.
        return HTMLResponse(page.encode("utf-8", "replace"), status)

    def overview(self) -> Response:
        snapshot = self._state.snapshot()
        if snapshot is None:
            return self._page("waiting.html", here="overview")
        return self._page(
            "overview.html",
            here="overview",
            snapshot=snapshot,
            cards=[pages.card(view, snapshot, self._state.policy) for view in snapshot.candidates],
            shares=wellbeing.dispositions(snapshot),
            scorers=pages.scorers_of(snapshot.arms),
        )

    def candidate(self, name: str) -> Response:
        snapshot = self._state.snapshot()
        if snapshot is None:
            return self._page("waiting.html", here="candidate")
        view = pages.find(snapshot, name)
        if view is None:
            return self.problem(404, "No such candidate", "It is not configured, or it was removed.")
        return self._page(
            "candidate.html",
            here="candidate",
            snapshot=snapshot,
            view=view,
            card=pages.card(view, snapshot, self._state.policy),
            utility=pages.utility_rows(view.verdict),
            floor=floor_view(view.calibration),
            history=pages.history(view, snapshot.at_unix_ms),
            failures=pages.failure_kinds(next((arm for arm in snapshot.arms if arm.arm == name), None)),
            trails=[trail_view(trail) for trail in self._state.trails(name)],
            segments=pages.segment_rows(view.segment_results),
            words=pages.WORDS,
        )

    def calls(self, candidate: str, show: str) -> Response:
        snapshot = self._state.snapshot()
        names = [view.verdict.candidate for view in snapshot.candidates] if snapshot is not None else []
        chosen = candidate if candidate in names else (names[0] if names else "")
        kind = next((known for known in SHOWS if known == show), SHOWS[0])
        found = self._state.calls(chosen, kind, _MOST_CALLS) if chosen else ()
        return self._page(
            "calls.html",
            here="calls",
            snapshot=snapshot,
            names=names,
            chosen=chosen,
            show=kind,
            shows=(("worst", "Lowest scores"), ("findings", "Findings"), ("failures", "Failures")),
            pairs=[pair(call, chosen, LIST_CHARACTERS) for call in found],
            quality=self._state.policy.quality,
        )

    def call(self, key: CallKey) -> Response:
        found = self._state.call(key)
        if found is None:
            return self.problem(
                404, "Nothing is kept of this call", "Its text was not kept, has passed its retention, or was erased."
            )
        return self._page(
            "call.html",
            here="calls",
            snapshot=self._state.snapshot(),
            pair=pair(found, None, PAGE_CHARACTERS),
            quality=self._state.policy.quality,
        )

    def about(self) -> Response:
        return self._page(
            "about.html",
            here="about",
            snapshot=self._state.snapshot(),
            about=self._state.about,
            policy=self._state.policy,
        )

    def login(self, *, wrong: bool) -> Response:
        return self._page("login.html", 401 if wrong else 200, here="login", wrong=wrong)

    def problem(self, status: int, title: str, text: str) -> Response:
        """A page that says what is wrong and where to go on."""
        return self._page("problem.html", status, here="", title=title, text=text)
