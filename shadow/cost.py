"""What a call costs by the price sheet of its arm. An unknown price or token count is unknown, never zero."""

from shadow.records import Usage
from shadow.settings import Price

_MILLION = 1_000_000


def cost_usd(price: Price | None, usage: Usage, engine_seconds: float | None = None) -> float | None:
    """Dollars of one call.

    Per token: (input - cached) * input + cached * cached price (input price when none is given) + output * output;
    reasoning tokens have a price of their own only where one is given. Per GPU-hour: `engine_seconds` * gpus * rate,
    where the seconds are what the arm's clock charged to the call (idle time included, see `Meter`).
    """
    if price is None:
        return None
    if price.gpu_usd_per_hour is not None:
        return None if engine_seconds is None else engine_seconds * price.gpus * price.gpu_usd_per_hour / 3600
    if price.input_usd_per_million is None or price.output_usd_per_million is None:
        return None
    if usage.input_tokens is None or usage.output_tokens is None:
        return None
    cached = min(usage.cached_input_tokens or 0, usage.input_tokens)
    cached_price = price.cached_input_usd_per_million
    reasoning, output = usage.reasoning_tokens or 0, usage.output_tokens
    extra = 0.0
    if price.reasoning_usd_per_million is not None and reasoning:
        reasoning = min(reasoning, output)
        extra = reasoning * price.reasoning_usd_per_million
        output -= reasoning
    total = (
        (usage.input_tokens - cached) * price.input_usd_per_million
        + cached * (price.input_usd_per_million if cached_price is None else cached_price)
        + output * price.output_usd_per_million
        + extra
    )
    return total / _MILLION


class Meter:
    """Charges an arm's wall time to its calls: each call gets the time since the call before it ended.

    The charges add up to the whole time, idle time included, so that their mean is what a served request really costs
    on a GPU that is paid for by the hour.
    """

    def __init__(self, started_ns: int) -> None:
        self._last_ns = started_ns

    def charge(self, ended_ns: int) -> float:
        """Seconds charged to a call that ended now."""
        seconds = max(0, ended_ns - self._last_ns) / 1e9
        self._last_ns = max(self._last_ns, ended_ns)
        return seconds

    def skip(self, now_ns: int) -> None:
        """Time that was nobody's: while we asked nothing ourselves (budget, governor), no call may be charged for it."""
        self._last_ns = max(self._last_ns, now_ns)
