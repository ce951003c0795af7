"""The site: figures at first sight, hostile text as text, nobody in without the token, nothing from elsewhere."""

import asyncio
import re
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from builders_snapshot import (
    NOW_MS,
    a_settings,
    a_snapshot,
    a_trail,
    a_verdict,
    an_outcome,
    empty_snapshot,
    rejected_gates,
    some_segments,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from shadow.errors import UnreachableError
from shadow.exporters.base import Snapshot
from shadow.web.server import create_app, plain, serve
from shadow.web.state import CallKey, CallView, WebState, loopback_hosts

HOSTILE = "</div><script>alert(1)</script><img src=x onerror=alert(2)>\u202e evil {{ 7*7 }}"
KEY = CallKey(topic="llm.mirror", partition=0, offset=7, call=0)
HOSTILE_CHARACTERS = st.one_of(st.characters(), st.sampled_from("<>&\"'\ud800\udfff\u202e\x00 \n"))
PAGES = ("/", "/candidates/qwen3-4b", "/calls", "/calls/llm.mirror/0/7/0", "/about")


def a_call_view(text: str = "Within 14 days", incumbent: str = "Within 30 days", request: str = "Refunds?") -> CallView:
    outcomes = (
        an_outcome(arm="incumbent", role="incumbent"),
        an_outcome(findings=[{"scorer": "leakage", "category": "email", "count": 2}]),
    )
    return CallView(key=KEY, outcomes=outcomes, texts={"": request, "incumbent": incumbent, "qwen3-8b-fp8": text})


def a_state(snapshot: Snapshot | None = None, call: CallView | None = None, **changes: Any) -> WebState:
    shown, view = snapshot or a_snapshot(), call or a_call_view()
    fields: dict[str, Any] = {
        "snapshot": lambda: shown,
        "metrics": lambda accept: (b"shadow_up 1\n", "text/plain; version=0.0.4; charset=utf-8"),
        "health": lambda: {"ok": True},
        "ready": lambda: {"ok": False, "reasons": ["scorers are loading"]},
        "calls": lambda candidate, show, most: [view],
        "call": lambda key: view if key == KEY else None,
        "trails": lambda candidate: [a_trail(gate) for gate in rejected_gates()],
        "policy": a_settings().policy,
    }
    return WebState(**(fields | changes))


def a_client(state: WebState | None = None, **options: Any) -> TestClient:
    return TestClient(create_app(state or a_state()), base_url="http://127.0.0.1:9464", **options)


def test_the_overview_says_verdict_reason_since_when_and_figures_of_every_candidate() -> None:
    page = a_client().get("/").text

    for name, word in (("qwen3-8b-fp8", "Promote"), ("qwen3-4b", "Reject"), ("llama-8b-int4", "Hold")):
        assert name in page
        assert word in page
    for expected in (
        "complied with 1.4 % more requests",
        "1 d 7 h</time>",
        "+1.42 pp",
        "at most 0.50 pp",
        "480 ms",
        "incumbent 1.66 s, 0.29×",
        "$0.421",
        "Needs a person",
        "61,204",
        "read minus dispositions",
    ):
        assert expected in page, expected


def test_a_candidate_shows_its_segments_and_how_the_evidence_grew() -> None:
    page = a_client().get("/candidates/qwen3-4b").text

    assert page.index("route=claims") < page.index("route=support") < page.index("route=search")
    for words in ("insufficient evidence", "not worse", "alarm", "Evidence over time", "safety over 4,812 pairs: now"):
        assert words in page
    assert page.count('class="trail"') == 2 * 7 - 1  # the ratio of quantiles is decided by its interval


def test_the_depth_of_the_tail_is_reported_beside_the_references() -> None:
    page = a_client().get("/candidates/qwen3-4b").text

    assert "Mean of the lowest 5 % of scores" in page
    assert "0.31 to 0.44; reference 0.53" in page
    assert "Mean of the lowest" not in a_client().get("/candidates/llama-8b-int4").text


def test_names_of_segments_are_text() -> None:
    snapshot = a_snapshot()
    rejected = next(v for v in snapshot.candidates if v.verdict.candidate == "qwen3-4b")
    hostile = replace(rejected, segment_results=(replace(some_segments()[0], segment=f"route={HOSTILE}"),))
    page = a_client(a_state(replace(snapshot, candidates=(hostile,)))).get("/candidates/qwen3-4b").text

    assert "route=&lt;/div&gt;&lt;script&gt;" in page
    assert "<script>alert" not in page


def test_a_candidate_without_evidence_has_no_drawing_over_time() -> None:
    page = a_client(a_state(empty_snapshot(), trails=lambda candidate: ())).get("/candidates/cand-a").text

    assert "Evidence over time" not in page


def test_an_unaccounted_record_and_a_monitor_that_stopped_looking_are_red() -> None:
    page = a_client(a_state(a_snapshot(residual=2))).get("/").text

    assert re.search(r'<dd class="bad">2</dd>', page)
    assert re.search(r"Last look</dt><dd class=\"bad\">", page)  # the snapshot of the builder is long past


def test_no_data_has_its_own_look_and_is_never_zero() -> None:
    page = a_client(a_state(empty_snapshot())).get("/").text

    assert page.count('class="nodata"') > 10
    assert "No gate has evidence yet." in page
    assert "$0" not in page
    assert "0.00 %" not in page


def test_before_the_first_look_every_page_waits_instead_of_failing() -> None:
    client = a_client(replace(a_state(), snapshot=lambda: None))

    assert "Starting" in client.get("/").text
    assert client.get("/candidates/x").status_code == 200
    assert client.get("/about").status_code == 200
    assert client.get("/api/v1/snapshot").status_code == 503


@pytest.mark.parametrize("path", PAGES)
def test_pages_need_no_script_and_carry_none_inline(path: str) -> None:
    answer = a_client().get(path)

    assert answer.status_code == 200
    assert not re.search(r"\sstyle\s*=|<style|\son\w+\s*=|javascript:", answer.text)
    assert re.findall(r"<script[^>]*>", answer.text) in ([], ['<script src="/static/live.js" defer>'])
    assert not re.search(r"""(?:src|href)="(?:https?:)?//""", answer.text)
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'self'")
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.text.count("<h1") == 1
    assert answer.text.lstrip().startswith("<!doctype html>")


@pytest.mark.parametrize("path", ["/calls", "/calls/llm.mirror/0/7/0"])
def test_text_of_models_is_shown_and_never_run(path: str) -> None:
    page = a_client(a_state(call=a_call_view(HOSTILE, HOSTILE + " x", HOSTILE))).get(path).text

    assert "<script>alert" not in page
    assert "<img" not in page.split("<main")[1]
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "{{ 7*7 }}" in page
    assert "\u202e" not in page
    assert "[U+202E]" in page
    assert 'class="text" dir="auto"' in page


def test_names_and_sentences_of_a_snapshot_are_escaped_too() -> None:
    view = replace(a_snapshot().candidates[0], verdict=a_verdict(sentence=HOSTILE))
    page = a_client(a_state(a_snapshot(candidates=(view,), notes=(HOSTILE,), needs_person=(HOSTILE,)))).get("/").text

    assert "<script>alert" not in page
    assert "onerror=alert(2)&gt;" in page


def test_a_huge_answer_is_cut_quickly_and_says_so() -> None:
    state = a_state(call=a_call_view("a b " * 1_000_000, "b a " * 1_000_000))
    started = time.monotonic()
    answer = a_client(state).get("/calls")

    assert time.monotonic() - started < 2
    assert len(answer.text) < 60_000
    assert "3,998,500 more characters" in answer.text


@settings(max_examples=30, deadline=None)
@given(st.text(HOSTILE_CHARACTERS, max_size=200), st.text(HOSTILE_CHARACTERS, max_size=200))
def test_any_pair_of_answers_and_any_route_make_a_page(one: str, other: str) -> None:
    view = a_call_view(one, other, one)
    view = replace(view, outcomes=tuple(replace(row, route=other) for row in view.outcomes))
    answer = a_client(a_state(call=view)).get("/calls/llm.mirror/0/7/0")

    assert answer.status_code == 200
    assert answer.text.count("<script") == 0


def test_what_is_not_there_is_a_page_that_says_so() -> None:
    client = a_client()
    for path in ("/nope", "/candidates/nobody", "/calls/llm.mirror/0/8/0", "/calls/a/b/c/d", "/static/../server.py"):
        answer = client.get(path)
        assert answer.status_code == 404
        assert "content-security-policy" in answer.headers


def test_a_ledger_that_does_not_answer_is_said_on_the_page() -> None:
    def broken(candidate: str, show: str, most: int) -> list[CallView]:
        raise UnreachableError("the database does not answer; is it running?")

    answer = a_client(a_state(calls=broken)).get("/calls")
    assert answer.status_code == 503
    assert "is it running?" in answer.text


def test_probes_answer_json_with_reasons() -> None:
    client = a_client()

    assert client.get("/healthz").json() == {"ok": True}
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["reasons"] == ["scorers are loading"]


def test_the_api_gives_the_snapshot_and_one_verdict_without_nan() -> None:
    client = a_client()

    assert client.get("/api/v1/snapshot").json()["residual"] == 0
    verdict = client.get("/api/v1/candidates/qwen3-4b/verdict").json()
    assert verdict["verdict"]["word"] == "reject"
    assert client.get("/api/v1/candidates/x/verdict").status_code == 404
    assert plain({"a": (float("nan"), float("inf"), 1.5)}) == {"a": [None, None, 1.5]}


def test_metrics_and_icon_are_served() -> None:
    client = a_client()

    assert client.get("/metrics").text == "shadow_up 1\n"
    assert client.get("/metrics").headers["content-type"].startswith("text/plain; version=0.0.4")
    for path in ("/favicon.ico", "/static/icon.svg"):
        assert client.get(path).headers["content-type"].startswith("image/svg")


def guarded() -> TestClient:
    return a_client(a_state(token="s3cret"), follow_redirects=False)


def test_without_the_token_pages_lead_to_the_form_and_the_api_refuses() -> None:
    client = guarded()

    for path in PAGES:
        answer = client.get(path)
        assert (answer.status_code, answer.headers["location"]) == (303, "/login")
        assert "qwen" not in answer.text
    assert client.get("/api/v1/snapshot").status_code == 401
    for path in ("/healthz", "/metrics", "/static/site.css", "/login"):
        assert client.get(path).status_code == 200


def test_a_bearer_token_opens_and_a_wrong_one_does_not() -> None:
    client = guarded()

    assert client.get("/api/v1/snapshot", headers={"authorization": "Bearer s3cret"}).status_code == 200
    assert client.get("/api/v1/snapshot", headers={"authorization": "Bearer s3cre"}).status_code == 401
    assert client.get("/api/v1/snapshot", headers={"authorization": b"Bearer \xff"}).status_code == 401
    assert client.get("/", headers={"cookie": "shadow_session=s3cret"}).status_code == 303


def test_the_form_gives_a_cookie_that_is_not_the_token_and_ends_with_sign_out() -> None:
    client = guarded()
    assert client.post("/login", data={"token": "wrong"}).status_code == 401

    answer = client.post("/login", data={"token": " s3cret\n"})
    cookie = answer.headers["set-cookie"]
    assert answer.status_code == 303
    assert "s3cret" not in cookie
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert client.get("/").status_code == 200

    client.post("/logout")
    assert client.get("/").status_code == 303


def test_forms_from_elsewhere_or_too_large_are_refused() -> None:
    client = guarded()

    for origin in ("http://evil.example", "null", "http://[", "http://127.0.0.1:1"):
        assert client.post("/login", data={"token": "s3cret"}, headers={"origin": origin}).status_code == 403
    assert (
        client.post("/login", data={"token": "s3cret"}, headers={"origin": "http://127.0.0.1:9464"}).status_code == 303
    )
    assert client.post("/login", data={"token": "x" * 5_000}).status_code == 413
    assert client.post("/", data={}).status_code in (303, 405)


def test_on_loopback_only_loopback_names_are_served() -> None:
    client = a_client(a_state(allowed_hosts=loopback_hosts("127.0.0.1")))

    assert client.get("/").status_code == 200
    assert client.get("/", headers={"host": "[::1]:9464"}).status_code == 200
    assert client.get("/", headers={"host": "rebound.example:9464"}).status_code == 421
    assert loopback_hosts("0.0.0.0") == ()


def fetch(url: str) -> int:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return int(answer.status)


async def test_a_slow_scrape_keeps_no_page_waiting_and_a_stop_takes_two_seconds_at_most() -> None:
    release, entered = threading.Event(), threading.Event()

    def slow(accept: str) -> tuple[bytes, str]:
        entered.set()
        release.wait(10)
        return b"", "text/plain"

    server = await serve(create_app(a_state(metrics=slow)), "127.0.0.1", 0)
    base = f"http://127.0.0.1:{server.port}"
    assert server.port > 0
    scrape = asyncio.create_task(asyncio.to_thread(_quietly, lambda: fetch(f"{base}/metrics")))
    await asyncio.to_thread(entered.wait, 5)
    started = time.monotonic()
    assert await asyncio.to_thread(fetch, f"{base}/") == 200
    assert time.monotonic() - started < 1.5

    started = time.monotonic()
    await server.stop()
    assert time.monotonic() - started < 2
    with pytest.raises(urllib.error.URLError):
        await asyncio.to_thread(fetch, f"{base}/")
    release.set()
    await scrape


def _quietly(work: Callable[[], int]) -> int | None:
    try:
        return work()
    except OSError:
        return None


async def test_an_address_that_is_taken_is_an_error_and_not_a_hang() -> None:
    server = await serve(create_app(a_state()), "127.0.0.1", 0)
    try:
        with pytest.raises(OSError, match="in use"):
            await serve(create_app(a_state()), "127.0.0.1", server.port)
    finally:
        await server.stop()


def test_ages_count_from_the_look_and_not_from_this_clock() -> None:
    state = a_state(a_snapshot(last_scored_unix_ms=NOW_MS - 90_000))
    assert "1 min 30 s ago" in a_client(state).get("/").text
