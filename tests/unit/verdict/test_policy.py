"""What is wrong with a policy, and what cannot be decided with it, before anything runs."""

import pytest

from shadow.settings import Gate, Policy, Utility
from shadow.verdict.policy import evaluable, problems, unheard

SCORERS = {"agreement": "comparative", "relevance": "absolute", "refusal": "absolute", "leakage": "absolute"}


def test_the_default_policy_has_no_problems() -> None:
    assert problems(Policy(), SCORERS) == []
    assert problems(Policy()) == []


@pytest.mark.parametrize(
    ("gate", "said"),
    [
        (Gate(id="g", metric="violations", kind="rate", max=0.1), "did you mean violation?"),
        (Gate(id="g", metric="score<2", kind="rate", max=0.1), "no metric is called 'score<2'"),
        (Gate(id="g", metric="latency", kind="risk_difference", margin=0.1), "write kind: quantile or quantile_ratio"),
        (Gate(id="g", metric="failure", kind="mean_drop", margin=0.1), "write kind: risk_difference or rate"),
        (Gate(id="g", metric="failure", kind="rate", max=0.1, margin=0.1), "g.margin: means nothing"),
    ],
)
def test_a_gate_that_cannot_be_meant_is_explained(gate: Gate, said: str) -> None:
    found = problems(Policy(quality="relevance", gates=[gate]), SCORERS)

    assert len(found) == 1
    assert said in found[0]


def test_names_of_scorers_are_checked_with_the_nearest_right_one() -> None:
    policy = Policy(quality="agrement", violation=["leakage", "toxcity"])

    quality, violation = problems(policy, SCORERS, known_scorers=[*SCORERS, "toxicity"])

    assert "did you mean agreement?" in quality
    assert "did you mean toxicity?" in violation
    assert unheard(policy, SCORERS) == ["toxcity"]


def test_everything_can_be_decided_with_baseline_and_prices() -> None:
    assert evaluable(Policy(utility=Utility()), SCORERS, has_baseline=True, has_prices=True) == {}


def test_without_baseline_comparative_quality_is_uncalibrated_and_latency_ratios_are_not_evaluable() -> None:
    blocked = evaluable(Policy(), SCORERS, has_baseline=False, has_prices=True)

    assert {gate: b.state for gate, b in blocked.items()} == {
        "quality": "uncalibrated", "tail": "uncalibrated", "p95": "not_evaluable",
    }  # fmt: skip
    assert "change is not harm" in blocked["quality"].reason


def test_an_absolute_scorer_needs_no_baseline() -> None:
    assert "quality" not in evaluable(Policy(quality="relevance"), SCORERS, has_baseline=False, has_prices=True)


def test_recorded_latency_needs_no_baseline_but_records() -> None:
    gate = Gate(id="p95", metric="latency", kind="quantile_ratio", q=0.95, max=1.3, against="recorded")
    policy = Policy(quality="relevance", gates=[gate])

    assert evaluable(policy, SCORERS, has_baseline=False, has_prices=False) == {}
    assert "p95" in evaluable(policy, SCORERS, has_baseline=False, has_prices=False, has_recorded_latency=False)
    assert "p95" in evaluable(policy, SCORERS, has_baseline=True, has_prices=False, has_latency=False)


def test_without_prices_the_utility_is_not_evaluable_unless_cost_weighs_nothing() -> None:
    with_cost = Policy(quality="relevance", utility=Utility())
    without = Policy(quality="relevance", utility=Utility(cost=0))

    assert evaluable(with_cost, SCORERS, has_baseline=True, has_prices=False)["utility"].state == "not_evaluable"
    assert evaluable(without, SCORERS, has_baseline=True, has_prices=False) == {}


def test_without_violation_scorers_safety_is_not_evaluable() -> None:
    blocked = evaluable(Policy(quality="relevance"), {"relevance": "absolute"}, has_baseline=True, has_prices=True)

    assert set(blocked) == {"safety", "safety_abs"}
