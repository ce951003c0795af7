"""Daily budgets over a real ledger, and the orders that budgets and governor give together."""

import asyncio
import logging

import pytest
from builders_ledger import a_batch, a_question, a_row
from builders_ledger import add as add_states
from fakes.clock import FakeClock

from shadow.cost import Meter
from shadow.errors import UnreachableError
from shadow.ledger.spending import Spending, Used
from shadow.ledger.sql import SqlLedger
from shadow.loops.budget import DAY_MS, DailyBudget
from shadow.loops.control import Controller
from shadow.replay.engine_metrics import Load, Unreadable
from shadow.replay.governor import Governor
from shadow.settings import Budget, Price
from shadow.settings import Governor as Limits

BY_TOKEN = Price(input_usd_per_million=1, output_usd_per_million=1)
BY_HOUR = Price(gpu_usd_per_hour=7.2, gpus=2)


@pytest.fixture
def clock():
    return FakeClock(wall_unix_ms=1_764_028_800_000)  # midnight UTC


@pytest.fixture
def ledger(tmp_path, clock):
    opened = SqlLedger.open(f"sqlite:///{tmp_path}/shadow.db", merge=add_states, clock=clock)
    opened.load_position(a_question(), group="g")
    yield opened
    opened.close()


def add(ledger, offset, **changes):
    rows = (
        a_row(offset, "incumbent", input_tokens=999, output_tokens=999, cost_usd=99.0),
        a_row(offset, "a", **{"input_tokens": 60, "output_tokens": 40, "cost_usd": 0.5, **changes}),
    )
    ledger.commit(a_batch(offset, 1, outcomes=rows, texts=()))


def test_what_candidates_used_today_is_summed_and_the_incumbent_costs_nothing(ledger, clock):
    budget = DailyBudget(Budget(usd_per_day=2, tokens_per_day=1000), {"a": BY_TOKEN}, ledger.spending, clock)
    add(ledger, 0)
    budget.look()
    add(ledger, 1, cost_usd=None, output_tokens=None)
    budget.look()

    assert budget.used_ratios() == {"usd": 0.25, "tokens": pytest.approx(0.16)}
    assert budget.exhausted() is None


def test_a_restart_goes_on_with_what_was_used(ledger, clock):
    add(ledger, 0)
    add(ledger, 1)
    budget = DailyBudget(Budget(usd_per_day=1), {"a": BY_TOKEN}, ledger.spending, clock)
    budget.look()

    assert budget.exhausted() == "budget: 1 of 1 USD of today (UTC) are used"


def test_midnight_utc_begins_anew_and_yesterday_is_not_counted_after_a_restart(ledger, clock):
    budget = DailyBudget(Budget(usd_per_day=1), {"a": BY_TOKEN}, ledger.spending, clock)
    add(ledger, 0, cost_usd=5.0)
    budget.look()
    assert budget.exhausted() is not None
    clock.advance(DAY_MS / 1000)
    budget.look()
    assert budget.used_ratios() == {"usd": 0}
    add(ledger, 1, cost_usd=0.25)
    budget.look()
    again = DailyBudget(Budget(usd_per_day=1), {"a": BY_TOKEN}, ledger.spending, clock)
    again.look()

    assert budget.used_ratios() == again.used_ratios() == {"usd": 0.25}


def test_gpu_time_is_the_cost_by_the_hour_taken_back(ledger, clock):
    budget = DailyBudget(Budget(gpu_seconds_per_day=1000), {"a": BY_HOUR}, ledger.spending, clock)
    add(ledger, 0, cost_usd=7.2 * 2 * 100 / 3600)  # 100 s on two GPUs
    budget.look()

    assert budget.used_ratios() == {"gpu_seconds": pytest.approx(0.2)}


def test_time_that_passed_in_a_pause_of_ours_is_charged_to_no_call():
    meter = Meter(0)
    meter.charge(5_000_000_000)
    meter.skip(3605_000_000_000)

    assert meter.charge(3606_000_000_000) == 1


