"""Moments, sessions, tags and other envelope fields as recorders write them; what makes no sense is None."""

import math
import string
from datetime import UTC, datetime
from typing import Any

_MS_ABOVE = 1e11  # seconds until the year 5138; larger figures are finer units
_US_ABOVE = 1e14
_NS_ABOVE = 1e17
_MAX_UNIX_MS = 253_402_300_800_000  # the year 10000
_MAX_TAGS = 64
_HEX = frozenset(string.hexdigits)


def unix_ms(value: Any) -> int | None:
    """Milliseconds since the epoch of ISO 8601 text (UTC when it names no zone) or a number.

    Numbers are seconds; above 1e11 milliseconds, above 1e14 microseconds, above 1e17 nanoseconds.
    """
    if isinstance(value, str):
        return _from_text(value)
    if type(value) is not int and not isinstance(value, float):
        return None
    if not 0 < value < 1e20 or not math.isfinite(value):
        return None
    if value > _NS_ABOVE:
        ms = value / 1e6
    elif value > _US_ABOVE:
        ms = value / 1e3
    else:
        ms = value if value > _MS_ABOVE else value * 1000.0
    return round(ms) if 0 < ms < _MAX_UNIX_MS else None


def _from_text(text: str) -> int | None:
    if not 0 < len(text) <= 40:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        try:
            return unix_ms(float(text))
        except ValueError:
            return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    ms = round(moment.timestamp() * 1000)
    return ms if 0 < ms < _MAX_UNIX_MS else None


def name(value: Any) -> str | None:
    """An identifier: text, or a number written as text; empty is None."""
    if isinstance(value, str):
        return value or None
    return str(value) if type(value) is int and abs(value) < 2**63 else None


def tags(value: Any) -> dict[str, str]:
    """Tags of an envelope as text; `["tier:gold", "beta"]` reads as {"tier": "gold", "beta": "true"}."""
    found: dict[str, str] = {}
    if isinstance(value, list):
        pairs = [_pair(item) for item in value if isinstance(item, str)]
    elif isinstance(value, dict):
        pairs = list(value.items())
    else:
        return found
    for key, item in pairs[:_MAX_TAGS]:
        if isinstance(item, bool):
            found[key] = "true" if item else "false"
        elif isinstance(item, float):
            found[key] = f"{item:g}"
        else:
            text = name(item)
            if text is not None:
                found[key] = text
    return found


def _pair(item: str) -> tuple[str, str]:
    for sign in ("=", ":"):
        key, found, rest = item.partition(sign)
        if found and key:
            return key, rest
    return item, "true"


def traceparent(value: Any) -> str | None:
    """A W3C trace context header that keeps to its form, else None."""
    if isinstance(value, bytes):
        value = value.decode("ascii", "replace")
    if not isinstance(value, str):
        return None
    pieces = value.strip().split("-")
    if [len(p) for p in pieces[:4]] != [2, 32, 16, 2] or not all(set(p) <= _HEX for p in pieces[:4]):
        return None
    return "-".join(pieces[:4]).lower()


def parent_of(trace_id: Any, span_id: Any) -> str | None:
    """The trace context of a span's ids in hexadecimal."""
    return (
        traceparent(f"00-{trace_id}-{span_id}-01") if isinstance(trace_id, str) and isinstance(span_id, str) else None
    )


def header(headers: Any, wanted: str) -> str | None:
    """One header of a logged request, whatever the case of its name; a list of values gives its first."""
    if not isinstance(headers, dict):
        return None
    value = headers.get(wanted)
    if value is None:
        value = next((v for k, v in headers.items() if k.lower() == wanted), None)
    if isinstance(value, list) and value:
        value = value[0]
    return value if isinstance(value, str) and value else None
