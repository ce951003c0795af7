"""Has the noise floor itself moved? The incumbent, asked again, agrees with itself less, or more, than it did.

A comparative scorer measures from this floor as a scale from its zero. While the zero moves nothing is decided by it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from shadow.stats import means
from shadow.stats.aa import Dense, size
from shadow.stats.grid import SCORE_BINS

REFERENCE: Final = 300
"""A/A answers that say where the floor lies: the first ones, and after an alarm the next ones."""

ALPHA: Final = 1 / 1440
"""At most one false alarm in 1,440 hours (60 days) on average, over all detectors together."""

MOST_ROUTES: Final = 12
DETECTORS: Final = 2 * MOST_ROUTES
"""Two directions on each of the largest routes share `ALPHA`."""

_CONFIDENCE = 0.01
_LOG_CAP = 500.0

Direction = Literal["lower", "higher"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A floor that has left its reference. `before` and `since` are mean A/A scores; `since` None while none came after.
    `to_go` are the answers until those after the alarm are the new reference, and the verdict thaws."""

    direction: Direction
    hour: int
    before: float
    since: float | None
    to_go: int


def floor_moved(hours: Sequence[int], rows: Dense, *, alpha: float = ALPHA / DETECTORS) -> Moved | None:
    """Whether the floor of one route is moving now; None while it stands (or is too little known to say).

    `hours` are the hours of the rows (`shadow.stats.aa.dense`), in order. Two e-SR detectors (Shiryaev-Roberts on e-values;
    Shin, Ramdas and Rinaldo 2022), one a direction, with hours as buckets: R_T(j) = (R_{T-1}(j) + 1) exp(l_j(T)), alarm when
    the mean over the bets reaches 1/alpha. Nulls: the mean score is not below the lower, not above the upper confidence
    bound of the reference. The hour that is not over yet may be looked at too: between its bounds R is a product of
    e-values, so the average run length keeps its bound.

    After an alarm the answers of later hours make a new reference; when they are `REFERENCE`, the floor counts as standing
    again, and is watched from there. A function of the sums by hour: a recomputation finds the same alarm.
    """
    counted = np.cumsum(np.sum([h.sum(axis=1) for h in rows.values()], axis=0)) if rows else np.zeros(0)
    moved: Moved | None = None
    start = 0
    while True:
        seen = counted[start - 1] if start else 0
        end = int(np.searchsorted(counted, seen + REFERENCE)) + 1
        reference = {k: h[start:end].sum(axis=0) for k, h in rows.items()}
        if end > len(counted):
            if moved is None:
                return None
            to_go = REFERENCE - size(reference)
            return replace(moved, since=means.mean(reference), to_go=to_go)
        alarm = _first_alarm({k: h[end:] for k, h in rows.items()}, reference, alpha)
        if alarm is None:
            return None
        index, direction = alarm
        moved = Moved(
            direction=direction,
            hour=hours[end + index],
            before=means.mean(reference) or 0.0,
            since=None,
            to_go=REFERENCE,
        )
        start = end + index + 1


def _first_alarm(rows: Dense, reference: Mapping[int, NDArray[np.int64]], alpha: float) -> tuple[int, Direction] | None:
    """(row, direction) of the first alarm. R_T = sum over s < T of exp(L_T - L_s), L the cumulated log wealth."""
    lower, upper = means.bounds(reference, _CONFIDENCE)
    found: list[tuple[int, Direction]] = []
    sides: list[tuple[Direction, means.Side, float]] = []
    if lower > 0.0:
        sides.append(("lower", "less", lower))
    if upper < 1.0:
        sides.append(("higher", "greater", upper))
    for direction, side, m in sides:
        wealth = sum(h @ means.log_factors(SCORE_BINS, m, side, k) for k, h in rows.items())
        cumulated = np.cumsum(np.vstack([np.zeros((1, len(means.BETS))), wealth]), axis=0)
        log_r = cumulated[1:] + np.logaddexp.accumulate(-cumulated[:-1], axis=0)
        alarms = np.flatnonzero(np.exp(np.minimum(log_r, _LOG_CAP)).mean(axis=1) * alpha >= 1.0)
        if len(alarms):
            found.append((int(alarms[0]), direction))
    return min(found, default=None)
