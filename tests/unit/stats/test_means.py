"""Means: oracle numbers, laws of the betting mixture, fallbacks."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shadow.stats import means

law = settings(deadline=None, max_examples=40)
histograms = st.lists(st.integers(0, 300), min_size=5, max_size=5).map(lambda counts: np.array(counts))


def test_normal_mixture_oracles() -> None:
    assert means.rho(100, 0.05) == pytest.approx(12.60056, abs=1e-5)
    assert means.normal_bound(100, 0.05, 100) == pytest.approx(30.35209, abs=1e-5)


def test_asymptotic_oracle() -> None:
    log_inverse = math.log(20)
    r = (2 * log_inverse + math.log1p(2 * log_inverse)) / 1000
    n = 6461
    n_opt = means.asymptotic_r(1, 0.05) / r
    half = 0.33341 * math.sqrt(n) * means.asymptotic_margin(n, 0.05, n_opt)

    assert 0.50336 - half == pytest.approx(-0.55844, abs=2e-4)
    assert 0.50336 + half == pytest.approx(1.56516, abs=2e-4)


def test_zero_events_prove_the_default_safety_margin_after_1049_pairs() -> None:
    def log_e(n: int) -> float:
        return float(means.log_e_less({0: np.array([0, n, 0])}, (1 + 0.005) / 2))

    assert log_e(1048) < math.log(20) <= log_e(1049)


@law
@given(histograms, st.floats(0.05, 0.9), st.floats(0.001, 0.09))
def test_evidence_is_monotone_in_the_margin(counts: np.ndarray, m: float, step: float) -> None:
    assert means.log_e_greater({0: counts}, m) >= means.log_e_greater({0: counts}, m + step) - 1e-9
    assert means.log_e_less({0: counts}, m) <= means.log_e_less({0: counts}, m + step) + 1e-9


@law
@given(histograms, st.floats(0.01, 0.1), st.floats(1.1, 5))
def test_intervals_are_nested_in_alpha_and_hold_the_mean(counts: np.ndarray, alpha: float, factor: float) -> None:
    narrow, wide = means.interval({0: counts}, alpha * factor), means.interval({0: counts}, alpha)
    centre = means.mean({0: counts})

    assert wide[0] <= narrow[0] + 1e-8
    assert narrow[1] <= wide[1] + 1e-8
    assert centre is None or wide[0] - 1e-8 <= centre <= wide[1] + 1e-8


@law
@given(histograms, st.floats(0.1, 0.9))
def test_bounds_are_where_the_evidence_reaches_its_threshold(counts: np.ndarray, alpha: float) -> None:
    lower, upper = means.bounds({0: counts}, alpha)

    if lower > 1e-6:
        assert float(means.log_e_greater({0: counts}, lower)) == pytest.approx(math.log(1 / alpha), abs=1e-4)
    if 0 < upper < 1 - 1e-6:
        assert float(means.log_e_less({0: counts}, upper)) == pytest.approx(math.log(1 / alpha), abs=1e-4)


@law
@given(histograms, histograms, st.floats(0.1, 0.9))
def test_splitting_a_stream_of_one_weight_changes_nothing(a: np.ndarray, b: np.ndarray, m: float) -> None:
    assert np.isclose(means.log_e_less({0: a + b}, m), means.log_e_less({0: b + a}, m))


def test_streams_in_one_product_equal_streams_one_by_one() -> None:
    rng = np.random.default_rng(1)
    streams = rng.integers(0, 50, (7, 129))

    together = means.log_e_less({0: streams, 1: streams}, 0.46)

    alone = [float(means.log_e_less({0: s, 1: s}, 0.46)) for s in streams]
    assert np.allclose(together, alone)


def test_a_smaller_weight_is_weaker_evidence() -> None:
    counts = np.array([0, 0, 400])

    assert means.log_e_greater({0: counts}, 0.5) > means.log_e_greater({2: counts}, 0.5) > 0


def test_the_weighted_mean_undoes_oversampling() -> None:
    hard, easy = np.array([160, 0, 0]), np.array([0, 0, 10])  # hard kept always, easy with 1/16

    assert means.mean({4: hard, 0: easy}) == pytest.approx(0.5)
    assert means.hajek({4: hard, 0: easy}).mean == pytest.approx(0.5)


def test_hajek_with_equal_weights_is_the_plain_mean_and_sd() -> None:
    x = np.repeat(means.grid(5), [3, 1, 4, 1, 5])

    summary = means.hajek({0: np.array([3, 1, 4, 1, 5])})

    assert (summary.mean, summary.sd, summary.n) == pytest.approx((x.mean(), x.std(), 14))


def test_nothing_is_known_without_data() -> None:
    empty = {0: np.zeros(5, dtype=int)}

    assert means.mean({}) is means.mean(empty) is means.hajek({}) is means.effective_n({}) is None
    assert means.interval({}, 0.05) == means.interval(empty, 0.05) == (0.0, 1.0)
    assert float(means.log_e_less({}, 0.5)) == float(means.log_e_less(empty, 0.5)) == 0.0
    assert means.asymptotic_margin(0, 0.05) == math.inf


def test_the_effective_size_of_equal_weights_is_their_number() -> None:
    assert means.effective_n({0: 100}) == means.effective_n({3: 100}) == pytest.approx(100)
    assert means.effective_n({0: 50, 3: 50}) < 100


def test_the_asymptotic_margin_is_one_sided_narrower_and_shrinks() -> None:
    assert means.asymptotic_margin(500, 0.05, two_sided=False) < means.asymptotic_margin(500, 0.05)
    assert means.asymptotic_margin(5000, 0.05) * math.sqrt(5000) / 1.96 == pytest.approx(1.549, abs=0.01)


def test_bernstein_adds_over_partitions_and_finds_a_shift() -> None:
    rng = np.random.default_rng(2)
    parts = [means.Bernstein() for _ in range(3)]
    for i, x in enumerate(rng.beta(8, 2, 900)):
        parts[i % 3].add(float(x))

    whole = parts[0].merge(parts[1]).merge(parts[2])

    assert whole.n == 900
    assert whole.log_e(0.7, 0.05, "greater") > math.log(20)
    assert whole.log_e(0.8, 0.05, "greater") < math.log(20)
    assert whole.log_e(0.7, 0.05, "less") < 0
    assert means.Bernstein().log_e(0.5, 0.05, "less") == 0.0
    assert whole.log_e(1e-9, 0.05, "less") <= 0


def test_weighted_bernstein_agrees_in_direction() -> None:
    counts = {0: np.array([10, 0, 200]), 1: np.array([5, 0, 100])}

    assert means.log_e_bernstein_weighted(counts, 0.7, 0.05, "greater") > math.log(20)
    assert means.log_e_bernstein_weighted(counts, 0.7, 0.05, "less") < 0


def test_strong_evidence_for_the_null_is_never_evidence_against_it() -> None:
    far = {0: np.array([0, 0, 100_000])}

    assert float(means.log_e_less(far, 0.5)) < 0
    assert means.Bernstein(100_000, 100_000.0, 1.0).log_e(0.5, 0.05, "less") == -math.inf
