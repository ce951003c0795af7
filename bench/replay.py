"""What a replayed request costs and how wrong its times are, beside bare aiohttp + uvloop in the same run.

    python bench/replay.py plain     CPU per request, 32 in flight, answers in one body        goal <= 1.2x
    python bench/replay.py stream    CPU per chunk, 32 paced streams                            goal <= 1.3x
    python bench/replay.py ttft      TTFT error at 256 streams against the simulator's schedule goal P99 <= 1.1x

Windows of both sides alternate in one process, the simulator has a process (and where there are two cores, a core) of its
own. The figure is CPU time per request of this process; the verdict is the median ratio of pairs, and none is given when
the pairs spread more than 30 %. A gate is the goal x 1.25. Wall rates are not judged.
"""

import argparse
import asyncio
import gc
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import msgspec
import uvloop

from shadow.clock import SystemClock
from shadow.records import Call
from shadow.replay.admission import RetryBudget
from shadow.replay.arms import ArmRunner
from shadow.replay.lag import LagGauge
from shadow.replay.openai_http import OpenAIBackend
from shadow.settings import Candidate, Replay

PROMPT = "The quick brown fox jumps over the lazy dog. " * 40
TTFT_MS, ITL_MS, TOKENS = 100, 20, 64
WARM_SECONDS = 0.3


class Text(msgspec.Struct):
    content: str | None = None


class Choice(msgspec.Struct):
    message: Text | None = None
    delta: Text | None = None


class Reply(msgspec.Struct):
    choices: list[Choice]
    usage: dict[str, Any] | None = None


REPLY = msgspec.json.Decoder(Reply)
Ask = Callable[[], Awaitable[float | None]]


class Bare:
    """What one would write by hand: post, read, decode; with --stream a splitter that knows only this simulator."""

    def __init__(self, url: str, stream: bool) -> None:
        self.url, self.stream = f"{url}/chat/completions", stream
        body: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": PROMPT}], "max_tokens": TOKENS}
        if stream:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        self.body = json.dumps(body).encode()
        self.session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        connector = aiohttp.TCPConnector(limit=0)
        timeout = aiohttp.ClientTimeout(total=60)
        self.session = aiohttp.ClientSession(connector=connector, timeout=timeout, read_bufsize=2**20)

    async def ask(self) -> float | None:
        assert self.session is not None
        sent, first, rest, texts = time.monotonic_ns(), None, b"", []
        headers = {"content-type": "application/json"}
        async with self.session.post(self.url, data=self.body, headers=headers) as response:
            if not self.stream:
                REPLY.decode(await response.read())
                return None
            async for data in response.content.iter_any():
                stamp = time.monotonic_ns()
                *events, rest = (rest + data).split(b"\n\n")
                for event in events:
                    if event.startswith(b"data: {"):
                        for choice in REPLY.decode(event[6:]).choices[:1]:
                            if choice.delta and choice.delta.content:
                                texts.append(choice.delta.content)
                                first = first or stamp
        return None if first is None else (first - sent) / 1e6

    async def close(self) -> None:
        assert self.session is not None
        await self.session.close()


class Ours:
    """The product's arm as the replayer uses it: admission, body, client, state, marks, lag gauge."""

    def __init__(self, url: str, stream: bool, in_flight: int) -> None:
        self.replay = Replay.model_validate({"stream": stream, "concurrency": in_flight})
        backend = {"kind": "openai", "url": url, "model": "m"}
        self.candidate = Candidate.model_validate({"name": "cand", "backend": backend})
        request = {"messages": [{"role": "user", "content": PROMPT}], "max_tokens": TOKENS}
        self.call = Call(index=0, id="bench", request=request)

    async def start(self) -> None:
        clock, budget = SystemClock(), RetryBudget(0.2)
        self.lag = LagGauge(clock)
        self.gauge = asyncio.create_task(self.lag.run())
        assert self.candidate.backend.kind == "openai"
        backend = OpenAIBackend(
            self.candidate.backend, self.replay, arm="cand", role="candidate", clock=clock, budget=budget, lag=self.lag
        )
        self.arm = ArmRunner(
            name="cand",
            role="candidate",
            arm=self.candidate,
            replay=self.replay,
            backend=backend,
            clock=clock,
            budget=budget,
        )
        self.arm.start()
        if not await self.arm.wait_ready(10):
            raise SystemExit(f"the simulator is not ready: {self.arm.figures().reason}")

    async def ask(self) -> float | None:
        outcome = await self.arm.ask(self.call)
        if outcome.failure is not None:
            raise SystemExit(f"an answer failed: {outcome.failure}")
        return None if outcome.ttft_seconds is None else outcome.ttft_seconds * 1e3

    async def close(self) -> None:
        self.gauge.cancel()
        await asyncio.gather(self.gauge, return_exceptions=True)
        await self.arm.close()


def cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def window(
    side: Bare | Ours, in_flight: int, seconds: float, warm: float, spread: float
) -> tuple[float, list[float | None]]:
    """CPU seconds of one window in a fresh loop, and what each answer returned."""

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

    gc.collect()
    gc.freeze()
    return uvloop.run(run())


def judge(ratios: list[float], goal: float) -> str:
    """The verdict on pair ratios, or why there is none."""
    middle = statistics.median(ratios)
    spread = (max(ratios) - min(ratios)) / middle
    line = (
        f"ratio: median {middle:.3f}, {min(ratios):.3f}-{max(ratios):.3f}; load {os.getloadavg()[0]:.1f}; goal {goal}"
    )
    if spread > 0.30:
        return f"{line}: skipped, the pairs spread by {spread:.0%} (> 30 %)"
    return f"{line}: {'holds' if middle <= goal * 1.25 else 'falls short'}"


def compare(url: str, args: argparse.Namespace, *, stream: bool, goal: float) -> None:
    ratios = []
    for _ in range(args.windows):
        costs = []
        for name, side in (("bare", Bare(url, stream)), ("ours", Ours(url, stream, args.in_flight))):
            used, seen = window(side, args.in_flight, args.seconds, WARM_SECONDS, 0.0)
            costs.append(used / len(seen) * 1e6 / (TOKENS if stream else 1))
            print(f"{name} {costs[-1]:.1f} us/{'chunk' if stream else 'request'} ({len(seen)})", end="  ", flush=True)
        ratios.append(costs[1] / costs[0])
        print(f"{ratios[-1]:.3f}")
    print(judge(ratios, goal))


def accuracy(url: str, args: argparse.Namespace) -> None:
    period = (TTFT_MS + ITL_MS * (TOKENS - 1)) / 1e3
    ratios, ours = [], []
    for _ in range(args.windows):
        tails = []
        for name, side in (("bare", Bare(url, True)), ("ours", Ours(url, True, args.in_flight))):
            _, seen = window(side, args.in_flight, args.seconds, period * 1.2, period)
            errors = sorted(v - TTFT_MS for v in seen if v is not None)
            p50, p95, p99 = (errors[round(q * (len(errors) - 1))] for q in (0.5, 0.95, 0.99))
            tails.append(p99)
            ours += [p50] if name == "ours" else []
            print(
                f"{name} TTFT error ms P50 {p50:.2f} P95 {p95:.2f} P99 {p99:.2f} ({len(errors)})", end="  ", flush=True
            )
        ratios.append(tails[1] / tails[0])
        print(f"{ratios[-1]:.3f}")
    print(f"P50 of ours: median {statistics.median(ours):.2f} ms (goal 0.5)")
    print(judge(ratios, 1.1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["plain", "stream", "ttft"])
    parser.add_argument("--in-flight", type=int)
    parser.add_argument("--windows", type=int, default=5)
    parser.add_argument("--seconds", type=float)
    args = parser.parse_args()
    args.in_flight = args.in_flight or (256 if args.what == "ttft" else 32)
    args.seconds = args.seconds or {"plain": 1.0, "stream": 3.0, "ttft": 4.0}[args.what]
    ttft, itl = {"plain": (0, 0), "stream": (20, 5), "ttft": (TTFT_MS, ITL_MS)}[args.what]
    switches = ["--ttft-ms", str(ttft), "--itl-ms", str(itl), "--tokens", str(TOKENS)]
    command = [sys.executable, "-m", "shadow", "simulate", "--port", "0", *switches]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as simulator:
        try:
            if hasattr(os, "sched_setaffinity") and len(cores := sorted(os.sched_getaffinity(0))) > 1:
                os.sched_setaffinity(simulator.pid, {cores[-1]})
                os.sched_setaffinity(0, {cores[0]})
            assert simulator.stdout is not None
            url = simulator.stdout.readline().strip()
            if args.what == "ttft":
                accuracy(url, args)
            else:
                compare(url, args, stream=args.what == "stream", goal=1.3 if args.what == "stream" else 1.2)
        finally:
            simulator.terminate()


if __name__ == "__main__":
    main()
