"""What a comparative quality is measured against: the noise floor by route, and on which routes it may decide.

A pure function of sums: A/A scores by route and hour, and a candidate's pairs by segment. `shadow verify` computes it twice.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from shadow.settings import Policy
from shadow.stats import means
from shadow.stats.aa import NO_ROUTE, Scores, dense, merged, segment_of, share, size, split, total
from shadow.stats.floor import MOST_ROUTES, Moved, floor_moved
from shadow.stats.fold import OVERALL
from shadow.stats.grid import SCORE_BINS
from shadow.stats.routes import FLAG_BIN, RouteClass, classify
from shadow.stats.routes import gates as counts_on
from shadow.stats.scored import scores_alone, without_scores
from shadow.stats.spec import FLAGGED, parse_metric, tail_table
from shadow.stats.state import PairState

Pairs = Mapping[int, PairState]
BySegment = Mapping[str, Pairs]
Source = Literal["baseline", "duplicates"]

QUANTILE = 0.02
"""A candidate's score under this quantile of its route's A/A scores is lower than what the incumbent's own variation
explains; of the incumbent itself about 2 % lie there."""

OWN_QUANTILE = 200
"""A/A answers before a route has a quantile of its own; routes with fewer share the one of all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteFloor:
    """One route: its class, and what the incumbent's own answers show. Shares in [0, 1]; None without answers.

    `low_score` is the 2 % quantile of the A/A scores: the largest grid value with at most 2 % of them below it.
    """

    route: str  # "" are the calls that name none
    kind: RouteClass
    stated: bool  # by the policy
    answers: int
    flagged: float | None
    exact: float | None
    low_score: float | None
    pairs: int  # of this candidate, with both scores
    moved: Moved | None = None

    @property
    def gates(self) -> bool:
        """Whether differences on this route count for or against a candidate."""
        return counts_on(self.kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A share with its bounds: each end alone holds at 1 - alpha.promote, at every look."""

    lower: float
    point: float
    upper: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Excess:
    """A share of the candidate's answers beside the same share of the incumbent's own second answers, on the same
    calls; `excess` is the difference."""

    pairs: int
    candidate: Rate
    incumbent: Rate
    excess: Rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """How a comparative quality is calibrated at this look.

    `low` compares shares below the 2 % quantile of the route, `flags` shares below 0.5; both over the routes that count.
    `source` says who gave the second answers.
    """

    scorer: str
    source: Source
    routes: tuple[RouteFloor, ...] = ()
    low: Excess | None = None
    flags: Excess | None = None

    @property
    def answers(self) -> int:
        """A/A answers over all routes."""
        return sum(route.answers for route in self.routes)

    @property
    def excluded(self) -> frozenset[str]:
        """Routes whose scores count for nothing."""
        return frozenset(route.route for route in self.routes if not route.gates)

    @property
    def moving(self) -> tuple[RouteFloor, ...]:
        """Routes that count and whose floor is moving."""
        return tuple(route for route in self.routes if route.gates and route.moved is not None)

    @property
    def decides(self) -> bool:
        """Whether any route counts."""
        return any(route.gates for route in self.routes)


def score_gates(policy: Policy) -> tuple[str, ...]:
    """Ids of the gates that read the quality score."""
    metrics = [(gate.id, parse_metric(gate.metric)) for gate in policy.gates]
    return tuple(name for name, metric in metrics if metric is not None and metric.name in ("score", "tail"))


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteAnswers:
    """What the A/A scores alone say of one route: the same for every candidate."""

    counts: Mapping[int, NDArray[np.int64]]
    kind: RouteClass
    moved: Moved | None


def answers_of(aa: Scores) -> dict[str, RouteAnswers]:
    """Every route's class and floor; the floor of the largest routes is watched."""
    rows = {name: dense(hours) for name, hours in aa.items()}
    counts = {name: total(of_route) for name, of_route in rows.items()}
    watched = set(sorted(counts, key=lambda name: (-size(counts[name]), name))[:MOST_ROUTES])
    return {
        name: RouteAnswers(
            counts=counts[name],
            kind=classify(rows[name]),
            moved=floor_moved(sorted(aa[name]), rows[name]) if name in watched else None,
        )
        for name in aa
    }


_NO_ANSWERS = RouteAnswers(counts={}, kind="unknown", moved=None)


def calibrate(policy: Policy, answers: Mapping[str, RouteAnswers], pairs: BySegment, source: Source) -> Calibration:
    """The calibration of a policy's quality, which has to be comparative. Routes come in the order of their names."""
    named = {segment.removeprefix(segment_of("")) for segment in pairs if segment.startswith(segment_of(""))}
    names = [*sorted({*answers, *named} - {NO_ROUTE}), NO_ROUTE]
    pooled = merged(found.counts for found in answers.values())
    parts = {name: route_pairs(pairs, name, names) for name in names}
    routes = []
    for name in names:
        own = answers.get(name, _NO_ANSWERS)
        scored = sum(state.score.n for state in parts[name].values())
        if name != NO_ROUTE or scored or own.counts:
            routes.append(_route(name, policy, own, pooled, scored))
    kept = [route.route for route in routes if route.gates]
    alpha = policy.alpha.promote
    return Calibration(
        scorer=policy.quality,
        source=source,
        routes=tuple(routes),
        low=_low({r.route: r.low_score for r in routes if r.gates}, parts, alpha),
        flags=_flags([parts[name] for name in kept], alpha),
    )


def route_pairs(pairs: BySegment, route: str, names: Iterable[str]) -> dict[int, PairState]:
    """The pairs of one route; of the calls without one: all, less the scores of every named route."""
    if route != NO_ROUTE:
        return dict(pairs.get(segment_of(route), {}))
    return {
        k: without_scores(
            state,
            [pairs[segment_of(n)][k] for n in names if n != NO_ROUTE and k in pairs.get(segment_of(n), {})],
        )
        for k, state in pairs.get(OVERALL, {}).items()
    }


def evidence_of(pairs: BySegment, calibration: Calibration) -> dict[str, dict[int, PairState]]:
    """The pairs by segment with the scores of routes that count, and of no other; everything but scores stays whole.

    Routes partition the pairs, so that "all traffic" is exactly the sum over the routes that count. Other segments
    (language, length, tags) cut across routes: where some route is open-ended, or none counts, they keep no score.
    """
    if not calibration.excluded:
        return {segment: dict(states) for segment, states in pairs.items()}
    names = [route.route for route in calibration.routes]
    kept = [route_pairs(pairs, route.route, names) for route in calibration.routes if route.gates]
    across = calibration.decides and not any(route.kind == "open_ended" for route in calibration.routes)
    result: dict[str, dict[int, PairState]] = {}
    for segment, states in pairs.items():
        if segment == OVERALL:
            result[segment] = {k: scores_alone(s, [p[k] for p in kept if k in p]) for k, s in states.items()}
        elif segment.startswith(segment_of("")):
            out = segment.removeprefix(segment_of("")) in calibration.excluded
            result[segment] = {k: without_scores(s, (s,)) for k, s in states.items()} if out else dict(states)
        else:
            result[segment] = dict(states) if across else {k: without_scores(s, (s,)) for k, s in states.items()}
    return result


def _route(
    name: str, policy: Policy, own: RouteAnswers, pooled: Mapping[int, NDArray[np.int64]], pairs: int
) -> RouteFloor:
    stated = policy.routes.get(name) if name != NO_ROUTE else None
    inexact = share(own.counts, SCORE_BINS - 1)
    return RouteFloor(
        route=name,
        kind=stated or own.kind,
        stated=stated is not None,
        answers=size(own.counts),
        flagged=share(own.counts, FLAG_BIN),
        exact=None if inexact is None else 1.0 - inexact,
        low_score=_low_score(own.counts if size(own.counts) >= OWN_QUANTILE else pooled),
        pairs=pairs,
        moved=own.moved,
    )


def _low_score(counts: Mapping[int, NDArray[np.int64]]) -> float | None:
    if not size(counts):
        return None
    weighted = sum((2.0**-k * h for k, h in counts.items()), np.zeros(SCORE_BINS))
    below = np.concatenate([[0.0], np.cumsum(weighted)[:-1]]) / weighted.sum()
    return float(np.flatnonzero(below <= QUANTILE)[-1]) / (SCORE_BINS - 1)


def _low(thresholds: Mapping[str, float | None], parts: Mapping[str, Pairs], alpha: float) -> Excess | None:
    """Shares below each route's own quantile. Marginal counts: the bounds of the difference are those of both shares, each
    end at alpha / 2. They hold for the quantiles as they stand at this look."""
    sides: list[list[dict[int, NDArray[np.int64]]]] = [[], []]
    for route, score in thresholds.items():
        if score is None:
            continue
        below = round(score * (SCORE_BINS - 1))
        for side, name in zip(sides, ("score_candidate", "score_reference"), strict=True):
            counts = {k: means.dense(getattr(s, name), SCORE_BINS) for k, s in parts[route].items() if s.score.n}
            side.append(split(counts, below))
    candidate, incumbent = merged(sides[0]), merged(sides[1])
    pairs = size(candidate)
    if not pairs:
        return None
    (low_c, high_c), (low_b, high_b) = means.bounds(candidate, alpha / 2), means.bounds(incumbent, alpha / 2)
    of_c, of_b = _rate(candidate, alpha), _rate(incumbent, alpha)
    return Excess(
        pairs=pairs,
        candidate=of_c,
        incumbent=of_b,
        excess=Rate(lower=low_c - high_b, point=of_c.point - of_b.point, upper=high_c - low_b),
    )


def _flags(kept: Iterable[Pairs], alpha: float) -> Excess | None:
    """Paired: both flags of a call are known, so that the difference has a sequence of its own on -1, 0, +1."""
    cells: dict[int, NDArray[np.int64]] = {}
    for pairs in kept:
        for k, state in pairs.items():
            table = np.array(state.table(tail_table(FLAGGED)), dtype=np.int64)
            cells[k] = cells[k] + table if k in cells else table
    cells = {k: table for k, table in cells.items() if table.sum()}
    if not cells:
        return None
    difference = {k: np.array([t[2], t[0] + t[3], t[1]], dtype=np.int64) for k, t in cells.items()}
    low, high = means.bounds(difference, alpha)
    centre = means.mean(difference) or 0.0
    return Excess(
        pairs=size(difference),
        candidate=_rate({k: np.array([t[2] + t[3], t[0] + t[1]], dtype=np.int64) for k, t in cells.items()}, alpha),
        incumbent=_rate({k: np.array([t[1] + t[3], t[0] + t[2]], dtype=np.int64) for k, t in cells.items()}, alpha),
        excess=Rate(lower=2.0 * low - 1.0, point=2.0 * centre - 1.0, upper=2.0 * high - 1.0),
    )


def _rate(counts: Mapping[int, NDArray[np.int64]], alpha: float) -> Rate:
    lower, upper = means.bounds(counts, alpha)
    return Rate(lower=lower, point=means.mean(counts) or 0.0, upper=upper)
