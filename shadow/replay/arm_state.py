"""Whether an arm can be asked, and which of its failures are one outage. Pure: time comes from a Clock, I/O from nobody.

A *spell* opens by a failed probe or by `RUN_LENGTH` outage failures in a row, in order of completion. While a run is
undecided its failures are held back: a success releases them as what they are (each counts), the spell turns the first
into its one piece of evidence and the others into calls `inside`. An answer that broke off is held likewise, for it may
be the first sign of a crash, but does not count towards the run, and a probe that succeeds releases it.
"""

from collections import deque
from typing import Literal, NamedTuple

from shadow.clock import Clock
from shadow.records import ArmState, FailureKind

RUN_LENGTH = 5
OUTAGE_KINDS: frozenset[FailureKind] = frozenset({"connection", "timeout", "http_5xx", "out_of_memory", "rate_limited"})

Mark = Literal["alone", "first", "inside"]
"""What a finished call is in the evidence: itself, the one failure of a spell, or a further call of it (no evidence)."""


class Decision(NamedTuple):
    """The mark of one call, given exactly once."""

    call: int
    mark: Mark


class Ticket(NamedTuple):
    """A call that may be asked. `spells` is how many spells had opened before it was sent."""

    call: int
    spells: int


class _Held(NamedTuple):
    call: int
    counts: bool
    at_ns: int


