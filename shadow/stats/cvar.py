"""How bad are the worst answers? The mean of the lowest share of scores, with a confidence sequence. A report, no gate.

A gate on the tail is `score<t`: the share below a threshold needs far fewer answers than the depth of the tail.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from shadow.stats import rates
from shadow.stats.grid import SCORE_BINS

N_OPT: Final = 2000.0
EDGES: Final = tuple(sorted({round(i * (SCORE_BINS - 2) / 39) for i in range(40)}))
"""Bins whose cumulative share is bounded, the last but one of the grid included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TailMean:
    """Mean of the lowest `share` of scores in [0, 1]; each bound alone holds at 1 - alpha at every look.

    Scores are those of the grid, rounded by at most 1/64: the lowest share of rounded scores has a mean at most that lower.
    """

    share: float
    n: int
    lower: float
    point: float
    upper: float


def tail_mean(histogram: Mapping[int, int], share: float, alpha: float) -> TailMean | None:
    """Conditional value at risk of a score histogram (counts by bin of the score grid) at `share` in (0, 1); None without data.

    Beta-binomial confidence sequences of the cumulative share at `EDGES`, alpha/len(EDGES) each. Upper end: the smallest
    cumulative shares that they allow, each part's mass at its right end; lower end: the largest, at its left end.
    """
    n = sum(histogram.values())
    if not n:
        return None
    parts = [
        (min((e for e in EDGES if e >= index), default=SCORE_BINS - 1), count) for index, count in histogram.items()
    ]
    least: list[tuple[float, float]] = []  # (score, mass), ascending
    most: list[tuple[float, float]] = []
    low_before = high_before = 0.0
    previous = -1
    for edge in EDGES:
        below = sum(count for part, count in parts if part <= edge)
        low, high = rates.bounds(below, n, alpha / len(EDGES), N_OPT)
        low, high = max(low, low_before), max(high, high_before)  # a cumulative share never falls
        least.append((_score(edge), low - low_before))
        most.append((_score(previous + 1), high - high_before))
        low_before, high_before, previous = low, high, edge
        if low >= share:
            break
    least.append((1.0, 1.0 - low_before))
    most.append((_score(previous + 1), 1.0 - high_before))
    exact = [(_score(index), count / n) for index, count in sorted(histogram.items())]
    return TailMean(
        share=share, n=n, lower=_lowest(most, share), point=_lowest(exact, share), upper=_lowest(least, share)
    )


def _score(index: int) -> float:
    return index / (SCORE_BINS - 1)


def _lowest(masses: list[tuple[float, float]], share: float) -> float:
    """Mean of the lowest `share` of ascending (score, mass)."""
    left, total = share, 0.0
    for score, mass in masses:
        taken = min(mass, left)
        total += taken * score
        left -= taken
        if left <= 0:
            break
    return total / share if left <= 0 else (total + left) / share
