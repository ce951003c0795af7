"""The course of a trial: the order in the ledger, who obeys it, what is measured, and that load comes back."""

import asyncio
import json

import pytest
from fakes.clock import FakeClock

from shadow.errors import UnreachableError
from shadow.loops import hold
from shadow.loops.budget import DailyBudget
from shadow.loops.control import Controller
from shadow.loops.trial import Course, Switch, run_course
from shadow.loops.ttft import PROBE_SECONDS, PageMeasure, ProbeMeasure, read_histogram
from shadow.records import Answer, ArmOutcome
from shadow.replay.engine_metrics import Unreadable
from shadow.settings import Budget
from shadow.simulator.metrics import EngineMetrics
from shadow.stats.trial import Buckets, order


class Shelf(dict):
    """The ledger's small states."""

    away = False

    def read(self, name):
        if self.away:
            raise UnreachableError("the database does not answer")
        return self.get(name)


@pytest.fixture
def clock():
    return FakeClock(wall_unix_ms=1_000_000)


def test_an_order_holds_until_its_time_and_can_be_lifted(clock):
    shelf = Shelf()
    holds = hold.Holds(shelf.read, clock)
    assert holds.look() is None
    hold.give(shelf.__setitem__, hold.Order(1_005_000, "trial: x"))
    assert holds.look() == "trial: x"
    clock.advance(5)
    assert holds.look() is None
    hold.give(shelf.__setitem__, hold.Order(1_105_000, "trial: x"))
    assert holds.look() == "trial: x"
    hold.lift(shelf.__setitem__)

    assert holds.look() is None


def test_a_ledger_that_is_away_prolongs_no_order_and_rubbish_is_none(clock):
    shelf = Shelf()
    holds = hold.Holds(shelf.read, clock)
    hold.give(shelf.__setitem__, hold.Order(1_005_000, "trial: x"))
    holds.look()
    shelf.away = True
    assert holds.look() == "trial: x"
    clock.advance(6)
    assert holds.look() is None
    assert hold.Holds(Shelf({hold.STATE: b"\xff"}).read, clock).look() is None


async def test_a_held_shadow_asks_nobody_says_why_and_is_charged_for_no_idle_time(clock, caplog):
    shelf, sent, skipped = Shelf(), [], []
    controller = Controller(
        arms=("a", "b"),
        budget=DailyBudget(Budget(), {}, lambda *_: None, clock),
        governor=None,
        read_load=None,
        poll_seconds=0.5,
        send=sent.append,
        skip_idle=lambda: skipped.append(1),
        held=hold.Holds(shelf.read, clock).look,
    )
    hold.give(shelf.__setitem__, hold.Order(1_005_000, "trial: shadow load is off for a block"))
    await controller._look_at_hold()
    await controller._look_at_hold()
    assert controller.factor == 0
    clock.advance(6)
    await controller._look_at_hold()

    assert [set(order.paused) for order in sent] == [{"a", "b"}, set()]
    assert sent[0].paused["a"].startswith("trial: ")
    assert len(skipped) == 1


class Story:
    """A shadow whose calls grow while its load is on."""

    def __init__(self, *, breaks_at=None):
        self.on, self.asked, self.switched, self._breaks_at = True, 0, [], breaks_at

    async def switch(self, on):
        self.on = on
        self.switched.append(on)

    async def calls(self):
        self.asked += 10 * self.on
        return self.asked

    async def paused(self):
        return None if self.on else "trial: x"

    async def measure(self, seconds):
        if len(self.switched) == self._breaks_at:
            raise KeyError("a defect")
        return Buckets.of((1.0, 2.0), [1.5 if self.on else 0.5] * 4)


async def no_sleep(seconds):
    assert seconds == 5


COURSE = Course(blocks=order(3, iter([True, False, True])), block_seconds=30, settle_seconds=5)


