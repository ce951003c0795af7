"""Left of the pipe: intake to replay. Lean on purpose: no torch, no numpy, no database, no pages.

Records are judged in offset order; what sampling chose is asked of every arm at once; a resolved record goes down the
pipe with its sequence number, and stays outstanding in the source's window until the ledger has it.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec

from shadow.errors import LedgerError, ShadowError, UnreachableError
from shadow.loops import handoff
from shadow.loops.intake import Chosen, Intake, Judged
from shadow.loops.pulse import Pulse
from shadow.loops.repeated import RepeatedRequests
from shadow.records import ArmOutcome, ArmState, Call, FinishedCall, FinishedRecord
from shadow.replay.arms import ArmFigures
from shadow.sources.base import Delivered, PositionQuestion, Source

log = logging.getLogger(__name__)

GAUGES_SECONDS = 0.5
POSITION_SECONDS = 60.0
MOST_DEFECTS_IN_A_ROW = 10


class Arm(Protocol):
    """One arm as the loop sees it. `ask` answers with an outcome whatever happens; only cancellation raises."""

    name: str

    @property
    def state(self) -> ArmState: ...

    def start(self) -> None: ...

    async def wait_ready(self, timeout_seconds: float) -> bool: ...

    async def ask(self, call: Call) -> ArmOutcome: ...

    def figures(self) -> ArmFigures: ...

    def pause(self, reason: str) -> None: ...

    def resume(self) -> None: ...

    def release(self) -> None: ...

    async def close(self) -> None: ...


class Incumbent(Protocol):
    """The recorded answers as an arm of their own: its outages are one event too."""

    async def outcome(self, call: Call) -> ArmOutcome: ...

    def release(self) -> None: ...


class Replayer:
    """One per process; owns the source, the arms and its end of the pipe, all on one loop."""

    def __init__(
        self,
        *,
        source: Callable[[str], Source],
        intake: Intake,
        candidates: list[Arm],
        baseline: Arm | None,
        incumbent: Incumbent,
        loop_lag_seconds: Callable[[], float],
        start_timeout_seconds: float,
        drain_seconds: float,
        keep_dead_payload: bool,
        pulse: Pulse | None = None,
        repeated: RepeatedRequests | None = None,
    ) -> None:
        self._make_source = source
        self._intake = intake
        self._candidates = candidates
        self._baseline = baseline
        self._incumbent = incumbent
        self._lag = loop_lag_seconds
        self._start_timeout_seconds = start_timeout_seconds
        self._drain_seconds = drain_seconds
        self._keep_dead_payload = keep_dead_payload
        self._pulse = pulse
        self._repeated = repeated
        self._source: Source | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._positions: dict[int, asyncio.Future[handoff.Position]] = {}
        self._question = 0
        self._shed = 0
        self._open = False
        self._defects_in_a_row = 0
        self._broken = False
        self._notes: Counter[str] = Counter()

    @property
    def _arms(self) -> list[Arm]:
        return [*self._candidates, *([self._baseline] if self._baseline is not None else [])]

    async def run(self, reader: asyncio.StreamReader, pipe: handoff.FrameWriter) -> None:
        """Until the evaluator says stop or its end of the pipe closes."""
        self._pipe = pipe
        for arm in self._arms:
            arm.start()
        self._loop = asyncio.get_running_loop()
        jobs: list[asyncio.Task[None]] = []
        try:
            async for frame in handoff.frames_to_replayer(reader):
                match frame:
                    case handoff.Hello(ledger_id=ledger_id):
                        self._source = self._make_source(ledger_id)
                        jobs += [asyncio.create_task(self._consume(self._source)), asyncio.create_task(self._report())]
                        if self._pulse is not None:
                            jobs.append(asyncio.create_task(self._pulse.run(self._pipe.send)))
                    case handoff.Position(id=number):
                        waiting = self._positions.pop(number, None)
                        if waiting is not None and not waiting.done():
                            waiting.set_result(frame)
                    case handoff.Committed() if self._source is not None:
                        self._source.done(frame.topic, frame.partition, frame.lease_epoch, frame.next_offset)
                    case handoff.Reload() if self._source is not None:
                        self._source.reload(frame.topic, frame.partition, frame.lease_epoch)
                    case handoff.Control():
                        self._obey(frame.shed_exponent, frame.paused)
                    case handoff.Stop():
                        await self._stop(jobs)
                        break
        finally:
            for job in jobs:
                job.cancel()
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*jobs, *self._tasks, return_exceptions=True)
            await asyncio.gather(*(arm.close() for arm in self._arms), return_exceptions=True)
            await pipe.close()

    def ask_position(self, question: PositionQuestion) -> int:
        """The source's question to the ledger, from the source's own thread; blocks until answered."""
        future = asyncio.run_coroutine_threadsafe(self._ask_position(question), self._loop)
        try:
            answer = future.result(POSITION_SECONDS + 5)
        except TimeoutError:
            raise UnreachableError("the ledger did not say within a minute where to go on") from None
        if answer.error is not None:
            raise LedgerError(answer.error)
        return answer.next_offset

    async def _ask_position(self, question: PositionQuestion) -> handoff.Position:
        self._question += 1
        waiting: asyncio.Future[handoff.Position] = self._loop.create_future()
        self._positions[self._question] = waiting
        self._pipe.send(
            handoff.AskPosition(
                id=self._question,
                topic=question.topic,
                partition=question.partition,
                topic_id=question.topic_id,
                begin_offset=question.begin_offset,
                end_offset=question.end_offset,
                start_offset=question.start_offset,
                lease_epoch=question.lease_epoch,
            )
        )
        return await asyncio.wait_for(waiting, POSITION_SECONDS)

    # ---- intake ----

    async def _consume(self, source: Source) -> None:
        try:
            await asyncio.gather(*(arm.wait_ready(self._start_timeout_seconds) for arm in self._arms))
            await source.start()
            self._open = True
            log.info("intake is open")
            async for batch in source:
                for delivered in batch:
                    self._take(source, delivered)
                await self._pipe.flush()
        except ShadowError as error:
            self._pipe.send(handoff.Fatal(message=str(error)))
            await self._pipe.flush()
        except Exception:
            log.exception("intake ended; the process starts again from the ledger")
            self._pipe.abort()

    def _take(self, source: Source, delivered: Delivered) -> None:
        if not source.is_current(delivered.topic, delivered.partition, delivered.lease_epoch):
            self._notes["stale_delivery"] += 1
            return
        try:
            judged = self._intake.judge(delivered, shed_exponent=self._shed, may_ask=self._may_ask())
        except Exception:  # the border of intake: a defect of ours may not hold the prefix for ever
            self._defect("a record could not be judged")
            judged = Judged(disposition="invalid", reason="internal_error", ts_unix_ms=delivered.ts_unix_ms)
        if not judged.chosen:
            self._finish(delivered, judged, ())
            return
        earlier = [self._second_answer(chosen) for chosen in judged.chosen]  # now: in the order of the records
        task = asyncio.create_task(self._replay(delivered, judged, earlier))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _defect(self, what: str) -> None:
        """One record may be at fault; many in a row are ours, and starting again beats counting a whole topic away."""
        self._notes["internal_error"] += 1
        self._defects_in_a_row += 1
        log.exception("%s; counted as invalid", what)
        if self._defects_in_a_row >= MOST_DEFECTS_IN_A_ROW:
            log.critical("%d records in a row could not be handled: the process starts again", self._defects_in_a_row)
            self._pipe.abort()
            self._broken = True

    def _may_ask(self) -> bool:
        """False while every candidate is paused (budget, governor); a down arm is an outcome, not a pause."""
        return any(arm.state != "paused" for arm in self._candidates)

    def _second_answer(self, chosen: Chosen) -> ArmOutcome | None:
        return None if self._repeated is None else self._repeated.second_answer(chosen.call, chosen.selection)

    async def _replay(self, delivered: Delivered, judged: Judged, earlier: list[ArmOutcome | None]) -> None:
        try:
            finished = await asyncio.gather(*map(self._replay_call, judged.chosen, earlier))
        except Exception:  # the border of replay, as above
            self._defect("a record could not be replayed")
            broken = Judged(disposition="invalid", reason="internal_error", ts_unix_ms=judged.ts_unix_ms)
            self._finish(delivered, broken, ())
            return
        self._defects_in_a_row = 0
        self._finish(delivered, judged, tuple(finished))

    async def _replay_call(self, chosen: Chosen, earlier: ArmOutcome | None) -> FinishedCall:
        asked = list(self._candidates)
        if chosen.selection.baseline and self._baseline is not None:
            asked.append(self._baseline)
        outcomes = await asyncio.gather(self._incumbent.outcome(chosen.call), *(arm.ask(chosen.call) for arm in asked))
        found = (earlier,) if earlier is not None else ()
        return FinishedCall(call=chosen.call, selection=chosen.selection, outcomes=(*outcomes, *found))

    def _finish(self, delivered: Delivered, judged: Judged, calls: tuple[FinishedCall, ...]) -> None:
        if self._broken:
            return
        dead = judged.disposition in ("invalid", "oversized", "not_replayable")
        record = FinishedRecord(
            topic=delivered.topic,
            partition=delivered.partition,
            offset=delivered.offset,
            lease_epoch=delivered.lease_epoch,
            sequence=delivered.sequence,
            disposition=judged.disposition,
            reason=judged.reason,
            ts_unix_ms=judged.ts_unix_ms,
            ids=judged.ids,
            size_bytes=len(delivered.value or b""),
            payload=delivered.value if dead and self._keep_dead_payload else None,
            calls=calls,
        )
        try:
            self._pipe.send(handoff.Done(record))
        except (OverflowError, ValueError, TypeError, RecursionError, msgspec.MsgspecError):
            # An integer beyond 64 bits, or nesting beyond the encoder: no engine could have read it either.
            self._notes["unencodable"] += 1
            self._pipe.send(handoff.Done(_without_calls(record)))

    # ---- control ----

    def _obey(self, shed_exponent: int, paused: Mapping[str, str]) -> None:
        self._shed = shed_exponent
        for arm in self._arms:
            if arm.name in paused:
                arm.pause(paused[arm.name])
            elif arm.state == "paused":
                arm.resume()

    async def _report(self) -> None:
        """The replayer's gauges, which are its heartbeat too."""
        while True:
            source = self._source
            ends = source.ends() if source is not None else None
            records, size_bytes = source.outstanding() if source is not None else (0, 0)
            self._pipe.send(
                handoff.Gauges(
                    intake_open=self._open,
                    arms=[_report(arm.figures()) for arm in self._arms],
                    ends=None if ends is None else [(t, p, end) for (t, p), end in ends.items()],
                    loop_lag_seconds=self._lag(),
                    outstanding=records,
                    outstanding_bytes=size_bytes,
                    notes={
                        **self._notes,
                        **self._repeats(),
                        **(self._pulse.notes if self._pulse is not None else {}),
                    },
                )
            )
            await asyncio.sleep(GAUGES_SECONDS)

    def _repeats(self) -> dict[str, int]:
        """What became of repeated requests, where they are the noise floor."""
        found = self._repeated
        return {} if found is None else {f"repeated_{name}": count for name, count in found.counts.items()}

    async def _stop(self, jobs: list[asyncio.Task[None]]) -> None:
        """Stops intake, lets what is asked finish within the deadline, and says that nothing more will come."""
        if self._source is not None:
            await self._source.stop()
        pending = list(self._tasks)
        if pending:
            _, late = await asyncio.wait(pending, timeout=self._drain_seconds)
            for arm in self._arms:
                arm.release()
            self._incumbent.release()
            if late:
                _, late = await asyncio.wait(late, timeout=1.0)
            if late:
                log.warning(
                    "%d calls were still open after %.0f s; they will be asked again", len(late), self._drain_seconds
                )
        self._pipe.send(handoff.Drained())
        await self._pipe.flush()


def _report(figures: ArmFigures) -> handoff.ArmReport:
    return handoff.ArmReport(
        arm=figures.arm,
        state=figures.state,
        availability=figures.availability,
        reason=figures.reason,
        up_seconds=figures.up_seconds,
        observed_seconds=figures.observed_seconds,
        spells=figures.spells,
        in_flight=figures.in_flight,
        waiting=figures.waiting,
        adjustments=figures.adjustments,
    )


def _without_calls(record: FinishedRecord) -> FinishedRecord:
    return FinishedRecord(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        lease_epoch=record.lease_epoch,
        sequence=record.sequence,
        disposition="not_replayable",
        reason="invalid_request",
        ts_unix_ms=record.ts_unix_ms,
        ids=record.ids,
        size_bytes=record.size_bytes,
    )
