"""An order to ask nobody for a while, given through the ledger to every worker on it; it expires by itself."""

import logging
from collections.abc import Callable

import msgspec

from shadow.clock import Clock
from shadow.errors import ShadowError

log = logging.getLogger(__name__)

STATE = "hold"
"""Name of the ledger's small state."""


class Order(msgspec.Struct, frozen=True):
    """Until when (Unix milliseconds) and why. `why` begins with who gives it, a word and a colon."""

    until_unix_ms: int
    why: str


def give(put_state: Callable[[str, bytes], None], order: Order) -> None:
    """Replaces the order in force. Raises what the ledger raises."""
    put_state(STATE, msgspec.msgpack.encode(order))


def lift(put_state: Callable[[str, bytes], None]) -> None:
    """Ends the order in force."""
    give(put_state, Order(0, ""))


class Holds:
    """What a worker reads. `look` may block on the ledger and raises nothing."""

    def __init__(self, get_state: Callable[[str], bytes | None], clock: Clock) -> None:
        self._get, self._clock = get_state, clock
        self._last = Order(0, "")

    def look(self) -> str | None:
        """Why nobody may be asked now, None when there is no such order. A ledger that is away: the last order, to its end."""
        try:
            data = self._get(STATE)
            self._last = Order(0, "") if data is None else msgspec.msgpack.decode(data, type=Order)
        except (ShadowError, msgspec.MsgspecError) as error:
            log.debug("no look at orders: %s", type(error).__name__)
        return self._last.why if self._clock.wall_unix_ms() < self._last.until_unix_ms else None
