"""A clock that only tests advance."""


class FakeClock:
    def __init__(self, *, wall_unix_ms: int = 1_764_000_000_000) -> None:
        self._monotonic_ns = 1_000_000_000
        self._wall_unix_ms = wall_unix_ms

    def monotonic_ns(self) -> int:
        return self._monotonic_ns

    def wall_unix_ms(self) -> int:
        return self._wall_unix_ms

    def advance(self, seconds: float) -> None:
        self._monotonic_ns += round(seconds * 1e9)
        self._wall_unix_ms += round(seconds * 1e3)
