"""What each scorer has used today (UTC) against its limits, in seconds and dollars, per worker."""

from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from shadow.clock import Clock
from shadow.settings import ScorerBudget

Limit = Literal["seconds", "usd"]
DAY_MS: Final = 86_400_000


class Used(msgspec.Struct, frozen=True):
    """Of one day, counted in days since the epoch."""

    day: int
    seconds: float = 0.0
    usd: float = 0.0


class Allowance:
    """Charged by the thread that scores; `ratios`, `skipped` and `used` may be read from any thread.

    Known cases are charged too, and never refused: a scorer that is not asked any more today still has to be well tomorrow.
    """

    def __init__(
        self, budgets: Mapping[str, ScorerBudget], clock: Clock, used: Mapping[str, Used] | None = None
    ) -> None:
        self._budgets, self._clock = dict(budgets), clock
        self._used: dict[str, Used] = dict(used or {})
        self._skipped: dict[tuple[str, Limit], int] = {}

    def exhausted(self, scorer: str) -> Limit | None:
        """Which limit of a scorer is used up; None while there is room or no limit. Asked once per batch of calls, so
        that a call is judged for all its arms or for none."""
        for limit, ratio in self._ratios_of(scorer).items():
            if ratio >= 1:
                return limit
        return None

    def charge(self, scorer: str, seconds: float, cases: int) -> None:
        """Adds a batch."""
        budget = self._budgets.get(scorer)
        if budget is None:
            return
        today = self._today(scorer)
        usd = cases * (budget.usd_per_case or 0.0)
        self._used = {**self._used, scorer: Used(today.day, today.seconds + seconds, today.usd + usd)}

    def skip(self, scorer: str, limit: Limit, cases: int) -> None:
        """Counts answers that stayed unscored."""
        key = (scorer, limit)
        self._skipped = {**self._skipped, key: self._skipped.get(key, 0) + cases}

    @property
    def skipped(self) -> Mapping[tuple[str, Limit], int]:
        """Answers left unscored since this process began, by scorer and the limit that was used up."""
        return self._skipped

    @property
    def used(self) -> Mapping[str, Used]:
        """For the ledger, so that a restart does not begin the day anew."""
        return self._used

    def ratios(self) -> dict[tuple[str, Limit], float]:
        """Used share of every limit."""
        return {(name, limit): ratio for name in self._budgets for limit, ratio in self._ratios_of(name).items()}

    def _ratios_of(self, scorer: str) -> dict[Limit, float]:
        budget = self._budgets.get(scorer)
        if budget is None:
            return {}
        today, found = self._today(scorer), dict[Limit, float]()
        if budget.seconds_per_day is not None:
            found["seconds"] = today.seconds / budget.seconds_per_day
        if budget.usd_per_day is not None:
            found["usd"] = today.usd / budget.usd_per_day
        return found

    def _today(self, scorer: str) -> Used:
        day = self._clock.wall_unix_ms() // DAY_MS
        known = self._used.get(scorer)
        return known if known is not None and known.day == day else Used(day)
