import asyncio
import random

import pytest
from fakes.clock import FakeClock
from hypothesis import given
from hypothesis import strategies as st

from shadow.replay.admission import (
    RateCap,
    RetryBudget,
    Slots,
    backoff_seconds,
    remaining_seconds,
    retry_after_seconds,
)


@given(st.integers(1, 10_000), st.none() | st.floats(0, 1000), st.integers())
def test_a_retry_waits_a_bounded_time_and_never_less_than_asked(attempt: int, asked: float | None, seed: int) -> None:
    delay = backoff_seconds(attempt, asked, random.Random(seed))

    assert (asked or 0) <= delay <= max(5.0, 1.1 * (asked or 0))
    assert delay >= 0.05


def test_retries_are_a_share_of_requests() -> None:
    budget = RetryBudget(0.25)
    while budget.take():
        pass
    granted = 0
    for _ in range(400):
        budget.request()
        granted += budget.take()

    assert granted == 100


def test_a_share_of_zero_allows_no_retry() -> None:
    budget = RetryBudget(0)
    budget.request()

    assert not budget.take()
    assert budget.refused_total == 1


def test_nobody_retries_while_the_arm_is_down() -> None:
    budget = RetryBudget(1)
    budget.suspended = True

    assert not budget.take()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("", None),
        ("3", 3.0),
        ("0.5", 0.5),
        ("-4", 0.0),
        ("nan", None),
        ("inf", None),
        ("1e9", None),
        ("soon", None),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 90.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("Thu, 99 Jan 1970 00:00:00 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str | None, expected: float | None) -> None:
    assert retry_after_seconds(value, 10.0) == expected


def test_a_deadline_that_has_passed_leaves_nothing() -> None:
    assert remaining_seconds(5, 9) == 0.0
    assert remaining_seconds(2_000_000_000, 500_000_000) == 1.5


def test_a_cap_recovers_with_time_and_pays_its_debts_first() -> None:
    clock = FakeClock()
    cap = RateCap(clock, 2.0)
    cap.take()
    cap.take()
    assert not cap.open()
    clock.advance(0.5)
    assert cap.open()
    cap.take(5)
    clock.advance(2)
    assert not cap.open()
    clock.advance(0.6)

    assert cap.open()


async def test_slots_are_given_in_order_of_arrival() -> None:
    slots, order = Slots(1), []

    async def call(name: int) -> None:
        assert await slots.acquire()
        order.append(name)
        await asyncio.sleep(0)
        slots.release()

    await asyncio.gather(*(call(i) for i in range(5)))

    assert order == [0, 1, 2, 3, 4]
    assert slots.in_flight == 0


async def test_a_cancelled_wait_gives_its_slot_to_the_next() -> None:
    slots = Slots(1)
    await slots.acquire()
    first, second = (asyncio.create_task(slots.acquire()) for _ in range(2))
    await asyncio.sleep(0)
    slots.release()
    first.cancel()

    assert await second
    assert slots.in_flight == 1
    assert slots.waiting == 0


async def test_a_wait_that_is_cancelled_early_is_forgotten() -> None:
    slots = Slots(1)
    await slots.acquire()
    waiting = asyncio.create_task(slots.acquire())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    slots.release()

    assert (slots.in_flight, slots.waiting) == (0, 0)


async def test_who_waits_can_be_sent_away() -> None:
    slots = Slots(1)
    await slots.acquire()
    waiting = asyncio.create_task(slots.acquire())
    await asyncio.sleep(0)
    slots.refuse()

    assert await waiting is False
    assert slots.in_flight == 1
