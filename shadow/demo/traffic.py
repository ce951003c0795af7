"""Plays production: customers ask, the incumbent answers, and a copy of both goes into the topic.

The rate follows what this machine can do: it grows while Shadow keeps up and falls back when records pile up.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from typing import Any, Final

import aiohttp
import msgspec

from shadow.demo.configuration_file import MAX_NEW_TOKENS, TOPIC
from shadow.demo.corpus import Question, questions
from shadow.demo.roster import INCUMBENT_MODEL

log = logging.getLogger(__name__)

TEMPERATURE: Final = 0.2
"""Production samples a little: two answers of the same model differ now and then, and the baseline arm shows how much."""
FIRST_RATE: Final = 3.0
HIGHEST_RATE: Final = 9.0
LOWEST_RATE: Final = 1.0
_ADJUST_SECONDS: Final = 1.0
_MOST_IN_FLIGHT: Final = 16
_ANSWER_SECONDS: Final = 30.0
_STOP_SECONDS: Final = 8.0


class Pace:
    """Requests per second: what the ledger takes, and a little more while nothing piles up."""

    def __init__(self) -> None:
        self.rate = FIRST_RATE
        self._taken = FIRST_RATE
        self._read = 0

    def adjust(self, sent: int, read: int, seconds: float) -> None:
        """Told every `seconds` how many records were sent and how many are accounted for.

        What lies between topic and ledger for about three seconds is on its way; more is a queue, and the rate falls
        below what is being taken until it is gone.
        """
        self._taken += 0.2 * ((read - self._read) / seconds - self._taken)
        self._read = read
        queued = sent - read > 8 + 3 * self._taken
        wanted = 0.8 * self._taken if queued else 1.06 * self.rate
        self.rate = min(HIGHEST_RATE, max(LOWEST_RATE, wanted))


def envelope(number: int, question: Question, body: dict[str, Any], answer: dict[str, Any]) -> bytes:
    """The native record of one call, as a gateway would mirror it."""
    return msgspec.json.encode(
        {
            "v": 1,
            "id": f"demo-{number:06d}",
            "ts": datetime.now(UTC).isoformat(),
            "session": f"customer-{number:06d}",
            "turn": 1,
            "route": question.route,
            "request": body,
            **answer,
        }
    )


class Traffic:
    """Customers on a thread of their own. `read` says how many records Shadow has accounted for."""

    def __init__(self, *, models_url: str, bootstrap: str, seed: int, read: Callable[[], int]) -> None:
        self._url, self._bootstrap = f"{models_url}/chat/completions", bootstrap
        self._seed, self._read = seed, read
        self.pace = Pace()
        self.sent = self.failed = 0
        self.error: BaseException | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="traffic", daemon=True)

    def start(self) -> None:
        """The first customers come."""
        self._thread.start()

    def stop(self) -> None:
        """No more customers; those who wait get their answer, within seconds."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(_STOP_SECONDS)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as error:  # the border of the thread: the story says that there is no traffic
            log.exception("the traffic ended")
            self.error = error

    async def _serve(self) -> None:
        from kafka import KafkaProducer

        producer = await asyncio.to_thread(
            KafkaProducer, bootstrap_servers=[self._bootstrap], client_id="demo-traffic", linger_ms=20
        )
        timeout = aiohttp.ClientTimeout(total=_ANSWER_SECONDS)
        open_calls: set[asyncio.Task[None]] = set()
        try:
            async with aiohttp.ClientSession(timeout=timeout, trust_env=False) as session:
                adjusting = asyncio.create_task(self._adjust())
                asked = questions(self._seed)
                for number in count():
                    if self._stopping.is_set():
                        break
                    await self._turn(open_calls)
                    task = asyncio.create_task(self._customer(session, producer, number, next(asked)))
                    open_calls.add(task)
                    task.add_done_callback(open_calls.discard)
                adjusting.cancel()
                if open_calls:
                    await asyncio.wait(open_calls, timeout=_STOP_SECONDS / 2)
                for task in open_calls:
                    task.cancel()
        finally:
            await asyncio.to_thread(producer.close, timeout=2)

    async def _turn(self, open_calls: set[asyncio.Task[None]]) -> None:
        """Until the next customer comes."""
        until = time.monotonic() + 1 / self.pace.rate
        while not self._stopping.is_set():
            now = time.monotonic()
            if now >= until and len(open_calls) < _MOST_IN_FLIGHT:
                return
            await asyncio.sleep(min(0.1, max(0.01, until - now)))

    async def _adjust(self) -> None:
        while True:
            await asyncio.sleep(_ADJUST_SECONDS)
            self.pace.adjust(self.sent, self._read(), _ADJUST_SECONDS)

    async def _customer(self, session: aiohttp.ClientSession, producer: Any, number: int, question: Question) -> None:
        body = {
            "model": INCUMBENT_MODEL,
            "messages": question.messages,
            "temperature": TEMPERATURE,
            "max_tokens": MAX_NEW_TOKENS,
        }
        answer = await ask(session, self._url, body)
        self.failed += answer["status"] >= 400
        record = envelope(number, question, body, answer)
        # Sending waits for metadata at most once, at the very start; the client's own thread does the rest.
        await asyncio.to_thread(producer.send, TOPIC, key=f"customer-{number:06d}".encode(), value=record)
        self.sent += 1


async def ask(session: aiohttp.ClientSession, url: str, body: dict[str, Any]) -> dict[str, Any]:
    """The incumbent's answer as it stands in a record: response, status, latency, time to first token. A failure is an
    answer too: status 502 when the server broke off."""
    started = time.monotonic()
    streamed = {**body, "stream": True, "stream_options": {"include_usage": True}}
    read = Reading()
    try:
        async with session.post(url, json=streamed) as response:
            if response.status != 200:
                return {"status": response.status, "latency_ms": _milliseconds(started), "error": "no answer"}
            async for line in response.content:
                if read.take(line) and read.ttft_ms is None:
                    read.ttft_ms = _milliseconds(started)
    except (aiohttp.ClientError, TimeoutError, OSError):
        return {"status": 502, "latency_ms": _milliseconds(started), "error": "broken off"}
    latency_ms = _milliseconds(started)
    return {"status": 200, "latency_ms": latency_ms, "ttft_ms": read.ttft_ms, "response": read.response(body["model"])}


class Reading:
    """A streamed answer, put together again."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._usage: dict[str, int] | None = None
        self._finish: str | None = None
        self.ttft_ms: float | None = None

    def take(self, line: bytes) -> bool:
        """One line of the stream; True when it brought text."""
        if not line.startswith(b"data: {"):
            return False
        event: dict[str, Any] = msgspec.json.decode(line[6:])
        self._usage = event.get("usage") or self._usage
        brought = False
        for choice in event["choices"]:
            self._finish = choice["finish_reason"] or self._finish
            if text := choice["delta"].get("content"):
                self._parts.append(text)
                brought = True
        return brought

    def response(self, model: str) -> dict[str, Any]:
        """The body of a completion that was not streamed."""
        message = {"role": "assistant", "content": "".join(self._parts)}
        choices = [{"index": 0, "message": message, "finish_reason": self._finish}]
        return {"object": "chat.completion", "model": model, "choices": choices, "usage": self._usage}


def _milliseconds(started: float) -> float:
    return round(1000 * (time.monotonic() - started), 3)
