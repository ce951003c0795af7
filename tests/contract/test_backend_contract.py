"""What every Backend promises, on the fake that tests use and on the real one."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from builders import a_call
from fakes.backend import FakeBackend

from shadow.clock import SystemClock
from shadow.replay.base import Backend
from shadow.replay.openai_http import OpenAIBackend
from shadow.settings import OpenAIBackend as Server
from shadow.settings import Replay
from shadow.simulator.thread import SimulatorThread

BODY: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "stream": True}


@contextmanager
def backend_of(kind: str, *, failing: bool) -> Iterator[Backend]:
    """A server of the kind that answers, or one that answers every call with a status of 500."""
    if kind == "fake":
        fake = FakeBackend(up=True)
        fake.failure = "http_5xx" if failing else None
        yield fake
        return
    with SimulatorThread(ttft_ms=1, faults={"http_500": 1.0} if failing else {}) as simulator:
        yield OpenAIBackend(
            Server(url=simulator.url, model="m"),
            Replay.model_validate({"retries": 0}),
            arm="cand",
            role="candidate",
            clock=SystemClock(),
            lean=kind == "lean",
        )


KINDS = pytest.mark.parametrize("kind", ["fake", "lean", "general"])


def soon() -> int:
    return time.monotonic_ns() + 5 * 10**9


@KINDS
async def test_an_answer_is_an_outcome_of_its_arm(kind: str) -> None:
    with backend_of(kind, failing=False) as backend:
        outcome = await backend.ask(a_call(), BODY, soon())
        await backend.close()

    assert (outcome.arm, outcome.role, outcome.failure) == ("cand", "candidate", None)
    assert outcome.answer.text
    assert outcome.latency_seconds is not None
    assert outcome.spell is None


@KINDS
async def test_a_failure_is_a_value_and_the_same_in_answer_and_outcome(kind: str) -> None:
    with backend_of(kind, failing=True) as backend:
        outcome = await backend.ask(a_call(), BODY, soon())
        await backend.close()

    assert outcome.failure == outcome.answer.failure == "http_5xx"


@KINDS
async def test_calls_do_not_wait_for_each_other(kind: str) -> None:
    with backend_of(kind, failing=False) as backend:
        outcomes = await asyncio.gather(*(backend.ask(a_call(id=str(i)), BODY, soon()) for i in range(50)))
        await backend.close()

    assert [o.failure for o in outcomes] == [None] * 50


@KINDS
async def test_a_body_is_not_changed(kind: str) -> None:
    body = {**BODY, "max_tokens": 3}
    with backend_of(kind, failing=False) as backend:
        await backend.ask(a_call(), body, soon())
        await backend.close()

    assert body == {**BODY, "max_tokens": 3}


@KINDS
async def test_a_server_that_answers_is_ready(kind: str) -> None:
    with backend_of(kind, failing=False) as backend:
        assert await backend.probe()
        await backend.close()
