"""The noise floor as the candidate's page shows it: classes of routes, and what the candidate has in excess. Pure."""

from dataclasses import dataclass

from shadow.verdict.calibrated import KINDS, name_of, why
from shadow.verdict.calibration import Calibration, Excess, Rate
from shadow.web import formats as f

_KIND_LOOKS = {"deterministic": "proven", "normal": "proven", "open_ended": "not_evaluable", "unknown": "undecided"}


@dataclass(frozen=True, slots=True, kw_only=True)
class FloorRow:
    """One route as a line. `look` is the gate state whose colours it wears."""

    name: str
    kind: str
    look: str
    counts: str
    why: str
    answers: str
    flagged: str
    low_score: str
    pairs: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExcessRow:
    """One comparison of shares as a line."""

    what: str
    candidate: str
    incumbent: str
    excess: str
    interval: str
    pairs: str
    tone: str  # "bad" where even the lower bound is above zero


@dataclass(frozen=True, slots=True, kw_only=True)
class FloorView:
    """The section of one candidate."""

    scorer: str
    source: str
    rows: tuple[FloorRow, ...]
    excesses: tuple[ExcessRow, ...]
    moving: tuple[str, ...]


def floor_view(calibration: Calibration | None) -> FloorView | None:
    """None where the quality is not comparative or has no floor."""
    if calibration is None:
        return None
    asked = "asked again" if calibration.source == "baseline" else "asked the same before, by repeated requests only"
    found = (
        ("Flagged (score below 0.5)", calibration.flags),
        ("Below the 2 % quantile of the route", calibration.low),
    )
    return FloorView(
        scorer=calibration.scorer,
        source=f"{f.count(calibration.answers)} answers of the incumbent {asked}",
        rows=tuple(
            FloorRow(
                name=name_of(route),
                kind=KINDS[route.kind],
                look=_KIND_LOOKS[route.kind],
                counts="counts" if route.gates else "does not count",
                why=why(route),
                answers=f.count(route.answers),
                flagged=f.percent(route.flagged),
                low_score=f.NO_DATA if route.low_score is None else f"{route.low_score:.2f}",
                pairs=f.count(route.pairs),
            )
            for route in calibration.routes
        ),
        excesses=tuple(_excess(what, excess) for what, excess in found if excess is not None),
        moving=tuple(name_of(route) for route in calibration.moving),
    )


def _excess(what: str, found: Excess) -> ExcessRow:
    lower, point, upper = (f.effect("risk_difference", v) for v in _ends(found.excess))
    return ExcessRow(
        what=what,
        candidate=f.percent(found.candidate.point),
        incumbent=f.percent(found.incumbent.point),
        excess=point,
        interval=f"{lower.removesuffix(' pp')} to {upper}",
        pairs=f.count(found.pairs),
        tone="bad" if found.excess.lower > 0 else "",
    )


def _ends(rate: Rate) -> tuple[float, float, float]:
    return rate.lower, rate.point, rate.upper
