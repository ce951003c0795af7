"""Budgets and governor, built from settings."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from shadow.app.checking import metrics_url
from shadow.clock import SystemClock
from shadow.loops.budget import DailyBudget, Look
from shadow.loops.control import Controller
from shadow.loops.handoff import Control
from shadow.loops.hold import Holds
from shadow.records import BASELINE
from shadow.replay.governor import Governor
from shadow.settings import Governor as Limits
from shadow.settings import Settings


@asynccontextmanager
async def controller_for(
    settings: Settings,
    spending: Look,
    send: Callable[[Control], None],
    skip_idle: Callable[[], None],
    get_state: Callable[[str], bytes | None],
) -> AsyncIterator[Controller]:
    """The controller of a configuration; `get_state` reads the ledger. Whatever it opens is closed with the context."""
    clock, limits, url = SystemClock(), settings.governor, metrics_url(settings)
    prices = {c.name: c.price for c in settings.candidates}
    if settings.baseline is not None:
        prices[BASELINE] = settings.baseline.price
    async with AsyncExitStack() as stack:
        read = None
        if url is not None:
            from shadow.loops.load import LoadReader  # its client takes a moment to import: only where it is used

            read = (await stack.enter_async_context(LoadReader(url))).read
        yield Controller(
            arms=tuple(prices),
            budget=DailyBudget(settings.budget, prices, spending, clock),
            governor=None if limits is None else Governor(limits, clock),
            read_load=read,
            poll_seconds=(limits or Limits()).poll_seconds,
            send=send,
            skip_idle=skip_idle,
            held=Holds(get_state, clock).look,
        )
