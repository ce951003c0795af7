"""What a replayed request costs and how wrong its times are, beside bare aiohttp + uvloop in the same run (G1, G2, G3).

Windows of both sides alternate in one process; the simulator has a process and a core of its own. Our side is the arm as
the replayer uses it: admission, body, client, state, marks, lag gauge.
"""

import asyncio
import json
import random
import statistics
from collections.abc import Iterator
from typing import Protocol

import uvloop

from bench.measure import MOST_LOAD, WARM_SECONDS, Options, Row, cpu_seconds, interleave, load, pin, quiet_garbage
from bench.reference.clients import Bare, Lean
from bench.running import Simulator, process_cpu_seconds
from shadow.clock import SystemClock
from shadow.records import Call
from shadow.replay.admission import RetryBudget
from shadow.replay.arms import ArmRunner
from shadow.replay.lag import LagGauge
from shadow.replay.openai_http import OpenAIBackend
from shadow.settings import Candidate, Replay

PROMPT = "The quick brown fox jumps over the lazy dog. " * 40
TOKENS = 64
TTFT_MS, ITL_MS = 100, 20
ANSWERS = 750
"""What an accuracy window has to hold for its P99 to mean something."""


class Side(Protocol):
    """One side of a pair: made anew for each window. `ask` returns the time to first token in ms, None in one body."""

    async def start(self) -> None: ...

    async def ask(self) -> float | None: ...

    async def close(self) -> None: ...


class Reference:
    """A client written by hand."""

    def __init__(self, kind: type[Bare] | type[Lean], port: int, *, stream: bool) -> None:
        self._client: Bare | Lean = kind(port, stream=stream)
        body = {"model": "m", "messages": [{"role": "user", "content": PROMPT}], "max_tokens": TOKENS}
        if stream:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        self._body = json.dumps(body).encode()

    async def start(self) -> None:
        return None

    async def ask(self) -> float | None:
        answer = await self._client.complete(self._body)
        return (answer.received[0] - answer.sent) / 1e6 if answer.received else None

    async def close(self) -> None:
        await self._client.close()


class Ours:
    """The product's arm."""

    def __init__(self, url: str, *, stream: bool, in_flight: int) -> None:
        self._replay = Replay.model_validate({"stream": stream, "concurrency": in_flight})
        backend = {"kind": "openai", "url": url, "model": "m"}
        self._candidate = Candidate.model_validate({"name": "cand", "backend": backend})
        request = {"messages": [{"role": "user", "content": PROMPT}], "max_tokens": TOKENS}
        self._call = Call(index=0, id="bench", request=request)

    async def start(self) -> None:
        clock, budget, server = SystemClock(), RetryBudget(0.2), self._candidate.backend
        if server.kind != "openai":
            raise SystemExit("the bench asks an OpenAI-compatible server")
        lag = LagGauge(clock)
        self._gauge = asyncio.create_task(lag.run())
        backend = OpenAIBackend(server, self._replay, arm="cand", role="candidate", clock=clock, budget=budget, lag=lag)
        self._arm = ArmRunner(
            name="cand",
            role="candidate",
            arm=self._candidate,
            replay=self._replay,
            backend=backend,
            clock=clock,
            budget=budget,
        )
        self._arm.start()
        if not await self._arm.wait_ready(10):
            raise SystemExit(f"the simulator is not ready: {self._arm.figures().reason}")

    async def ask(self) -> float | None:
        outcome = await self._arm.ask(self._call)
        if outcome.failure is not None:
            raise SystemExit(f"an answer failed: {outcome.failure}")
        return None if outcome.ttft_seconds is None else outcome.ttft_seconds * 1e3

    async def close(self) -> None:
        self._gauge.cancel()
        await asyncio.gather(self._gauge, return_exceptions=True)
        await self._arm.close()


