"""Runs one arm: asks its server, watches whether it is up, and gives every outcome its place in the evidence."""

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from shadow.clock import Clock
from shadow.errors import ConfigurationError
from shadow.records import Answer, ArmOutcome, ArmState, Call, FailureKind, Role
from shadow.replay.admission import RateCap, RetryBudget, Slots
from shadow.replay.arm_state import ArmMachine, Decision, Mark, Ticket
from shadow.replay.base import Backend
from shadow.replay.variants import body_for, limit_is_ours, problems, warmup_call
from shadow.replay.watch import Watch
from shadow.settings import Baseline, Candidate, Replay

_LOG = logging.getLogger(__name__)

LONGEST_HOLD_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmFigures:
    """What metrics and pages show of an arm that is running here. Counts are since start."""

    arm: str
    role: Role
    state: ArmState
    reason: str | None  # why it is not up, in words that quote no traffic
    availability: float | None
    up_seconds: float
    observed_seconds: float
    spells: int
    in_flight: int
    waiting: int
    held: int
    retries_refused: int
    internal_errors: int
    adjustments: dict[str, int]


class ArmRunner:
    """One arm of one worker; owned by one loop. `start`, then `ask` at will, then `close`, which also closes the backend."""

    def __init__(
        self,
        *,
        name: str,
        role: Role,
        arm: Candidate | Baseline,
        replay: Replay,
        backend: Backend,
        clock: Clock,
        budget: RetryBudget | None = None,
    ) -> None:
        if isinstance(arm, Candidate) and (found := problems(arm)):
            raise ConfigurationError(found)
        self.name, self.role = name, role
        self._arm, self._replay, self._backend, self._clock = arm, replay, backend, clock
        self._budget = budget
        self._machine = ArmMachine(clock, hold_seconds=min(replay.timeout_seconds, LONGEST_HOLD_SECONDS))
        self._slots = Slots(replay.concurrency)
        self._undecided: dict[int, asyncio.Future[Mark]] = {}
        self._adjustments: Counter[str] = Counter()
        self._failures: Counter[FailureKind] = Counter()
        self._internal_errors = 0
        self._warmed = 0
        if budget is not None:
            budget.suspended = True  # until the arm is up
        self._ready = asyncio.Event()
        self._watch = Watch(
            arm=name,
            machine=self._machine,
            backend=backend,
            clock=clock,
            warmup_calls=replay.warmup_calls,
            warm=self._warm,
            decide=self._decide,
            changed=self._note_state,
        )
        self._watching: asyncio.Task[None] | None = None
        self._request_cap: RateCap | None = None
        self._token_cap: RateCap | None = None
        if isinstance(arm, Baseline):
            self._request_cap = RateCap(clock, arm.max_requests_per_second)
            if arm.max_tokens_per_minute is not None:
                self._token_cap = RateCap(clock, arm.max_tokens_per_minute / 60, burst=arm.max_tokens_per_minute)

    # -- life

    def start(self) -> None:
        """Begins to probe; returns at once."""
        if self._watching is None:
            self._watching = asyncio.create_task(self._watch.run(), name=f"arm {self.name}")

    async def wait_ready(self, timeout_seconds: float) -> bool:
        """True as soon as the arm is up. After the timeout the arm is declared down and its absence counts as such."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._ready.wait()
        except TimeoutError:
            self._machine.declare_late()
            return False
        return True

    def pause(self, reason: str) -> None:
        """Stops asking this arm, for a reason of ours (budget, governor)."""
        self._machine.pause(reason)

    def resume(self) -> None:
        """Asks this arm again."""
        self._machine.resume()

    def release(self) -> None:
        """Lets go of every outcome that is held back, each counting by itself: for a shutdown that cannot wait."""
        self._decide(self._machine.release())

    async def close(self) -> None:
        """Ends the watch, lets go of what is held, closes the backend."""
        self._decide(self._machine.stop())
        self._slots.refuse()
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
            self._watching = None
        await self._backend.close()

    # -- what others see

    @property
    def state(self) -> ArmState:
        """The arm's state as metrics show it."""
        return self._machine.state

    def figures(self) -> ArmFigures:
        """A snapshot for metrics."""
        up_seconds, observed_seconds = self._machine.observed()
        return ArmFigures(
            arm=self.name,
            role=self.role,
            state=self._machine.state,
            reason=self._machine.paused_reason or self._watch.reason,
            availability=self._machine.availability(),
            up_seconds=up_seconds,
            observed_seconds=observed_seconds,
            spells=self._machine.spells,
            in_flight=self._slots.in_flight,
            waiting=self._slots.waiting,
            held=len(self._undecided),
            retries_refused=0 if self._budget is None else self._budget.refused_total,
            internal_errors=self._internal_errors + self._watch.errors,
            adjustments=dict(self._adjustments),
        )

    # -- calls

    async def ask(self, call: Call) -> ArmOutcome:
        """The arm's outcome for one call. Raises nothing but cancellation.

        The deadline starts when the call's turn has come: our own queue is no fault of the arm, and is reported beside.
        """
        if not self._machine.may_ask:
            return self._unavailable()
        if not self._within_caps():
            return self._unavailable(ours=True)
        queued_ns = self._clock.monotonic_ns()
        if not await self._slots.acquire():
            return self._unavailable()
        try:
            ticket = self._machine.admit()
            if ticket is None:
                return self._unavailable()
            queue_seconds = (self._clock.monotonic_ns() - queued_ns) / 1e9
            in_flight = self._slots.in_flight
            outcome = await self._exchange(ticket, call)
        finally:
            self._slots.release()
        if outcome is None:
            return self._unavailable(ours=True)
        if self._token_cap is not None:
            usage = outcome.answer.usage
            self._token_cap.take((usage.input_tokens or 0) + (usage.output_tokens or 0))
        if outcome.failure is not None:
            self._say(outcome.failure, outcome.status)
        mark = await self._mark(ticket, outcome.failure)
        if mark == "inside":
            return replace(self._unavailable(), spell="inside", status=outcome.status, retries=outcome.retries)
        return replace(
            outcome,
            queue_seconds=queue_seconds,
            in_flight=in_flight,
            spell="first" if mark == "first" else None,
            limited_by_us=outcome.answer.truncated and limit_is_ours(call, self._arm),
        )

    async def _exchange(self, ticket: Ticket, call: Call) -> ArmOutcome | None:
        """The backend's outcome; None when we broke something ourselves, which is no evidence against anybody."""
        try:
            body, notes = body_for(call, self._arm, self._replay)
            if notes:
                self._adjustments.update(notes)
            deadline_ns = self._clock.monotonic_ns() + int(self._replay.timeout_seconds * 1e9)
            return await self._backend.ask(call, body, deadline_ns)
        except asyncio.CancelledError:
            self._machine.abandoned(ticket)
            raise
        except Exception as error:  # the border of a stage: one call must not end the loop
            self._machine.abandoned(ticket)
            self._internal_errors += 1
            _LOG.error("arm %s: %s while asking; the call counts as unavailable", self.name, type(error).__name__)
            return None

    async def _mark(self, ticket: Ticket, failure: FailureKind | None) -> Mark:
        decided = self._machine.completed(ticket, failure)
        mine = next((d.mark for d in decided if d.call == ticket.call), None)
        self._decide(d for d in decided if d.call != ticket.call)
        self._note_state()
        if mine is not None:
            return mine
        future: asyncio.Future[Mark] = asyncio.get_running_loop().create_future()
        self._undecided[ticket.call] = future
        self._watch.alarm()
        try:
            return await future
        except asyncio.CancelledError:
            self._machine.abandoned(ticket)
            raise
        finally:
            self._undecided.pop(ticket.call, None)

    def _say(self, failure: FailureKind, status: int | None) -> None:
        """The 1st, 10th, 100th, ... failure of a kind is a line in the log: an arm that fails without being down is seen too."""
        self._failures[failure] += 1
        count = self._failures[failure]
        if count == 10 ** (len(str(count)) - 1):
            answered = "" if status is None else f", status {status}"
            _LOG.warning("arm %s: a call failed (%s%s), number %d of this kind", self.name, failure, answered, count)

    def _decide(self, decisions: Iterable[Decision]) -> None:
        for call, mark in decisions:
            future = self._undecided.get(call)
            if future is not None and not future.done():
                future.set_result(mark)

    def _within_caps(self) -> bool:
        if self._request_cap is None:
            return True
        if not self._request_cap.open() or (self._token_cap is not None and not self._token_cap.open()):
            self._adjustments["cap"] += 1
            return False
        self._request_cap.take()
        return True

    def _unavailable(self, *, ours: bool = False) -> ArmOutcome:
        """The outcome of a call that was not asked: inside a spell, or with no spell where the reason is `ours` (pause, cap)."""
        ours = ours or self._machine.paused_reason is not None
        return ArmOutcome(
            arm=self.name,
            role=self.role,
            answer=Answer(failure="unavailable", comparable=False),
            failure="unavailable",
            spell=None if ours else "inside",
        )

    async def _warm(self) -> ArmOutcome:
        self._warmed += 1
        call = warmup_call(self._warmed)
        deadline_ns = self._clock.monotonic_ns() + int(self._replay.timeout_seconds * 1e9)
        return await self._backend.ask(call, body_for(call, self._arm, self._replay).body, deadline_ns)

    def _note_state(self) -> None:
        """After anything that may have changed the state: tells waiters, the retry budget and the log."""
        up = self._machine.ready
        if up == self._ready.is_set() or self._machine.state == "stopped":
            return
        if self._budget is not None:
            self._budget.suspended = not up
        if up:
            self._ready.set()
            _LOG.info("arm %s is up", self.name)
        else:
            self._watch.reason = self._watch.reason or "calls failed in a row"
            self._ready.clear()
            self._watch.alarm()
            self._slots.refuse()
            _LOG.warning("arm %s is down: %s; probing it until it is back", self.name, self._watch.reason)
