"""Token counts, durations and limits as other people's software writes them; what cannot be true is unknown (None)."""

import math
from typing import Any

from shadow.records import Usage

_MAX_COUNT = 2**53


def count(value: Any) -> int | None:
    """A count of something: an integer >= 0, also as an integral float or a decimal string. Anything else is None."""
    if type(value) is int:
        return value if 0 <= value <= _MAX_COUNT else None
    if isinstance(value, float):
        return int(value) if 0 <= value <= _MAX_COUNT and value.is_integer() else None
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 16:
        return count(int(value))
    return None


def positive(value: Any) -> float | None:
    """A finite number > 0 (milliseconds, seconds), also as a decimal string; a duration of 0 was not measured."""
    if isinstance(value, str):
        try:
            value = float(value) if len(value) <= 32 else None
        except ValueError:
            return None
    if type(value) is int:
        return float(value) if 0 < value <= _MAX_COUNT else None
    if isinstance(value, float):
        return value if value > 0 and math.isfinite(value) else None
    return None


def usage(raw: Any, *, answered: bool) -> tuple[Usage, bool]:
    """Token counts of a `usage` object, and whether one of them was doubted.

    Zero input tokens, and zero output tokens beside an answer, were not counted by anybody. More cached than input
    tokens, or more of either side than `total_tokens`, contradict themselves: that figure is unknown.
    """
    if not isinstance(raw, dict):
        return Usage(), False
    read_in = raw.get("prompt_tokens", raw.get("input_tokens"))
    read_out = raw.get("completion_tokens", raw.get("output_tokens"))
    into, out, total = count(read_in), count(read_out), count(raw.get("total_tokens"))
    cached = _detail(raw, ("prompt_tokens_details", "input_tokens_details"), "cached_tokens")
    if cached is None:
        cached = raw.get("prompt_cache_hit_tokens", raw.get("cache_read_input_tokens"))
    reasoning = _detail(raw, ("completion_tokens_details", "output_tokens_details"), "reasoning_tokens")
    if reasoning is None:
        reasoning = raw.get("reasoning_tokens")
    if into == 0 or (total and into is not None and into > total):
        into = None
    if (out == 0 and answered) or (total and out is not None and out > total):
        out = None
    cached_count = count(cached)
    if cached_count is not None and into is not None and cached_count > into:
        cached_count = None
    doubted = (
        (into is None and read_in is not None)
        or (out is None and read_out is not None)
        or (cached_count is None and cached is not None)
    )
    return (
        Usage(
            input_tokens=into,
            cached_input_tokens=cached_count,
            output_tokens=out,
            reasoning_tokens=count(reasoning),
        ),
        doubted,
    )


def _detail(raw: dict[str, Any], names: tuple[str, str], key: str) -> Any:
    for name in names:
        inner = raw.get(name)
        if isinstance(inner, dict) and inner.get(key) is not None:
            return inner[key]
    return None