def window(side: Side, in_flight: int, seconds: float, warm: float, spread: float) -> tuple[float, list[float | None]]:
    """CPU seconds of one window in a fresh loop, and what each answer returned. Starts are spread: no thundering herd."""

    async def run() -> tuple[float, list[float | None]]:
        await side.start()
        seen: list[float | None] = []
        counting = False

        async def worker() -> None:
            await asyncio.sleep(random.random() * spread)
            while True:
                value = await side.ask()
                if counting:
                    seen.append(value)

        workers = [asyncio.create_task(worker()) for _ in range(in_flight)]
        await asyncio.sleep(warm)
        counting, before = True, cpu_seconds()
        await asyncio.wait(workers, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
        counting, used = False, cpu_seconds() - before
        for task in workers:
            if task.done():
                task.result()
            task.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        await side.close()
        return used, seen

    quiet_garbage()
    return uvloop.run(run())


def cost(options: Options, *, stream: bool) -> Iterator[Row]:
    """G1 and G2: CPU per request, or per chunk of paced streams, 32 in flight."""
    in_flight, ttft, itl = 32, (20 if stream else 0), (5 if stream else 0)
    each, unit = (TOKENS, "us/chunk") if stream else (1, "us/request")
    answers = 0
    with Simulator(ttft_ms=ttft, itl_ms=itl, tokens=TOKENS) as simulator:
        pin(simulator.pid)
        seconds = options.seconds * (2 if stream else 1)

        def measure(side: Side) -> float:
            nonlocal answers
            used, seen = window(side, in_flight, seconds, WARM_SECONDS * (3 if stream else 1), 0.3 if stream else 0.0)
            answers += len(seen)
            return used / len(seen) * 1e6 / each

        def ours() -> float:
            return measure(Ours(simulator.url, stream=stream, in_flight=in_flight))

        before = process_cpu_seconds(simulator.pid)
        ratios = interleave(options.pairs, ours, lambda: measure(Reference(Bare, simulator.port, stream=stream)), unit)
        spent = (process_cpu_seconds(simulator.pid) - before) / max(answers, 1) * 1e6 / each
        yield Row(
            id="G2" if stream else "G1",
            what=f"replay CPU per {'chunk, 32 paced streams' if stream else 'request, 32 in flight'}, of bare aiohttp + uvloop",
            limit=1.3 if stream else 1.2,
            values=tuple(ratios),
            note=f"the simulator itself spent at most {spent:.0f} {unit}",
            load=load(),
        )
        lean = interleave(options.pairs, ours, lambda: measure(Reference(Lean, simulator.port, stream=stream)), unit)
        yield Row(
            id="G2 lean" if stream else "G1 lean",
            what="the same, of a client by hand on httptools (no goal, the limit of what is possible)",
            limit=float("inf"),
            values=tuple(lean),
            load=load(),
        )


def accuracy(options: Options, streams: int, tokens: int) -> Iterator[Row]:
    """G3: reported minus configured time to first token; the truth is the simulator's schedule."""
    period = (TTFT_MS + ITL_MS * (tokens - 1)) / 1e3
    seconds = (1.5 if options.quick else ANSWERS * 1.05 / streams) * (1 if options.quick else period)
    middles: dict[str, list[float]] = {"ours": [], "reference": []}
    with Simulator(ttft_ms=TTFT_MS, itl_ms=ITL_MS, tokens=tokens) as simulator:
        pin(simulator.pid)

        def measure(side: Side, name: str) -> float:
            _, seen = window(side, streams, seconds, period * 1.2, period)
            errors = sorted(value - TTFT_MS for value in seen if value is not None)
            p50, p95, p99 = (errors[round(q * (len(errors) - 1))] for q in (0.5, 0.95, 0.99))
            middles[name].append(p50)
            print(f"    {name:9} P50 {p50:.2f} P95 {p95:.2f} P99 {p99:.2f} ms ({len(errors)} answers)", flush=True)
            return p99

        ratios = interleave(
            options.pairs,
            lambda: measure(Ours(simulator.url, stream=True, in_flight=streams), "ours"),
            lambda: measure(Reference(Bare, simulator.port, stream=True), "reference"),
            "ms P99",
        )
        busy = load()
        yield Row(
            id=f"G3 {streams}",
            what=f"TTFT error P99 at {streams} streams, of bare aiohttp + uvloop",
            limit=0.5,
            values=tuple(ratios),
            note="goal of a lean transport; 1.1 with aiohttp",
            load=load(),
        )
        yield Row(
            id=f"G3 {streams} P50",
            what=f"TTFT error P50 at {streams} streams",
            limit=0.5,
            values=tuple(middles["ours"]),
            unit="ms",
            note=f"reference {statistics.median(middles['reference']):.2f} ms",
            gated=False,
            skipped=f"the machine was busy (load {busy:.1f})" if busy > MOST_LOAD else None,
            load=busy,
        )


def run(options: Options) -> Iterator[Row]:
    """Every row of this bench."""
    yield from cost(options, stream=False)
    yield from cost(options, stream=True)
    yield from accuracy(options, 64, 16)
    yield from accuracy(options, 256, 64)
