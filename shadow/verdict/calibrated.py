"""What a calibration means for a verdict, and how it is told: blocked and frozen gates, lines for a terminal, JSON."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from shadow.settings import Policy
from shadow.stats.aa import NO_ROUTE, segment_of
from shadow.stats.floor import Moved
from shadow.stats.routes import MINIMUM, RouteClass
from shadow.verdict import words
from shadow.verdict.calibration import Calibration, Excess, Rate, RouteFloor, score_gates
from shadow.verdict.evidence import Blocked, Context
from shadow.verdict.holds import UTILITY

KINDS: Final[dict[RouteClass, str]] = {
    "deterministic": "deterministic",
    "normal": "normal",
    "open_ended": "open-ended",
    "unknown": "not known yet",
}
"""Words of a class."""

_INSTEAD = (
    "use an absolute scorer (relevance, schema, assertions, code run against tests) or a preference scorer (judge) for "
    "policy.quality"
)
_MOST_NAMED = 4


def with_calibration(context: Context, policy: Policy, calibration: Calibration | None) -> Context:
    """The circumstances with what the calibration adds: gates that no route lets decide, gates that a moving floor
    freezes, and its sentence beside whatever else says that the scorer drifts. Without a calibration the same."""
    if calibration is None:
        return context
    open_ended = (segment_of(r.route) for r in calibration.routes if r.kind == "open_ended" and r.route != NO_ROUTE)
    context = replace(context, uncounted=context.uncounted | frozenset(open_ended))
    blocked = dict(context.blocked)
    if not calibration.decides:
        reason = _undecidable(calibration)
        blocked |= dict.fromkeys(score_gates(policy), Blocked(state="uncalibrated", reason=reason))
        if policy.utility is not None and "score" in policy.utility.reads:
            blocked.setdefault(UTILITY, Blocked(state="not_evaluable", reason=reason))
    moving = calibration.moving
    if not moving:
        return replace(context, blocked=blocked)
    said = [s for s in (context.scorer_drift, _moving(calibration.scorer, moving)) if s is not None]
    return replace(
        context,
        blocked=blocked,
        scorer_drift=" Also: ".join(said),
        frozen=context.frozen | set(score_gates(policy)) | {UTILITY},
    )


def name_of(route: RouteFloor) -> str:
    """A route's name for people."""
    return "calls without a route" if route.route == NO_ROUTE else route.route


def why(route: RouteFloor) -> str:
    """Why a route has its class, in one clause."""
    if route.stated:
        return "stated in the policy"
    if not route.answers or route.flagged is None or route.exact is None:
        return f"0 of at least {MINIMUM} answers of the incumbent asked again"
    seen = f"the incumbent differs from itself in {words.percent(route.flagged)} of {route.answers:,} answers"
    if route.kind == "unknown":
        return (
            f"{route.answers} of at least {MINIMUM} answers"
            if route.answers < MINIMUM
            else f"{seen}, too close to call"
        )
    return f"{seen}, {words.percent(route.exact)} are the same" if route.kind == "deterministic" else seen


def lines(calibration: Calibration) -> Iterator[str]:
    """For a terminal and a comment: what quality is measured against, the excesses, and each route that does not count."""
    asked = "asked again" if calibration.source == "baseline" else "asked the same before (repeated requests only)"
    yield (
        f"noise floor of {calibration.scorer}: {calibration.answers:,} answers of the incumbent {asked}; "
        f"{sum(route.gates for route in calibration.routes)} of {len(calibration.routes)} routes count for quality"
    )
    for what, found in (
        ("flagged (below 0.5)", calibration.flags),
        ("below the 2 % quantile of the route", calibration.low),
    ):
        if found is not None:
            yield f"{what}: {excess_words(found)}"
    for route in calibration.routes:
        if not route.gates:
            yield f"{name_of(route)} does not count for quality: {KINDS[route.kind]} ({why(route)})"


def excess_words(found: Excess) -> str:
    """A comparison of two shares in words."""
    return (
        f"candidate {words.percent(found.candidate.point)}, incumbent asked again {words.percent(found.incumbent.point)}, "
        f"excess {words.points(found.excess.point, signed=True)} "
        f"(between {words.points(found.excess.lower, signed=True)} and {words.points(found.excess.upper, signed=True)}, "
        f"{found.pairs:,} pairs)"
    )


def as_object(calibration: Calibration) -> dict[str, Any]:
    """For JSON, under the key `calibration`. Shares are between 0 and 1; unknown is null."""
    return {
        "scorer": calibration.scorer,
        "source": calibration.source,
        "aa_answers": calibration.answers,
        "routes": [
            {
                "route": route.route or None,
                "class": route.kind,
                "stated": route.stated,
                "gates": route.gates,
                "aa_answers": route.answers,
                "aa_flagged": route.flagged,
                "aa_exact": route.exact,
                "aa_quantile_02": route.low_score,
                "pairs": route.pairs,
                "floor_moved": None if route.moved is None else _moved_object(route.moved),
            }
            for route in calibration.routes
        ],
        "below_aa_quantile": None if calibration.low is None else _excess_object(calibration.low),
        "flagged": None if calibration.flags is None else _excess_object(calibration.flags),
    }


def _excess_object(found: Excess) -> dict[str, Any]:
    return {
        "pairs": found.pairs,
        "candidate": _rate_object(found.candidate),
        "incumbent": _rate_object(found.incumbent),
        "excess": _rate_object(found.excess),
    }


def _rate_object(rate: Rate) -> Mapping[str, float]:
    return {"lower": rate.lower, "point": rate.point, "upper": rate.upper}


def _moved_object(moved: Moved) -> dict[str, Any]:
    return {
        "direction": moved.direction,
        "at_unix_ms": moved.hour * 3_600_000,
        "before": moved.before,
        "since": moved.since,
        "answers_to_go": moved.to_go,
    }


def _undecidable(calibration: Calibration) -> str:
    routes = calibration.routes
    if routes and all(route.kind == "open_ended" for route in routes):
        return (
            f"every route is open-ended: the incumbent itself gives other answers when it is asked again, so that being "
            f"different ({calibration.scorer}) says nothing of being worse; {_INSTEAD}"
        )
    asked = "asked again" if calibration.source == "baseline" else "asked the same twice"
    waiting = [route for route in routes if route.kind == "unknown"]
    shown = "; ".join(f"{name_of(r)}: {why(r)}" for r in waiting[:_MOST_NAMED])
    more = f" and {len(waiting) - _MOST_NAMED} more" if len(waiting) > _MOST_NAMED else ""
    return (
        f"nobody knows yet how much {calibration.scorer} varies between two answers of the incumbent; a route counts once "
        f"about {MINIMUM} answers of the incumbent {asked} show that it is not open-ended"
        + (f" ({shown}{more})" if shown else "")
    )


def _moving(scorer: str, moving: tuple[RouteFloor, ...]) -> str:
    shown = "; ".join(f"{name_of(r)}: {_where(r.moved)}" for r in moving[:_MOST_NAMED] if r.moved is not None)
    return (
        f"the noise floor itself moved ({shown}): against its own answers the incumbent does not score {scorer} as it did. "
        "Has its temperature, its version or the scorer changed? Nothing is decided by it until that many newer answers "
        "have set a new floor."
    )


def _where(moved: Moved) -> str:
    now = "" if moved.since is None else f", now {moved.since:.3f}"
    return f"{moved.direction} than {moved.before:.3f}{now}; {moved.to_go} answers to go"
