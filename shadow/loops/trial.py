"""The course of a trial: shadow load on and off in blocks, by lot, and what the incumbent's latency was in each."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from shadow.loops.hold import Order, give, lift
from shadow.loops.ttft import Measure
from shadow.stats.trial import Block

HELD_MS = 15_000
RENEW_SECONDS = 5.0
"""An order lasts `HELD_MS` and is renewed this often: when a trial dies the shadow goes on by itself."""
WHY = "trial: shadow load is off for a block"


class Shadow(Protocol):
    """The running shadow as a trial sees it."""

    async def switch(self, on: bool) -> None: ...

    async def calls(self) -> int | None:
        """Calls that its arms were asked, so far; None when nobody can say."""
        ...

    async def paused(self) -> str | None:
        """Why it asks nobody now; None when it does."""
        ...


class Switch:
    """Holds the workers by an order in the ledger, and renews it. `put_state` may block; it is called in a thread."""

    def __init__(self, put_state: Callable[[str, bytes], None], now_unix_ms: Callable[[], int]) -> None:
        self._put, self._now = put_state, now_unix_ms
        self._on = True
        self._renewing: asyncio.Task[None] | None = None

    async def switch(self, on: bool) -> None:
        """Takes effect within about a second. Raises what the ledger raises."""
        self._on = on
        if on:
            await self.close()
        else:
            await self._order()
            if self._renewing is None:
                self._renewing = asyncio.create_task(self._renew())

    async def close(self) -> None:
        """Lifts the order."""
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.gather(self._renewing, return_exceptions=True)
            self._renewing = None
        await asyncio.to_thread(lift, self._put)

    async def _order(self) -> None:
        await asyncio.to_thread(give, self._put, Order(self._now() + HELD_MS, WHY))

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            await self._order()


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """The blocks in their order, (pair, with load), and how long each lasts; of that `settle_seconds` are not measured."""

    blocks: Sequence[tuple[int, bool]]
    block_seconds: float
    settle_seconds: float


async def run_course(
    course: Course,
    shadow: Shadow,
    measure: Measure,
    say: Callable[[int, Block], None],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> list[Block]:
    """Every block, one after the other; `say` hears of each (its number from 0). Whatever happens, load is on afterwards."""
    done: list[Block] = []
    measured = course.block_seconds - course.settle_seconds
    try:
        for number, (pair, on) in enumerate(course.blocks):
            await shadow.switch(on)
            await sleep(course.settle_seconds)
            before, paused = await shadow.calls(), await shadow.paused()
            latency = await measure.measure(measured)
            after = await shadow.calls()
            block = Block(
                pair=pair,
                on=on,
                seconds=measured,
                latency=latency,
                calls=None if before is None or after is None else after - before,
                paused=paused if on else None,
            )
            done.append(block)
            say(number, block)
    finally:
        await shadow.switch(True)
    return done
