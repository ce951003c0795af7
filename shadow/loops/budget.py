"""The daily budgets: what candidates and baseline used since midnight UTC, from committed outcomes, against the limits.

Because the sums come from the ledger, they hold for every worker of a fleet together and survive any restart.
"""

from collections.abc import Callable, Mapping
from typing import Final

from shadow.clock import Clock
from shadow.exporters.labels import BudgetKind
from shadow.ledger.spending import Spending, Used
from shadow.settings import Budget, Price

DAY_MS: Final = 86_400_000
_UNITS: Final[dict[BudgetKind, str]] = {"usd": "USD", "gpu_seconds": "GPU-seconds", "tokens": "tokens"}

Look = Callable[[int, Mapping[int, int]], Spending]
"""(since unix ms, positions read before) -> what was committed since, as `SqlLedger.spending`. May block and raise."""


class DailyBudget:
    """One per evaluator. `look` blocks on the ledger; the rest returns at once."""

    def __init__(self, limits: Budget, prices: Mapping[str, Price | None], look: Look, clock: Clock) -> None:
        given: dict[BudgetKind, float | None] = {
            "usd": limits.usd_per_day,
            "gpu_seconds": limits.gpu_seconds_per_day,
            "tokens": limits.tokens_per_day,
        }
        self._limits = {kind: limit for kind, limit in given.items() if limit is not None}
        self._prices, self._look, self._clock = prices, look, clock
        self._day: int | None = None
        self._read_to: dict[int, int] = {}
        self._arms: dict[str, Used] = {}

    @property
    def limited(self) -> bool:
        """Whether any limit is set at all."""
        return bool(self._limits)

    def look(self) -> None:
        """Adds what was committed since the last look; at midnight UTC the sums begin anew. Raises what the ledger raises."""
        day = self._clock.wall_unix_ms() // DAY_MS
        found = self._look(day * DAY_MS, self._read_to)
        if day != self._day:
            self._day, self._arms = day, {}
        self._read_to = dict(found.read_to)
        for arm, used in found.arms.items():
            self._arms[arm] = self._arms.get(arm, Used()) + used

    def used_ratios(self) -> dict[BudgetKind, float]:
        """Share of every limit that is used today."""
        return {kind: self._used(kind) / limit for kind, limit in self._limits.items()}

    def exhausted(self) -> str | None:
        """Why nothing may be asked any more today; None while every limit has room."""
        for kind, limit in self._limits.items():
            used = self._used(kind)
            if used >= limit:
                return f"budget: {used:.6g} of {limit:.6g} {_UNITS[kind]} of today (UTC) are used"
        return None

    def _used(self, kind: BudgetKind) -> float:
        if kind == "usd":
            return sum(used.usd for used in self._arms.values())
        if kind == "tokens":
            return float(sum(used.tokens for used in self._arms.values()))
        return sum(_gpu_seconds(used.usd, self._prices.get(arm)) for arm, used in self._arms.items())


def _gpu_seconds(usd: float, price: Price | None) -> float:
    """GPU time behind a cost by the hour: usd * 3600 / rate, every GPU counted. 0 for an arm that is not priced so."""
    rate = None if price is None else price.gpu_usd_per_hour
    return usd * 3600 / rate if rate else 0.0