async def test_every_block_is_measured_under_its_own_load():
    story, heard = Story(), []
    blocks = await run_course(COURSE, story, story, lambda number, block: heard.append((number, block.on)), no_sleep)

    assert [(b.pair, b.on, b.calls) for b in blocks] == [
        (0, True, 10),
        (0, False, 0),
        (1, False, 0),
        (1, True, 10),
        (2, True, 10),
        (2, False, 0),
    ]
    assert all((b.latency.counts[1] == 4) == b.on for b in blocks)
    assert [on for _, on in heard] == story.switched[:-1]
    assert story.switched[-1] is True


async def test_whatever_happens_load_is_on_again():
    story = Story(breaks_at=2)
    with pytest.raises(KeyError):
        await run_course(COURSE, story, story, lambda *_: None, no_sleep)

    assert story.on


async def test_an_order_is_renewed_while_a_block_lasts_and_lifted_at_its_end(clock, monkeypatch):
    monkeypatch.setattr("shadow.loops.trial.RENEW_SECONDS", 0.01)
    shelf = Shelf()
    switch, holds = Switch(shelf.__setitem__, clock.wall_unix_ms), hold.Holds(shelf.read, clock)
    await switch.switch(False)
    for _ in range(4):
        clock.advance(14)
        shelf.pop(hold.STATE)
        async with asyncio.timeout(5):
            while hold.STATE not in shelf:
                await asyncio.sleep(0.005)
        assert holds.look() is not None
    await switch.switch(True)

    assert holds.look() is None


def a_page(*models, seconds=(0.03, 0.3)):
    metrics = EngineMetrics(models)
    for model in models:
        for one in seconds:
            metrics.finished(
                "stop",
                prompt_tokens=1,
                output_tokens=1,
                queue_seconds=0,
                ttft_seconds=one,
                e2e_seconds=one,
                model=model,
            )
    return metrics.render(running=0, waiting=0, kv_cache_usage_ratio=0)


def test_a_models_own_histogram_is_read_and_an_adapters_name_means_the_only_one():
    alone = read_histogram(a_page("prod"), "some-adapter")
    both = read_histogram(a_page("prod", "cand"), "prod")

    assert alone == both
    assert both.n == 2
    assert both.quantile(0.5) == pytest.approx(0.04)


@pytest.mark.parametrize(
    ("page", "model", "words"),
    [
        (a_page("prod", "cand"), None, "cand, prod"),
        (a_page("prod", "cand"), "else", "--model"),
        (b"up 1\n", "prod", "is not there"),
        (b"<html>{{{</html>", "prod", "text format"),
        (json.dumps({"status": "success"}).encode(), "prod", "text format|is not there"),
    ],
)
def test_a_page_that_cannot_be_used_says_what_is_wrong(page, model, words):
    with pytest.raises(Unreadable, match=words):
        read_histogram(page, model)


async def test_an_incumbent_that_restarts_or_is_away_leaves_its_block_unmeasured():
    pages = [a_page("prod", seconds=(0.03,) * 9), a_page("prod"), OSError(), a_page("prod"), b"up 1\n", a_page("prod")]

    async def page():
        one = pages.pop(0)
        if isinstance(one, OSError):
            raise one
        return one

    measure = PageMeasure(page, "prod")
    assert [await measure.measure(0) for _ in range(3)] == [None, None, None]


async def test_probes_that_fail_count_as_slow_and_all_of_them_as_nothing_measured():
    answers = [None, "timeout", None, None]

    async def ask():
        failure = answers.pop(0) if answers else "connection"
        return ArmOutcome(
            arm="baseline", role="baseline", answer=Answer(), failure=failure, ttft_seconds=None if failure else 0.05
        )

    found = await ProbeMeasure(ask, 400).measure(0.01)
    assert found.n == 4
    assert found.quantile(0.5) == pytest.approx(0.05, rel=0.05)
    assert found.quantile(0.99) == pytest.approx(PROBE_SECONDS, rel=0.05)
    assert await ProbeMeasure(ask, 400).measure(0.01) is None
