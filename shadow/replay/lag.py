"""Knows when our own event loop was late, so that a latency taken at that moment is not blamed on a candidate."""

import asyncio
from collections import deque

from shadow.clock import Clock

DEFAULT_PERIOD_SECONDS = 0.025
DEFAULT_THRESHOLD_SECONDS = 0.020
_GRACE_NS = 2_000_000  # callbacks that were due behind the late one run just after it
_KEPT = 4096


class LagGauge:
    """Sleeps, and notes how much later than asked it woke. One per loop; `run` is the task, everything else is cheap.

    A timestamp is only as good as the moment it was taken: what counts is whether the loop was late *then*, not whether
    it was late somewhere in the middle of an answer. Marking whole windows would throw away long answers more often
    than short ones and make slow candidates look fast.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        period_seconds: float = DEFAULT_PERIOD_SECONDS,
        threshold_seconds: float = DEFAULT_THRESHOLD_SECONDS,
    ) -> None:
        self._clock = clock
        self._period_ns = int(period_seconds * 1e9)
        self._threshold_ns = int(threshold_seconds * 1e9)
        self._asleep_since_ns: int | None = None
        self._late: deque[tuple[int, int]] = deque(maxlen=_KEPT)
        self._worst_ns = 0
        self.last_seconds = 0.0
        self.late_total = 0

    async def run(self) -> None:
        """Measures until it is cancelled."""
        try:
            while True:
                self.sleeping()
                await asyncio.sleep(self._period_ns / 1e9)
                self.woke()
        finally:
            self._asleep_since_ns = None

    def sleeping(self) -> None:
        """A sleep of one period begins now."""
        self._asleep_since_ns = self._clock.monotonic_ns()

    def woke(self) -> None:
        """The sleep is over; lateness above the threshold is kept as an interval of doubtful timestamps."""
        since = self._asleep_since_ns
        if since is None:
            return
        self._asleep_since_ns = None
        now = self._clock.monotonic_ns()
        late = max(0, now - since - self._period_ns)
        self.last_seconds = late / 1e9
        self._worst_ns = max(self._worst_ns, late)
        if late > self._threshold_ns:
            self.late_total += 1
            self._late.append((since, now + _GRACE_NS))

    def doubtful(self, *stamps_ns: int | None) -> bool:
        """True when the loop was late at one of these monotonic timestamps (None is skipped)."""
        since = self._asleep_since_ns
        overdue = (
            since is not None and self._clock.monotonic_ns() - since - self._period_ns > self._threshold_ns
        )  # the block has just ended and the gauge itself has not had its turn yet
        if not overdue and not self._late:
            return False
        for stamp in stamps_ns:
            if stamp is None:
                continue
            if overdue and since is not None and stamp >= since:
                return True
            for start, end in reversed(self._late):
                if end < stamp:
                    break
                if start <= stamp:
                    return True
        return False

    def take_worst_seconds(self) -> float:
        """The largest lateness since the last call; 0.0 when there was none."""
        worst, self._worst_ns = self._worst_ns, 0
        return worst / 1e9
