"""A/A scores: how much the incumbent, asked again, differs from itself, by route and hour.

Taken from the baseline arm's own states, so that nothing in them depends on any candidate. Routes partition the calls and
histograms add up, so that the calls without a route are what is left of all calls.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shadow.stats import means
from shadow.stats.arms import ArmState
from shadow.stats.fold import OVERALL
from shadow.stats.grid import SCORE_BINS
from shadow.stats.state import Histogram, add_counts

NO_ROUTE = ""
"""The route of calls that name none."""

_PREFIX = "route="

Hours = dict[int, dict[int, Histogram]]
"""Score histograms (65 bins) by hour since 1970 and weight exponent."""

Scores = dict[str, Hours]
"""By route."""


class HourOf(NamedTuple):
    """Where a state of the baseline arm belongs."""

    segment: str
    hour: int
    weight_exponent: int


def route_of(segment: str) -> str | None:
    """The route that a segment stands for; None for every other kind of segment."""
    return segment.removeprefix(_PREFIX) if segment.startswith(_PREFIX) else None


def segment_of(route: str) -> str:
    """The segment of a named route."""
    return f"{_PREFIX}{route}"


def wanted(segment: str) -> bool:
    """Whether `aa_scores` reads states of this segment."""
    return segment == OVERALL or segment.startswith(_PREFIX)


def aa_scores(states: Iterable[tuple[HourOf, ArmState]], scorer: str, *, since_hour: int | None = None) -> Scores:
    """The scores of one scorer by route, from `since_hour` on. Hours, because minutes are rolled up into them: the result
    is the same before and after. Routes without a score are left out."""
    everything: Hours = {}
    routes: Scores = {}
    for (segment, hour, exponent), state in states:
        histogram = state.scores.get(scorer)
        if not histogram or not wanted(segment) or (since_hour is not None and hour < since_hour):
            continue
        route = route_of(segment)
        into = everything if route is None else routes.setdefault(route, {})
        add_counts(into.setdefault(hour, {}).setdefault(exponent, {}), histogram)
    rest = _less(everything, routes.values())
    return {**{name: routes[name] for name in sorted(routes)}, **({NO_ROUTE: rest} if rest else {})}


Dense = dict[int, NDArray[np.int64]]
"""By weight exponent: counts of shape (hours, 65), hours in order."""


def dense(hours: Hours) -> Dense:
    """Every hour's histogram as a row."""
    exponents = sorted({exponent for of_hour in hours.values() for exponent in of_hour})
    rows = {exponent: np.zeros((len(hours), SCORE_BINS), dtype=np.int64) for exponent in exponents}
    for i, hour in enumerate(sorted(hours)):
        for exponent, histogram in hours[hour].items():
            rows[exponent][i, list(histogram)] = list(histogram.values())
    return rows


def total(rows: Dense) -> dict[int, NDArray[np.int64]]:
    """The sum over hours by weight exponent."""
    return {k: h.sum(axis=0) for k, h in rows.items()}


def merged(several: Iterable[Mapping[int, NDArray[np.int64]]]) -> dict[int, NDArray[np.int64]]:
    """The sum of dense histograms by weight exponent."""
    summed: dict[int, NDArray[np.int64]] = {}
    for counts in several:
        for exponent, histogram in counts.items():
            summed[exponent] = summed[exponent] + histogram if exponent in summed else histogram
    return summed


def size(counts: Mapping[int, NDArray[np.int64]]) -> int:
    """Answers in a set of histograms, whatever their weight."""
    return int(sum(histogram.sum() for histogram in counts.values()))


def share(counts: Mapping[int, NDArray[np.int64]], below: int) -> float | None:
    """Weighted share of the answers in bins under `below`; None without answers."""
    return means.mean(split(counts, below)) if size(counts) else None


def split(counts: Mapping[int, NDArray[np.int64]], below: int) -> dict[int, NDArray[np.int64]]:
    """(answers in bins from `below` on, answers under it) by weight exponent: a rate for `shadow.stats.means`."""
    return {k: np.array([h[below:].sum(), h[:below].sum()], dtype=np.int64) for k, h in counts.items() if h.sum()}


def _less(everything: Hours, parts: Iterable[Hours]) -> Hours:
    rest = {hour: {k: dict(h) for k, h in of_hour.items()} for hour, of_hour in everything.items()}
    for part in parts:
        for hour, of_hour in part.items():
            for exponent, histogram in of_hour.items():
                left = rest.setdefault(hour, {}).setdefault(exponent, {})
                for index, count in histogram.items():
                    left[index] = left.get(index, 0) - count
    kept = {
        hour: {k: held for k, h in of_hour.items() if (held := {i: n for i, n in sorted(h.items()) if n})}
        for hour, of_hour in rest.items()
    }
    return {hour: of_hour for hour, of_hour in sorted(kept.items()) if of_hour}
