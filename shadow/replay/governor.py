"""Do no harm: from the incumbent's load to how much less is sampled. Pure; time comes from a Clock.

Down at once, up slowly. A breached look halves the sampling probability; a look beyond the pause limit stops replaying.
Calm (no look above `CALM_SHARE` of a limit) for `recover_seconds` takes back one step. After a step the direction changes at
most once in `recover_seconds`: up may turn into down at once, down never into up before.
"""

from dataclasses import dataclass
from typing import Literal

from shadow.clock import Clock
from shadow.replay.engine_metrics import Load
from shadow.settings import Governor as Limits

MAX_EXPONENT = 6
"""The least that is sampled without a pause: 1/64 of the configured rate."""
STEP_SECONDS = 2.0
"""Between two steps down: what was asked before the last one has to leave the engine first."""
CALM_SHARE = 0.75
BLIND_LOOKS = 2
"""Looks in a row without an answer from which on we act as if a limit were breached; blindness alone never pauses."""

Level = Literal["calm", "between", "breached", "beyond"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """What holds from now on: p * 2**-exponent; `paused` is why nothing may be asked at all."""

    exponent: int
    paused: str | None = None

    @property
    def factor(self) -> float:
        """The factor on the sampling rate: 0 while paused."""
        return 0.0 if self.paused is not None else 2.0**-self.exponent


class Governor:
    """One per evaluator; every method returns at once."""

    def __init__(self, limits: Limits, clock: Clock) -> None:
        self._limits, self._clock = limits, clock
        self._exponent = 0
        self._paused: str | None = None
        self._blind = 0
        self._stepped_ns: int | None = None  # the last step in either direction
        self._calm_since_ns: int | None = None

    @property
    def orders(self) -> Orders:
        """What holds now."""
        return Orders(exponent=self._exponent, paused=self._paused)

    @property
    def blind(self) -> bool:
        """True while the load has not been readable for `BLIND_LOOKS` looks or more."""
        return self._blind >= BLIND_LOOKS

    def see(self, load: Load | None) -> Orders:
        """Takes one look (None: it could not be read) and says what holds."""
        now = self._clock.monotonic_ns()
        self._blind = self._blind + 1 if load is None else 0
        level = ("breached" if self.blind else "between") if load is None else self._level(load)
        if level != "calm":
            self._calm_since_ns = None
        elif self._calm_since_ns is None:
            self._calm_since_ns = now
        if load is not None and level == "beyond" and self._paused is None:
            self._paused = f"governor: the incumbent is overloaded ({_words(load)})"
            self._step(min(MAX_EXPONENT, self._exponent + 1), now)
        elif level in ("breached", "beyond") and self._paused is None:
            if self._exponent < MAX_EXPONENT and self._seconds(self._stepped_ns, now) >= STEP_SECONDS:
                self._step(self._exponent + 1, now)
        elif level == "calm" and (self._exponent or self._paused is not None) and self._rested(now):
            if self._paused is not None:
                self._paused = None
                self._step(self._exponent, now)
            else:
                self._step(self._exponent - 1, now)
        return self.orders

    def _rested(self, now: int) -> bool:
        """Calm for long enough, and long enough after the last step."""
        rest = self._limits.recover_seconds
        return self._seconds(self._calm_since_ns, now) >= rest and self._seconds(self._stepped_ns, now) >= rest

    def _step(self, exponent: int, now: int) -> None:
        self._exponent = exponent
        self._stepped_ns = now

    def _level(self, load: Load) -> Level:
        """Of the two pressures the worse. The cache pauses where its free share falls below the limit's / pause_factor."""
        limits = self._limits
        level: Level = "calm"
        cache_beyond = 1 - (1 - limits.max_kv_cache_ratio) / limits.pause_factor
        for value, limit, beyond in (
            (load.queue, limits.max_queue, limits.max_queue * limits.pause_factor),
            (load.kv_cache_ratio, limits.max_kv_cache_ratio, cache_beyond),
        ):
            if value is None:
                continue
            if value > beyond:
                return "beyond"
            if value > limit:
                level = "breached"
            elif value > CALM_SHARE * limit and level == "calm":
                level = "between"
        return level

    @staticmethod
    def _seconds(since_ns: int | None, now: int) -> float:
        return float("inf") if since_ns is None else (now - since_ns) / 1e9


def _words(load: Load) -> str:
    parts = [] if load.queue is None else [f"{load.queue:g} requests wait"]
    if load.kv_cache_ratio is not None:
        parts.append(f"KV cache {load.kv_cache_ratio:.0%} full")
    return ", ".join(parts)
