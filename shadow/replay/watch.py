"""Watches whether an arm's server is there: probes it, warms it up, and looks again when calls fail or none succeed."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable

from shadow.clock import Clock
from shadow.records import ArmOutcome, FailureKind
from shadow.replay.arm_state import OUTAGE_KINDS, ArmMachine, Decision
from shadow.replay.base import Backend

_LOG = logging.getLogger(__name__)

PROBE_PERIOD_SECONDS = 1.0  # of an arm that is not up, from start to start; a probe itself may take 2 s
IDLE_PROBE_SECONDS = 10.0  # of an arm that is up and has answered nothing for so long
SUSPECT_PROBE_SECONDS = 0.2  # between two probes of an arm that is up, however many calls fail
_NOT_READY: frozenset[FailureKind] = OUTAGE_KINDS | {"invalid"}
_NOT_OURS = frozenset({401, 403, 404})  # a wrong key or model name: no call would ever be answered


class Watch:
    """The background half of an arm; `run` is the task. `warm` makes one warm-up call.

    `decide` hands on what became of held calls and `changed` is called after anything that may have changed the state.
    """

    def __init__(
        self,
        *,
        arm: str,
        machine: ArmMachine,
        backend: Backend,
        clock: Clock,
        warmup_calls: int,
        warm: Callable[[], Awaitable[ArmOutcome]],
        decide: Callable[[Iterable[Decision]], None],
        changed: Callable[[], None],
    ) -> None:
        self._arm, self._machine, self._backend, self._clock = arm, machine, backend, clock
        self._warmup_calls, self._warm, self._decide, self._changed = warmup_calls, warm, decide, changed
        self._alarm = asyncio.Event()
        self._last_look_ns = 0
        self.reason: str | None = "not probed yet"
        self.errors = 0

    def alarm(self) -> None:
        """A failure is held back or the arm went down: look now."""
        self._alarm.set()

    async def run(self) -> None:
        """Watches until it is cancelled."""
        while True:
            try:
                if self._machine.ready:
                    await self._while_up()
                else:
                    await self._while_down()
            except Exception as error:  # the border of a stage: an arm that nobody watches never comes back
                self.errors += 1
                _LOG.error("arm %s: %s while watching it", self._arm, type(error).__name__)
                await asyncio.sleep(PROBE_PERIOD_SECONDS)

    async def _while_down(self) -> None:
        self._decide(self._machine.expire())
        started_ns = self._clock.monotonic_ns()
        if await self._came_up():
            self._last_look_ns = self._clock.monotonic_ns()
            self._machine.came_up()
            self.reason = None
            self._changed()
            return
        spent_seconds = (self._clock.monotonic_ns() - started_ns) / 1e9
        await asyncio.sleep(max(0.05, PROBE_PERIOD_SECONDS - spent_seconds))

    async def _came_up(self) -> bool:
        """One probe and the warm-up calls; `reason` says what was missing."""
        if not await self._backend.probe():
            self.reason = "probes are not answered"
            return False
        for _ in range(self._warmup_calls):
            outcome = await self._warm()
            if outcome.failure in _NOT_READY or (outcome.failure is not None and outcome.status in _NOT_OURS):
                status = "" if outcome.status is None else f" (status {outcome.status})"
                self.reason = f"a warm-up call ended in {outcome.failure}{status}"
                return False
        return True

    async def _while_up(self) -> None:
        alarmed = self._alarm.is_set()
        self._alarm.clear()
        if alarmed or self._idle_seconds() >= IDLE_PROBE_SECONDS:
            await self._look()
            await asyncio.sleep(SUSPECT_PROBE_SECONDS)
        self._decide(self._machine.expire())
        patience_seconds = IDLE_PROBE_SECONDS - self._idle_seconds()
        expiry_ns = self._machine.next_expiry_ns
        if expiry_ns is not None:
            patience_seconds = min(patience_seconds, (expiry_ns - self._clock.monotonic_ns()) / 1e9)
        try:
            async with asyncio.timeout(max(0.05, patience_seconds)):
                await self._alarm.wait()
        except TimeoutError:
            return

    async def _look(self) -> None:
        """Probes an arm that is up."""
        started_ns = self._last_look_ns = self._clock.monotonic_ns()
        answered = await self._backend.probe()
        if not answered and self._machine.next_expiry_ns is None:
            answered = await self._backend.probe()  # no call has failed: one lost probe of an idle arm is no outage yet
        if answered:
            self._decide(self._machine.probe_succeeded(started_ns))
            return
        decided = self._machine.probe_failed(started_ns)
        if not self._machine.ready:
            self.reason = "a probe was not answered"
        self._decide(decided)
        self._changed()

    def _idle_seconds(self) -> float:
        last_ns = max(self._machine.last_success_ns or 0, self._last_look_ns)
        return (self._clock.monotonic_ns() - last_ns) / 1e9
