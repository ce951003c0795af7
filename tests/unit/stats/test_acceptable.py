"""The share of acceptable answers, counted by hand, and what a thousand of them cost."""

import pytest
from builders_snapshot import some_arms

from shadow.loops.priced import priced
from shadow.stats.acceptable import acceptable_share
from shadow.stats.spec import FoldSpec
from shadow.stats.state import Pair, PairState

SPEC = FoldSpec(quality="exact", quality_kind="absolute", violations=("leakage",))


def states(*kinds):
    """(how many, candidate failed, candidate violates, incumbent failed, incumbent violates) each; None is unknown."""
    state, number = PairState(SPEC.key), 0
    for many, c_failed, c_violates, b_failed, b_violates in kinds:
        for _ in range(many):
            number += 1
            state.add(Pair(id=str(number), failure=(c_failed, b_failed), violation=(c_violates, b_violates)), SPEC)
    return (state,)


HUNDRED = states(
    (70, False, False, False, False),
    (10, True, False, False, False),
    (5, False, True, False, True),
    (10, False, False, True, None),
    (5, False, False, False, True),
)


def test_a_candidates_failures_and_violations_are_taken_off():
    assert acceptable_share(HUNDRED, "candidate") == pytest.approx(85 / 100)


def test_the_incumbent_is_judged_on_what_it_answered():
    """Of 100 calls 10 failed, of 90 answers 10 violate: 80 of 100 are acceptable."""
    assert acceptable_share(HUNDRED, "reference") == pytest.approx(80 / 100)


def test_states_add_up_and_nothing_judged_is_unknown():
    assert acceptable_share([*HUNDRED, *HUNDRED], "candidate") == pytest.approx(0.85)
    assert acceptable_share([], "candidate") is None
    assert acceptable_share(states((9, False, None, False, None)), "candidate") is None


def test_a_thousand_acceptable_answers_cost_all_calls_and_unknown_stays_unknown():
    incumbent, baseline, candidate, *_ = some_arms()
    held = {candidate.arm: HUNDRED, "small": states((1, True, False, True, None)), "baseline": ()}

    assert priced(candidate, held).cost_usd_per_1k_acceptable == pytest.approx(0.958 / 0.85)
    assert priced(incumbent, held).cost_usd_per_1k_acceptable == pytest.approx(2.778 / 0.8)
    assert priced(baseline, held).cost_usd_per_1k_acceptable is None  # it has no price
    assert priced(candidate, {}).cost_usd_per_1k_acceptable is None  # nothing was judged


def test_an_arm_without_one_acceptable_answer_has_no_such_price():
    candidate = some_arms()[2]

    assert priced(candidate, {candidate.arm: states((5, True, False, False, False))}).cost_usd_per_1k_acceptable is None
