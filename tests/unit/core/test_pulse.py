"""Heartbeats of our own: through intake in whatever format the mirror writes, whole, numbered, and never a request."""

import asyncio
import json

import pytest
from fakes.clock import FakeClock

from shadow.loops.intake import Intake
from shadow.loops.pulse import Pulse
from shadow.sampling import Sampler
from shadow.settings import Filter, Sampling
from shadow.sources.decode import decode


def a_pulse(format="auto", announce=None, filters=None, decoder=None):
    clock = FakeClock()
    read = decoder or (lambda delivered: decode(delivered.value, format))
    intake = Intake(
        read,
        Sampler(Sampling(rate=1e-9), baseline_rate=0.0),
        filters=filters or Filter(),
        max_age_seconds=1,
        now_unix_ms=clock.wall_unix_ms,
    )
    return Pulse(intake, every_seconds=0.01, announce=announce, now_unix_ms=clock.wall_unix_ms)


@pytest.mark.parametrize("format", ["auto", "native", "openai", "litellm", "otlp", "gateway"])
def test_a_heartbeat_is_whole_in_every_format(format):
    pulse = a_pulse(format)

    assert [pulse.beat(pulse.value()).whole for _ in range(3)] == [True] * 3


def test_neither_filters_nor_rates_stop_a_heartbeat():
    pulse = a_pulse(filters=Filter(model=["another"], route=["nowhere"]))

    assert pulse.beat(pulse.value()).whole


def test_an_intake_that_makes_something_else_of_it_is_noticed():
    pulse = a_pulse(decoder=lambda delivered: [])

    assert not pulse.beat(pulse.value()).whole


def test_an_intake_that_breaks_is_noticed_and_the_next_beat_comes(caplog):
    pulse = a_pulse(decoder=lambda delivered: 1 / 0)

    assert not pulse.beat(pulse.value()).whole
    assert pulse.beat(pulse.value()).number == 2


async def run_until(pulse, done):
    sent = []
    task = asyncio.create_task(pulse.run(sent.append))
    async with asyncio.timeout(10):
        while not done(sent):
            await asyncio.sleep(0.005)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return sent


async def test_beats_are_numbered_and_announced_as_they_are_sent():
    written = []
    sent = await run_until(a_pulse(announce=written.append), lambda sent: len(written) >= 3)

    assert [beat.number for beat in sent[:3]] == [1, 2, 3]
    assert [json.loads(value)["heartbeat"] for value in written[:3]] == [True] * 3


async def test_a_broker_that_takes_none_is_counted_and_does_not_stop_the_pulse():
    def refuse(value):
        raise OSError("NotLeader")

    pulse = a_pulse(announce=refuse)
    await run_until(pulse, lambda sent: len(sent) >= 3)

    assert pulse.notes["heartbeat_not_produced"] >= 2
