"""Figures, times and untrusted text as a page shows them. Unknown is said in words and never shown as zero."""

import unicodedata
from datetime import UTC, datetime

NO_DATA = "no data"
_MOST_DIGITS = 6
_KEPT_CONTROLS = "\n\t\u200c\u200d"  # line, tab, and the joiners that Persian and emoji are written with


def count(value: float | None) -> str:
    """A whole number with separators."""
    return NO_DATA if value is None else f"{value:,.0f}"


def percent(value: float | None, digits: int = 1) -> str:
    """A share between 0 and 1 as a percentage. What is neither 0 nor 1 is never shown as 0 or 1."""
    if value is None:
        return NO_DATA
    if 0 < 100 * value < 0.5 * 10**-digits:
        return f"< {10**-digits:.{digits}f} %"
    while 0.99 <= value < 1 and digits < _MOST_DIGITS and float(f"{100 * value:.{digits}f}") == 100:
        digits += 1
    return f"{100 * value:.{digits}f} %"


def seconds(value: float | None) -> str:
    """A latency: milliseconds below one second."""
    if value is None:
        return NO_DATA
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.2f} s"


def usd(value: float | None) -> str:
    """Dollars; small sums keep three significant digits."""
    if value is None:
        return NO_DATA
    return f"${value:,.2f}" if value >= 1 or value == 0 else f"${value:.3g}"


def age(milliseconds: float | None) -> str:
    """How long ago, in the two largest fitting units."""
    if milliseconds is None:
        return NO_DATA
    left = max(0, int(milliseconds // 1000))
    if left < 1:
        return "now"
    parts = []
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        if left >= size:
            parts.append(f"{left // size} {unit}")
            left %= size
        elif parts:
            break
        if len(parts) == 2:
            break
    return " ".join(parts)


def moment(unix_ms: int | None) -> str:
    """A point in time, UTC, to the minute. Times no calendar holds are no data."""
    if unix_ms is None:
        return NO_DATA
    try:
        return datetime.fromtimestamp(unix_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (ValueError, OverflowError, OSError):
        return NO_DATA


def iso(unix_ms: int) -> str:
    """A point in time for machines; empty where no calendar holds it."""
    try:
        return datetime.fromtimestamp(unix_ms / 1000, UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):
        return ""


def signed(value: float, digits: int) -> str:
    """A figure with its sign; a real minus, and no sign on what rounds to zero."""
    text = f"{value:+.{digits}f}"
    return text[1:] if not text.strip("+-0.") else text.replace("-", "\N{MINUS SIGN}")


def effect(kind: str, value: float | None) -> str:
    """A value in the unit of a gate's limit: percentage points, score points, a factor or seconds."""
    if value is None:
        return NO_DATA
    match kind:
        case "risk_difference":
            return signed(100 * value, 2) + " pp"
        case "rate":
            return f"{100 * value:.2f} %"
        case "mean_drop":
            return signed(value, 3)
        case "quantile_ratio":
            return f"{value:.2f}×"
        case "quantile":
            return f"{value:.2f} s"
        case _:
            return f"{value:.3g}"


def limit(kind: str, value: float) -> str:
    """A gate's limit in words."""
    return f"at most {effect(kind, value).removeprefix('+')}"


_METRICS = {"violation": "Violations", "failure": "Failures", "score": "Quality", "latency": "Latency"}


def gate_title(kind: str, metric: str, q: float | None) -> str:
    """What a gate asks, as a short heading."""
    name = _METRICS.get(metric, metric[:1].upper() + metric[1:])
    if metric.startswith("score<"):
        name = f"Answers below {metric.removeprefix('score<')}"
    quantile = f"P{100 * q:g} " if q is not None else ""
    match kind:
        case "risk_difference":
            return f"More {name[:1].lower()}{name[1:]}"
        case "rate":
            return f"Share of {name[:1].lower()}{name[1:]}"
        case "mean_drop":
            return f"{name} lost"
        case "quantile_ratio":
            return f"{quantile}{name.lower()} ratio"
        case "quantile":
            return f"{quantile}{name.lower()}"
        case _:
            return name


def visible(text: str, most: int) -> tuple[str, int]:
    """Untrusted text, safe to read: control and direction characters are spelt out. Also: how many characters were cut."""
    shown = text[:most]
    kept = [
        character
        if character in _KEPT_CONTROLS or unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co")
        else f"[U+{ord(character):04X}]"
        for character in shown.replace("\r\n", "\n")
    ]
    return "".join(kept), max(0, len(text) - most)
