"""Rates and paired binary outcomes: oracle numbers, laws, and the underflow trap."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shadow.stats import rates

law = settings(deadline=None, max_examples=60)


def test_beta_binomial_oracles() -> None:
    assert rates.scale(625, 0.05) == pytest.approx(77.7535, abs=1e-4)
    assert rates.log_e(625 * 0.2 + 31.4308, 625, 0.2, 0.05, 625) == pytest.approx(math.log(20), abs=1e-5)
    assert rates.interval(15, 50, 0.05, 50) == pytest.approx((0.129556, 0.511896), abs=1e-5)


@pytest.mark.parametrize(("limit", "first"), [(0.01, 366), (0.001, 3682), (0.0001, 36839)])
def test_records_without_events_that_prove_a_rate(limit: float, first: int) -> None:
    def log_e(n: int) -> float:
        return rates.log_e_below(0, n, limit, 0.05, rates.n_to_prove(limit, 0.05))

    assert log_e(first - 1) < math.log(20) <= log_e(first)


@pytest.mark.parametrize(("n10", "n01"), [(0, 1020), (100, 2000), (0, 10**6), (5, 10**5)])
def test_a_much_better_candidate_is_never_evidence_of_worse(n10: int, n01: int) -> None:
    assert rates.log_e_mcnemar(n10, n01) <= 0


@law
@given(st.integers(0, 5000), st.integers(0, 50_000))
def test_mcnemar_is_no_evidence_unless_the_candidate_is_worse(n10: int, extra: int) -> None:
    assert rates.log_e_mcnemar(n10, n10 + extra) <= 1e-9


@law
@given(st.integers(0, 10**6), st.floats(0, 1), st.floats(1e-4, 0.5))
def test_truncated_mixtures_are_no_evidence_for_the_wrong_side(n: int, share: float, p: float) -> None:
    k = math.floor(n * share)

    if k <= n * p:
        assert rates.log_e_above(k, n, p, 0.05, 5000) <= 1e-6
    if k >= n * p:
        assert rates.log_e_below(k, n, p, 0.05, 5000) <= 1e-6


@law
@given(st.integers(1, 5000), st.floats(0, 1), st.floats(0.001, 0.1), st.floats(1.2, 4))
def test_intervals_hold_the_estimate_and_are_nested(n: int, share: float, alpha: float, factor: float) -> None:
    k = round(n * share)
    wide, narrow = rates.interval(k, n, alpha, 2000), rates.interval(k, n, alpha * factor, 2000)

    assert wide[0] - 1e-9 <= k / n <= wide[1] + 1e-9
    assert narrow[0] >= wide[0] - 0.02
    assert (wide[0] == 0) >= (k == 0)
    assert (wide[1] == 1) >= (k == n)


@law
@given(st.integers(100, 5000), st.floats(0, 0.3))
def test_one_sided_bounds_are_where_the_evidence_reaches_its_threshold(n: int, share: float) -> None:
    k = round(n * share)
    lower, upper = rates.bounds(k, n, 0.05, 5000)

    assert lower <= k / n <= upper
    if lower > 1e-6:
        assert rates.log_e_above(k, n, lower, 0.05, 5000) == pytest.approx(math.log(20), abs=1e-3)
    if upper < 1:
        assert rates.log_e_below(k, n, upper, 0.05, 5000) == pytest.approx(math.log(20), abs=1e-3)


def test_nothing_is_known_without_data() -> None:
    assert rates.interval(0, 0, 0.05, 2000) == rates.bounds(0, 0, 0.05, 2000) == (0.0, 1.0)
    assert rates.log_e(0, 0, 0.1, 0.05, 2000) == pytest.approx(0)
    assert rates.log_e_above(0, 0, 0.1, 0.05, 2000) == pytest.approx(0)
    assert rates.log_e_mcnemar(0, 0) == pytest.approx(0)


def test_discordant_pairs_reveal_a_worse_candidate() -> None:
    assert rates.log_e_mcnemar(20, 2) > math.log(20) > rates.log_e_mcnemar(5, 2)
