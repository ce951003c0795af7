"""How wrong our own latencies are on this machine: the real client against a simulator whose delays are known."""

import asyncio
import contextlib
import gc
import random
import re
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from shadow.clock import Clock, SystemClock
from shadow.errors import UnreachableError
from shadow.records import ArmOutcome, Call
from shadow.replay.lag import LagGauge
from shadow.replay.openai_http import OpenAIBackend
from shadow.settings import OpenAIBackend as Server
from shadow.settings import Replay

TTFT_MS, ITL_MS, TOKENS = 100.0, 10.0, 32
METHOD = (
    f"the product's own client streams from a simulator in another process on this machine; each answer has its first token "
    f"after {TTFT_MS:g} ms and {TOKENS - 1} more every {ITL_MS:g} ms; error = reported minus configured; connections are warm"
)
_START_SECONDS = 20.0
_CALL_SECONDS = 30.0
_WARM_ANSWERS = 1  # of each stream: they open the connections


@dataclass(frozen=True, slots=True, kw_only=True)
class Errors:
    """Quantiles of reported minus true, in milliseconds."""

    p1: float
    p50: float
    p95: float
    p99: float

    @property
    def worst(self) -> float:
        """The larger of both tails, as a size."""
        return max(abs(self.p1), abs(self.p99))


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What `measure` found. Errors are None when no answer arrived."""

    streams: int
    seconds: float
    answers: int
    failures: int
    saturated: int
    worst_lag_ms: float
    ttft_ms: Errors | None
    tpot_ms: Errors | None

    def within(self, limit_ms: float) -> bool:
        """True when P1 and P99 of both errors lie within the limit and nothing failed."""
        if self.ttft_ms is None or self.tpot_ms is None or self.failures:
            return False
        return max(self.ttft_ms.worst, self.tpot_ms.worst) <= limit_ms


@dataclass(slots=True)
class _Tally:
    ttft_ms: list[float] = field(default_factory=list)
    tpot_ms: list[float] = field(default_factory=list)
    answers: int = 0
    failures: int = 0
    saturated: int = 0

    def add(self, outcome: ArmOutcome) -> None:
        if outcome.failure is not None or outcome.ttft_seconds is None or outcome.tpot_seconds is None:
            self.failures += 1
            return
        self.answers += 1
        self.saturated += outcome.client_saturated
        self.ttft_ms.append(outcome.ttft_seconds * 1e3 - TTFT_MS)
        self.tpot_ms.append(outcome.tpot_seconds * 1e3 - ITL_MS)


async def measure(*, streams: int, seconds: float) -> Report:
    """Runs the whole test in the running loop. Raises UnreachableError when the simulator does not start."""
    clock, tally = SystemClock(), _Tally()
    lag = LagGauge(clock)
    async with _simulator() as url:
        server = Server(url=url, model="self-test")
        replay = Replay.model_validate({"retries": 0, "concurrency": streams})
        backend = OpenAIBackend(server, replay, arm="self-test", role="candidate", clock=clock, lag=lag)
        gc.collect()
        gc.freeze()  # as the replayer does after its start
        gauge = asyncio.create_task(lag.run())
        try:
            until_ns = clock.monotonic_ns() + int(seconds * 1e9)
            await asyncio.gather(*(_stream(backend, clock, until_ns, tally) for _ in range(streams)))
        finally:
            gc.unfreeze()
            gauge.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await gauge
            await backend.close()
    return Report(
        streams=streams,
        seconds=seconds,
        answers=tally.answers,
        failures=tally.failures,
        saturated=tally.saturated,
        worst_lag_ms=lag.take_worst_seconds() * 1e3,
        ttft_ms=_quantiles(tally.ttft_ms),
        tpot_ms=_quantiles(tally.tpot_ms),
    )


async def _stream(backend: OpenAIBackend, clock: Clock, until_ns: int, tally: _Tally) -> None:
    """One answer after the other until the time is over; starts staggered, so that nobody moves in step."""
    body: dict[str, Any] = {
        "model": "self-test",
        "messages": [{"role": "user", "content": "How late are we?"}],
        "max_tokens": TOKENS,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    call = Call(index=0, id="self-test", request=body)
    await asyncio.sleep(random.random() * (TTFT_MS + ITL_MS * TOKENS) / 1e3)
    done = 0
    while clock.monotonic_ns() < until_ns:
        outcome = await backend.ask(call, body, clock.monotonic_ns() + int(_CALL_SECONDS * 1e9))
        done += 1
        if done > _WARM_ANSWERS or outcome.failure is not None:
            tally.add(outcome)


@contextlib.asynccontextmanager
async def _simulator() -> AsyncIterator[str]:
    """A simulator in a process of its own; its base URL."""
    arguments = ["--port", "0", "--ttft-ms", f"{TTFT_MS:g}", "--itl-ms", f"{ITL_MS:g}", "--tokens", f"{TOKENS}"]
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "shadow", "simulate", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield await _address(child)
    finally:
        with contextlib.suppress(ProcessLookupError):
            child.terminate()
        try:
            async with asyncio.timeout(5):
                await child.communicate()
        except TimeoutError:
            child.kill()
            await child.communicate()


async def _address(child: asyncio.subprocess.Process) -> str:
    """The URL that the simulator prints once it serves."""
    output = child.stdout
    if output is None:
        raise UnreachableError("the simulator has no output to read its address from")
    try:
        async with asyncio.timeout(_START_SECONDS):
            while line := await output.readline():
                found = re.search(rb"http://[^\s/]+:(\d+)", line)
                if found is not None:
                    return f"http://127.0.0.1:{int(found[1])}/v1"
    except TimeoutError:
        raise UnreachableError(f"the simulator did not start within {_START_SECONDS:g} s; try again") from None
    raise UnreachableError("the simulator ended before it served; `shadow simulate` says why")


def _quantiles(values: list[float]) -> Errors | None:
    """By nearest rank; None of nothing."""
    if not values:
        return None
    ordered = sorted(values)

    def at(q: float) -> float:
        return ordered[round(q * (len(ordered) - 1))]

    return Errors(p1=at(0.01), p50=at(0.5), p95=at(0.95), p99=at(0.99))