class ArmMachine:
    """One arm of one worker. Owned by one loop; every method returns at once.

    `hold_seconds` bounds how long an undecided failure is held back; after that it counts by itself.
    """

    def __init__(self, clock: Clock, *, hold_seconds: float) -> None:
        self._clock = clock
        self._hold_ns = int(hold_seconds * 1e9)
        self._base: Literal["warming", "up", "down", "stopped"] = "warming"
        self._paused: str | None = None
        self._calls = 0
        self._held: deque[_Held] = deque()
        self._run = 0
        self._evidence_owed = False  # a spell has opened and no failed call stands for it yet
        self._canary_out = False
        self._last_success_ns: int | None = None
        self._observed_since_ns: int | None = None
        self._at_ns = clock.monotonic_ns()
        self._up_ns = 0
        self._observed_ns = 0
        self.ever_up = False
        self.spells = 0

    # -- what others see

    @property
    def state(self) -> ArmState:
        """The state that metrics show."""
        if self._paused is not None and self._base != "stopped":
            return "paused"
        return self._base

    @property
    def ready(self) -> bool:
        """The server behind the arm is up, whether or not we have paused ourselves."""
        return self._base == "up"

    @property
    def paused_reason(self) -> str | None:
        """Why we do not ask this arm (budget, governor); None when we do."""
        return self._paused

    @property
    def last_success_ns(self) -> int | None:
        """When the server last answered a call, were it with a refusal; None before the first."""
        return self._last_success_ns

    @property
    def next_expiry_ns(self) -> int | None:
        """When the oldest held failure has to be released; None when nothing is held."""
        return self._held[0].at_ns + self._hold_ns if self._held else None

    def observed(self) -> tuple[float, float]:
        """(seconds up, seconds observed). Observation begins when the arm is first up or was declared late; pauses are left out."""
        self._account()
        return self._up_ns / 1e9, self._observed_ns / 1e9

    def availability(self) -> float | None:
        """Share of the observed time that the arm was up, 0..1; None before observation began."""
        up, observed = self.observed()
        return up / observed if observed > 0 else None

    # -- calls

    @property
    def may_ask(self) -> bool:
        """True when `admit` would give a ticket now."""
        if self._paused is not None or self._base == "stopped":
            return False
        return self._base == "up" or (self.ever_up and self._evidence_owed and not self._canary_out)

    def admit(self) -> Ticket | None:
        """A ticket for a call that is to be asked now, or None: it is unavailable.

        A spell that a probe opened has no failed call that stands for it. The next call is then asked after all: its
        failure is the spell's evidence, and if it succeeds there is nothing to hold against the arm.
        """
        if not self.may_ask:
            return None
        self._canary_out = self._base != "up"
        self._calls += 1
        return Ticket(self._calls, self.spells)

    def abandoned(self, ticket: Ticket) -> None:
        """The call was cancelled, in flight or while its failure was held: it says nothing about the arm."""
        self._canary_back(ticket)
        self._held = deque(held for held in self._held if held.call != ticket.call)

    def completed(self, ticket: Ticket, failure: FailureKind | None) -> list[Decision]:
        """A call is done, with its failure if it had one. Returns what is decided by that, about it and others."""
        self._canary_back(ticket)
        if self._base == "stopped":
            return [Decision(ticket.call, "alone")]
        outage = failure in OUTAGE_KINDS
        if not outage and failure != "incomplete":
            self._last_success_ns = self._clock.monotonic_ns()
            mine = Decision(ticket.call, "alone")
            if self._base != "up":
                return [mine]
            return [*self.release(), mine]
        if ticket.spells < self.spells or self._base != "up":
            return [Decision(ticket.call, self._mark_in_spell())]
        self._held.append(_Held(ticket.call, outage, self._clock.monotonic_ns()))
        self._run += outage
        return self._open_spell() if self._run >= RUN_LENGTH else []

    def release(self) -> list[Decision]:
        """The run ended without a spell: whatever is held counts by itself."""
        self._run = 0
        decided = [Decision(held.call, "alone") for held in self._held]
        self._held.clear()
        return decided

    def expire(self) -> list[Decision]:
        """Releases what was held long enough. The run goes on: the next failures may still make it a spell."""
        oldest_ns = self._clock.monotonic_ns() - self._hold_ns
        decided = []
        while self._held and self._held[0].at_ns <= oldest_ns:
            decided.append(Decision(self._held.popleft().call, "alone"))
        return decided

    # -- probes and what we do ourselves

    def probe_failed(self, started_ns: int) -> list[Decision]:
        """The server did not answer a probe that was sent at `started_ns`. A call that succeeded since then outweighs it."""
        if self._base != "up" or (self._last_success_ns is not None and self._last_success_ns >= started_ns):
            return []
        return self._open_spell()

    def probe_succeeded(self, started_ns: int) -> list[Decision]:
        """The server is there: answers that broke off before `started_ns` are failures of their own, not a crash."""
        if self._base != "up":
            return []
        decided = [Decision(h.call, "alone") for h in self._held if not h.counts and h.at_ns <= started_ns]
        self._held = deque(h for h in self._held if h.counts or h.at_ns > started_ns)
        return decided

    def came_up(self) -> None:
        """A probe and the warm-up calls succeeded."""
        if self._base in ("warming", "down"):
            self._account()
            self._base = "up"
            self._run = 0
            self.ever_up = True
            self._observed_since_ns = self._observed_since_ns or self._at_ns

    def declare_late(self) -> None:
        """The time to start is over: an arm that is still warming is down, and its absence is observed from now on."""
        if self._base == "warming":
            self._account()
            self._base = "down"
            self._observed_since_ns = self._at_ns

    def pause(self, reason: str) -> None:
        """Stops asking, for a reason of ours."""
        self._account()
        self._paused = reason

    def resume(self) -> None:
        """Asks again."""
        self._account()
        self._paused = None

    def stop(self) -> list[Decision]:
        """Ends for good; whatever is held counts by itself."""
        self._account()
        decided = self.release()
        self._base = "stopped"
        return decided

    # -- inside

    def _account(self) -> None:
        now = self._clock.monotonic_ns()
        if self._observed_since_ns is not None and self._paused is None and self._base != "stopped":
            self._observed_ns += now - self._at_ns
            if self._base == "up":
                self._up_ns += now - self._at_ns
        self._at_ns = now

    def _open_spell(self) -> list[Decision]:
        self._account()
        self._base = "down"
        self.spells += 1
        self._run = 0
        self._evidence_owed = True
        self._canary_out = False
        decided = [Decision(held.call, self._mark_in_spell()) for held in self._held]
        self._held.clear()
        return decided

    def _mark_in_spell(self) -> Mark:
        if self._evidence_owed:
            self._evidence_owed = False
            return "first"
        return "inside"

    def _canary_back(self, ticket: Ticket) -> None:
        if ticket.spells == self.spells:
            self._canary_out = False
