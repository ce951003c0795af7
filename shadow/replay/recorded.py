"""The incumbent as it was recorded: an arm of its own whose outages are one event too.

Its outcomes are known when the record is read; a failure is held back while it may be the beginning of an outage, by the
same rules as for every other arm, and the order is that of the records.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import replace

from shadow.clock import Clock
from shadow.records import INCUMBENT, Answer, ArmOutcome, Call
from shadow.replay.arm_state import OUTAGE_KINDS, ArmMachine, Decision, Mark

HOLD_SECONDS = 10.0


class RecordedIncumbent:
    """Owned by the replayer's loop."""

    def __init__(self, clock: Clock, *, hold_seconds: float = HOLD_SECONDS) -> None:
        self._machine = ArmMachine(clock, hold_seconds=hold_seconds)
        self._machine.came_up()
        self._hold_seconds = hold_seconds
        self._undecided: dict[int, asyncio.Future[Mark]] = {}

    async def outcome(self, call: Call) -> ArmOutcome:
        """What production's answer to a call is in the evidence."""
        plain = recorded_outcome(call)
        if plain.failure not in OUTAGE_KINDS and not self._machine.ready:
            self._machine.came_up()  # production answers again
        ticket = self._machine.admit()
        if ticket is None:
            return _inside(plain)
        decided = self._machine.completed(ticket, plain.failure)
        mark = next((d.mark for d in decided if d.call == ticket.call), None)
        self._decide(d for d in decided if d.call != ticket.call)
        if mark is None:
            mark = await self._wait(ticket.call)
        if mark == "inside":
            return _inside(plain)
        return replace(plain, spell="first" if mark == "first" else None)

    async def _wait(self, call: int) -> Mark:
        waiting: asyncio.Future[Mark] = asyncio.get_running_loop().create_future()
        self._undecided[call] = waiting
        try:
            while not waiting.done():
                await asyncio.wait([waiting], timeout=self._hold_seconds)
                self._decide(self._machine.expire())
            return waiting.result()
        finally:
            self._undecided.pop(call, None)

    def release(self) -> None:
        """Lets go of everything that is held back: for a shutdown that cannot wait."""
        self._decide(self._machine.release())

    def _decide(self, decisions: Iterable[Decision]) -> None:
        for call, mark in decisions:
            waiting = self._undecided.get(call)
            if waiting is not None and not waiting.done():
                waiting.set_result(mark)


def recorded_outcome(call: Call) -> ArmOutcome:
    """The recorded answer of a call with the latencies that production measured."""
    answer = call.answer
    return ArmOutcome(
        arm=INCUMBENT,
        role="incumbent",
        answer=answer,
        failure=answer.failure,
        status=call.status,
        latency_seconds=None if call.latency_ms is None else call.latency_ms / 1000,
        ttft_seconds=None if call.ttft_ms is None else call.ttft_ms / 1000,
        tpot_seconds=_tpot(call),
    )


def _tpot(call: Call) -> float | None:
    """(latency - TTFT) / (n - 1) for n >= 2 output tokens."""
    n = call.answer.usage.output_tokens
    if call.latency_ms is None or call.ttft_ms is None or n is None or n < 2 or call.latency_ms < call.ttft_ms:
        return None
    return (call.latency_ms - call.ttft_ms) / 1000 / (n - 1)


def _inside(plain: ArmOutcome) -> ArmOutcome:
    return replace(plain, failure="unavailable", spell="inside", answer=Answer(failure="unavailable", comparable=False))
