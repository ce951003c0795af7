"""The flaky model's faults."""

import itertools

from shadow.demo.faults import FaultPlan


def test_one_of_n_different_prompts_fails_and_never_two_in_a_row():
    plan = FaultPlan(6)
    faults = [plan.fault(f"prompt {i}") for i in range(600)]

    assert sum(f is not None for f in faults) == 100
    assert not any(a and b for a, b in itertools.pairwise(faults))


def test_both_kinds_of_fault_are_equally_frequent():
    plan = FaultPlan(4)
    faults = [plan.fault(str(i)) for i in range(80)]

    assert faults.count("http_500") == faults.count("close_mid_stream") == 10


def test_a_retry_meets_the_same_fault():
    plan = FaultPlan(2)
    first = [plan.fault(str(i)) for i in range(10)]

    assert [plan.fault(str(i)) for i in range(10)] == first
