"""Retries of the real client: what is asked again, when, and with which key."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from asking import (
    LEAN,
    answer_of,
    ask,
    backend,
    bytes_script,
    says_nothing,
    status_script,
)
from fakes.raw_server import EVENT, SSE, Exchange, RawServer, Script, streamed


@pytest.fixture(autouse=True, params=[True, False], ids=["lean", "general"])
def _both_transports(request: pytest.FixtureRequest) -> None:
    """Every fact holds for both ways to carry a request."""
    LEAN[:] = [request.param]


def failing_first(times: int, first: Callable[[Exchange], Any]) -> Script:
    async def script(exchange: Exchange) -> None:
        await (first(exchange) if exchange.number <= times else exchange.send(streamed(b"at last", tokens=2)))

    return script


@pytest.mark.parametrize("first", [status_script(500), status_script(429), status_script(503), says_nothing])
async def test_a_failure_that_may_pass_is_retried_and_counted(first: Script) -> None:
    outcome = await answer_of(failing_first(2, first), retries=2)

    assert (outcome.failure, outcome.retries, outcome.answer.text) == (None, 2, "at last")
    assert outcome.latency_seconds is not None
    assert outcome.latency_seconds >= 0.15


@pytest.mark.parametrize(
    "first",
    [
        status_script(400),
        status_script(500, b"CUDA out of memory"),
        bytes_script(SSE + EVENT % b"x"),
        bytes_script(SSE),
    ],
)
async def test_what_would_fail_again_or_has_begun_is_not_retried(first: Script) -> None:
    outcome = await answer_of(failing_first(1, first), retries=2)

    assert outcome.failure is not None
    assert outcome.retries == 0


async def test_retry_after_is_honoured() -> None:
    outcome = await answer_of(failing_first(1, status_script(429, headers="retry-after: 0.6\r\n")), retries=1)

    assert outcome.failure is None
    assert outcome.latency_seconds is not None
    assert 0.6 <= outcome.latency_seconds < 1.5


async def test_a_retry_that_would_come_after_the_deadline_is_not_waited_for() -> None:
    begun = time.monotonic()
    outcome = await answer_of(status_script(429, headers="retry-after: 30\r\n"), seconds=5, retries=2)

    assert (outcome.failure, outcome.retries) == ("rate_limited", 0)
    assert time.monotonic() - begun < 2


async def test_the_deadline_is_one_for_all_retries() -> None:
    async def script(exchange: Exchange) -> None:
        await asyncio.sleep(0.3)
        await exchange.whole(500, b"{}")

    begun = time.monotonic()
    outcome = await answer_of(script, seconds=0.8, retries=10, retry_budget=1)

    assert outcome.failure in ("http_5xx", "timeout")
    assert time.monotonic() - begun < 1.2


async def test_no_budget_no_retry() -> None:
    outcome = await answer_of(status_script(500), retries=5, retry_budget=0)

    assert (outcome.failure, outcome.retries) == ("http_5xx", 0)


async def test_a_rotated_key_is_read_again_after_a_401(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("old")

    async def script(exchange: Exchange) -> None:
        if exchange.request.headers["authorization"] == "Bearer new":
            await exchange.send(streamed(b"in"))
        else:
            key.write_text("new")
            await exchange.whole(401, b"{}")

    async with RawServer(script) as server:
        outcome = await ask(backend(server.url, server={"api_key_file": str(key)}))

    assert outcome.failure is None
    assert outcome.retries >= 1


async def test_a_refused_key_that_has_not_changed_is_asked_once() -> None:
    async with RawServer(status_script(401)) as server:
        outcome = await ask(backend(server.url, retries=3))

    assert (outcome.failure, len(server.posts)) == ("http_4xx", 1)
