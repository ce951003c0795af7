"""Runs a scorer so that its crash is a counted value and never takes the other cases along."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from scorers.base import Case, Score, Scorer, ScorerFailure


def one_by_one(judge: Callable[[Case], Score], cases: Sequence[Case]) -> list[Score | ScorerFailure]:
    """For scorers that judge cases independently: an exception in one case is that case's failure."""
    results: list[Score | ScorerFailure] = []
    for case in cases:
        try:
            results.append(judge(case))
        except Exception as error:
            results.append(ScorerFailure(kind=type(error).__name__))
    return results


def run_scorer(scorer: Scorer, cases: Sequence[Case]) -> list[Score | ScorerFailure]:
    """Scores every case: one result per case, in order, never raises.

    A batch that raises, or returns another number of results, is asked again case by case, so that one bad text costs
    one case. Values that are not finite or not in [0, 1] become `ScorerFailure(kind="OutOfRange")`.
    """
    if not cases:
        return []
    try:
        results = scorer.score(cases)
        if len(results) == len(cases):
            return [checked(result) for result in results]
    except Exception as error:
        if len(cases) == 1:
            return [ScorerFailure(kind=type(error).__name__)]
    else:
        if len(cases) == 1:
            return [ScorerFailure(kind="WrongNumberOfResults")]
    return [result for case in cases for result in run_scorer(scorer, [case])]


def checked(result: Score | ScorerFailure) -> Score | ScorerFailure:
    """Refuses what is no score: NaN, infinities, values outside [0, 1], other types."""
    if isinstance(result, ScorerFailure):
        return result
    if not isinstance(result, Score):
        return ScorerFailure(kind="NotAScore")
    value = result.value
    if value is None:
        return result
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return ScorerFailure(kind="NotAScore")
    if not math.isfinite(value) or not 0 <= value <= 1:
        return ScorerFailure(kind="OutOfRange")
    return replace(result, value=float(value))
