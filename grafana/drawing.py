"""SVG of one panel from query results: lines, figures, words over time, tables. For the preview pictures only."""

import math
import re
from collections.abc import Iterable
from html import escape
from typing import Any

from grafana.live import Answer

PALETTE = ("#73bf69", "#5794f2", "#f2cc0c", "#ff780a", "#e24d75", "#b877d9", "#8ab8ff", "#96d98d", "#ffcb7d", "#c0d8ff")
COLORS = {
    "green": "#299c46",
    "red": "#c4162a",
    "orange": "#d9730d",
    "blue": "#3274d9",
    "yellow": "#b58f09",
    "text": "#5a6069",
    "transparent": "#22252b",
}
INK, DIM, LINE = "#d8d9da", "#8e9297", "#34373e"
_STEPS = (("y", 31536000), ("d", 86400), ("h", 3600), ("min", 60))
MOST_LEGENDS = 7


def text(
    x: float, y: float, words: str, *, size: int = 11, color: str = INK, anchor: str = "start", bold: bool = False
) -> str:
    """One line of text."""
    weight = ' font-weight="600"' if bold else ""
    return f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" fill="{color}" text-anchor="{anchor}"{weight}>{escape(words)}</text>'


def box(x: float, y: float, w: float, h: float, color: str, extra: str = "") -> str:
    """A filled rectangle."""
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(w, 0):.1f}" height="{max(h, 0):.1f}" fill="{color}" {extra}/>'


def number(value: float, unit: str, now: float) -> str:
    """A value as the panel's unit would write it, roughly."""
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if unit == "dateTimeFromNow":
        return f"{number(now - value / 1000, 's', now)} ago"
    if unit == "percentunit":
        return f"{value:.3g}" if abs(value) > 100 else f"{100 * value:.3g} %"
    if unit == "s":
        for name, seconds in _STEPS:
            if abs(value) >= 2 * seconds:
                return f"{value / seconds:.3g} {name}"
        return f"{1000 * value:.3g} ms" if abs(value) < 1 else f"{value:.3g} s"
    if unit == "bytes":
        return f"{value / 2**20:.3g} MiB"
    if unit == "currencyUSD":
        return f"${value:.3g}"
    suffix = {"reqps": " req/s", "cps": "/s"}.get(unit, "")
    return (f"{value:.0f}" if value == int(value) and abs(value) < 1e7 else f"{value:.3g}") + suffix


def legend(answer: Answer, metric: dict[str, str]) -> str:
    """The name of a series: `{{label}}` filled in, or its labels."""
    if not answer.legend:
        return ", ".join(v for k, v in metric.items() if k not in ("__name__", "instance", "job"))
    return re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda m: metric.get(m[1], ""), answer.legend).strip()


def _finite(series: dict[str, Any]) -> list[tuple[float, float]]:
    return [(float(t), float(v)) for t, v in series["values"] if math.isfinite(float(v))]


