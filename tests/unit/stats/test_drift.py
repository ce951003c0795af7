"""The test of drift: quiet for ever on a steady instrument, quick on one that changes late, and it says since when."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.errors import LedgerError
from shadow.stats.drift import DriftTest, noise_bound


def run(deviations, m0=0.05, alpha=0.01):
    test = DriftTest(m0=m0, alpha=alpha)
    for i, x in enumerate(deviations, start=1):
        test = test.update(float(x), i)
    return test


def test_no_draw_says_nothing():
    test = DriftTest(m0=0.05, alpha=0.01)

    assert test.log_evalue == pytest.approx(0.0)
    assert test.mean is None
    assert test.onset_unix_ms is None


def test_a_steady_instrument_at_the_edge_of_the_tolerance_is_seldom_called_drifted():
    """300 instruments over 600 looks each, the mean deviation exactly at m0: at most alpha of them may ever cross."""
    random = np.random.default_rng(7)
    alpha, runs = 0.05, 300
    crossed = sum(run(random.random(600) < 0.1, m0=0.1, alpha=alpha).crossed_unix_ms is not None for _ in range(runs))

    assert crossed <= alpha * runs + 3 * (alpha * (1 - alpha) * runs) ** 0.5


def test_a_drift_after_ten_thousand_steady_draws_is_found_within_a_dozen():
    test = run(np.zeros(10_000))
    assert test.crossed_unix_ms is None
    for i in range(10_001, 10_013):
        test = test.update(1.0, i)

    assert test.crossed_unix_ms is not None
    assert test.crossed_unix_ms <= 10_012


def test_a_drift_of_one_case_in_four_is_found_and_dated():
    random = np.random.default_rng(3)
    steady, drifted = random.random(2000) < 0.02, random.random(400) < 0.25
    test = run([*steady, *drifted])

    assert test.crossed_unix_ms is not None
    assert 2000 < test.crossed_unix_ms < 2200
    assert abs((test.onset_unix_ms or 0) - 2000) < 80


def test_the_drift_is_dated_to_the_last_look_at_which_all_was_well():
    test = DriftTest(m0=0.05, alpha=0.01)
    for look, deviation in ((100, 0.0), (200, 0.0), (300, 1.0), (400, 1.0)):
        for _ in range(4):
            test = test.update(deviation, look)

    assert test.crossed_unix_ms == 300
    assert test.onset_unix_ms == 200


def test_a_crossing_stays():
    test = run([1.0] * 30)
    first = test.crossed_unix_ms
    for i in range(31, 300):
        test = test.update(0.0, i)

    assert test.crossed_unix_ms == first


@given(st.lists(st.floats(0, 1), max_size=40))
def test_it_survives_the_ledger(deviations):
    test = run(deviations)

    assert DriftTest.from_bytes(test.to_bytes()) == test


def test_what_no_test_wrote_is_refused():
    with pytest.raises(LedgerError):
        DriftTest.from_bytes(b"\x93")


def test_the_noise_bound_covers_the_mean():
    random = np.random.default_rng(5)
    missed = sum(noise_bound(list(random.random(80) < 0.1)) < 0.1 for _ in range(300))

    assert missed <= 10
    assert noise_bound([]) == 1.0
    assert noise_bound([0.0] * 200) < 0.04
