"""Cost of a GPU that is paid by the hour, against hand calculation: idle time is paid for by the calls that were served."""

import random

import pytest

from shadow.cost import Meter, cost_usd
from shadow.exporters.base import ArmView
from shadow.loops.priced import priced
from shadow.records import Usage
from shadow.settings import Price
from shadow.stats.spec import FoldSpec
from shadow.stats.state import Pair, PairState

SPEC = FoldSpec(quality="exact", quality_kind="absolute", violations=("leakage",))
RATE, GPUS, SERVICE_SECONDS = 2.5, 2, 0.4


def mean_cost(load, calls, seed=3):
    """Poisson arrivals at one engine that answers one call at a time; every answer is charged when it is there."""
    rng, meter, price = random.Random(seed), Meter(0), Price(gpu_usd_per_hour=RATE, gpus=GPUS)
    arrival = free = total = 0.0
    for _ in range(calls):
        arrival += rng.expovariate(load / SERVICE_SECONDS)
        free = max(arrival, free) + SERVICE_SECONDS
        total += cost_usd(price, Usage(), meter.charge(round(free * 1e9)))
    return total / calls


@pytest.mark.parametrize(("load", "by_hand_usd"), [(0.1, 0.0055556), (0.5, 0.0011111), (0.9, 0.00061728)])
def test_a_call_costs_the_whole_time_divided_by_the_calls(load, by_hand_usd):
    """By hand: RATE * GPUS / 3600 * SERVICE_SECONDS / load, as the engine answers load / SERVICE_SECONDS calls a second."""
    assert mean_cost(load, 150_000) == pytest.approx(by_hand_usd, rel=0.01)


def test_failures_and_violations_are_paid_by_the_acceptable_answers():
    """By hand, at half load: 0.0011111 $ a call, of ten calls one fails and one violates: 0.0011111 / 0.8 = 0.0013889."""
    state = PairState(SPEC.key)
    for i in range(1000):
        pair = Pair(id=str(i), failure=(i % 10 == 0, False), violation=(i % 10 == 1, False))
        state.add(pair, SPEC)
    cost = mean_cost(0.5, 150_000)
    arm = ArmView(arm="a", role="candidate", state="up", availability=1.0, cost_usd_per_1k=1000 * cost)

    assert priced(arm, {"a": (state,)}).cost_usd_per_1k_acceptable == pytest.approx(1.3889, rel=0.01)


def test_a_pause_of_ours_costs_nothing_and_an_idle_hour_does():
    idle, paused = Meter(0), Meter(0)
    paused.skip(3600 * 10**9)

    assert idle.charge(3601 * 10**9) == 3601
    assert paused.charge(3601 * 10**9) == 1


def test_two_arms_with_half_a_gpu_each_cost_as_one_with_a_whole_one():
    one = cost_usd(Price(gpu_usd_per_hour=RATE, gpus=1), Usage(), 3600)
    half = cost_usd(Price(gpu_usd_per_hour=RATE, gpus=0.5), Usage(), 3600)

    assert 2 * half == one == RATE
