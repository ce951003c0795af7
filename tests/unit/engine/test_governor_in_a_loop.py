"""The governor in a closed loop: a simulated incumbent with a step of load, whose engine the shadow's calls share."""

import itertools
import random
from math import log2

import pytest
from fakes.clock import FakeClock
from hypothesis import given, settings
from hypothesis import strategies as st

from shadow.records import Call
from shadow.replay.engine_metrics import Load
from shadow.replay.governor import Governor
from shadow.sampling import Sampler
from shadow.settings import Governor as Limits
from shadow.settings import Sampling, Stratum, When

POLL_SECONDS = 0.5
CAPACITY = 100.0  # calls a second


class Incumbent:
    """An engine that answers `CAPACITY` calls a second, production's and the shadow's; what comes above that waits."""

    def __init__(self, shadow_share, *, noise=0.0, seed=0):
        self.clock, self.queue, self._rng = FakeClock(), 0.0, random.Random(seed)
        self.governor = Governor(Limits(), self.clock)
        self._share, self._noise = shadow_share, noise

    def runs(self, production_share, seconds):
        """What the governor ordered at every poll: (seconds since the first, load seen, factor)."""
        seen = []
        for poll in range(round(seconds / POLL_SECONDS)):
            noise = self._rng.gauss(0, self._noise) if self._noise else 0.0
            share = production_share + self._share * self.governor.orders.factor + noise
            self.queue = max(0.0, self.queue + (share - 1) * CAPACITY * POLL_SECONDS)
            load = Load(queue=self.queue, kv_cache_ratio=max(0.0, min(0.85, 0.6 * share)))
            seen.append((poll * POLL_SECONDS, load, self.governor.see(load).factor))
            self.clock.advance(POLL_SECONDS)
        return seen


def reversals(factors):
    """How often rising turns into falling or back."""
    moves = [b > a for a, b in itertools.pairwise(factors) if a != b]
    return sum(a != b for a, b in itertools.pairwise(moves))


@pytest.mark.parametrize("shadow_share", [0.1, 0.3, 0.6])
@pytest.mark.parametrize("after", [0.8, 0.95, 1.2, 2.0])
def test_after_a_step_of_load_the_first_breached_poll_acts_and_nothing_flaps(shadow_share, after):
    incumbent = Incumbent(shadow_share)
    assert {factor for _, _, factor in incumbent.runs(0.3, 30)} == {1.0}

    seen = incumbent.runs(after, 60)

    breached = next((at for at, load, _ in seen if load.queue > Limits().max_queue), None)
    acted = next((at for at, _, factor in seen if factor < 1), None)
    assert acted == breached
    assert (breached is None) == (after + shadow_share <= 1)
    assert reversals([1.0, *(factor for _, _, factor in seen)]) <= 1
    if after < 1:
        assert seen[-1][1].queue <= Limits().max_queue  # the queue that the shadow made is gone within the minute


@pytest.mark.parametrize("after", [0.8, 1.2])
def test_when_the_load_goes_sampling_comes_back_and_stays(after):
    incumbent = Incumbent(0.3)
    incumbent.runs(after, 60)
    incumbent.queue = 0.0
    factors = [factor for _, _, factor in incumbent.runs(0.3, 9 * 60)]

    assert factors[-1] == 1
    assert factors == sorted(factors)


SHARES = st.floats(0.0, 2.5)


@settings(max_examples=50, deadline=None)
@given(st.floats(0.01, 1.0), st.lists(SHARES, max_size=4), SHARES, st.floats(0, 0.5), st.integers(0, 99))
def test_whatever_went_before_a_step_the_probability_reverses_at_most_once_in_the_minute_after(
    shadow_share, history, after, noise, seed
):
    incumbent = Incumbent(shadow_share, noise=noise, seed=seed)
    before = 1.0
    for share in history:
        before = incumbent.runs(share, 40)[-1][2]

    assert reversals([before, *(factor for _, _, factor in incumbent.runs(after, 60))]) <= 1


def test_estimates_of_a_kind_of_traffic_stay_true_when_load_and_traffic_change_together():
    """Gold traffic brings the load with it: 10 % of calls in calm minutes, 50 % in busy ones, and fails ten times as often.

    Shedding takes more of the busy minutes away. Within each kind nothing moves. Over all traffic the estimate is the truth of
    the mix as the factor weighs it, at each moment alike for all strata; the unweighted mean of what was asked is not.
    """
    rng = random.Random(11)
    sampler = Sampler(Sampling(rate=0.25, strata=[Stratum(when=When(tag={"tier": "gold"}), times=4)]))
    failing = {True: 0.10, False: 0.01}
    incumbent = Incumbent(0.3)
    chosen = {True: [0, 0], False: [0, 0]}  # gold: [asked, failed]
    weighted, plain, mixed = [0.0, 0.0], [0, 0], [0.0, 0.0]
    factors = set()
    number = 0
    for minute in range(160):
        busy = minute % 8 == 2
        share, gold_share = (1.0, 0.5) if busy else (0.4, 0.1)
        for _, _, factor in incumbent.runs(share, 60)[::4]:
            factors.add(factor)
            if factor == 0:
                continue
            exponent = round(-log2(factor))
            for _ in range(round(40 * share)):
                number += 1
                gold = rng.random() < gold_share
                failed = rng.random() < failing[gold]
                mixed[0] += factor
                mixed[1] += factor * (gold_share * failing[True] + (1 - gold_share) * failing[False])
                call = Call(index=0, id=f"r{number}", request={}, tags={"tier": "gold"} if gold else {})
                selection = sampler.decide(call, f"c{number}", shed_exponent=exponent)
                if selection.disposition != "scored":
                    continue
                weight = 2.0**-selection.weight_exponent
                for sums, by in ((chosen[gold], 1), (weighted, weight), (plain, 1)):
                    sums[0] += by
                    sums[1] += by * failed

    assert len(factors) >= 3
    for gold, (asked, failed) in chosen.items():
        error = (failing[gold] * (1 - failing[gold]) / asked) ** 0.5
        assert asked > 3000
        assert abs(failed / asked - failing[gold]) < 4 * error
    assert weighted[1] / weighted[0] == pytest.approx(mixed[1] / mixed[0], abs=0.004)
    assert plain[1] / plain[0] > mixed[1] / mixed[0] + 0.01
