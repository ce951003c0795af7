"""Synthetic paired traffic for the statistics' simulations, with naive repeated tests to compare with."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from shadow.stats import means

Floats = NDArray[np.float64]
ALPHA = 0.05


def incumbent(rng: np.random.Generator, n: int) -> tuple[Floats, NDArray[np.bool_]]:
    """Scores of a two-difficulty stream: hard (30 %) Beta(4, 3), else Beta(20, 2); and which requests are hard."""
    hard = rng.random(n) < 0.3
    return np.where(hard, rng.beta(4, 3, n), rng.beta(20, 2, n)), hard


def paired(rng: np.random.Generator, n: int, *, shift: float = 0.0, broken: float = 0.0) -> tuple[Floats, Floats]:
    """(candidate, incumbent): equal with probability one half, else redrawn at the same difficulty."""
    b, hard = incumbent(rng, n)
    redrawn = np.where(hard, rng.beta(4, 3, n), rng.beta(20, 2, n))
    c = np.where(rng.random(n) < 0.5, b, redrawn) * (1.0 - shift)
    return np.where(rng.random(n) < broken, rng.beta(1, 9, n), c), b


def bins(rng: np.random.Generator, x: Floats, count: int) -> NDArray[np.int64]:
    """Randomised rounding onto the grid, as the additive state does it."""
    y = x * (count - 1)
    floor = np.floor(y)
    return (floor + (rng.random(len(x)) < y - floor)).astype(np.int64)


@dataclass(frozen=True)
class Looks:
    """After how many records somebody looks."""

    every: int
    n: int

    @property
    def at(self) -> NDArray[np.int64]:
        return np.arange(self.every, self.n + 1, self.every)


def betting_path(
    bin_of: NDArray[np.int64],
    count: int,
    m: float,
    side: means.Side,
    looks: Looks,
    exponents: NDArray[np.int64] | None = None,
) -> Floats:
    """Log evidence at every look of one stream, from the product's own tables."""
    if exponents is None:
        steps = means.log_factors(count, m, side, 0)[bin_of]
    else:
        steps = np.zeros((len(bin_of), len(means.BETS)))
        for exponent in np.unique(exponents):
            chosen = exponents == exponent
            steps[chosen] = means.log_factors(count, m, side, int(exponent))[bin_of[chosen]]
    wealth = np.add.accumulate(steps, axis=0)[looks.at - 1]
    top = wealth.max(axis=1)
    return top + np.log(np.exp(wealth - top[:, None]).mean(axis=1))


def naive_z(x: Floats, null: float, looks: Looks) -> Floats:
    """z = (mean - null) / (sd / sqrt n) at every look: the test that a dashboard repeats."""
    n = looks.at
    total, squares = np.cumsum(x)[n - 1], np.cumsum(x * x)[n - 1]
    mean = total / n
    sd = np.sqrt(np.maximum(squares / n - mean * mean, 1e-12))
    return (mean - null) / (sd / np.sqrt(n))


Z_ONE_SIDED = float(norm.ppf(1 - ALPHA))
LOG_LEVEL = math.log(1 / ALPHA)
