"""The reference pipeline: one process, no robustness. A mirrored record is decoded, replayed to the candidates, scored by
three cheap scorers, counted, and written as a result; the whole sidecar is measured against it."""

import asyncio
import re
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry, Counter, Histogram

from bench.reference.clients import Answer, Client

IN_FLIGHT = 32
_ENCODE = msgspec.json.Encoder().encode
_REFUSAL = re.compile(r"\b(i can(?:no|')t|i am unable|as an ai|i'm sorry)\b", re.IGNORECASE)


class Message(msgspec.Struct):
    role: str
    content: str


class Request(msgspec.Struct, omit_defaults=True):
    messages: list[Message]
    model: str = ""
    temperature: float | None = None
    max_tokens: int | None = None
    stream: bool = False
    stream_options: dict[str, Any] | None = None


class Recorded(msgspec.Struct):
    content: str


class Choice(msgspec.Struct):
    message: Recorded


class Response(msgspec.Struct):
    choices: list[Choice]
    usage: dict[str, Any] | None = None


class Record(msgspec.Struct):
    id: str
    ts: float
    route: str
    request: Request
    response: Response
    latency_ms: float


RECORD = msgspec.json.Decoder(Record)


class Welford:
    """Mean and variance, one value at a time."""

    __slots__ = ("mean", "n", "squares")

    def __init__(self) -> None:
        self.n, self.mean, self.squares = 0, 0.0, 0.0

    def add(self, x: float) -> None:
        self.n += 1
        step = x - self.mean
        self.mean += step / self.n
        self.squares += step * (x - self.mean)


class ReferencePipeline:
    """Runs batches of encoded records; children of metrics are resolved once."""

    def __init__(self, client: Client, candidates: Sequence[str], *, stream: bool) -> None:
        self._client, self._candidates, self._stream = client, tuple(candidates), stream
        registry, pair = CollectorRegistry(), ["candidate", "route"]
        self._latency = Histogram(
            "latency_seconds", "x", pair, buckets=[0.005 * 1.6**i for i in range(20)], registry=registry
        )
        self._score = Histogram("score", "x", [*pair, "scorer"], buckets=[i / 20 for i in range(21)], registry=registry)
        self._requests = Counter("requests", "x", [*pair, "outcome"], registry=registry)
        self._tokens = Counter("tokens", "x", pair, registry=registry)
        self._children: dict[tuple[str, str], tuple[Any, ...]] = {}

    async def run(self, lines: Iterable[bytes], write: Callable[[bytes], object]) -> None:
        """Every record once, `IN_FLIGHT` at a time."""
        todo = iter(lines)

        async def worker() -> None:
            for line in todo:
                await self._one(line, write)

        await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))

    async def _replay(self, record: Record, candidate: str) -> tuple[str, Answer, float]:
        q = record.request
        options = {"include_usage": True} if self._stream else None
        body = _ENCODE(Request(q.messages, candidate, q.temperature, q.max_tokens, self._stream, options))
        answer = await self._client.complete(body)
        return candidate, answer, (time.monotonic_ns() - answer.sent) / 1e9

    async def _one(self, line: bytes, write: Callable[[bytes], object]) -> None:
        record = RECORD.decode(line)
        incumbent = record.response.choices[0].message.content
        answers = await asyncio.gather(*(self._replay(record, candidate) for candidate in self._candidates))
        rows = []
        for candidate, answer, seconds in answers:
            text = "".join(answer.texts)
            exact = float(text == incumbent)
            length = min(len(text), len(incumbent)) / max(len(text), len(incumbent), 1)
            refusal = _REFUSAL.search(text) is not None
            self._count(
                candidate, record.route, seconds, exact, length, (answer.usage or {}).get("completion_tokens", 0)
            )
            rows.append({"model": candidate, "latency": seconds, "exact": exact, "length": length, "refusal": refusal})
        write(_ENCODE({"id": record.id, "route": record.route, "candidates": rows}))

    def _count(self, candidate: str, route: str, seconds: float, exact: float, length: float, tokens: int) -> None:
        found = self._children.get((candidate, route))
        if found is None:
            scores = [self._score.labels(candidate, route, name) for name in ("exact", "length", "semantic")]
            counters = [self._requests.labels(candidate, route, "ok"), self._tokens.labels(candidate, route)]
            latency = self._latency.labels(candidate, route)
            found = self._children[candidate, route] = (latency, *scores, *counters, Welford(), Welford())
        latency, h_exact, h_length, h_third, requests, total, w_score, w_latency = found
        latency.observe(seconds)
        h_exact.observe(exact)
        h_length.observe(length)
        h_third.observe(exact)
        requests.inc()
        total.inc(tokens)
        w_score.add(exact)
        w_latency.add(seconds)
