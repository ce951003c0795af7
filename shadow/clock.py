"""Time as a port: monotonic for durations, wall for timestamps; tests advance a fake."""

import time
from typing import Protocol


class Clock(Protocol):
    """Never blocks, never raises."""

    def monotonic_ns(self) -> int:
        """Nanoseconds of a clock that never goes back; only differences mean something."""
        ...

    def wall_unix_ms(self) -> int:
        """Milliseconds since the Unix epoch."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()

    def wall_unix_ms(self) -> int:
        return time.time_ns() // 1_000_000
