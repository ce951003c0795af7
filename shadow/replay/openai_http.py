"""Asks a server that speaks the OpenAI protocol, over aiohttp: streams, times, retries within the deadline.

Retried are `connection`, `http_5xx` and `rate_limited`, and only while nothing of an answer has been received; each retry
waits (jittered, never less than Retry-After) and is taken from a budget. A timeout is never retried: the deadline is total.
Two more are asked again once, at once and outside that limit: a 401 after the key's source has changed, and a connection
that was closed the moment it was used again. All of them count in `retries`.
"""

import asyncio
import io
import json
import math
import random
from bisect import bisect_right
from dataclasses import replace
from typing import Any

import aiohttp
import msgspec
from yarl import URL

from shadow import settings
from shadow.clock import Clock
from shadow.errors import ConfigurationError
from shadow.records import Answer, ArmOutcome, Call, FailureKind, Role
from shadow.replay.admission import RetryBudget, backoff_seconds, remaining_seconds, retry_after_seconds
from shadow.replay.credentials import Credential
from shadow.replay.lag import LagGauge
from shadow.wire.answers import AnswerReader

PROBE_SECONDS = 2.0
_RETRIED: frozenset[FailureKind] = frozenset({"connection", "http_5xx", "rate_limited"})
_CONNECT_SECONDS = 10.0
_ERROR_BODY_BYTES = 64 * 1024
_READ_BYTES = 2**20
_LARGE_BODY_BYTES = 2**20
_AFTER_DONE_SECONDS = 0.5
_STALE_NS = 250_000_000
_DONES = (b"data: [DONE]", b"data:[DONE]")
_DONE_BYTES = 20
_KEEPALIVE_SECONDS = {
    "http": 4.0,
    "https": 15.0,
}  # vLLM closes idle connections after 5 s; a request must not meet that
_NO_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS)
_SHORTEST_SECONDS = 0.001  # zero would mean no limit at all


class _Attempt:
    """One request on the wire and what came back: the reader of its answer and a timestamp per read."""

    __slots__ = ("counts", "end_ns", "failed_ns", "failure", "reader", "retry_after", "stale", "stamps", "status")

    def __init__(self) -> None:
        self.reader: AnswerReader | None = None
        self.status: int | None = None
        self.retry_after: str | None = None
        self.failure: FailureKind | None = None  # of the transport; the answer may be complete all the same
        self.counts: list[int] = []  # data events known after a read, and
        self.stamps: list[int] = []  # when that read was made, before any of it was parsed
        self.end_ns: int | None = None  # the last read
        self.failed_ns: int | None = None
        self.stale = False  # the connection may have been an old one that the server had just given up

    def stamp_of(self, event: int | None) -> int | None:
        """When the read that completed an event was made."""
        if event is None or not self.stamps:
            return None
        return self.stamps[min(bisect_right(self.counts, event), len(self.stamps) - 1)]

    def answer(self) -> Answer:
        """The answer, with the transport's failure unless what came before it was already a whole answer."""
        if self.reader is None:
            return Answer(failure=self.failure or "connection", comparable=False)
        answer = self.reader.finish(broken=self.failure is not None)
        if self.failure == "timeout" and answer.failure in ("incomplete", "empty"):
            return replace(answer, failure="timeout", comparable=False)
        return answer


