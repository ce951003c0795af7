"""Where an effect's marks stand on its line. Every gate is drawn on one scale: no difference in the middle, the limit at three quarters.

So limits of all gates stand under each other, and a bar that lies left of the limit is within it, whatever its unit.
Positions are percentages of the width: the drawing needs no script and no fixed size.
"""

from dataclasses import dataclass

from shadow.verdict.result import GateResult

LEFT, RIGHT = -2.0, 2.0
_WHEN_LIMIT_IS_NO_CHANGE = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectBar:
    """Positions in percent; `point` is None where it lies outside the drawing. `over_left`, `over_right`: the interval goes on."""

    zero: float
    limit: float
    start: float
    width: float
    point: float | None
    floor: float | None
    over_left: bool
    over_right: bool


def unit(kind: str, limit: float) -> tuple[float, float]:
    """(no difference, distance from there to the limit) of a gate."""
    nothing = 1.0 if kind == "quantile_ratio" else 0.0
    distance = limit - nothing
    return nothing, distance if distance > 0 else _WHEN_LIMIT_IS_NO_CHANGE


def effect_bar(gate: GateResult) -> EffectBar | None:
    """The marks of one gate, None when its interval is unknown."""
    if gate.lower is None or gate.upper is None:
        return None
    nothing, distance = unit(gate.kind, gate.limit)

    def scaled(value: float) -> float:
        return (value - nothing) / distance

    def at(value: float) -> float:
        return round(100 * (min(max(scaled(value), LEFT), RIGHT) - LEFT) / (RIGHT - LEFT), 2)

    start, end = at(gate.lower), at(gate.upper)
    return EffectBar(
        zero=at(nothing),
        limit=at(gate.limit),
        start=start,
        width=max(round(end - start, 2), 0.8),
        point=at(gate.point) if gate.point is not None and LEFT <= scaled(gate.point) <= RIGHT else None,
        floor=None if gate.floor is None else at(gate.floor),
        over_left=scaled(gate.lower) < LEFT,
        over_right=scaled(gate.upper) > RIGHT,
    )