class Story:
    """A controller whose budget and load are what the test sets."""

    def __init__(self, clock, *, limit=None):
        self.used, self.sent, self.skipped = 0.0, [], 0
        self.load: Load | Exception = Load(queue=0, kv_cache_ratio=0)
        self.ledger_away = False

        def look(since, read_to):
            if self.ledger_away:
                raise UnreachableError("the database does not answer")
            return Spending(arms={"a": Used(usd=self.used)}, read_to={})

        async def read():
            if isinstance(self.load, Exception):
                raise self.load
            return self.load

        def skip():
            self.skipped += 1

        self.clock = clock
        self.controller = Controller(
            arms=("a", "b"),
            budget=DailyBudget(Budget(usd_per_day=limit), {"a": BY_TOKEN}, look, clock),
            governor=Governor(Limits(metrics_url="http://x/metrics", recover_seconds=2), clock),
            read_load=read,
            poll_seconds=0.5,
            send=self.sent.append,
            skip_idle=skip,
        )

    async def look(self, times=1):
        for _ in range(times):
            await self.controller._look_at_load()
            self.clock.advance(0.5)


async def test_an_exhausted_budget_pauses_every_arm_once_and_says_so_once(clock, caplog):
    story = Story(clock, limit=1)
    with caplog.at_level(logging.INFO):
        await story.controller.prepare()
        story.used = 2.0
        await story.controller.prepare()
        await story.controller.prepare()

    assert [set(order.paused) for order in story.sent] == [{"a", "b"}]
    assert all("budget" in why for why in story.sent[0].paused.values())
    assert story.controller.factor == 0
    assert sum("replaying stops" in r.message for r in caplog.records) == 1


async def test_the_next_day_goes_on_and_the_pause_is_charged_to_nobody(clock):
    story = Story(clock, limit=1)
    story.used = 2.0
    await story.controller.prepare()
    story.used = 0.0
    clock.advance(86_400)
    await story.controller.prepare()

    assert story.sent[-1].paused == {}
    assert story.skipped == 1


async def test_a_ledger_that_is_away_changes_no_order(clock, caplog):
    story = Story(clock, limit=1)
    story.ledger_away = True
    await story.controller.prepare()
    await story.controller.prepare()

    assert story.sent == []
    assert sum("budgets cannot be read" in r.message for r in caplog.records) == 1


async def test_pressure_sheds_all_arms_alike_and_is_sent_once(clock):
    story = Story(clock)
    story.load = Load(queue=9, kv_cache_ratio=0)
    await story.look(2)

    assert [(o.shed_exponent, o.paused) for o in story.sent] == [(1, {})]


async def test_the_governors_calm_does_not_lift_the_budgets_pause(clock):
    story = Story(clock, limit=1)
    story.load = Load(queue=99, kv_cache_ratio=0)
    await story.look()
    story.used = 2.0
    await story.controller.prepare()
    story.load = Load(queue=0, kv_cache_ratio=0)
    await story.look(20)

    assert all("budget" in why for why in story.sent[-1].paused.values())
    assert story.controller.factor == 0


async def test_a_load_that_cannot_be_read_is_said_once_and_samples_less(clock, caplog):
    story = Story(clock)
    story.load = Unreadable("status 500")
    await story.look(3)

    assert [o.shed_exponent for o in story.sent] == [1]
    assert sum("cannot be read (status 500)" in r.message for r in caplog.records) == 1


async def test_a_load_that_never_answers_is_cut_off(clock, monkeypatch):
    monkeypatch.setattr("shadow.loops.control.READ_SECONDS", 0.02)
    story = Story(clock)

    async def hang():
        await asyncio.sleep(60)

    story.controller._read_load = hang
    await story.look(2)

    assert story.sent[-1].shed_exponent == 1
