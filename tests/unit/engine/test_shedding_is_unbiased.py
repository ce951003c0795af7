"""Shedding follows load, load follows the kind of traffic: the estimates may lose precision by it, never truth."""

import itertools
import random

from shadow.records import Call
from shadow.sampling import Sampler
from shadow.settings import Sampling, Stratum, When


def test_estimates_stay_true_while_the_governor_sheds_by_load():
    """Gold traffic is 20 % of all, sampled four times as often and fails with 0.10 against 0.02; shedding wanders."""
    rng = random.Random(7)
    sampler = Sampler(Sampling(rate=0.125, strata=[Stratum(when=When(tag={"tier": "gold"}), times=4)]))
    weights = failures = 0.0
    classes = set()
    exponent = 0
    for i in range(120_000):
        gold = rng.random() < 0.2
        failed = rng.random() < (0.10 if gold else 0.02)
        if i % 50 == 0:
            exponent = min(3, max(0, exponent + rng.choice((-1, 0, 1))))
        call = Call(index=0, id=f"r{i}", request={}, tags={"tier": "gold"} if gold else {})
        chosen = sampler.decide(call, f"c{i}", shed_exponent=exponent)
        if chosen.disposition == "scored":
            assert chosen.probability == 0.125 * 2.0 ** (chosen.weight_exponent - exponent)
            classes.add(chosen.weight_exponent)
            weights += 2.0**-chosen.weight_exponent
            failures += failed * 2.0**-chosen.weight_exponent

    truth = 0.2 * 0.10 + 0.8 * 0.02
    assert classes == {0, 2}
    assert abs(failures / weights - truth) < 0.006  # four standard errors of about 7,000 chosen calls


def test_what_is_still_sampled_under_pressure_was_sampled_before():
    """Halving takes a part of the sessions away and swaps none, so that conversations are not torn by a step."""
    sampler = Sampler(Sampling(rate=0.5))
    kept = [
        {i for i in range(4000) if sampler.decide(Call(index=0, id="x", request={}), f"s{i}", shed_exponent=h).counted}
        for h in range(4)
    ]

    assert kept[3] < kept[2] < kept[1] < kept[0]
    assert all(0.4 < len(b) / len(a) < 0.6 for a, b in itertools.pairwise(kept))
