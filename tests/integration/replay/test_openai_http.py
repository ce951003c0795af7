"""The real client against servers that say exactly what a test wants them to."""

import asyncio
import gzip
import json
import resource
import time
from pathlib import Path
from typing import Any

import httptools
import pytest
import uvloop
from asking import (
    BODY,
    LEAN,
    PLAIN,
    WHOLE,
    answer_of,
    ask,
    backend,
    bytes_script,
    hangs,
    hangs_midway,
    says_nothing,
    status_script,
)
from builders import a_call
from fakes.raw_server import DONE, END, EVENT, SSE, USAGE, Exchange, RawServer, Script, streamed

from shadow.clock import SystemClock
from shadow.errors import ConfigurationError
from shadow.records import ArmOutcome, FailureKind
from shadow.replay.lag import LagGauge
from shadow.replay.openai_http import OpenAIBackend
from shadow.replay.transport import Attempt
from shadow.settings import OpenAIBackend as Server
from shadow.settings import Replay


@pytest.fixture(autouse=True, params=[True, False], ids=["lean", "general"])
def _both_transports(request: pytest.FixtureRequest) -> None:
    """Every fact holds for both ways to carry a request."""
    LEAN[:] = [request.param]


async def test_a_streamed_answer_has_both_clocks_and_time_per_token() -> None:
    async def script(exchange: Exchange) -> None:
        await asyncio.sleep(0.05)
        await exchange.send(SSE + b'data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}\n\n')
        await asyncio.sleep(0.05)
        await exchange.send(b'data: {"choices":[{"index":0,"delta":{"reasoning_content":"hm"}}]}\n\n')
        await asyncio.sleep(0.05)
        await exchange.send(EVENT % b"Hello")
        await asyncio.sleep(0.1)
        await exchange.send(END + USAGE % 3 + DONE)

    outcome = await answer_of(script)

    assert outcome.failure is None
    assert outcome.answer.text == "Hello"
    assert outcome.ttft_seconds is not None
    assert outcome.ttft_answer_seconds is not None
    assert outcome.latency_seconds is not None
    assert outcome.tpot_seconds is not None
    assert 0.1 <= outcome.ttft_seconds < 0.15
    assert 0.15 <= outcome.ttft_answer_seconds < 0.25
    assert outcome.tpot_seconds == pytest.approx((outcome.latency_seconds - outcome.ttft_seconds) / 2)


async def test_a_stream_that_was_asked_for_and_came_as_one_body_has_no_time_to_first_token() -> None:
    outcome = await answer_of(status_script(200, WHOLE))

    assert outcome.failure is None
    assert outcome.answer.text == "Hello"
    assert outcome.ttft_seconds is None
    assert outcome.tpot_seconds is None
    assert outcome.latency_seconds is not None


async def test_one_token_has_no_time_per_token() -> None:
    assert (await answer_of(bytes_script(streamed(b"Hello", tokens=1)))).tpot_seconds is None


async def test_an_answer_in_one_body() -> None:
    outcome = await answer_of(status_script(200, WHOLE), PLAIN)

    assert (outcome.answer.text, outcome.answer.usage.output_tokens, outcome.status) == ("Hello", 1, 200)


async def test_a_stream_under_the_wrong_content_type_is_read_as_what_it_is() -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n"

    outcome = await answer_of(bytes_script(head + streamed(b"Hi").removeprefix(SSE)))

    assert (outcome.failure, outcome.answer.text) == (None, "Hi")
    assert outcome.ttft_seconds is not None


