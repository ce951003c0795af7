"""What kind of route is it? Where the incumbent itself answers differently each time, being different is not being worse.

A class is known once the A/A scores prove it, and stays until they prove the opposite: the sequences hold at all looks,
so that a class does not flap, and a route without enough answers is `unknown`.
"""

import math
from collections.abc import Mapping
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from shadow.stats import means
from shadow.stats.aa import Dense
from shadow.stats.grid import SCORE_BINS
from shadow.stats.spec import FLAGGED

RouteClass = Literal["deterministic", "normal", "open_ended", "unknown"]

OPEN_FLAG_RATE: Final = 0.20
OPEN_MEDIAN: Final = 0.6
EXACT_RATE: Final = 0.90
MINIMUM: Final = 50
"""A/A answers before a route may have a class; it takes more of them the closer a route lies to a limit."""

ALPHA: Final = 0.01
"""Chance that one statement about a route (flag rate, median, exactness; above, below) is ever wrongly proven."""

# Rounding to the grid is random, 1/64 wide: a score just under a limit may stand on it, so the limit's own bin counts below.
FLAG_BIN: Final = int(FLAGGED * (SCORE_BINS - 1)) + 1
_MEDIAN_BIN: Final = int(OPEN_MEDIAN * (SCORE_BINS - 1)) + 1
_EXACT_BIN: Final = SCORE_BINS - 1


def gates(kind: RouteClass) -> bool:
    """Whether a comparative scorer may promote or reject on a route of this class."""
    return kind in ("deterministic", "normal")


def classify(rows: Dense) -> RouteClass:
    """The class after the last hour, from A/A scores by hour (`shadow.stats.aa.dense`).

    open_ended: the flag rate is proven above 20 %, or more than half of the scores proven below 0.6 (the median).
    deterministic or normal: both are proven to be otherwise; deterministic while more than 90 % of the scores are exact.
    Every statement is a betting sequence (`shadow.stats.means`) at `ALPHA`. The walk over hours is what makes a class
    stand: it is a function of the sums by hour, so that a recomputation finds the same class.
    """
    if not rows:
        return "unknown"
    cumulated = {exponent: np.cumsum(h, axis=0) for exponent, h in rows.items()}
    n = np.sum([h.sum(axis=1) for h in cumulated.values()], axis=0)
    flags, low = _proofs(cumulated, FLAG_BIN, OPEN_FLAG_RATE), _proofs(cumulated, _MEDIAN_BIN, 0.5)
    inexact = _proofs(cumulated, _EXACT_BIN, 1.0 - EXACT_RATE)
    kind: RouteClass = "unknown"
    for i in range(len(n)):
        if n[i] < MINIMUM:
            continue
        if flags.above[i] or low.above[i]:
            kind = "open_ended"
        elif gates(kind) or (flags.below[i] and low.below[i]):
            stays = kind == "deterministic" and not inexact.above[i]
            kind = "deterministic" if inexact.below[i] or stays else "normal"
    return kind


class _Proofs:
    """Per hour: is a rate proven above, or below, its limit."""

    __slots__ = ("above", "below")

    def __init__(self, above: NDArray[np.bool_], below: NDArray[np.bool_]) -> None:
        self.above, self.below = above, below


def _proofs(cumulated: Mapping[int, NDArray[np.int64]], below: int, limit: float) -> _Proofs:
    counts = {k: np.stack([h[:, below:].sum(axis=1), h[:, :below].sum(axis=1)], axis=1) for k, h in cumulated.items()}
    level = math.log(1.0 / ALPHA)
    return _Proofs(means.log_e_greater(counts, limit) >= level, means.log_e_less(counts, limit) >= level)