class OpenAIBackend:
    """The Backend of one arm. Owned by the loop it is first used in; never follows redirects, keeps no cookies, reads no proxy
    or netrc settings of the environment, and sends no header that came with production traffic."""

    def __init__(
        self,
        server: settings.OpenAIBackend,
        replay: settings.Replay,
        *,
        arm: str,
        role: Role,
        clock: Clock,
        budget: RetryBudget | None = None,
        lag: LagGauge | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self._arm, self._role, self._clock, self._lag = arm, role, clock, lag
        self._replay = replay
        self.budget = budget or RetryBudget(replay.retry_budget)
        self._rng = rng or random.Random()
        self._credential = Credential(arm=arm, api_key_file=server.api_key_file, api_key_env=server.api_key_env)
        base = _base_url(server, arm)
        self._urls = {"chat": base / "chat/completions", "completions": base / "completions"}
        root = base.parent if base.path.rstrip("/").endswith("/v1") else base
        self._probes = (base / "models", root / "health")
        self._secure = base.scheme == "https"
        self._own_headers = _own_headers(server, arm)
        self._session: aiohttp.ClientSession | None = None
        self._answered = False

    async def ask(self, call: Call, body: dict[str, Any], deadline_ns: int) -> ArmOutcome:
        payload = _encode(body)
        url = self._urls[call.endpoint]
        sent_unix_ms, started_ns = self._clock.wall_unix_ms(), self._clock.monotonic_ns()
        self.budget.request()
        retries, key_tried, stale_tried = 0, False, False
        while True:
            attempt = _Attempt()
            await self._exchange(attempt, url, payload, deadline_ns)
            answer = attempt.answer()
            if attempt.status == 401 and not key_tried:
                key_tried = True
                if self._credential.reread():
                    self._open().headers.update(self._with_credential())
                    retries += 1
                    continue
            if attempt.stale and not stale_tried:
                stale_tried = True
                retries += 1
                continue
            if retries >= self._replay.retries or not await self._may_retry(attempt, answer, retries + 1, deadline_ns):
                break
            retries += 1
        return self._outcome(attempt, answer, retries, started_ns, sent_unix_ms, streamed=bool(body.get("stream")))

    async def probe(self) -> bool:
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                for url in self._probes:
                    async with self._open().get(url, allow_redirects=False) as response:
                        if response.status == 200:
                            return True
                        if response.status >= 500:
                            return False
        except (TimeoutError, aiohttp.ClientError, OSError):
            return False
        return False

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            keepalive = _KEEPALIVE_SECONDS["https" if self._secure else "http"]
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=0, keepalive_timeout=keepalive
                ),  # the default of 100 queues silently
                cookie_jar=aiohttp.DummyCookieJar(),
                headers=self._with_credential(),
                timeout=_NO_TIMEOUT,
                trust_env=False,
                auto_decompress=False,  # unpacked by the reader, within bounds
                read_bufsize=_READ_BYTES,
            )
        return self._session

    def _with_credential(self) -> dict[str, str]:
        header = self._credential.header
        own = self._own_headers
        return own if header is None else {**own, "authorization": header}

    async def _exchange(self, attempt: _Attempt, url: URL, payload: bytes, deadline_ns: int) -> None:
        """One request and its answer, into `attempt`. Raises nothing but cancellation, which closes the connection."""
        sent_ns = self._clock.monotonic_ns()
        data: bytes | io.BytesIO = payload if len(payload) < _LARGE_BODY_BYTES else io.BytesIO(payload)
        total = aiohttp.ClientTimeout(
            total=max(_SHORTEST_SECONDS, remaining_seconds(deadline_ns, sent_ns)),
            sock_connect=_CONNECT_SECONDS,
            ceil_threshold=math.inf,  # to the millisecond, not to the full second
        )
        try:
            async with self._open().post(url, data=data, allow_redirects=False, timeout=total) as response:
                await self._receive(attempt, response)
                self._answered = True
        except (aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectorError):
            attempt.failure = "connection"
        except TimeoutError:
            attempt.failure = "timeout"
        except aiohttp.ClientResponseError:  # not HTTP, or headers beyond all measure
            attempt.failure = "invalid"
        except (aiohttp.ClientError, OSError):
            attempt.failure = "connection"
            lasted_ns = self._clock.monotonic_ns() - sent_ns
            attempt.stale = attempt.status is None and self._answered and lasted_ns < _STALE_NS
        if attempt.failure is not None:
            attempt.failed_ns = self._clock.monotonic_ns()

    async def _receive(self, attempt: _Attempt, response: aiohttp.ClientResponse) -> None:
        now = self._clock.monotonic_ns
        attempt.status = response.status
        reader = attempt.reader = AnswerReader(
            response.status, response.headers, max_body_bytes=self._replay.max_answer_bytes
        )
        if response.status != 200:
            attempt.retry_after = response.headers.get("retry-after")
        received = events = 0
        content, over = response.content, False
        while data := await (_briefly(content) if over else content.readany()):
            stamp = now()
            reader.feed(data)
            attempt.end_ns = stamp
            if reader.events > events:
                events = reader.events
                attempt.counts.append(events)
                attempt.stamps.append(stamp)
            received += len(data)
            if reader.stopped or (response.status >= 300 and received > _ERROR_BODY_BYTES):
                break
            over = events > 0 and data[-_DONE_BYTES:].rstrip().endswith(_DONES) and not content.at_eof()
        if not content.at_eof():
            response.close()
        if attempt.end_ns is None:
            attempt.end_ns = now()

    async def _may_retry(self, attempt: _Attempt, answer: Answer, number: int, deadline_ns: int) -> bool:
        """Waits and says yes, when the failure is one that may pass and time and budget are left."""
        if answer.failure not in _RETRIED or attempt.failure == "timeout":
            return False
        if attempt.reader is not None and attempt.reader.first_output_event is not None:
            return False
        asked_for = retry_after_seconds(attempt.retry_after, self._clock.wall_unix_ms() / 1e3)
        delay = backoff_seconds(number, asked_for, self._rng)
        if delay >= remaining_seconds(deadline_ns, self._clock.monotonic_ns()) or not self.budget.take():
            return False
        await asyncio.sleep(delay)
        return not self.budget.suspended

    def _outcome(
        self, attempt: _Attempt, answer: Answer, retries: int, started_ns: int, sent_unix_ms: int, *, streamed: bool
    ) -> ArmOutcome:
        """Durations run from the first attempt: a user waits through the retries too."""
        end_ns = attempt.end_ns if answer.failure is None or attempt.failed_ns is None else attempt.failed_ns
        if end_ns is None:
            end_ns = self._clock.monotonic_ns()
        first_ns = answer_ns = None
        if streamed and attempt.reader is not None:
            first_ns = attempt.stamp_of(attempt.reader.first_output_event)
            answer_ns = attempt.stamp_of(attempt.reader.first_answer_event)
        tokens = answer.usage.output_tokens
        tpot = None
        if answer.failure is None and first_ns is not None and tokens is not None and tokens >= 2:
            tpot = (end_ns - first_ns) / 1e9 / (tokens - 1)
        return ArmOutcome(
            arm=self._arm,
            role=self._role,
            answer=answer,
            failure=answer.failure,
            status=attempt.status,
            retries=retries,
            latency_seconds=(end_ns - started_ns) / 1e9,
            ttft_seconds=None if first_ns is None else (first_ns - started_ns) / 1e9,
            ttft_answer_seconds=None if answer_ns is None else (answer_ns - started_ns) / 1e9,
            tpot_seconds=tpot,
            client_saturated=self._lag is not None and self._lag.doubtful(started_ns, first_ns, answer_ns, end_ns),
            sent_unix_ms=sent_unix_ms,
        )


