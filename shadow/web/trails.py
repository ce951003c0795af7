"""The evidence over time as two small drawings per gate: the interval as it narrows, the evidence against its thresholds.

Drawn on a square of 100 by 100 that the page stretches, limits at the same height as in the bars: no script, no fixed size.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from shadow.verdict.trail import GateTrail, TrailPoint
from shadow.web import formats as f
from shadow.web.charts import LEFT, RIGHT, unit

LOWEST, HIGHEST = -3.0, 8.0
"""Ends of the drawing of evidence: natural logarithms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrailView:
    """One gate's drawings. `band`, `line`, `ok` and `bad` are SVG point lists, "" where there is nothing to draw;
    heights are percent from above; `floor` is None without a noise floor."""

    gate: str
    title: str
    band: str
    line: str
    zero: float
    limit: float
    floor: float | None
    ok: str
    bad: str
    nothing: float
    ok_at: float
    bad_at: float
    last_n: str
    spoken: str


def trail_view(trail: GateTrail) -> TrailView:
    """The marks of one gate. The horizontal axis is the number of pairs: with none the interval is everything, the evidence 0."""
    nothing, distance = unit(trail.kind, trail.limit)
    most = max((point.n for point in trail.points), default=0) or 1

    def x(point: TrailPoint) -> float:
        return round(100 * point.n / most, 2)

    def effect_y(value: float) -> float:
        return _height((value - nothing) / distance, LEFT, RIGHT)

    def evidence_y(value: float) -> float:
        return _height(value, LOWEST, HIGHEST)

    def grown(places: list[tuple[float, float]]) -> str:
        return _points([(0.0, evidence_y(0.0)), *places]) if places else ""

    banded = [(p, p.lower, p.upper) for p in trail.points if p.lower is not None and p.upper is not None]
    upper = [(0.0, 0.0), *((x(p), effect_y(high)) for p, _, high in banded)]
    lower = [*((x(p), effect_y(low)) for p, low, _ in reversed(banded)), (0.0, 100.0)]
    newest = trail.points[-1] if trail.points else None
    return TrailView(
        gate=trail.gate,
        title=f.gate_title(trail.kind, trail.metric, trail.q),
        band=_points([*upper, *lower]) if banded else "",
        line=_points([(x(p), effect_y(p.point)) for p in trail.points if p.point is not None]),
        zero=effect_y(nothing),
        limit=effect_y(trail.limit),
        floor=None if trail.floor is None else effect_y(trail.floor),
        ok=grown([(x(p), evidence_y(p.log_evalue_ok)) for p in trail.points if p.log_evalue_ok is not None]),
        bad=grown([(x(p), evidence_y(p.log_evalue_bad)) for p in trail.points if p.log_evalue_bad is not None]),
        nothing=evidence_y(0.0),
        ok_at=evidence_y(trail.ok_at),
        bad_at=evidence_y(trail.bad_at),
        last_n=f.count(most if newest is not None else None),
        spoken=_spoken(trail, newest),
    )


def _height(value: float, lowest: float, highest: float) -> float:
    """Percent from above; what lies outside is drawn at the edge."""
    if math.isnan(value):
        value = 0.0
    return round(100 * (highest - min(max(value, lowest), highest)) / (highest - lowest), 2)


def _points(places: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in places)


def _spoken(trail: GateTrail, newest: TrailPoint | None) -> str:
    if newest is None or newest.point is None:
        return f"{trail.gate}: no data over time"
    lower, point, upper = (f.effect(trail.kind, v) for v in (newest.lower, newest.point, newest.upper))
    return f"{trail.gate} over {f.count(newest.n)} pairs: now {point}, between {lower} and {upper}"
