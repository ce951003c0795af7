"""Quantiles, ratios, change, families, planning, mix, segments."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shadow.errors import LedgerError
from shadow.stats import mix, multiple, plan, quantiles, rates, ratios
from shadow.stats.change import Detector
from shadow.stats.grid import log_bin
from shadow.stats.state import Moments

law = settings(deadline=None, max_examples=30)


def histogram(values: np.ndarray) -> dict[int, int]:
    counts: dict[int, int] = {}
    for value in values:
        counts[log_bin(float(value))] = counts.get(log_bin(float(value)), 0) + 1
    return counts


def moments(c: np.ndarray, b: np.ndarray) -> Moments:
    sums = Moments()
    for x, y in zip(c, b, strict=True):
        sums.add(round(x * 1e6), round(y * 1e6))
    return sums


@pytest.mark.parametrize(("n", "low", "high"), [(1000, 0.928, 0.969), (10_000, 0.9430, 0.9566)])
def test_the_ranks_of_a_p95_interval(n: int, low: float, high: float) -> None:
    rejected = [k for k in range(n + 1) if rates.log_e(k, n, 0.95, 0.05, 2000) >= math.log(20)]
    below, above = max(k for k in rejected if k < 0.95 * n), min(k for k in rejected if k > 0.95 * n)

    assert (below / n, above / n) == pytest.approx((low, high), abs=0.0015)


def test_a_quantile_interval_holds_the_truth_and_rounds_outward() -> None:
    values = np.random.default_rng(3).lognormal(0, 0.4, 3000)

    lower, upper = quantiles.bounds({0: histogram(values)}, 0.95, 0.05)

    assert lower < math.exp(0.4 * 1.645) < upper
    assert upper / lower < 1.3
    assert lower <= (quantiles.point({0: histogram(values)}, 0.95) or 0) <= upper


def test_weighted_quantiles_undo_oversampling() -> None:
    rng = np.random.default_rng(4)
    slow, fast = rng.uniform(9, 10, 1600), rng.uniform(0.9, 1, 1900)  # slow kept always, fast with 1/16: 5 % slow

    weighted = quantiles.point({4: histogram(slow), 0: histogram(fast)}, 0.9)
    lower, upper = quantiles.bounds({4: histogram(slow), 0: histogram(fast)}, 0.9, 0.05)

    assert weighted < 1.1
    assert lower <= weighted <= upper
    assert quantiles.point({0: histogram(np.concatenate([slow, fast]))}, 0.9) > 9


def test_an_exact_limit_is_tested_on_its_own_counts() -> None:
    within, beyond = quantiles.log_e_share({0: (10, 1000)}, 0.95, 0.05)
    slower = quantiles.log_e_share({0: (120, 1000)}, 0.95, 0.05)

    assert within > math.log(20) > beyond == 0
    assert slower[1] > math.log(20) > slower[0] == 0
    assert quantiles.log_e_share({1: (10, 1000)}, 0.95, 0.05)[0] < within


def test_quantiles_of_nothing_are_unknown() -> None:
    assert quantiles.bounds({}, 0.5, 0.05) == (0.0, math.inf)
    assert quantiles.point({}, 0.5) is None
    assert quantiles.log_e_share({}, 0.95, 0.05) == (0.0, 0.0)


def test_timeouts_push_the_upper_bound_to_infinity() -> None:
    assert quantiles.bounds({0: histogram(np.array([1.0] * 900 + [math.inf] * 100))}, 0.95, 0.05)[1] == math.inf


def test_a_ratio_interval_holds_the_ratio() -> None:
    rng = np.random.default_rng(5)
    b = rng.lognormal(0, 0.3, 3000)
    c = b * rng.lognormal(-1.1, 0.2, 3000)

    found = ratios.paired_means({0: moments(c, b)})
    low, high = ratios.ratio_interval(found, 0.05)

    assert low < c.mean() / b.mean() < high
    assert high - low < 0.03
    assert ratios.ratio_point(found) == pytest.approx(c.mean() / b.mean(), rel=1e-5)


def test_a_denominator_that_may_be_zero_bounds_nothing() -> None:
    found = ratios.paired_means({0: moments(np.ones(5), np.array([0, 0, 0, 0, 9.0]))})

    assert ratios.ratio_interval(found, 0.05) == (0.0, math.inf)
    assert ratios.paired_means({}) is None
    assert ratios.ratio_point(ratios.PairedMeans(1, 1, 0, 0, 0, 0)) is None


def test_a_common_weight_keeps_the_ratio_and_widens_nothing_else() -> None:
    rng = np.random.default_rng(6)
    sums = moments(rng.lognormal(0, 0.3, 400), rng.lognormal(0, 0.3, 400))
    one, half = ratios.paired_means({0: sums}), ratios.paired_means({1: sums})

    assert ratios.ratio_point(one) == pytest.approx(ratios.ratio_point(half))


def detector_buckets(rng: np.random.Generator, shift: float, buckets: int) -> list[dict[int, np.ndarray]]:
    result = []
    for _ in range(buckets):
        x = np.clip((rng.normal(-shift, 0.1, 60) + 1) / 2, 0, 1)
        result.append({0: np.bincount(np.round(x * 128).astype(int), minlength=129)})
    return result


def test_a_detector_is_quiet_before_and_loud_after_a_change() -> None:
    rng = np.random.default_rng(7)
    detector = Detector(m0=-0.003)
    for bucket in detector_buckets(rng, 0.0, 500):
        detector = detector.update(bucket)
    assert not detector.active
    assert detector.alarmed_at is None

    for bucket in detector_buckets(rng, 0.05, 30):
        detector = detector.update(bucket)

    assert detector.active
    assert 500 < detector.alarmed_at < 525
    assert not detector.restarted().active


def test_a_detector_comes_back_from_bytes_and_ignores_empty_buckets() -> None:
    detector = Detector(m0=-0.01).update({}).update(detector_buckets(np.random.default_rng(8), 0.2, 1)[0])

    assert Detector.from_bytes(detector.to_bytes()) == detector
    with pytest.raises(LedgerError):
        Detector.from_bytes(b"nonsense")


def test_a_detector_starts_below_what_the_past_shows() -> None:
    past = detector_buckets(np.random.default_rng(10), 0.0, 20)

    detector = Detector.from_past({0: sum(bucket[0] for bucket in past)})

    assert -0.03 < detector.m0 < 0.0
    assert Detector.from_past({}) is None


def test_levels_stay_finite_however_bad_it_gets() -> None:
    detector = Detector(m0=0.5)
    for _ in range(40):
        detector = detector.update({0: np.array([10_000] + [0] * 128)})

    assert math.isfinite(detector.level)
    assert Detector.from_bytes(detector.to_bytes()).active


def test_e_bh_keeps_the_largest() -> None:
    assert multiple.e_bh([math.log(1000), 0.0, math.log(41), -1.0], 0.05) == [0, 2]
    assert multiple.e_bh([math.log(79)], 0.05) == [0]
    assert multiple.e_bh([math.log(19)], 0.05) == multiple.e_bh([], 0.05) == []


@law
@given(st.lists(st.floats(-50, 50), max_size=20), st.floats(0.01, 0.2))
def test_e_bh_is_monotone_in_alpha(log_e: list[float], alpha: float) -> None:
    assert set(multiple.e_bh(log_e, alpha)) <= set(multiple.e_bh(log_e, alpha * 2))


@pytest.mark.parametrize("tiny", [5e-324, 2e-191, 1e-17, 1e-9])
def test_an_adjusted_supremum_bears_the_smallest_rise(tiny: float) -> None:
    assert multiple.log_adjusted_supremum(tiny) < -19


def test_an_adjusted_supremum_is_smaller_and_zero_at_the_start() -> None:
    assert multiple.log_adjusted_supremum(0.0) == -math.inf
    assert multiple.log_adjusted_supremum(math.log(400)) == pytest.approx(math.log(19))


def test_the_average_of_e_values_counts_the_missing_as_zero() -> None:
    assert multiple.log_mean([math.log(6), -math.inf], 3) == pytest.approx(math.log(2))
    assert multiple.log_mean([], 3) == -math.inf
    assert multiple.log_mean([800.0, 1.0], 2) == pytest.approx(800 - math.log(2))


def test_plan_and_smallest_difference_are_inverse() -> None:
    n = plan.plan_n(0.02, 0.12, 0.05)

    assert plan.smallest_difference(n, 0.12, 0.05) == pytest.approx(0.02, rel=0.02)
    assert plan.plan_n(0.04, 0.12, 0.05) < n
    assert plan.plan_n(0.0, 0.12, 0.05) == plan.plan_n(-1, 0.1, 0.05) == math.inf
    assert plan.smallest_difference(1, 0.1, 0.05) == math.inf
    assert plan.remaining(math.inf, 3) is None
    assert plan.remaining(10, 50) == 1


def test_the_same_mix_never_drifts_and_a_new_one_does() -> None:
    assert mix.drift({"a": 500, "b": 500}, {"a": 480, "b": 520}).drifted is False
    moved = mix.drift({"a": 900, "b": 100}, {"a": 300, "b": 700})

    assert moved.drifted
    assert moved.largest == "b"
    assert "b" in moved.sentence("segments")
    assert mix.drift({}, {"a": 1}) is None
    assert mix.drift({"a": 3}, {"b": 3}).drifted is False


def test_prompt_lengths_are_named_parts() -> None:
    assert mix.length_parts({0: 1, 5: 2}) == {"0 tokens": 1, "16 to 31 tokens": 2}
