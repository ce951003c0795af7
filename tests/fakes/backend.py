"""A model server in memory: it answers what a test sets, when a test lets it."""

import asyncio
from collections import deque
from typing import Any

from shadow.records import Answer, ArmOutcome, Call, FailureKind, Usage


class FakeBackend:
    """`up` answers probes. `plan` holds the failures of the next calls (None: success); afterwards `failure` is used."""

    def __init__(self, *, up: bool = True) -> None:
        self.up = up
        self.plan: deque[FailureKind | None] = deque()
        self.answers: deque[bool] = deque()  # of the next probes
        self.failure: FailureKind | None = None
        self.status: int | None = None
        self.error: Exception | None = None
        self.gate: asyncio.Event | None = None
        self.asked: list[dict[str, Any]] = []
        self.deadlines_ns: list[int] = []
        self.probes = 0
        self.closed = False
        self.finish_reason = "stop"

    async def ask(self, call: Call, body: dict[str, Any], deadline_ns: int) -> ArmOutcome:
        self.asked.append(body)
        self.deadlines_ns.append(deadline_ns)
        failure = self.plan.popleft() if self.plan else self.failure
        if self.gate is not None and call.id != "warm-up":
            await self.gate.wait()
        if self.error is not None:
            raise self.error
        answer = Answer(
            text=None if failure else "Hello",
            failure=failure,
            finish_reason=self.finish_reason,
            usage=Usage(input_tokens=3, output_tokens=5),
        )
        return ArmOutcome(
            arm="cand", role="candidate", answer=answer, failure=failure, status=self.status, latency_seconds=0.1
        )

    async def probe(self) -> bool:
        self.probes += 1
        return self.answers.popleft() if self.answers else self.up

    async def close(self) -> None:
        self.closed = True
