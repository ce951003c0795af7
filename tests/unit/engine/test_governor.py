"""The governor as a pure machine: down at once, up slowly, never flapping."""

import itertools

import pytest
from fakes.clock import FakeClock
from hypothesis import given
from hypothesis import strategies as st

from shadow.replay.engine_metrics import EngineFigures, Load, Unreadable, read_figures, read_load
from shadow.replay.governor import MAX_EXPONENT, Governor
from shadow.settings import Governor as Limits

CALM = Load(queue=0, kv_cache_ratio=0.1)
BREACHED = Load(queue=9, kv_cache_ratio=0.1)
BEYOND = Load(queue=17, kv_cache_ratio=0.1)


class Looks:
    """A governor that looks every half second."""

    def __init__(self, **limits):
        self.clock = FakeClock()
        self.governor = Governor(Limits(**limits), self.clock)

    def see(self, load, seconds=0.5):
        orders = self.governor.see(load)
        for _ in range(round(seconds / 0.5) - 1):
            self.clock.advance(0.5)
            orders = self.governor.see(load)
        self.clock.advance(0.5)
        return orders


def test_the_first_breached_look_halves_the_probability():
    looks = Looks()
    assert looks.see(CALM).factor == 1

    assert looks.see(BREACHED).factor == 0.5


def test_pressure_that_stays_halves_every_two_seconds_down_to_the_floor():
    looks = Looks()

    assert looks.see(BREACHED, 4).exponent == 2
    assert looks.see(BREACHED, 60).exponent == MAX_EXPONENT
    assert looks.governor.orders.paused is None


@pytest.mark.parametrize("load", [BEYOND, Load(queue=0, kv_cache_ratio=0.96), Load(queue=None, kv_cache_ratio=1)])
def test_far_beyond_a_limit_nothing_is_asked(load):
    orders = Looks().see(load)

    assert orders.factor == 0
    assert orders.paused.startswith("governor: ")


def test_a_pause_ends_after_calm_and_sampling_then_comes_back_step_by_step():
    looks = Looks(recover_seconds=10)
    looks.see(BEYOND)

    assert looks.see(CALM, 10).factor == 0
    assert looks.see(CALM, 1).factor == 0.5
    assert looks.see(CALM, 8).factor == 0.5
    assert looks.see(CALM, 3).factor == 1


def test_load_between_calm_and_the_limit_changes_nothing():
    looks = Looks()
    looks.see(BREACHED)

    assert looks.see(Load(queue=7, kv_cache_ratio=0.1), 600).factor == 0.5


def test_one_unreadable_look_changes_nothing_and_two_sample_less_but_never_pause():
    looks = Looks()

    assert looks.see(None).factor == 1
    assert looks.see(None).factor == 0.5
    assert looks.governor.blind
    assert looks.see(None, 120).exponent == MAX_EXPONENT
    assert looks.governor.orders.paused is None


def test_an_unreadable_look_interrupts_calm():
    looks = Looks(recover_seconds=10)
    looks.see(BREACHED)
    looks.see(CALM, 9)
    looks.see(None)

    assert looks.see(CALM, 9).factor == 0.5


LOADS = st.sampled_from([CALM, BREACHED, BEYOND, None, Load(queue=7, kv_cache_ratio=None)])


@given(st.lists(st.tuples(LOADS, st.integers(1, 200)), max_size=30))
def test_the_direction_changes_at_most_once_within_a_minute_after_any_step(story):
    looks = Looks()
    steps = []
    factor = 1.0
    for load, times in story:
        for _ in range(times):
            at = looks.clock.monotonic_ns() / 1e9
            new = looks.see(load).factor
            if new != factor:
                steps.append((at, new > factor))
            factor = new
    for i, (at, _) in enumerate(steps):
        within = [up for when, up in steps[i:] if when <= at + 60 - 1e-6]
        assert sum(a != b for a, b in itertools.pairwise(within)) <= 1


@given(st.lists(LOADS, max_size=100))
def test_a_breached_look_never_raises_the_probability(story):
    looks = Looks(recover_seconds=2)
    before = 1.0
    for load in story:
        after = looks.see(load).factor
        assert after <= before or load == CALM
        before = after


PAGE = """# HELP vllm:num_requests_waiting x
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{engine="0",model_name="a } b"} 3.0
vllm:num_requests_waiting{engine="1",model_name="a"} 5.0 1700000000
vllm:num_requests_waiting_by_reason{reason="capacity"} 77
vllm:kv_cache_usage_perc{engine="0"} 0.25
vllm:kv_cache_usage_perc{engine="1"} NaN
"""


def test_the_worst_engine_on_a_page_counts():
    assert read_load(PAGE.encode()) == Load(queue=5, kv_cache_ratio=0.25)


def test_a_prometheus_answer_is_read_like_a_page():
    body = b"""{"status":"success","data":{"resultType":"vector","result":[
        {"metric":{"__name__":"vllm:num_requests_waiting","pod":"a"},"value":[1700000000,"4"]},
        {"metric":{"__name__":"vllm:num_requests_waiting","pod":"b"},"value":[1700000000,"9"]}]}}"""

    assert read_load(body) == Load(queue=9, kv_cache_ratio=None)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"{}", b'{"data":{"result":[1]}}', b"vllm:num_requests_waiting", b"\xff"]
)
def test_what_shows_no_load_is_unreadable_and_never_zero(body):
    with pytest.raises(Unreadable):
        read_load(body)


@given(st.binary(max_size=300))
def test_any_page_is_read_or_unreadable(body):
    try:
        read_load(b"vllm:num_requests_waiting" + body)
    except Unreadable:
        return


def test_a_page_shows_what_an_engine_does_summed_over_its_parts():
    page = PAGE + 'vllm:num_requests_running{engine="0"} 2\nvllm:num_preemptions_total 4\n'

    assert read_figures(page.encode()) == EngineFigures(running=2, waiting=8, kv_cache_ratio=0.25, preemptions=4)
    with pytest.raises(Unreadable):
        read_figures(b"# some other page\nup 1\n")