def lines(
    answers: list[Answer], frame: tuple[float, float, float, float], unit: str, now: float, *, stack: bool
) -> str:
    """Lines over time with a scale and a legend."""
    x, y, w, h = frame
    found = [(legend(a, s["metric"]), _finite(s)) for a in answers for s in a.series]
    found = [(name, points) for name, points in found if points]
    if not found:
        return text(x + w / 2, y + h / 2, "no data", color=DIM, anchor="middle")
    if stack:
        base: dict[float, float] = {}
        piled = []
        for name, points in found:
            higher = [(t, v + base.get(t, 0.0)) for t, v in points]
            base.update(dict(higher))
            piled.append((name, higher))
        found = piled
    values = [v for _, points in found for _, v in points]
    times = [t for _, points in found for t, _ in points]
    low, high = min(*values, 0.0), max(values)
    high = high if high > low else low + 1
    start, end = min(times), max(max(times), min(times) + 1)
    rows = min(len(found), MOST_LEGENDS) // 2 + 1
    left, bottom = x + 52, y + h - 13 * rows - 4
    out = [text(x + 48, y + 10, number(high, unit, now), size=9, color=DIM, anchor="end")]
    out.append(text(x + 48, bottom, number(low, unit, now), size=9, color=DIM, anchor="end"))
    for share in (0.0, 0.5, 1.0):
        at = y + 6 + share * (bottom - y - 6)
        out.append(f'<path d="M{left:.0f} {at:.0f}H{x + w:.0f}" stroke="{LINE}"/>')
    for number_, (name, points) in enumerate(found):
        color = PALETTE[number_ % len(PALETTE)]
        track = " ".join(
            f"{left + (t - start) / (end - start) * (x + w - left):.0f},{bottom - (v - low) / (high - low) * (bottom - y - 6):.1f}"
            for t, v in points
        )
        out.append(f'<polyline points="{track}" fill="none" stroke="{color}" stroke-width="1.3"/>')
        if number_ < MOST_LEGENDS:
            lx, ly = x + (number_ % 2) * w / 2, bottom + 15 + 13 * (number_ // 2)
            out += [box(lx, ly - 7, 9, 4, color), text(lx + 13, ly, _cut(name, w / 2), size=9, color=DIM)]
    if len(found) > MOST_LEGENDS:
        out.append(
            text(
                x + w,
                bottom + 15 + 13 * (rows - 1),
                f"+{len(found) - MOST_LEGENDS} more",
                size=9,
                color=DIM,
                anchor="end",
            )
        )
    return "".join(out)


def _cut(words: str, width: float) -> str:
    most = int(width / 5.2) - 2
    return words if len(words) <= most else words[: most - 1] + "…"


def _step(steps: Iterable[dict[str, Any]], value: float) -> str:
    color = "text"
    for step in steps:
        if step.get("value") is None or value >= step["value"]:
            color = step["color"]
    return COLORS.get(color, color)


def _words(panel: dict[str, Any]) -> dict[str, dict[str, Any]]:
    mappings = panel["fieldConfig"]["defaults"].get("mappings") or []
    return mappings[0]["options"] if mappings else {}


def figures(
    panel: dict[str, Any], answer: Answer, frame: tuple[float, float, float, float], unit: str, now: float
) -> str:
    """Numbers or words now, coloured by thresholds or meaning."""
    x, y, w, h = frame
    defaults = panel["fieldConfig"]["defaults"]
    if not answer.series:
        return text(x + w / 2, y + h / 2, defaults.get("noValue", "no data"), size=14, color=DIM, anchor="middle")
    words, steps = _words(panel), (defaults.get("thresholds") or {}).get("steps") or []
    each, out = w / len(answer.series), []
    for n, series in enumerate(answer.series):
        value = float(series["value"][1])
        known = words.get(f"{value:g}")
        color = COLORS.get(known["color"], INK) if known else _step(steps, value)
        shown = known["text"] if known else number(value, unit, now)
        out.append(box(x + n * each + 1, y, each - 3, h, color, 'rx="3" opacity=".85"'))
        name = legend(answer, series["metric"]) if answer.legend else ""
        if name:
            out.append(text(x + (n + 0.5) * each, y + h / 2 - 10, _cut(name, each), size=11, anchor="middle"))
        size = 20 if len(shown) * 13 < each else 12 if len(shown) * 8 < each else 9
        out.append(text(x + (n + 0.5) * each, y + h / 2 + 13, shown, size=size, anchor="middle", bold=True))
    return "".join(out)


def timeline(panel: dict[str, Any], answer: Answer, frame: tuple[float, float, float, float]) -> str:
    """Words over time, one row per series, equal neighbours joined."""
    x, y, w, h = frame
    if not answer.series:
        return text(x + w / 2, y + h / 2, "no data", color=DIM, anchor="middle")
    words, each = _words(panel), min(h / len(answer.series), 30)
    times = [float(t) for s in answer.series for t, _ in s["values"]]
    start, end = min(times), max(max(times), min(times) + 1)
    left, out = x + 110, []
    for n, series in enumerate(answer.series):
        at = y + n * each
        out.append(
            text(
                left - 6,
                at + each / 2 + 4,
                _cut(legend(answer, series["metric"]), 108),
                size=9,
                color=DIM,
                anchor="end",
            )
        )
        points = [(float(t), f"{float(v):g}") for t, v in series["values"]]
        spans: list[list[Any]] = []
        for t, v in points:
            if spans and spans[-1][2] == v:
                spans[-1][1] = t
            else:
                spans.append([t, t, v])
        for k, (since, until, value) in enumerate(spans):
            until = spans[k + 1][0] if k + 1 < len(spans) else until
            px = left + (since - start) / (end - start) * (x + w - left)
            width = max((until - since) / (end - start) * (x + w - left), 1.5)
            known = words.get(value, {"text": value, "color": "text"})
            out.append(box(px, at + 2, width, each - 4, COLORS.get(known["color"], INK)))
            if width > 50 and each > 14:
                out.append(text(px + 5, at + each / 2 + 4, known["text"], size=10))
    return "".join(out)


def table(
    panel: dict[str, Any], answer: Answer, frame: tuple[float, float, float, float], unit: str, now: float
) -> str:
    """Rows of labels, or a matrix of values."""
    x, y, w, h = frame
    defaults = panel["fieldConfig"]["defaults"]
    if not answer.series:
        return text(x + w / 2, y + h / 2, defaults.get("noValue", "no data"), size=14, color=DIM, anchor="middle")
    options = panel["transformations"][0]["options"]
    if "rowField" in options:
        columns = sorted({s["metric"][options["columnField"]] for s in answer.series})
        rows: dict[str, dict[str, str]] = {}
        for series in answer.series:
            value = number(float(series["value"][1]), unit, now)
            rows.setdefault(series["metric"][options["rowField"]], {})[series["metric"][options["columnField"]]] = value
        body = [[name, *(cells.get(c, "") for c in columns)] for name, cells in sorted(rows.items())]
        head = [options["rowField"], *columns]
    else:
        names = sorted((n for n in options["indexByName"] if n != "Value"), key=options["indexByName"].__getitem__)
        head = [options["renameByName"][n] for n in names]
        body = sorted([s["metric"].get(n, "") for n in names] for s in answer.series)
    shares = [max(4, *(len(line[n]) for line in [head, *body])) for n in range(len(head))]
    edges = [x + w * sum(shares[:n]) / sum(shares) for n in range(len(head) + 1)]
    most = int(h / 16) - 1
    out = [text(edges[n] + 4, y + 11, name, size=10, color=DIM, bold=True) for n, name in enumerate(head)]
    for k, cells in enumerate(body[:most]):
        at = y + 11 + 16 * (k + 1)
        out += [text(edges[n] + 4, at, _cut(cell, edges[n + 1] - edges[n]), size=10) for n, cell in enumerate(cells)]
    if len(body) > most:
        out.append(text(x + w, y + h, f"+{len(body) - most} more", size=9, color=DIM, anchor="end"))
    return "".join(out)
