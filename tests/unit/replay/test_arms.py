import asyncio
import logging
import time
from collections import Counter
from typing import Any

import pytest
from builders import a_call
from fakes.backend import FakeBackend

from shadow.clock import SystemClock
from shadow.errors import ConfigurationError
from shadow.records import ArmOutcome
from shadow.replay import watch
from shadow.replay.admission import RetryBudget
from shadow.replay.arms import ArmRunner
from shadow.settings import Baseline, Candidate, Replay


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same rules in less time."""
    monkeypatch.setattr(watch, "PROBE_PERIOD_SECONDS", 0.05)
    monkeypatch.setattr(watch, "SUSPECT_PROBE_SECONDS", 0.02)


def runner(backend: FakeBackend, *, arm: Candidate | Baseline | None = None, **replay: Any) -> ArmRunner:
    settings = Replay(**{"timeout_seconds": 5, "warmup_calls": 1, **replay})
    server = {"kind": "openai", "url": "http://h/v1", "model": "m"}
    arm = arm or Candidate.model_validate({"name": "cand", "backend": server})
    return ArmRunner(
        name="cand",
        role="baseline" if isinstance(arm, Baseline) else "candidate",
        arm=arm,
        replay=settings,
        backend=backend,
        clock=SystemClock(),
        budget=RetryBudget(0.2),
    )


async def started(backend: FakeBackend, **replay: Any) -> ArmRunner:
    arm = runner(backend, **replay)
    arm.start()
    assert await arm.wait_ready(5)
    backend.asked.clear()
    return arm


async def until_down(arm: ArmRunner) -> None:
    async with asyncio.timeout(5):
        while arm.state != "down":
            await asyncio.sleep(0.005)


def kinds(outcomes: list[ArmOutcome]) -> Counter[tuple[Any, Any]]:
    return Counter((o.failure, o.spell) for o in outcomes)


async def test_an_arm_is_up_after_a_probe_and_its_warm_up_calls() -> None:
    backend = FakeBackend()
    arm = runner(backend, warmup_calls=2)
    assert arm.state == "warming"
    arm.start()

    assert await arm.wait_ready(5)
    assert arm.state == "up"
    assert [body["max_tokens"] for body in backend.asked] == [1, 1]
    await arm.close()
    assert backend.closed
    assert arm.state == "stopped"


async def test_a_call_to_an_arm_that_never_came_is_unavailable_and_not_asked() -> None:
    backend = FakeBackend(up=False)
    arm = runner(backend)
    arm.start()

    assert not await arm.wait_ready(0.1)
    outcome = await arm.ask(a_call())
    assert (arm.state, outcome.failure, outcome.spell) == ("down", "unavailable", "inside")
    assert backend.asked == []
    assert arm.figures().availability == 0
    await arm.close()


async def test_a_late_arm_comes_up_when_it_comes() -> None:
    backend = FakeBackend(up=False)
    arm = runner(backend)
    arm.start()
    await arm.wait_ready(0.05)
    backend.up = True

    assert await arm.wait_ready(5)
    assert (await arm.ask(a_call())).failure is None
    await arm.close()


@pytest.mark.parametrize(
    ("failure", "status"), [("timeout", None), ("invalid", 200), ("http_4xx", 404), ("http_4xx", 401)]
)
async def test_an_arm_whose_warm_up_shows_that_nothing_would_work_stays_out(failure: Any, status: int | None) -> None:
    backend = FakeBackend()
    backend.failure, backend.status = failure, status
    arm = runner(backend)
    arm.start()

    assert not await arm.wait_ready(0.15)
    assert failure in (arm.figures().reason or "")
    await arm.close()


@pytest.mark.parametrize(("failure", "status"), [("empty", 200), ("incomplete", 200), ("http_4xx", 400)])
async def test_a_warm_up_only_has_to_show_that_the_server_answers(failure: Any, status: int) -> None:
    backend = FakeBackend()
    backend.failure, backend.status = failure, status
    arm = runner(backend)
    arm.start()

    assert await arm.wait_ready(5)
    await arm.close()


async def test_five_failures_in_a_row_are_one_and_the_rest_is_not_asked() -> None:
    backend = FakeBackend()
    arm = await started(backend)
    backend.failure = "http_5xx"

    outcomes = await asyncio.gather(*(arm.ask(a_call()) for _ in range(20)))

    assert kinds(outcomes) == {("http_5xx", "first"): 1, ("unavailable", "inside"): 19}
    assert all(o.answer.failure == o.failure for o in outcomes)
    assert arm.figures().spells == 1
    await arm.close()


async def test_failures_that_a_success_interrupts_count_one_by_one() -> None:
    backend = FakeBackend()
    arm = await started(backend)
    backend.plan.extend(["timeout", "timeout", None, "http_5xx", None])

    outcomes = [asyncio.create_task(arm.ask(a_call())) for _ in range(5)]

    assert kinds(await asyncio.gather(*outcomes)) == {("timeout", None): 2, ("http_5xx", None): 1, (None, None): 2}
    await arm.close()


async def test_a_crash_in_the_middle_of_many_answers_is_one_failure() -> None:
    backend = FakeBackend()
    arm = await started(backend)
    backend.gate = asyncio.Event()
    backend.failure = "incomplete"
    tasks = [asyncio.create_task(arm.ask(a_call())) for _ in range(30)]
    await asyncio.sleep(0.01)
    backend.up = False
    backend.gate.set()

    assert kinds(await asyncio.gather(*tasks)) == {("incomplete", "first"): 1, ("unavailable", "inside"): 29}
    await arm.close()


async def test_answers_that_break_off_at_a_healthy_server_all_count() -> None:
    backend = FakeBackend()
    arm = await started(backend)
    backend.failure = "incomplete"

    outcomes = await asyncio.gather(*(arm.ask(a_call()) for _ in range(12)))

    assert kinds(outcomes) == {("incomplete", None): 12}
    assert arm.state == "up"
    await arm.close()


async def test_an_arm_that_comes_back_is_warmed_and_asked_again() -> None:
    backend = FakeBackend()
    arm = await started(backend)
    backend.up, backend.failure = False, "connection"
    await arm.ask(a_call())
    assert (await arm.ask(a_call())).failure == "unavailable"
    backend.up, backend.failure = True, None

    assert await arm.wait_ready(5)
    assert (await arm.ask(a_call())).failure is None
    assert arm.figures().spells == 1
    await arm.close()


@pytest.mark.parametrize(("answers", "spells"), [([False, True], 0), ([False, False], 1)])
async def test_one_lost_probe_of_an_idle_arm_is_no_outage(answers: list[bool], spells: int) -> None:
    backend = FakeBackend()
    arm = await started(backend)
    backend.answers.extend(answers)
    arm._watch.alarm()
    await asyncio.sleep(0.05)

    assert arm.figures().spells == spells
    await arm.close()


async def test_waiting_calls_leave_the_queue_when_the_arm_goes_down() -> None:
    backend = FakeBackend()
    arm = await started(backend, concurrency=2)
    backend.gate = asyncio.Event()
    tasks = [asyncio.create_task(arm.ask(a_call())) for _ in range(10)]
    await asyncio.sleep(0.01)
    assert (arm.figures().in_flight, arm.figures().waiting) == (2, 8)
    backend.up = False
    arm._watch.alarm()
    await until_down(arm)

    done, _ = await asyncio.wait(tasks, timeout=0.5)
    assert len(done) == 8
    backend.gate.set()
    await asyncio.gather(*tasks)
    await arm.close()


async def test_the_wait_for_our_own_slot_is_reported_and_the_deadline_starts_after_it() -> None:
    backend = FakeBackend()
    arm = await started(backend, concurrency=1, timeout_seconds=2)
    backend.gate = asyncio.Event()
    tasks = [asyncio.create_task(arm.ask(a_call())) for _ in range(2)]
    await asyncio.sleep(0.1)
    released_ns = time.monotonic_ns()
    backend.gate.set()
    first, second = await asyncio.gather(*tasks)

    assert first.queue_seconds is not None
    assert first.queue_seconds < 0.05
    assert second.queue_seconds == pytest.approx(0.1, abs=0.05)
    assert backend.deadlines_ns[-1] >= released_ns + 2 * 10**9
    await arm.close()


async def test_a_paused_arm_is_not_asked_and_that_is_no_spell() -> None:
    backend = FakeBackend()
    arm = await started(backend)
    arm.pause("budget")

    outcome = await arm.ask(a_call())
    assert (outcome.failure, outcome.spell, arm.state, arm.figures().reason) == (
        "unavailable",
        None,
        "paused",
        "budget",
    )
    arm.resume()
    assert (await arm.ask(a_call())).failure is None
    await arm.close()


async def test_what_is_held_back_can_be_let_go_and_is_at_the_end() -> None:
    backend = FakeBackend()
    arm = await started(backend)
    backend.plan.extend(["timeout", "timeout"])
    first = asyncio.create_task(arm.ask(a_call()))
    await asyncio.sleep(0.02)
    assert arm.figures().held == 1
    arm.release()
    assert (await first).spell is None
    second = asyncio.create_task(arm.ask(a_call()))
    await asyncio.sleep(0.02)
    await arm.close()

    assert ((await second).failure, (await second).spell) == ("timeout", None)


async def test_a_failure_is_held_back_no_longer_than_the_timeout() -> None:
    backend = FakeBackend()
    arm = await started(backend, timeout_seconds=0.2)
    backend.plan.append("timeout")

    async with asyncio.timeout(2):
        outcome = await arm.ask(a_call())

    assert (outcome.failure, outcome.spell) == ("timeout", None)
    await arm.close()


async def test_cancelling_a_held_call_leaves_nothing_behind() -> None:
    backend = FakeBackend()
    arm = await started(backend)
    backend.plan.append("timeout")
    task = asyncio.create_task(arm.ask(a_call()))
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert (arm.figures().held, arm.figures().in_flight) == (0, 0)
    await arm.close()


async def test_a_defect_of_ours_is_no_evidence_and_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    backend = FakeBackend()
    arm = await started(backend)
    backend.error = RuntimeError("a text of production")
    with caplog.at_level(logging.ERROR):
        outcome = await arm.ask(a_call())

    assert (outcome.failure, outcome.spell, arm.figures().internal_errors) == ("unavailable", None, 1)
    assert "a text of production" not in caplog.text
    await arm.close()


async def test_the_baseline_never_exceeds_its_caps() -> None:
    backend = FakeBackend()
    baseline = Baseline(url="http://h/v1", model="m", max_requests_per_second=3, max_tokens_per_minute=10)
    arm = runner(backend, arm=baseline)
    arm.start()
    await arm.wait_ready(5)

    outcomes = [await arm.ask(a_call()) for _ in range(6)]

    assert kinds(outcomes) == {(None, None): 2, ("unavailable", None): 4}  # 8 tokens each: the second spends the minute
    assert arm.figures().adjustments["cap"] == 4
    await arm.close()


async def test_an_answer_that_our_own_limit_cut_is_marked() -> None:
    backend = FakeBackend()
    arm = await started(backend)
    backend.finish_reason = "length"

    assert (await arm.ask(a_call(notes=("limit_is_ours",)))).limited_by_us
    assert not (await arm.ask(a_call())).limited_by_us
    await arm.close()


async def test_what_was_left_out_of_a_request_is_counted() -> None:
    arm = await started(FakeBackend(), drop=["max_tokens"])
    await arm.ask(a_call())

    assert arm.figures().adjustments == {"drop:max_tokens": 1}
    await arm.close()


async def test_a_variant_that_cannot_be_sent_is_refused_before_anything_runs() -> None:
    server = {"kind": "openai", "url": "http://h/v1", "model": "m"}
    variant = {"sampling": {"stream": False}}

    with pytest.raises(ConfigurationError, match="'stream'"):
        runner(FakeBackend(), arm=Candidate.model_validate({"name": "cand", "backend": server, "variant": variant}))
