"""On and off in pairs of random order: the interval covers what it says, and nothing is claimed from too little."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.stats.trial import Block, Buckets, change_of, find, order, pairs_needed

EDGES = (0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 1.0)


def blocks_of(pairs, **more):
    """Pairs of (with, without) seconds; each block holds 200 requests of just that duration."""
    found = []
    fine = tuple(0.001 * 1.02**i for i in range(500))
    for pair, values in enumerate(pairs):
        for on, value in zip((True, False), values, strict=True):
            latency = None if value is None else Buckets.of(fine, [value] * 200)
            found.append(Block(pair=pair, on=on, seconds=25, latency=latency, calls=50 if on else 0, **more))
    return found


def found(pairs, limit=0.1, **more):
    return find(blocks_of(pairs, **more), q=0.99, level=0.95, limit=limit)


def test_a_quantile_is_interpolated_in_its_bucket_and_unknown_beyond_the_last():
    buckets = Buckets.of(EDGES, [0.01] * 50 + [0.05] * 50)

    assert buckets.quantile(0.5) == pytest.approx(0.02)
    assert buckets.quantile(0.75) == pytest.approx(0.05)
    assert buckets.bucket(0.75) == (0.04, 0.06)
    assert Buckets.of(EDGES, []).quantile(0.5) is None
    assert Buckets.of(EDGES, [9.0]).quantile(0.5) is None


@given(st.lists(st.floats(0, 2)), st.lists(st.floats(0, 2)))
def test_what_came_between_two_readings_is_their_difference(first, second):
    before = Buckets.of(EDGES, first)
    after = Buckets.of(EDGES, first + second)

    assert after.since(before) == Buckets.of(EDGES, second)
    assert before.with_(Buckets.of(EDGES, second)) == after


def test_a_counter_that_fell_is_a_restart_and_no_difference():
    assert Buckets.of(EDGES, [0.01]).since(Buckets.of(EDGES, [0.01, 0.03])) is None
    assert Buckets.of(EDGES, []).since(Buckets.of((1.0,), [])) is None


def test_an_interval_needs_as_many_pairs_as_its_level_says():
    """By hand: with n pairs the most extreme order has probability 2 * 2**-n; 0.05 needs n = 6, 0.01 needs n = 8."""
    assert [pairs_needed(0.95), pairs_needed(0.99)] == [6, 8]
    assert change_of([0.1] * 5, 0.95) is None
    six = change_of([0.0, 0.1, 0.2, 0.3, 0.4, 0.5], 0.95)
    assert (six.lower, six.upper) == (pytest.approx(math.expm1(0.0)), pytest.approx(math.expm1(0.5)))
    assert six.level == 1 - 2 / 2**6
    assert math.log1p(six.point) == pytest.approx(0.25)


def test_the_interval_is_that_of_the_signed_rank_test():
    """Against tables: n = 10 at 0.05 leaves out T <= 8, so that the ends are the ninth Walsh averages; exact level 0.951."""
    effects = [0.03 * i - 0.05 for i in range(10)]
    walsh = sorted((a + b) / 2 for i, a in enumerate(effects) for b in effects[i:])
    interval = change_of(effects, 0.95)

    assert math.log1p(interval.lower) == pytest.approx(walsh[8])
    assert math.log1p(interval.upper) == pytest.approx(walsh[-9])
    assert interval.level == pytest.approx(1 - 2 * 25 / 1024)


def p99(rng, factor, requests=150):
    return sorted(factor * math.exp(rng.gauss(0, 0.6)) for _ in range(requests))[math.ceil(0.99 * requests) - 1]


@pytest.mark.parametrize("effect", [1.0, 1.3])
def test_the_interval_covers_the_truth_as_often_as_it_says_while_production_drifts(effect):
    """400 trials of 12 pairs: log-normal latencies, and a level that wanders by a factor from block to block."""
    rng = random.Random(5)
    missed = 0
    for _ in range(400):
        drift, effects = 0.0, []
        for _, first in order(12, iter(lambda r=rng: r.random() < 0.5, None))[::2]:
            values = {}
            for on in (first, not first):
                drift += rng.gauss(0, 0.1)
                values[on] = math.exp(drift) * p99(rng, effect if on else 1.0)
            effects.append(math.log(values[True] / values[False]))
        interval = change_of(effects, 0.95)
        missed += not interval.lower <= effect - 1 <= interval.upper
    assert missed <= 400 * 0.05 + 3 * math.sqrt(400 * 0.05 * 0.95)


def test_the_lot_puts_load_first_in_about_half_of_the_pairs_and_is_repeated_by_its_seed():
    def drawn(seed):
        rng = random.Random(seed)
        return order(100, (rng.random() < 0.5 for _ in range(100)))

    blocks = drawn(1)
    assert [pair for pair, _ in blocks] == [pair for pair in range(100) for _ in (0, 1)]
    assert all(a[1] != b[1] for a, b in zip(blocks[::2], blocks[1::2], strict=True))
    assert 30 < sum(on for _, on in blocks[::2]) < 70
    assert drawn(1) == blocks != drawn(2)


JITTER = [1.0, 1.02, 0.99, 1.01, 0.98, 1.03, 1.0, 0.97]


def test_a_change_within_the_limit_is_harmless_beyond_it_harmful_and_across_it_undecided():
    same = found([(0.050 * j, 0.050) for j in JITTER])
    worse = found([(0.080 * j, 0.050) for j in JITTER])
    near = found([(0.055 * j, 0.050) for j in JITTER])

    assert [one.verdict for one in (same, worse, near)] == ["harmless", "harmful", "undecided"]
    assert worse.change.lower > 0.5
    assert worse.with_load_seconds > worse.without_load_seconds
    assert (worse.calls_with, worse.calls_without) == (400, 0)


def test_a_pair_without_a_figure_is_dropped_and_too_few_pairs_decide_nothing():
    finding = found([(0.05, 0.05)] * 5 + [(None, 0.05), (0.05, None)])

    assert finding.verdict == "undecided"
    assert finding.pairs_dropped == 2
    assert finding.change is None
    assert "at least 6" in finding.why


def test_a_shadow_that_asked_nobody_was_not_tried():
    blocks = [
        Block(pair=b.pair, on=b.on, seconds=25, latency=b.latency, calls=0) for b in blocks_of([(0.05, 0.05)] * 8)
    ]
    finding = find(blocks, q=0.99, level=0.95, limit=0.1)

    assert finding.verdict == "undecided"
    assert "nothing was tried" in finding.why


def test_coarse_buckets_few_requests_and_a_shadow_that_was_held_back_are_said():
    blocks = [
        Block(
            pair=i // 2,
            on=bool(i % 2),
            seconds=25,
            latency=Buckets.of(EDGES, [0.2] * 30),
            calls=9,
            paused="governor: x" if i == 1 else None,
        )
        for i in range(16)
    ]
    notes = " ".join(find(blocks, q=0.99, level=0.95, limit=0.1).notes)

    assert "(100 .. 250 ms with load, 100 .. 250 ms without load)" in notes
    assert "as few as 30 requests" in notes
    assert "held back at times by: governor" in notes
