"""Arms against simulators that come late, are killed and come back, or never come."""

import asyncio
from collections import Counter
from typing import Any

import pytest
from builders import a_call

from shadow.clock import SystemClock
from shadow.records import ArmOutcome
from shadow.replay import watch
from shadow.replay.admission import RetryBudget
from shadow.replay.arms import ArmRunner
from shadow.replay.openai_http import OpenAIBackend
from shadow.settings import Candidate, Replay
from shadow.simulator.thread import SimulatorThread


def arm_of(url: str, **replay: Any) -> ArmRunner:
    settings = Replay(**{"timeout_seconds": 2, "retries": 1, **replay})
    candidate = Candidate.model_validate({"name": "c", "backend": {"kind": "openai", "url": url, "model": "m"}})
    budget, clock = RetryBudget(settings.retry_budget), SystemClock()
    assert candidate.backend.kind == "openai"
    backend = OpenAIBackend(candidate.backend, settings, arm="c", role="candidate", clock=clock, budget=budget)
    return ArmRunner(
        name="c", role="candidate", arm=candidate, replay=settings, backend=backend, clock=clock, budget=budget
    )


async def traffic(arm: ArmRunner, calls: int, events: dict[int, Any]) -> Counter[tuple[Any, Any]]:
    """100 calls a second; `events` are run before the call of their number."""
    tasks: list[asyncio.Task[ArmOutcome]] = []
    for number in range(calls):
        if number in events:
            await asyncio.to_thread(events[number])
        request = {"messages": [{"role": "user", "content": f"say {number}"}], "max_tokens": 32}
        tasks.append(asyncio.create_task(arm.ask(a_call(id=str(number), request=request))))
        await asyncio.sleep(0.01)
    async with asyncio.timeout(20):
        return Counter((o.failure, o.spell) for o in await asyncio.gather(*tasks))


@pytest.mark.parametrize("itl_ms", [0, 3], ids=["whole answers", "answers in the middle"])
async def test_a_restart_is_one_failure_and_the_arm_is_asked_again(
    itl_ms: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "PROBE_PERIOD_SECONDS", 0.2)
    with SimulatorThread(ttft_ms=10, itl_ms=itl_ms) as simulator:
        arm = arm_of(simulator.url)
        arm.start()
        assert await arm.wait_ready(5)

        seen = await traffic(arm, 300, {80: simulator.stop, 140: simulator.restart})
        figures = arm.figures()
        await arm.close()

    failures = sum(n for (kind, _), n in seen.items() if kind not in (None, "unavailable"))
    assert failures <= 2  # one for the spell; a call that ended between two cut ones may free the first of them
    assert seen["unavailable", "inside"] >= 50
    assert seen[None, None] >= 150
    assert figures.spells == 1
    assert figures.availability is not None
    assert 0.4 < figures.availability < 0.95


async def test_a_server_that_hangs_is_found_out_and_counts_once() -> None:
    with SimulatorThread(ttft_ms=5) as simulator:
        arm = arm_of(simulator.url, timeout_seconds=0.5, concurrency=8)
        arm.start()
        assert await arm.wait_ready(5)
        simulator.change(faults={"hang": 1.0})

        seen = await traffic(arm, 120, {})
        await arm.close()

    assert seen["timeout", "first"] == 1
    assert seen["unavailable", "inside"] == 119


async def test_an_arm_that_starts_late_fails_no_call() -> None:
    simulator = SimulatorThread(ttft_ms=5)
    with simulator:
        url = simulator.url
        simulator.stop()
        arm = arm_of(url)
        arm.start()
        ready = asyncio.create_task(arm.wait_ready(10))
        await asyncio.sleep(0.3)
        assert not ready.done()
        await asyncio.to_thread(simulator.restart)

        assert await ready
        assert await traffic(arm, 30, {}) == {(None, None): 30}
        await arm.close()


async def test_one_answer_in_five_that_breaks_counts_call_by_call() -> None:
    with SimulatorThread(ttft_ms=2, faults={"close_mid_stream": 0.2}) as simulator:
        arm = arm_of(simulator.url, retries=0)
        arm.start()
        assert await arm.wait_ready(5)
        seen = await traffic(arm, 150, {})
        await arm.close()

    assert 10 <= seen["incomplete", None] <= 55
    assert seen["incomplete", None] + seen[None, None] == 150
