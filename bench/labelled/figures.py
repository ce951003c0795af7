"""Estimates with intervals, and how they are shown. Seeds are fixed: the same data give the same figures."""

import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from scorers.base import Case, Score, Scorer, ScorerFailure
from scorers.running import run_scorer

SHARED = Path(__file__).resolve().parents[3] / "shared"
"""Where the public data lie that are no part of the project."""

_Z = 1.959964
_RESAMPLES = 2_000
_SEED = 20_260


class Estimate(NamedTuple):
    """A figure with its 95 % interval; all three None where there was nothing to measure."""

    low: float | None
    value: float | None
    high: float | None

    def shown(self, digits: int = 3, *, sign: bool = False) -> str:
        """`0.912 (0.850-0.960)`; a dash for nothing."""
        if self.value is None or self.low is None or self.high is None:
            return "-"
        form = f"{'+' if sign else ''}.{digits}f"
        between = " to " if sign else "-"
        return f"{self.value:{form}} ({self.low:{form}}{between}{self.high:{form}})"


NOTHING = Estimate(None, None, None)


def auc(good: Sequence[float], bad: Sequence[float]) -> Estimate:
    """Probability that a good pair scores above a bad one, ties counted half; interval by a stratified bootstrap."""
    if not good or not bad:
        return NOTHING
    draw = np.random.default_rng(_SEED)
    wins = np.sign(np.subtract.outer(np.array(good), np.array(bad))) / 2 + 0.5
    rows, columns = (draw.integers(0, n, (_RESAMPLES, n)) for n in wins.shape)
    values = np.array([wins[np.ix_(i, j)].mean() for i, j in zip(rows, columns, strict=True)])
    low, high = np.quantile(values, (0.025, 0.975))
    return Estimate(float(low), float(wins.mean()), float(high))


def share(hits: int, total: int) -> Estimate:
    """A share with Wilson's interval."""
    if not total:
        return NOTHING
    p = hits / total
    middle = (p + _Z**2 / (2 * total)) / (1 + _Z**2 / total)
    half = _Z * math.sqrt(p * (1 - p) / total + _Z**2 / (4 * total**2)) / (1 + _Z**2 / total)
    return Estimate(max(0.0, middle - half), p, min(1.0, middle + half))


def mean(values: Sequence[float]) -> Estimate:
    """A mean with a bootstrap interval."""
    if not values:
        return NOTHING
    data = np.array(values)
    draw = np.random.default_rng(_SEED).integers(0, len(data), (_RESAMPLES, len(data)))
    low, high = np.quantile(data[draw].mean(axis=1), (0.025, 0.975))
    return Estimate(float(low), float(data.mean()), float(high))


class Run(NamedTuple):
    """What a scorer said of some cases, and its CPU milliseconds per case."""

    results: list[Score | ScorerFailure]
    milliseconds: float


def run(scorer: Scorer, cases: Sequence[Case], *, repeats: int = 3) -> Run:
    """Scores the cases; the cost is this process's CPU time, the best of `repeats`."""
    spent = []
    results: list[Score | ScorerFailure] = []
    for _ in range(repeats):
        began = time.process_time()
        results = run_scorer(scorer, cases)
        spent.append(time.process_time() - began)
    return Run(results, 1_000 * min(spent) / max(1, len(cases)))


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    return "\n".join(lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows])
