"""The mean of the worst answers: bounded, valid at every look, and tight enough to read."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shadow.stats.cvar import TailMean, tail_mean

SHARE, ALPHA = 0.05, 0.05


def scores(rng: np.random.Generator, n: int) -> np.ndarray:
    """Bins of good answers and 3 % of bad ones."""
    x = np.where(rng.random(n) < 0.03, rng.beta(1, 9, n), rng.beta(20, 2, n))
    return np.rint(x * 64).astype(int)


def tail(bins: np.ndarray, alpha: float = ALPHA) -> TailMean:
    found = tail_mean(Counter(bins.tolist()), SHARE, alpha)
    assert found is not None
    return found


def test_the_bounds_hold_the_truth_at_every_look_and_narrow() -> None:
    """40 runs, three looks: 95 % each end, so at most about 4 of 40 beyond either; 9 would be P < 1e-3 at the bound."""
    truth = tail(scores(np.random.default_rng(0), 400_000)).point
    low = high = 0
    for run in range(40):
        bins = scores(np.random.default_rng(1 + run), 4000)
        looks = [tail(bins[:n]) for n in (500, 1500, 4000)]
        low += any(look.lower > truth for look in looks)
        high += any(look.upper < truth for look in looks)
        assert looks[2].upper - looks[2].lower < looks[0].upper - looks[0].lower

    assert low < 9
    assert high < 9


def test_fifty_thousand_answers_bound_it_to_a_few_hundredths() -> None:
    found = tail(scores(np.random.default_rng(2), 50_000))

    assert found.lower < found.point < found.upper
    assert found.upper - found.lower < 0.12


def test_one_score_is_its_own_tail_and_nothing_is_unknown() -> None:
    found = tail_mean({32: 20_000}, SHARE, ALPHA)

    assert found is not None
    assert (found.point, found.n) == (0.5, 20_000)
    assert found.lower <= 0.5 <= found.upper
    assert tail_mean({}, SHARE, ALPHA) is None


@settings(max_examples=25, deadline=None)
@given(st.dictionaries(st.integers(0, 64), st.integers(1, 400), min_size=1, max_size=12))
def test_bounds_hold_the_estimate_whatever_the_histogram(histogram: dict[int, int]) -> None:
    found = tail_mean(histogram, SHARE, ALPHA)

    assert found is not None
    assert 0.0 <= found.lower <= found.point + 1e-9
    assert found.point <= found.upper + 1e-9 <= 1.0 + 2e-9


@pytest.mark.parametrize("worse", [0.1, 0.4])
def test_a_worse_tail_is_lower(worse: float) -> None:
    bins = scores(np.random.default_rng(3), 5000)
    lowered = np.where(bins < 40, np.rint(bins * (1 - worse)).astype(int), bins)

    assert tail(lowered).point < tail(bins).point
