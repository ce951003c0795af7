"""Asks a server that speaks the OpenAI protocol: streams, times, retries within the deadline.

Retried are `connection`, `http_5xx` and `rate_limited`, and only while nothing of an answer has been received; each retry
waits (jittered, never less than Retry-After) and is taken from a budget. A timeout is never retried: the deadline is total.
Two more are asked again once, at once and outside that limit: a 401 after the key's source has changed, and a connection
that was closed the moment it was used again. All of them count in `retries`.
"""

import asyncio
import json
import random
from typing import Any

import msgspec
from yarl import URL

from shadow import settings
from shadow.clock import Clock
from shadow.errors import ConfigurationError
from shadow.records import Answer, ArmOutcome, Call, FailureKind, Role
from shadow.replay.admission import RetryBudget, backoff_seconds, remaining_seconds, retry_after_seconds
from shadow.replay.credentials import Credential
from shadow.replay.general_http import GeneralTransport
from shadow.replay.lag import LagGauge
from shadow.replay.lean_http import LeanTransport
from shadow.replay.transport import Attempt, Transport

PROBE_SECONDS = 2.0
_RETRIED: frozenset[FailureKind] = frozenset({"connection", "http_5xx", "rate_limited"})


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
        lean: bool = True,
    ) -> None:
        self._arm, self._role, self._clock, self._lag = arm, role, clock, lag
        self._replay = replay
        self.budget = budget or RetryBudget(replay.retry_budget)
        self._rng = rng or random.Random()
        self._credential = Credential(arm=arm, api_key_file=server.api_key_file, api_key_env=server.api_key_env)
        base = _base_url(server, arm)
        paths = {"chat": base / "chat/completions", "completions": base / "completions"}
        self._paths = {endpoint: url.raw_path_qs for endpoint, url in paths.items()}
        root = base.parent if base.path.rstrip("/").endswith("/v1") else base
        self._probes = ((base / "models").raw_path_qs, (root / "health").raw_path_qs)
        self._own_headers = _own_headers(server, arm)
        self._headers = self._with_credential()
        self._general = GeneralTransport(base)
        self._transport: Transport = self._general
        if base.scheme == "http" and lean:
            self._transport = LeanTransport(base.host or "", base.port or 80, authority=base.raw_authority)

    async def ask(self, call: Call, body: dict[str, Any], deadline_ns: int) -> ArmOutcome:
        payload = _encode(body)
        path = self._paths[call.endpoint]
        sent_unix_ms, started_ns = self._clock.wall_unix_ms(), self._clock.monotonic_ns()
        self.budget.request()
        retries, key_tried, stale_tried = 0, False, False
        while True:
            attempt = Attempt(self._replay.max_answer_bytes)
            seconds = remaining_seconds(deadline_ns, self._clock.monotonic_ns())
            attempt.done = await self._transport.post(path, payload, self._headers, attempt, seconds)
            finished_ns = self._clock.monotonic_ns()
            answer = attempt.answer()
            if attempt.status == 401 and not key_tried:
                key_tried = True
                if self._credential.reread():
                    self._headers = self._with_credential()
                    retries += 1
                    continue
            if attempt.done.stale and not stale_tried:
                stale_tried = True
                retries += 1
                continue
            if retries >= self._replay.retries or not await self._may_retry(attempt, answer, retries + 1, deadline_ns):
                break
            retries += 1
        end_ns = finished_ns if answer.failure is not None or attempt.end_ns is None else attempt.end_ns
        return self._outcome(
            attempt, answer, retries, started_ns, end_ns, sent_unix_ms, streamed=bool(body.get("stream"))
        )

    async def probe(self) -> bool:
        deadline_ns = self._clock.monotonic_ns() + int(PROBE_SECONDS * 1e9)
        for path in self._probes:
            seconds = remaining_seconds(deadline_ns, self._clock.monotonic_ns())
            status = await self._general.status_of(path, self._headers, seconds)
            if status is None or status >= 500:
                return False
            if status == 200:
                return True
        return False

    async def close(self) -> None:
        await self._transport.close()
        await self._general.close()

    def _with_credential(self) -> dict[str, str]:
        header = self._credential.header
        own = self._own_headers
        return own if header is None else {**own, "authorization": header}

    async def _may_retry(self, attempt: Attempt, answer: Answer, number: int, deadline_ns: int) -> bool:
        """Waits and says yes, when the failure is one that may pass and time and budget are left."""
        if answer.failure not in _RETRIED or attempt.done.failure == "timeout":
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
        self,
        attempt: Attempt,
        answer: Answer,
        retries: int,
        started_ns: int,
        end_ns: int,
        sent_unix_ms: int,
        *,
        streamed: bool,
    ) -> ArmOutcome:
        """Durations run from the first attempt: a user waits through the retries too."""
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
