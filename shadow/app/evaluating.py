"""The evaluator process: scoring, ledger, monitor, metrics and pages."""

import asyncio
import contextlib
import hashlib
import logging
import os
import socket
import sys
import time
from collections.abc import Mapping
from importlib.metadata import version as installed_version
from typing import Any

import uvloop

from shadow.allowance import Allowance
from shadow.anchors.cases import anchors_of
from shadow.app.checking import scorer_kinds
from shadow.app.child import Head, freeze_garbage, read_head, watch_parent
from shadow.app.controlling import controller_for
from shadow.app.memory import memory_sampler
from shadow.app.parts import Rows, build_ledger, build_scoring, dead_letters, fold_of
from shadow.app.probing import build_allowance, build_prober, instance_of
from shadow.app.site import Runtime, Site
from shadow.errors import LedgerError, ShadowError, UnreachableError
from shadow.ledger.base import Ledger
from shadow.ledger.sql import SqlLedger
from shadow.loops import handoff
from shadow.loops.control import Controller
from shadow.loops.evaluator import Evaluator, Work
from shadow.loops.identity import IncumbentWatch
from shadow.loops.memory import MemorySampler
from shadow.loops.monitor import Monitor
from shadow.loops.noted import Reported
from shadow.loops.probing import remembered, state_key
from shadow.loops.supervisor import EXIT_CLEAN, EXIT_FATAL
from shadow.loops.suspects import Journal, Suspicion
from shadow.settings import Settings
from shadow.sources.base import PositionQuestion
from shadow.stats import FoldSpec

log = logging.getLogger(__name__)

IDLE_LOOK_SECONDS = 0.25
STALE_HEARTBEAT_SECONDS = 10.0
OPEN_RETRY_SECONDS = 2.0
EVALUATOR_NICENESS = 10
"""Scoring may wait; the replayer's clocks may not."""


def main() -> int:
    """The exit code tells the parent: 0 done, 3 a restart would not help, else start both again."""
    head = read_head()
    os.nice(EVALUATOR_NICENESS)
    try:
        return uvloop.run(_Evaluating(head).run())
    except ShadowError as error:
        sys.stderr.write(f"shadow: {error}\n")
        return EXIT_FATAL


