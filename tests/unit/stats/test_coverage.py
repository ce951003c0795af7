"""Error rates under permanent looking, by simulation with fixed seeds; the long version runs under bench/."""

import math

import numpy as np
import pytest

from shadow.stats import means, quantiles, rates

ALPHA = 0.05
LEVEL = math.log(1 / ALPHA)


def bound(runs: int) -> float:
    """alpha plus three standard errors of the simulation."""
    return ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / runs)


def ever(values: np.ndarray, bins: int, m: float, side: means.Side, every: int) -> np.ndarray:
    """Whether the betting evidence reaches 1/alpha at any look, for streams in rows; values in [0, 1]."""
    rng = np.random.default_rng(0)
    y = values * (bins - 1)
    bin_of = (np.floor(y) + (rng.random(y.shape) < y - np.floor(y))).astype(int)
    table = means.log_factors(bins, m, side, 0)
    looks = np.arange(every, values.shape[1] + 1, every) - 1
    crossed = np.zeros(len(values), dtype=bool)
    for i, row in enumerate(bin_of):
        wealth = np.add.accumulate(table[row], axis=0)[looks]
        top = wealth.max(axis=1)
        crossed[i] = (top + np.log(np.exp(wealth - top[:, None]).mean(axis=1))).max() >= LEVEL
    return crossed


def naive_ever(d: np.ndarray, null: float, every: int) -> np.ndarray:
    n = np.arange(every, d.shape[1] + 1, every)
    mean = np.cumsum(d, axis=1)[:, n - 1] / n
    sd = np.sqrt(np.maximum(np.cumsum(d * d, axis=1)[:, n - 1] / n - mean**2, 1e-12))
    return ((mean - null) / (sd / np.sqrt(n)) < -1.645).any(axis=1)


def test_a_model_against_itself_is_hardly_ever_worse_and_a_repeated_test_says_so_often() -> None:
    rng = np.random.default_rng(1)
    d = np.where(rng.random((200, 10_000)) < 0.5, 0.0, rng.normal(0, 0.15, (200, 10_000))).clip(-1, 1)

    assert ever((d + 1) / 2, 129, 0.5, "less", 25).mean() <= bound(200)
    assert naive_ever(d, 0.0, 25).mean() > 0.25


def test_a_drop_exactly_at_its_margin_is_hardly_ever_proven() -> None:
    d = np.random.default_rng(2).normal(-0.08, 0.15, (150, 6000)).clip(-1, 1)

    assert ever((d + 1) / 2, 129, (1 - 0.08) / 2, "greater", 50).mean() <= bound(150)


def test_a_risk_difference_exactly_at_its_margin_is_hardly_ever_proven() -> None:
    rng = np.random.default_rng(3)
    d = (rng.random((150, 8000)) < 0.015).astype(float) - (rng.random((150, 8000)) < 0.01)

    assert ever((d + 1) / 2, 3, (1 + 0.005) / 2, "less", 50).mean() <= bound(150)
    assert naive_ever(d, 0.005, 50).mean() > 0.3


def test_a_rate_exactly_at_its_limit_is_hardly_ever_proven() -> None:
    rng = np.random.default_rng(4)
    wrong = 0
    for _ in range(120):
        k = np.cumsum(rng.random(6000) < 0.02)
        n_opt = rates.n_to_prove(0.02, ALPHA)
        wrong += any(rates.log_e_below(int(k[n - 1]), n, 0.02, ALPHA, n_opt) >= LEVEL for n in range(100, 6001, 100))

    assert wrong / 120 <= bound(120)


def test_a_p95_exactly_at_its_limit_is_hardly_ever_proven() -> None:
    rng = np.random.default_rng(5)
    wrong = 0
    for _ in range(120):
        over = np.cumsum(rng.random(5000) < 0.05)
        looks = range(250, 5001, 250)
        wrong += any(quantiles.log_e_share({0: (int(over[n - 1]), n)}, 0.95, ALPHA)[0] >= LEVEL for n in looks)

    assert wrong / 120 <= bound(120)


@pytest.mark.parametrize("side", ["greater", "less"])
def test_weighted_streams_keep_the_error_rate(side: means.Side) -> None:
    rng = np.random.default_rng(6)
    truth = 0.3 * 0.4 + 0.7 * 0.6
    wrong = 0
    for _ in range(100):
        hard = rng.random(8000) < 0.3
        kept = hard | (rng.random(8000) < 1 / 16)
        x = np.where(hard, rng.random(8000) < 0.4, rng.random(8000) < 0.6).astype(int)[kept]
        steps = np.where(
            hard[kept][:, None], means.log_factors(2, truth, side, 4)[x], means.log_factors(2, truth, side, 0)[x]
        )
        wealth = np.add.accumulate(steps, axis=0)[49::50]
        top = wealth.max(axis=1)
        wrong += (top + np.log(np.exp(wealth - top[:, None]).mean(axis=1))).max() >= LEVEL

    assert wrong / 100 <= bound(100)


def test_turns_counted_as_units_break_the_promise_and_one_turn_a_session_keeps_it() -> None:
    rng = np.random.default_rng(7)
    sessions, turns = 1000, 8
    d = (rng.normal(0, 0.15, (100, sessions, 1)) + rng.normal(0, 0.03, (100, sessions, turns))).clip(-1, 1)

    every_turn = ever((d.reshape(100, -1) + 1) / 2, 129, 0.5, "less", 50).mean()
    one_turn = ever((d[:, :, 0] + 1) / 2, 129, 0.5, "less", 50).mean()

    assert every_turn > bound(100)
    assert one_turn <= bound(100)


def test_completion_order_breaks_the_promise_and_offset_order_keeps_it() -> None:
    rng = np.random.default_rng(8)
    runs, n, window = 100, 3000, 600
    slow = rng.random((runs, n)) < 0.3
    d = np.where(slow, 0.14, -0.06) + rng.normal(0, 0.1, (runs, n))  # mean 0, but slow requests differ
    done = np.arange(n) + np.where(slow, window, 0)
    by_completion = np.take_along_axis(d, np.argsort(done, axis=1, kind="stable"), axis=1)[:, : n - window]

    assert ever((by_completion.clip(-1, 1) + 1) / 2, 129, 0.5, "less", 25).mean() > bound(runs)
    assert ever((d.clip(-1, 1) + 1) / 2, 129, 0.5, "less", 25).mean() <= bound(runs)
