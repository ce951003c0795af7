"""How much may be under way at once, and how often a failed request may be asked again. Nothing here does I/O."""

import asyncio
import math
import random
from collections import deque

from shadow.clock import Clock

_FIRST_BACKOFF_SECONDS = 0.1
_LONGEST_BACKOFF_SECONDS = 5.0
_RETRY_RESERVE = 10.0


def backoff_seconds(attempt: int, retry_after_seconds: float | None, rng: random.Random) -> float:
    """How long to wait before retry number `attempt` (1, 2, ...): jittered exponential, never below what the server asked for.

    Drawn from [d/2, d] with d = 0.1 s x 2^(attempt-1), at most 5 s. A Retry-After is honoured exactly, plus up to a tenth
    of jitter, so that a fleet does not come back as one.
    """
    longest = min(_LONGEST_BACKOFF_SECONDS, _FIRST_BACKOFF_SECONDS * 2.0 ** min(attempt - 1, 16))
    delay = longest * (0.5 + 0.5 * rng.random())
    if retry_after_seconds is None:
        return delay
    return max(delay, retry_after_seconds * (1 + 0.1 * rng.random()))


class RetryBudget:
    """Retries as a share of requests, so that a failing server is not asked several times as often as a healthy one.

    A token bucket: a request adds `share`, a retry takes 1, at most `_RETRY_RESERVE` is kept. Share 0 allows none.
    `suspended` (the arm is down) refuses every retry.
    """

    def __init__(self, share: float) -> None:
        self._share = share
        self._tokens = _RETRY_RESERVE if share > 0 else 0.0
        self.suspended = False
        self.refused_total = 0

    def request(self) -> None:
        """A request was made."""
        self._tokens = min(_RETRY_RESERVE, self._tokens + self._share) if self._share > 0 else 0.0

    def take(self) -> bool:
        """True when one more retry is within the budget; it is then spent."""
        if self.suspended or self._tokens < 1:
            self.refused_total += 1
            return False
        self._tokens -= 1
        return True


class RateCap:
    """A hard cap per second or minute (the baseline's): a token bucket of one second's worth, at least one."""

    def __init__(self, clock: Clock, per_second: float, *, burst: float | None = None) -> None:
        self._clock = clock
        self._per_second = per_second
        self._burst = max(1.0, per_second if burst is None else burst)
        self._tokens = self._burst
        self._at_ns = clock.monotonic_ns()

    def _refill(self) -> None:
        now = self._clock.monotonic_ns()
        self._tokens = min(self._burst, self._tokens + (now - self._at_ns) / 1e9 * self._per_second)
        self._at_ns = now

    def open(self) -> bool:
        """True while at least one unit is left."""
        self._refill()
        return self._tokens >= 1

    def take(self, units: float = 1) -> None:
        """Spends units; the balance may go below zero (tokens of an answer are only known afterwards) and has to recover."""
        self._refill()
        self._tokens -= units


class Slots:
    """Calls in flight at one arm; who waits is served in order of arrival."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._waiting: deque[asyncio.Future[bool]] = deque()
        self.in_flight = 0

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        return len(self._waiting)

    async def acquire(self) -> bool:
        """Waits for a slot and takes it; False when `refuse` sent the waiters away. Cancelling gives the place back."""
        if self.in_flight < self._size:
            self.in_flight += 1
            return True
        turn: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            return await turn
        except asyncio.CancelledError:
            if turn in self._waiting:
                self._waiting.remove(turn)
            elif turn.done() and not turn.cancelled() and turn.result():
                self.release()  # the slot was given in the moment of the cancellation
            raise

    def release(self) -> None:
        """Gives a slot back: to the next in line, where somebody waits."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(True)
                return
        self.in_flight -= 1

    def refuse(self) -> None:
        """Sends everybody away who waits: the arm is down, and their turn would come only when calls time out."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(False)


def remaining_seconds(deadline_ns: int, now_ns: int) -> float:
    """Seconds until a monotonic deadline, 0.0 when it has passed."""
    return max(0, deadline_ns - now_ns) / 1e9


def retry_after_seconds(value: str | None, now_unix_seconds: float) -> float | None:
    """Reads a Retry-After header: seconds or an HTTP date; None when absent, senseless or more than a day away."""
    if not value:
        return None
    try:
        delay = float(value)
    except ValueError:
        from email.utils import parsedate_to_datetime

        try:
            delay = parsedate_to_datetime(value).timestamp() - now_unix_seconds
        except (ValueError, TypeError, OverflowError):
            return None
    return max(0.0, delay) if math.isfinite(delay) and delay <= 86_400 else None
