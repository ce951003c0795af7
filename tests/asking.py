"""Asking one server of a test with the real client, over either transport."""

import asyncio
import json
import time
from typing import Any

from builders import a_call
from fakes.raw_server import EVENT, SSE, Exchange, RawServer, Script

from shadow.clock import SystemClock
from shadow.records import ArmOutcome
from shadow.replay.lag import LagGauge
from shadow.replay.openai_http import OpenAIBackend
from shadow.settings import OpenAIBackend as Server
from shadow.settings import Replay

BODY: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
PLAIN = {**BODY, "stream": False}
WHOLE = json.dumps(
    {
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 1},
    }
).encode()


LEAN: list[bool] = []


def backend(
    url: str, *, lag: LagGauge | None = None, server: dict[str, Any] | None = None, **replay: Any
) -> OpenAIBackend:
    settings = Replay(**{"retries": 0, "max_answer_bytes": 2**20, **replay})
    return OpenAIBackend(
        Server(url=url, model="m", **(server or {})),
        settings,
        arm="cand",
        role="candidate",
        clock=SystemClock(),
        lag=lag,
        lean=LEAN[0],
    )


async def ask(
    client: OpenAIBackend, body: dict[str, Any] | None = None, *, seconds: float = 5.0, **call: Any
) -> ArmOutcome:
    try:
        return await client.ask(a_call(**call), body or BODY, time.monotonic_ns() + int(seconds * 1e9))
    finally:
        await client.close()


async def answer_of(
    script: Script, body: dict[str, Any] | None = None, *, seconds: float = 5.0, **replay: Any
) -> ArmOutcome:
    async with RawServer(script) as server:
        return await ask(backend(server.url, **replay), body, seconds=seconds)


async def sends(exchange: Exchange, *parts: bytes) -> None:
    for part in parts:
        await exchange.send(part)


def bytes_script(data: bytes) -> Script:
    return lambda exchange: exchange.send(data)


def status_script(status: int, body: bytes = b"{}", **keys: Any) -> Script:
    return lambda exchange: exchange.whole(status, body, **keys)


async def hangs(exchange: Exchange) -> None:
    await asyncio.sleep(60)


async def hangs_midway(exchange: Exchange) -> None:
    await exchange.send(SSE + EVENT % b"Hel")
    await asyncio.sleep(60)


async def says_nothing(exchange: Exchange) -> None:
    return