FAILURES: list[tuple[str, Script, FailureKind]] = [
    ("500", status_script(500), "http_5xx"),
    ("502 page", status_script(502, b"<html>bad gateway</html>", content_type="text/html"), "http_5xx"),
    ("429", status_script(429), "rate_limited"),
    ("503 full", status_script(503, b'{"error":{"message":"engine is currently busy"}}'), "rate_limited"),
    ("503", status_script(503), "http_5xx"),
    ("400", status_script(400, b'{"error":{"message":"bad temperature"}}'), "http_4xx"),
    ("404", status_script(404), "http_4xx"),
    ("context", status_script(400, b'{"error":{"message":"maximum context length is 8 tokens"}}'), "context_length"),
    ("memory", status_script(500, b'{"error":{"message":"CUDA out of memory"}}'), "out_of_memory"),
    ("redirect", status_script(307, b"", headers="location: http://127.0.0.1:9/v1\r\n"), "invalid"),
    ("html", status_script(200, b"<html>It works</html>", content_type="text/html"), "invalid"),
    ("no http", bytes_script(b"\x00\x01\x02 nothing like HTTP\r\n\r\n"), "invalid"),
    ("closed at once", says_nothing, "connection"),
    ("hangs", hangs, "timeout"),
    ("hangs midway", hangs_midway, "timeout"),
    ("closed midway", bytes_script(SSE + EVENT % b"Hel"), "incomplete"),
    (
        "closed before output",
        bytes_script(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"),
        "incomplete",
    ),
    (
        "broken chunk",
        bytes_script(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\ndata:\r\n"),
        "incomplete",
    ),
    ("cut body", bytes_script(b"HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n" + WHOLE[:90]), "incomplete"),
    ("empty stream", bytes_script(SSE + END + DONE), "empty"),
    ("error inside", bytes_script(SSE + b'data: {"error":{"message":"boom","code":500}}\n\n' + DONE), "http_5xx"),
    ("memory inside", bytes_script(SSE + b'data: {"error":{"message":"CUDA out of memory"}}\n\n'), "out_of_memory"),
    ("garbage events", bytes_script(SSE + b'data: {"choices": oops\n\ndata: {oops}\n\n' + DONE), "invalid"),
    ("endless header", bytes_script(b"HTTP/1.1 200 OK\r\nx: " + b"a" * 100_000 + b"\r\n\r\n"), "invalid"),
    (
        "gzip cut",
        bytes_script(
            b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\nconnection: close\r\n\r\n" + gzip.compress(WHOLE)[:-20]
        ),
        "incomplete",
    ),
    (
        "gzip bomb",
        bytes_script(
            b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\nconnection: close\r\n\r\n" + gzip.compress(b" " * 50_000_000)
        ),
        "invalid",
    ),
]


@pytest.mark.parametrize(("script", "kind"), [f[1:] for f in FAILURES], ids=[f[0] for f in FAILURES])
async def test_each_way_to_fail_is_a_value_of_its_kind(script: Script, kind: FailureKind) -> None:
    outcome = await answer_of(script, seconds=1.0)

    assert outcome.failure == kind
    assert outcome.answer.failure == kind
    assert outcome.latency_seconds is not None
    assert outcome.tpot_seconds is None


@pytest.mark.parametrize(("script", "kind"), [f[1:] for f in FAILURES], ids=[f[0] for f in FAILURES])
def test_each_way_to_fail_is_the_same_on_the_loop_of_production(script: Script, kind: FailureKind) -> None:
    assert uvloop.run(answer_of(script, seconds=0.5)).failure == kind


@pytest.mark.parametrize(
    "data", [streamed(b"Hello", tokens=2), b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(WHOLE), WHOLE)]
)
def test_answers_are_the_same_on_the_loop_of_production(data: bytes) -> None:
    async def twice() -> list[ArmOutcome]:
        async with RawServer(bytes_script(data), keep=b"content-length" in data) as server:
            client = backend(server.url)
            outcomes = [await client.ask(a_call(), BODY, time.monotonic_ns() + 10**9) for _ in range(2)]
            await client.close()
            return outcomes

    assert [(o.failure, o.answer.text) for o in uvloop.run(twice())] == [(None, "Hello")] * 2


async def test_an_interim_response_is_not_the_answer() -> None:
    outcome = await answer_of(bytes_script(b"HTTP/1.1 103 Early\r\nx: y\r\n\r\n" + streamed(b"Hi")))

    assert (outcome.status, outcome.answer.text) == (200, "Hi")


async def test_bytes_beyond_the_answer_never_become_the_next_one() -> None:
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b"
    stray = WHOLE.replace(b"Hello", b"Stray")
    script = bytes_script(answer % (len(WHOLE), WHOLE) + answer % (len(stray), stray))
    async with RawServer(script, keep=True) as server:
        client = backend(server.url)
        outcomes = [await client.ask(a_call(), BODY, time.monotonic_ns() + 10**9) for _ in range(3)]
        await client.close()

    assert [(o.failure, o.answer.text) for o in outcomes] == [(None, "Hello")] * 3


async def test_a_defect_of_ours_is_raised_and_not_blamed_on_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> bool:
        raise ZeroDivisionError

    monkeypatch.setattr(Attempt, "data", broken)

    with pytest.raises((ZeroDivisionError, httptools.HttpParserCallbackError)):
        await answer_of(bytes_script(streamed(b"x")))


async def test_nobody_listening_is_a_connection_failure() -> None:
    async with RawServer(says_nothing) as server:
        url = server.url

    assert (await ask(backend(url))).failure == "connection"


async def test_a_gzipped_answer_is_read() -> None:
    packed = gzip.compress(WHOLE)
    outcome = await answer_of(status_script(200, packed, headers="content-encoding: gzip\r\n"), PLAIN)

    assert outcome.answer.text == "Hello"


async def test_a_timeout_keeps_what_had_arrived_and_takes_as_long_as_the_deadline() -> None:
    outcome = await answer_of(hangs_midway, seconds=0.3)

    assert outcome.failure == "timeout"
    assert outcome.answer.text == "Hel"
    assert outcome.latency_seconds == pytest.approx(0.3, abs=0.15)
    assert outcome.ttft_seconds is not None


async def test_a_server_that_never_closes_after_done_costs_a_moment_and_no_latency() -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.send(streamed(b"Hi", tokens=2))
        await asyncio.sleep(60)

    begun = time.monotonic()
    outcome = await answer_of(script, seconds=30)

    assert outcome.failure is None
    assert time.monotonic() - begun < 3
    assert outcome.latency_seconds is not None
    assert outcome.latency_seconds < 0.3


async def test_text_that_looks_like_the_end_mark_is_text() -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.send(SSE + b'data: {"choices":[{"index":0,"delta":{"content":"say data: [DONE]')
        await asyncio.sleep(0.05)
        await exchange.send(b' twice"}}]}\n\n' + END + DONE)

    assert (await answer_of(script)).answer.text == "say data: [DONE] twice"


async def huge(exchange: Exchange) -> None:
    block = EVENT % (b"x" * 65536)
    await exchange.send(SSE)
    for _ in range(1600):
        await exchange.send(block)
    await exchange.send(END + DONE)


async def huge_body(exchange: Exchange) -> None:
    await exchange.send(
        b"HTTP/1.1 200 OK\r\ncontent-length: 104857600\r\n\r\n" + b'{"choices":[{"message":{"content":"'
    )
    for _ in range(1600):
        await exchange.send(b"x" * 65536)


async def huge_page(exchange: Exchange) -> None:
    await exchange.send(b"HTTP/1.1 500 No\r\ncontent-length: 104857600\r\n\r\n")
    for _ in range(1600):
        await exchange.send(b"x" * 65536)


@pytest.mark.parametrize(("script", "kind"), [(huge, "invalid"), (huge_body, "invalid"), (huge_page, "http_5xx")])
async def test_an_answer_of_100_mb_is_left_early_and_memory_stays_flat(script: Script, kind: FailureKind) -> None:
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.monotonic()

    outcome = await answer_of(script, seconds=20)

    assert outcome.failure == kind
    assert time.monotonic() - begun < 10
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < 40_000


async def test_only_our_own_headers_travel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    key = tmp_path / "key"
    key.write_text("sesame")

    async def script(exchange: Exchange) -> None:
        await exchange.whole(200, WHOLE, headers="set-cookie: spy=1\r\n")

    async with RawServer(script) as server:
        client = backend(server.url, server={"api_key_file": str(key), "headers": {"X-Team": "search"}})
        for _ in range(2):
            await client.ask(a_call(user="u-1", session="s-1"), BODY, time.monotonic_ns() + 10**9)
        await client.close()

    assert {tuple(sorted(r.headers)) for r in server.received} == {
        ("accept", "accept-encoding", "authorization", "content-length", "content-type", "host", "user-agent", "x-team")
    }
    assert server.received[1].headers["authorization"] == "Bearer sesame"
    assert server.received[1].headers["accept-encoding"] == "identity"


async def test_completions_go_to_their_own_endpoint() -> None:
    async with RawServer(bytes_script(streamed(b"x"))) as server:
        await ask(backend(server.url), endpoint="completions")

    assert server.received[0].path == "/v1/completions"


async def test_a_redirect_is_not_followed() -> None:
    async with RawServer(status_script(302, b"", headers="location: /v1/elsewhere\r\n")) as server:
        await ask(backend(server.url))

    assert [r.path for r in server.received] == ["/v1/chat/completions"]


async def test_connections_are_used_again() -> None:
    ports = set()

    async def script(exchange: Exchange) -> None:
        ports.add(exchange.writer.get_extra_info("peername")[1])
        body = streamed(b"x").removeprefix(SSE)
        await exchange.send(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        await exchange.send(b"%x\r\n%s\r\n" % (len(body), body))
        await asyncio.sleep(0.01)
        await exchange.send(b"0\r\n\r\n")

    async with RawServer(script, keep=True) as server:
        client = backend(server.url)
        for _ in range(5):
            outcome = await client.ask(a_call(), BODY, time.monotonic_ns() + 2 * 10**9)
            assert outcome.failure is None
        await client.close()

    assert len(ports) == 1


async def test_a_connection_that_the_server_had_just_given_up_is_no_failure_of_the_arm() -> None:
    async with RawServer(status_script(200, WHOLE)) as server:  # closes after each answer without having said so
        client = backend(server.url, retries=0)
        outcomes = [await client.ask(a_call(), BODY, time.monotonic_ns() + 10**9) for _ in range(4)]
        await client.close()

    assert [o.failure for o in outcomes] == [None] * 4


async def test_cancelling_a_call_closes_its_connection() -> None:
    async with RawServer(hangs_midway) as server:
        client = backend(server.url)
        task = asyncio.create_task(client.ask(a_call(), BODY, time.monotonic_ns() + 30 * 10**9))
        while not server.received:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(server.gone.wait(), 2)
        await client.close()


async def test_a_call_cancelled_in_the_moment_of_its_answer_leaves_no_connection_behind() -> None:
    async with RawServer(status_script(200, WHOLE), keep=True) as server:
        client = backend(server.url)
        await client.ask(a_call(), BODY, time.monotonic_ns() + 10**9)
        for steps in range(30):
            task = asyncio.create_task(client.ask(a_call(), BODY, time.monotonic_ns() + 10**9))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await client.close()
        await asyncio.sleep(0.1)

        assert server.open == 0


async def test_times_taken_while_our_loop_was_blocked_are_marked() -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.send(SSE + EVENT % b"x")
        await asyncio.sleep(0.1)
        time.sleep(0.15)  # blocks client and server alike: they share the loop
        await exchange.send(END + DONE)

    gauge = LagGauge(SystemClock())
    task = asyncio.create_task(gauge.run())
    await asyncio.sleep(0.05)
    async with RawServer(script) as server:
        blocked = await ask(backend(server.url, lag=gauge))
    async with RawServer(bytes_script(streamed(b"x"))) as server:
        await asyncio.sleep(0.1)
        calm = await ask(backend(server.url, lag=gauge))
    task.cancel()

    assert blocked.client_saturated
    assert not calm.client_saturated


@pytest.mark.parametrize(
    ("models", "health", "ready"), [(200, 500, True), (404, 200, True), (404, 404, False), (503, 200, False)]
)
async def test_a_server_is_ready_when_it_lists_models_or_says_so(models: int, health: int, ready: bool) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.whole({"/v1/models": models, "/health": health}[exchange.request.path], b"{}")

    async with RawServer(script) as server:
        client = backend(server.url)
        found = await client.probe()
        await client.close()

    assert found is ready


async def test_a_probe_of_a_server_that_hangs_ends_in_two_seconds() -> None:
    async with RawServer(hangs) as server:
        client = backend(server.url)
        begun = time.monotonic()
        assert not await client.probe()
        await client.close()

    assert time.monotonic() - begun < 2.5


async def test_a_large_request_travels_whole() -> None:
    text = "grüße " * 400_000
    async with RawServer(bytes_script(streamed(b"x"))) as server:
        outcome = await ask(backend(server.url), {"messages": [{"role": "user", "content": text}], "stream": True})

    assert outcome.failure is None
    assert json.loads(server.received[0].body)["messages"][0]["content"] == text


@pytest.mark.parametrize("value", [{"seed": 2**80}, {"x": "\ud800"}])
async def test_odd_but_legal_values_do_not_break_the_client(value: dict[str, Any]) -> None:
    async with RawServer(bytes_script(streamed(b"x"))) as server:
        outcome = await ask(backend(server.url), {**BODY, **value})

    assert outcome.failure is None
    assert json.loads(server.received[0].body).items() >= value.items()


@pytest.mark.parametrize(
    "server",
    [
        {"url": "http://user:secret@h/v1"},
        {"url": "http:///v1"},
        {"headers": {"x-a": "one\r\nx-b: two"}},
        {"headers": {"bad name": "x"}},
    ],
)
def test_a_server_that_cannot_be_asked_is_refused_before_anything_runs(server: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        OpenAIBackend(
            Server(**{"url": "http://h/v1", "model": "m", **server}),
            Replay(),
            arm="cand",
            role="candidate",
            clock=SystemClock(),
        )

    assert "secret" not in str(caught.value)