async def _briefly(content: aiohttp.StreamReader) -> bytes:
    """What still comes after `[DONE]`: servers that keep the response open get a moment to end it, not until the deadline."""
    try:
        async with asyncio.timeout(_AFTER_DONE_SECONDS):
            return await content.readany()
    except (TimeoutError, aiohttp.ClientError):
        return b""


def _base_url(server: settings.OpenAIBackend, arm: str) -> URL:
    try:
        base = URL(server.url.rstrip("/"))
    except ValueError:
        raise ConfigurationError([f"{arm}: backend.url is no URL"]) from None
    if base.user is not None or base.password is not None:
        raise ConfigurationError([f"{arm}: backend.url carries a password; use api_key_file, api_key_env or headers"])
    if not base.host:
        raise ConfigurationError([f"{arm}: backend.url names no host"])
    return base.with_query(None).with_fragment(None)


def _own_headers(server: settings.OpenAIBackend, arm: str) -> dict[str, str]:
    headers = {"content-type": "application/json", "accept-encoding": "identity", "user-agent": "shadow-monitor"}
    for name, value in server.headers.items():
        if not name.isascii() or not name.replace("-", "").replace("_", "").isalnum() or not value.isprintable():
            raise ConfigurationError([f"{arm}: backend.headers: {name!r} cannot be sent as a header"])
        headers[name.lower()] = value
    return headers


def _encode(body: dict[str, Any]) -> bytes:
    try:
        return msgspec.json.encode(body)
    except (UnicodeEncodeError, OverflowError, ValueError):  # a lone surrogate, an integer beyond 64 bits
        return json.dumps(body).encode()
