"""What the evaluator orders the replayer to do: sample less, or ask nobody. Budgets, governor and trials end here in one
`Control`."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from shadow.errors import ShadowError
from shadow.loops.budget import DailyBudget
from shadow.loops.handoff import Control
from shadow.replay.engine_metrics import Load, Unreadable
from shadow.replay.governor import Governor, Orders

log = logging.getLogger(__name__)

BUDGET_SECONDS = 1.0
HOLD_SECONDS = 0.5
READ_SECONDS = 1.0
"""How long one reading of the incumbent's load may take; a server that needs longer is under pressure, too."""

ReadLoad = Callable[[], Awaitable[Load]]
"""Raises Unreadable or OSError with a reason that quotes nothing."""


class Controller:
    """Owned by the evaluator's loop. `send` never blocks; `skip_idle` is told when asking begins again after a pause."""

    def __init__(
        self,
        *,
        arms: tuple[str, ...],
        budget: DailyBudget,
        governor: Governor | None,
        read_load: ReadLoad | None,
        poll_seconds: float,
        send: Callable[[Control], None],
        skip_idle: Callable[[], None],
        held: Callable[[], str | None] | None = None,
    ) -> None:
        """`held` says why nobody may be asked at the moment (a trial); it may block."""
        self._held = held
        self._hold: str | None = None
        self._arms, self._budget, self._governor = arms, budget, governor
        self._read_load, self._poll_seconds = read_load, poll_seconds
        self._send, self._skip_idle = send, skip_idle
        self._orders = Orders(exponent=0)
        self._exhausted: str | None = None
        self._sent = Control(shed_exponent=0, paused={})
        self._budget_trouble = ""
        self._load_trouble = ""

    @property
    def factor(self) -> float:
        """The factor on the sampling rate that holds: 0 while nothing may be asked."""
        return 0.0 if self._sent.paused else 2.0**-self._sent.shed_exponent

    def used_ratios(self) -> dict[str, float]:
        """Share of every daily budget that is used, by its kind."""
        return {str(kind): share for kind, share in self._budget.used_ratios().items()}

    async def prepare(self) -> None:
        """The first look at the budgets, before intake opens: a restart may not spend what is spent already."""
        if self._budget.limited:
            await self._look_at_budget()

    async def run(self) -> None:
        """Until it is cancelled."""
        async with asyncio.TaskGroup() as group:
            if self._budget.limited:
                group.create_task(self._every(BUDGET_SECONDS, self._look_at_budget))
            if self._governor is not None and self._read_load is not None:
                group.create_task(self._every(self._poll_seconds, self._look_at_load))
            if self._held is not None:
                group.create_task(self._every(HOLD_SECONDS, self._look_at_hold))

    async def _every(self, seconds: float, look: Callable[[], Awaitable[None]]) -> None:
        """One look each period; the time that it took is part of the period."""
        loop = asyncio.get_running_loop()
        while True:
            started = loop.time()
            await look()
            await asyncio.sleep(max(0.01, seconds - (loop.time() - started)))

    async def _look_at_budget(self) -> None:
        try:
            await asyncio.to_thread(self._budget.look)
        except ShadowError as error:  # nothing is committed meanwhile either: the last sums hold
            if str(error) != self._budget_trouble:
                self._budget_trouble = str(error)
                log.warning("budgets cannot be read: %s; the last sums hold", error)
            return
        self._budget_trouble = ""
        before, self._exhausted = self._exhausted, self._budget.exhausted()
        if self._exhausted is not None and before is None:
            log.warning("%s; replaying stops until the next day (UTC)", self._exhausted)
        elif self._exhausted is None and before is not None:
            log.info("budget: a new day, replaying goes on")
        self._apply()

    async def _look_at_hold(self) -> None:
        if self._held is None:
            return
        before, self._hold = self._hold, await asyncio.to_thread(self._held)
        if self._hold is not None and before is None:
            log.info("%s; nobody is asked meanwhile", self._hold)
        elif self._hold is None and before is not None:
            log.info("replaying goes on: %s is over", before.partition(":")[0])
        self._apply()

    async def _look_at_load(self) -> None:
        governor, read = self._governor, self._read_load
        if governor is None or read is None:
            return
        load: Load | None = None
        try:
            async with asyncio.timeout(READ_SECONDS):
                load = await read()
        except TimeoutError:
            self._say_unreadable(f"no answer within {READ_SECONDS:g} s")
        except (Unreadable, OSError) as error:
            self._say_unreadable(str(error))
        else:
            if self._load_trouble:
                log.info("governor: the incumbent's load can be read again")
            self._load_trouble = ""
        before, self._orders = self._orders, governor.see(load)
        if self._orders.paused != before.paused:
            log.warning("%s", f"{self._orders.paused}; replaying pauses" if self._orders.paused else _RESUMED)
        elif self._orders.exponent != before.exponent:
            why = "its load cannot be read" if load is None else "it is under pressure"
            down = self._orders.exponent > before.exponent
            log.warning(
                "governor: sampling at %g of the rate, %s",
                self._orders.factor,
                why if down else "the incumbent is calm",
            )
        self._apply()

    def _say_unreadable(self, why: str) -> None:
        if not self._load_trouble:
            log.warning("governor: the incumbent's load cannot be read (%s); sampling less until it can be", why)
        self._load_trouble = why

    def _apply(self) -> None:
        why = self._exhausted or self._hold or self._orders.paused
        paused = dict.fromkeys(self._arms, why) if why is not None else {}
        order = Control(shed_exponent=self._orders.exponent, paused=paused)
        if order.shed_exponent == self._sent.shed_exponent and _who_paused(order) == _who_paused(self._sent):
            return  # the figures in a reason that holds already are not worth a frame a second
        if self._sent.paused and not order.paused:
            self._skip_idle()
        self._sent = order
        self._send(order)


_RESUMED = "governor: the incumbent is calm, replaying goes on"


def _who_paused(order: Control) -> str | None:
    """`budget`, `trial` or `governor`, the first word of every reason; None while nobody does."""
    return next((why.partition(":")[0] for why in order.paused.values()), None)
