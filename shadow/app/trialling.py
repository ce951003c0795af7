"""A trial of a running shadow, built from settings: its ledger, the incumbent's page or server, and the lot."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from shadow.app.checking import incumbent_page
from shadow.clock import SystemClock
from shadow.errors import ConfigurationError, UnreachableError
from shadow.ledger.sql import SqlLedger
from shadow.loops.load import PageReader
from shadow.loops.noted import reports
from shadow.loops.trial import WHY, Course, Switch, run_course
from shadow.loops.ttft import PROBE_SECONDS, Measure, PageMeasure, ProbeMeasure
from shadow.records import BASELINE, INCUMBENT, ArmOutcome
from shadow.replay.admission import RetryBudget
from shadow.replay.engine_metrics import Unreadable
from shadow.replay.openai_http import OpenAIBackend
from shadow.replay.variants import body_for, openai_backend, warmup_call
from shadow.settings import Replay, Settings
from shadow.stats.trial import Block, Finding, find, order

FRESH_MS = 10_000
"""A worker that said nothing for so long does not run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What is asked of a trial; see `shadow trial --help`. `limit` is a share, 0.1 is ten per cent."""

    pairs: int
    block_seconds: float
    settle_seconds: float
    quantile: float
    level: float
    limit: float
    seed: int
    probes_per_second: float | None  # None: the engine's own histogram
    metrics_url: str | None = None
    model: str | None = None

    def course(self) -> Course:
        """The blocks as the lot of `seed` orders them."""
        lot = random.Random(self.seed)
        blocks = order(self.pairs, (lot.random() < 0.5 for _ in range(self.pairs)))
        return Course(blocks=blocks, block_seconds=self.block_seconds, settle_seconds=self.settle_seconds)


class _Running:
    """The `shadow run` processes that work on a ledger."""

    def __init__(self, ledger: SqlLedger) -> None:
        self._ledger = ledger
        self._switch = Switch(ledger.put_state, SystemClock().wall_unix_ms)
        self.switch = self._switch.switch

    async def calls(self) -> int | None:
        totals = await asyncio.to_thread(self._ledger.arm_totals)
        return sum(total.outcomes for arm, total in totals.items() if arm != INCUMBENT)

    async def paused(self) -> str | None:
        heard = (await asyncio.to_thread(reports, self._ledger)).values()
        reasons = [one.reason or "paused" for one in heard if one.state == "paused"]
        if len(reasons) < len(heard):
            return None
        others = [reason for reason in reasons if reason != WHY]  # ours, of the block before: reports lag a second
        return others[0] if others else None

    async def require(self) -> None:
        """Raises UnreachableError when nobody works on the ledger."""
        heard = (await asyncio.to_thread(reports, self._ledger)).values()
        if max((one.at_unix_ms for one in heard), default=0) < time.time_ns() // 1_000_000 - FRESH_MS:
            raise UnreachableError(
                "no `shadow run` works on this ledger now: a trial switches the load of a running one; start it first"
            )


async def run_trial(
    settings: Settings, ledger: SqlLedger, trial: Trial, say: Callable[[int, Block], None]
) -> tuple[Finding, list[Block]]:
    """Runs it to its end. Raises ConfigurationError or UnreachableError before anything is switched."""
    running = _Running(ledger)
    await running.require()
    async with _measure(settings, trial) as measure:
        blocks = await run_course(trial.course(), running, measure, say)
    return find(blocks, q=trial.quantile, level=trial.level, limit=trial.limit), blocks


@asynccontextmanager
async def _measure(settings: Settings, trial: Trial) -> AsyncIterator[Measure]:
    async with AsyncExitStack() as stack:
        if trial.probes_per_second is not None:
            yield _probes(settings, trial.probes_per_second, stack)
            return
        url = trial.metrics_url or incumbent_page(settings)
        if url is None:
            raise ConfigurationError(
                [
                    "the incumbent's metrics page is unknown: give --metrics-url, or `governor.metrics_url` or `baseline` in "
                    "the configuration"
                ]
            )
        model = trial.model or (None if settings.baseline is None else settings.baseline.model)
        measure = PageMeasure((await stack.enter_async_context(PageReader(url))).page, model)
        try:
            await measure.check()
        except (OSError, TimeoutError):
            raise UnreachableError("the incumbent's metrics page does not answer; is the address right?") from None
        except Unreadable as error:
            raise UnreachableError(f"the incumbent's metrics page cannot be used: {error}") from None
        yield measure


def _probes(settings: Settings, per_second: float, stack: AsyncExitStack) -> ProbeMeasure:
    baseline = settings.baseline
    if baseline is None:
        raise ConfigurationError(["--probe asks the server of `baseline`, which the configuration does not have"])
    clock, budget = SystemClock(), RetryBudget(0.0)
    replay = Replay(stream=True, retries=0)
    backend = OpenAIBackend(openai_backend(baseline), replay, arm=BASELINE, role="baseline", clock=clock, budget=budget)
    stack.push_async_callback(backend.close)
    number = 0

    async def ask() -> ArmOutcome:
        nonlocal number
        number += 1
        call = warmup_call(number)
        deadline_ns = clock.monotonic_ns() + int(PROBE_SECONDS * 1e9)
        return await backend.ask(call, body_for(call, baseline, replay).body, deadline_ns)

    return ProbeMeasure(ask, per_second)
