"""Time to first token of the incumbent over a stretch of time: from its own histogram, or by probes of ours."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from prometheus_client.parser import text_string_to_metric_families

from shadow.records import ArmOutcome
from shadow.replay.engine_metrics import Unreadable
from shadow.stats.grid import EDGES_SECONDS
from shadow.stats.trial import Buckets

HISTOGRAM = "vllm:time_to_first_token_seconds"
READ_SECONDS = 5.0
PROBE_SECONDS = 30.0
"""A probe without an answer by then counts as one of so long: leaving it out would hide the harm."""


class Measure(Protocol):
    """Measures for so many seconds; None when it could not."""

    async def measure(self, seconds: float) -> Buckets | None: ...


class PageMeasure:
    """The difference of two readings of the engine's histogram: every request it answered, whoever sent it."""

    def __init__(self, page: Callable[[], Awaitable[bytes]], model: str | None) -> None:
        self._page, self._model = page, model

    async def check(self) -> Buckets:
        """One reading. Raises Unreadable, OSError or TimeoutError."""
        async with asyncio.timeout(READ_SECONDS):
            return read_histogram(await self._page(), self._model)

    async def measure(self, seconds: float) -> Buckets | None:
        before = await self._read()
        await asyncio.sleep(seconds)
        after = await self._read()
        return None if before is None or after is None else after.since(before)

    async def _read(self) -> Buckets | None:
        try:
            return await self.check()
        except (Unreadable, OSError, TimeoutError):
            return None  # it starts again, perhaps: this block is lost, the trial is not


class ProbeMeasure:
    """Short streamed requests at a fixed rate, whether or not earlier ones were answered. `ask` raises nothing."""

    def __init__(self, ask: Callable[[], Awaitable[ArmOutcome]], per_second: float) -> None:
        self._ask, self._period = ask, 1 / per_second

    async def measure(self, seconds: float) -> Buckets | None:
        loop = asyncio.get_running_loop()
        began, tasks = loop.time(), list[asyncio.Task[ArmOutcome]]()
        while (due := began + len(tasks) * self._period) < began + seconds:
            await asyncio.sleep(max(0.0, due - loop.time()))
            tasks.append(asyncio.ensure_future(self._ask()))
        outcomes = await asyncio.gather(*tasks)
        if all(one.failure is not None for one in outcomes):
            return None
        return Buckets.of(EDGES_SECONDS, map(_seconds, outcomes))


def _seconds(outcome: ArmOutcome) -> float:
    if outcome.failure is not None:
        return PROBE_SECONDS
    known = outcome.ttft_seconds if outcome.ttft_seconds is not None else outcome.latency_seconds
    return PROBE_SECONDS if known is None else known


def read_histogram(body: bytes, model: str | None) -> Buckets:
    """The histogram of one served model, engines added up. Raises Unreadable, naming what is there instead.

    `model` None, or a name the page does not know (an adapter's), is answered where the page knows a single model.
    """
    found: dict[str, dict[float, float]] = {}
    try:
        for family in text_string_to_metric_families(body.decode("utf-8", "replace")):
            if family.name != HISTOGRAM:
                continue
            for sample in family.samples:
                if sample.name == f"{HISTOGRAM}_bucket":
                    one = found.setdefault(sample.labels.get("model_name", ""), {})
                    edge = float(sample.labels["le"])
                    one[edge] = one.get(edge, 0.0) + sample.value
    except (ValueError, KeyError):
        raise Unreadable("the page is not in Prometheus's text format") from None
    if not found:
        raise Unreadable(f"{HISTOGRAM} is not there; is this vLLM's metrics page?")
    if model not in found and len(found) > 1:
        raise Unreadable(f"the page holds several models ({', '.join(sorted(found))}): name the incumbent's by --model")
    cumulated = found[model] if model is not None and model in found else next(iter(found.values()))
    edges = sorted(cumulated)
    below, counts = 0, []
    for edge in edges:
        counts.append(round(cumulated[edge]) - below)
        below = round(cumulated[edge])
    return Buckets(edges=tuple(edges[:-1]), counts=tuple(counts))