class _Evaluating:
    """One run of the evaluator process."""

    def __init__(self, head: Head) -> None:
        self._head = head
        self._settings: Settings = head.settings
        self._role = str(head.options.get("role", "all"))
        self._idle_seconds: float | None = head.options.get("until_idle_seconds")
        self._asked_to_stop = asyncio.Event()
        self._gauges: handoff.Gauges | None = None
        self._gauges_at = 0.0
        self._fatal: str | None = None
        self._drained = asyncio.Event()
        self._pipe_closed = asyncio.Event()
        self._evaluator: Evaluator | None = None
        self._controller: Controller | None = None
        self._allowance: Allowance | None = None
        self._idle_reached = False
        self._started = time.monotonic()

    async def run(self) -> int:
        settings, self._loop = self._settings, asyncio.get_running_loop()
        watch_parent(self._stop_from_outside)
        reader, pipe = await handoff.open_pipe(self._head.fds[0])
        ledger = await self._open_ledger()
        kinds = scorer_kinds(settings)
        spec = FoldSpec.from_policy(settings.policy, kinds)
        version = installed_version("shadow-monitor")
        works = self._role != "monitor"
        memory = memory_sampler(settings, self._head.options.get("engines", {}), ledger) if works else None
        web = Site(
            settings,
            ledger=build_ledger(settings),
            spec=spec,
            version=version,
            role=self._role,
            config_hash=hashlib.blake2b(settings.model_dump_json().encode(), digest_size=6).hexdigest(),
            health=self._health,
            ready=self._ready,
            memory=memory,
        )
        server = await web.serve()
        log.info("pages and metrics at http://%s:%d/", settings.web.host, server.port)
        monitor = Monitor(
            ledger=build_ledger(settings),
            settings=settings,
            spec=spec,
            kinds=kinds,
            exporters=web.exporters,
            holder=f"{socket.gethostname()}/{os.getppid()}",
            version=version,
            role=self._role,
            circumstances=self._circumstances,
            reported=self._reported,
            may_lead=self._role != "worker",
        )
        jobs: list[asyncio.Task[Any]] = []
        try:
            if self._role != "monitor":
                past = remembered(await asyncio.to_thread(ledger.get_state, state_key(instance_of(settings))))
                allowance = self._allowance = build_allowance(settings, past.used)
                anchors = anchors_of(settings.anchors.path)
                scoring = await asyncio.to_thread(build_scoring, settings, web.scored, allowance)
                prober = build_prober(settings, scoring, anchors, allowance, past)
                web.expect(prober.watched)
                await asyncio.to_thread(ledger.refold, spec.key, fold_of(spec))
                rows = Rows(settings, ledger, scoring)
                letters = dead_letters(settings)
                evaluator = self._evaluator = Evaluator(
                    Work(
                        ledger=ledger,
                        group=getattr(settings.source, "group_id", "file"),
                        scoring=scoring,
                        rows=await asyncio.to_thread(rows.maker),
                        incumbent=IncumbentWatch(rows.identity()),
                        renew=rows.renew,
                        fold=fold_of(spec),
                        dead_letters=letters.write,
                        committed=web.committed,
                        suspects=self._suspects(),
                        journal=Journal(self._head.fds[1]),
                        prober=prober,
                        probed=web.probed,
                    )
                )
                evaluator.start(pipe)
                jobs.append(asyncio.create_task(self._read(reader, pipe, ledger)))
                if self._idle_seconds is not None:
                    jobs.append(asyncio.create_task(self._wait_until_idle(ledger, self._idle_seconds)))
                jobs.append(asyncio.create_task(self._control(pipe, ledger, rows, opened := asyncio.Event())))
                await opened.wait()
                pipe.send(handoff.Hello(ledger_id=ledger.ledger_id()))
            monitor.start()
            warming = asyncio.create_task(asyncio.to_thread(web.warm))
            warming.add_done_callback(_say_if_failed)
            jobs.append(warming)
            jobs.append(asyncio.create_task(web.report_runtime(self._runtime)))
            if memory is not None:
                jobs.append(asyncio.create_task(_kept_going(memory)))
            freeze_garbage()
            code = await self._until_over()
            if code == EXIT_CLEAN and self._role != "monitor":
                code = await self._drain(pipe)
            return code
        finally:
            for job in jobs:
                job.cancel()
            await asyncio.gather(*jobs, return_exceptions=True)
            await asyncio.to_thread(monitor.stop, 10.0)
            if self._idle_reached or self._asked_to_stop.is_set():
                self._say_goodbye(monitor)
            await server.stop()
            await asyncio.to_thread(web.close)
            await pipe.close()

    def _stop_from_outside(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended already
            self._loop.call_soon_threadsafe(self._asked_to_stop.set)

    async def _open_ledger(self) -> SqlLedger:
        said = ""
        while True:
            try:
                return await asyncio.to_thread(build_ledger, self._settings)
            except UnreachableError as error:
                if str(error) != said:
                    said = str(error)
                    log.error("%s; trying again every %.0f s", said, OPEN_RETRY_SECONDS)
                if self._asked_to_stop.is_set():
                    raise
                await asyncio.sleep(OPEN_RETRY_SECONDS)

    def _suspects(self) -> dict[tuple[str, int, int], Suspicion]:
        found = self._head.options.get("suspects", [])
        return {(p[0], p[1], p[2]): Suspicion(deaths, alone) for p, deaths, alone in found}

    # ---- the pipe ----

    async def _read(self, reader: asyncio.StreamReader, pipe: handoff.FrameWriter, ledger: Ledger) -> None:
        evaluator = self._evaluator
        if evaluator is None:
            return
        async for frame in handoff.frames_to_evaluator(reader):
            match frame:
                case handoff.Done(record=record):
                    evaluator.take(record)
                case handoff.Beat():
                    evaluator.beat(frame)
                case handoff.Gauges():
                    self._gauges, self._gauges_at = frame, time.monotonic()
                case handoff.AskPosition():
                    evaluator.ask(_question(frame), frame.id)
                case handoff.Fatal(message=message):
                    self._fatal = message
                    self._asked_to_stop.set()
                case handoff.Drained():
                    self._drained.set()
        self._pipe_closed.set()

    async def _control(self, pipe: handoff.FrameWriter, ledger: SqlLedger, rows: Rows, opened: asyncio.Event) -> None:
        """Budgets and governor. `opened` is set once the first orders are on their way, before intake can open."""
        try:
            given = controller_for(self._settings, ledger.spending, pipe.send, rows.skip_idle, ledger.get_state)
            async with given as controller:
                self._controller = controller
                await controller.prepare()
                opened.set()
                await controller.run()
        except Exception:  # the border of a stage: unguarded replaying may do harm, a new start may not
            log.exception("budgets and governor ended; the process starts again")
            if self._evaluator is not None:
                self._evaluator.failed.set()
        finally:
            opened.set()

    async def _until_over(self) -> int:
        """Until somebody asks for an end (0), the replayer is gone (1), or this side broke (1)."""
        evaluator = self._evaluator
        waits = {asyncio.create_task(self._asked_to_stop.wait()): EXIT_CLEAN}
        if evaluator is not None:
            waits[asyncio.create_task(self._pipe_closed.wait())] = 1
            waits[asyncio.create_task(evaluator.failed.wait())] = 1
        done, pending = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        if self._fatal is not None:
            raise LedgerError(self._fatal)
        return max(waits[task] for task in done)

    async def _drain(self, pipe: handoff.FrameWriter) -> int:
        """Stops intake, lets open calls finish, scores and writes them."""
        replay = self._settings.replay
        pipe.send(handoff.Stop())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._drained.wait(), replay.drain_seconds + replay.timeout_seconds + 12)
        if self._evaluator is not None and not await self._evaluator.stop(30.0):
            log.warning("the ledger did not take everything in time; the next start goes on where it stands")
        return EXIT_CLEAN

    # ---- until idle ----

    async def _wait_until_idle(self, ledger: Ledger, seconds: float) -> None:
        """Idle: intake is open, and for so long the ledger has stood at ends that did not move, in every partition."""
        since: float | None = None
        seen: list[tuple[str, int, int]] = []
        while True:
            await asyncio.sleep(IDLE_LOOK_SECONDS)
            gauges = self._gauges
            idle = False
            if gauges is not None and gauges.intake_open and gauges.ends is not None:
                try:
                    positions = {
                        (p.topic, p.partition): p.next_offset for p in await asyncio.to_thread(ledger.positions)
                    }
                except ShadowError:
                    positions = {}
                idle = all(positions.get((t, p), -1) >= end for t, p, end in gauges.ends) and bool(gauges.ends)
            now = time.monotonic()
            ends = [] if gauges is None or gauges.ends is None else gauges.ends
            since = (since or now) if idle and ends == seen else None
            seen = ends
            if since is not None and now - since >= seconds:
                self._idle_reached = True
                self._asked_to_stop.set()
                return

    # ---- what others ask ----

    def _circumstances(self) -> tuple[Mapping[tuple[str, int], int], tuple[str, ...], str | None]:
        gauges = self._gauges
        ends = {} if gauges is None or gauges.ends is None else {(t, p): end for t, p, end in gauges.ends}
        return ends, (), self._evaluator.trouble if self._evaluator is not None else None

    def _reported(self) -> Mapping[str, Reported] | None:
        gauges = self._gauges
        if gauges is None:
            return None
        now = time.time_ns() // 1_000_000
        return {a.arm: Reported(a.state, a.up_seconds, a.observed_seconds, now, a.reason) for a in gauges.arms}

    def _heartbeat_age(self) -> float | None:
        return None if self._gauges is None else time.monotonic() - self._gauges_at

    def _health(self) -> dict[str, Any]:
        """Both sides alive? The evaluator answers by answering."""
        age = self._heartbeat_age()
        starting = self._gauges is None and time.monotonic() - self._started < 120
        alive = self._role == "monitor" or starting or (age is not None and age < STALE_HEARTBEAT_SECONDS)
        return {"ok": alive, "evaluator": "alive", "replayer_heartbeat_age_seconds": age}

    def _ready(self) -> dict[str, Any]:
        reasons = []
        if self._role != "monitor":
            if self._evaluator is None:
                reasons.append("scorers are loading")
            if self._gauges is None or not self._gauges.intake_open:
                reasons.append("intake is not open: arms are starting, or the source is not there")
            if self._evaluator is not None and self._evaluator.trouble is not None:
                reasons.append(f"ledger: {self._evaluator.trouble}")
        return {"ok": not reasons, "reasons": reasons}

    def _runtime(self) -> Runtime:
        evaluator = self._evaluator
        age = self._heartbeat_age()
        return Runtime(
            gauges=self._gauges,
            heartbeat_unix_ms=None if age is None else time.time_ns() // 1_000_000 - int(age * 1000),
            backlog=None if evaluator is None else evaluator.backlog(),
            restarts=int(self._head.options.get("restarts", 0)),
            fenced=0 if evaluator is None else evaluator.fenced,
            refused=0 if evaluator is None else evaluator.refused,
            errors={} if evaluator is None or not evaluator.unkept else {"rows": evaluator.unkept},
            sampling_factor=1.0 if self._controller is None else self._controller.factor,
            budgets={} if self._controller is None else self._controller.used_ratios(),
            scorer_budgets={} if self._allowance is None else self._allowance.ratios(),
            scorer_skipped={} if self._allowance is None else self._allowance.skipped,
        )

    def _say_goodbye(self, monitor: Monitor) -> None:
        """What came out, why, and what to type next."""
        snapshot = monitor.latest
        if snapshot is None:
            return
        config = self._head.options.get("config_path", "FILE")
        why = "the source has been idle" if self._idle_reached else "a stop was asked for"
        scored = snapshot.dispositions.get("scored", 0)
        lines = [
            f"stopped: {why}. {snapshot.read} records read, {scored} scored, residual {snapshot.residual}.",
            *(f"  {v.verdict.candidate}: {v.verdict.word}. {v.verdict.sentence}" for v in snapshot.candidates),
            f"next:  shadow verdict -c {config}    shadow coverage -c {config}    shadow export -c {config} --out outcomes.jsonl",
        ]
        sys.stderr.write("\n".join(lines) + "\n")


async def _kept_going(memory: MemorySampler) -> None:
    """A sampler that breaks leaves gaps in a table, and stops nothing."""
    try:
        await memory.run()
    except Exception:  # the border of a stage
        log.exception("memory is not sampled any more")


def _say_if_failed(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.warning("older answers are not on the pages: %s", type(error).__name__)


def _question(frame: handoff.AskPosition) -> PositionQuestion:
    return PositionQuestion(
        topic=frame.topic,
        partition=frame.partition,
        topic_id=frame.topic_id,
        begin_offset=frame.begin_offset,
        end_offset=frame.end_offset,
        start_offset=frame.start_offset,
        lease_epoch=frame.lease_epoch,
    )
