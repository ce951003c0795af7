"""Right of the pipe: scoring, redaction, ledger.

One thread scores in batches, one thread writes; the asyncio loop only moves frames. The writer owns the ledger's
connection, answers where a partition goes on, and commits contiguous prefixes: outcomes, aggregates and position in one
transaction. What the ledger refuses is dropped and asked for again; what it cannot take now is kept and tried again.
"""

import asyncio
import contextlib
import logging
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from shadow.errors import Fenced, LedgerError, UnreachableError
from shadow.ledger.base import AggregateKey, Ledger, OutcomeRow, PrefixBatch, RecordRow, TextRow
from shadow.loops import handoff
from shadow.loops.identity import IncumbentWatch
from shadow.loops.prefix import Prefixes, Run
from shadow.loops.probing import Probed, Prober
from shadow.loops.suspects import Journal, Place, Suspicion
from shadow.records import Disposition, FinishedRecord
from shadow.rows import RowMaker, ScoredCall, totals_of
from shadow.scoring import Scoring
from shadow.sources.base import PositionQuestion

log = logging.getLogger(__name__)

SCORE_RECORDS = 32
COMMIT_RECORDS = 256
COMMIT_SECONDS = 0.2
RETRY_SECONDS = 1.0
QUIET: frozenset[Disposition] = frozenset({"not_sampled", "other_turn"})
"""Dispositions that leave a count and no row: at low rates they are nearly everything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredRecord:
    """A resolved record with its scores, ready for the ledger."""

    record: FinishedRecord
    calls: tuple[ScoredCall, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What the evaluator is built from.

    `fold` turns the rows of calls into encoded additive states; `renew` keeps a new identity of the incumbent and, with a
    sentence why, opens new epochs: it gives the maker of the rows that follow.
    """

    ledger: Ledger
    group: str
    scoring: Scoring
    rows: RowMaker
    incumbent: IncumbentWatch
    renew: Callable[[str, str], RowMaker]
    fold: Callable[[Iterable[list[OutcomeRow]]], Mapping[AggregateKey, bytes]]
    dead_letters: Callable[[list[FinishedRecord]], None]
    committed: Callable[[PrefixBatch, tuple[ScoredRecord, ...], float], None]
    suspects: Mapping[Place, Suspicion]
    journal: Journal | None
    prober: Prober | None = None
    probed: Callable[[Probed], None] = lambda probed: None  # told once the ledger has it


class Evaluator:
    """Owned by the evaluator process; `start` and `stop` are called once, from its loop."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._to_score: queue.Queue[FinishedRecord | handoff.Beat | None] = queue.Queue()
        self._to_write: queue.Queue[ScoredRecord | Probed | tuple[PositionQuestion, int] | None] = queue.Queue()
        self._prefixes: Prefixes[ScoredRecord] = Prefixes()
        self._rows = work.rows
        self._threads: list[threading.Thread] = []
        self._failure: BaseException | None = None
        self._pipe: handoff.FrameWriter | None = None
        self.failed: asyncio.Event = asyncio.Event()
        self.trouble: str | None = None  # why the ledger takes nothing at the moment
        self.last_commit_unix_ms: int | None = None
        self.fenced = 0
        self.unkept = 0
        self.refused = 0  # transactions that the ledger did not take; each is tried again

    def start(self, pipe: handoff.FrameWriter) -> None:
        """Starts both threads; frames to the replayer go through `pipe`."""
        self._loop = asyncio.get_running_loop()
        self._pipe = pipe
        for name, body in (("scoring", self._score_all), ("ledger", self._write_all)):
            thread = threading.Thread(target=self._guard, args=(body,), name=name, daemon=True)
            thread.start()
            self._threads.append(thread)

    def take(self, record: FinishedRecord) -> None:
        """A resolved record from the pipe."""
        if record.calls:
            self._to_score.put(record)
        else:
            self._to_write.put(ScoredRecord(record=record, calls=()))

    def beat(self, beat: handoff.Beat) -> None:
        """A heartbeat of our own from the pipe; it takes the same way as a record, and no place in a partition."""
        self._to_score.put(beat)

    def ask(self, question: PositionQuestion, number: int) -> None:
        """A question of the source; answered by the writer in its turn."""
        self._to_write.put((question, number))

    @property
    def failure(self) -> BaseException | None:
        """What ended a thread; the process cannot go on then."""
        return self._failure

    def backlog(self) -> int:
        """Records between the pipe and the ledger."""
        return self._to_score.qsize() + self._to_write.qsize() + self._prefixes.waiting()

    async def stop(self, deadline_seconds: float) -> bool:
        """Scores and writes what has come, within the deadline. False: something was left for the next start."""
        self._to_score.put(None)
        end = time.monotonic() + deadline_seconds
        for thread in self._threads:
            await asyncio.to_thread(thread.join, max(0.1, end - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _guard(self, body: Callable[[], None]) -> None:
        try:
            body()
        except Exception as error:  # the border of a thread: the process ends and starts again from the ledger
            log.exception("the %s thread ended", threading.current_thread().name)
            self._failure = error
            self._loop.call_soon_threadsafe(self.failed.set)

    def _send(self, frame: handoff.ToReplayer) -> None:
        pipe = self._pipe
        if pipe is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: the process is ending
                self._loop.call_soon_threadsafe(pipe.send, frame)

    # ---- the scoring thread ----

    def _score_all(self) -> None:
        ended = False
        while not ended:
            batch: list[FinishedRecord] = []
            beat: handoff.Beat | None = None  # of several that waited, the newest says all
            item = self._to_score.get()
            while item is not None:
                if isinstance(item, handoff.Beat):
                    beat = item
                else:
                    batch.append(item)
                if len(batch) >= SCORE_RECORDS:
                    break
                try:
                    item = self._to_score.get_nowait()
                except queue.Empty:
                    break
            ended = item is None
            plain = [r for r in batch if _place(r) not in self._work.suspects]
            self._score_batch(plain)
            for record in batch:
                suspicion = self._work.suspects.get(_place(record))
                if suspicion is None:
                    continue
                if suspicion.proven:
                    log.error("%s/%d/%d ended the scoring process three times; it is poison", *_place(record))
                    self._to_write.put(ScoredRecord(record=_poison(record), calls=()))
                else:
                    self._score_batch([record])
            if beat is not None and self._work.prober is not None and not ended:
                self._probe(self._work.prober, beat)
        self._to_write.put(None)

    def _score_batch(self, records: list[FinishedRecord]) -> None:
        if not records:
            return
        journal = self._work.journal
        if journal is not None:
            journal.write([_place(r) for r in records])
        calls = [call for record in records for call in record.calls]
        scores = iter(self._work.scoring.score(calls))
        for record in records:
            scored = tuple(ScoredCall(finished=call, scores=next(scores)) for call in record.calls)
            self._to_write.put(ScoredRecord(record=record, calls=scored))
        if journal is not None:
            journal.write([])

    def _probe(self, prober: Prober, beat: handoff.Beat) -> None:
        try:
            self._to_write.put(prober.run(beat))
        except Exception:  # the border of a probe: real answers go on, and the missing heartbeat is noticed
            log.exception("known cases could not be judged")

    # ---- the writer thread ----

    def _write_all(self) -> None:
        ended = False
        while not ended:
            end = time.monotonic() + COMMIT_SECONDS
            while not ended and (left := end - time.monotonic()) > 0:
                try:
                    item = self._to_write.get(timeout=left)
                except queue.Empty:
                    break
                if item is None:
                    ended = True
                elif isinstance(item, ScoredRecord):
                    r = item.record
                    self._prefixes.add(r.topic, r.partition, r.lease_epoch, r.sequence, r.offset, item)
                elif isinstance(item, Probed):
                    self._keep(item)
                else:
                    self._answer(*item)
            for run in self._prefixes.take(COMMIT_RECORDS):
                self._commit(run, may_wait=not ended)
        while runs := self._prefixes.take(COMMIT_RECORDS):
            if not all([self._commit(run, may_wait=False) for run in runs]):  # noqa: C419  # every run is tried
                return

    def _keep(self, probed: Probed) -> None:
        """A heartbeat that the ledger does not take is lost, and that is what it is for."""
        try:
            if self._work.prober is not None:
                self._work.prober.keep(self._work.ledger, probed)
        except (UnreachableError, LedgerError) as error:
            self._in_trouble(str(error))
            return
        self._out_of_trouble()
        self._work.probed(probed)

    def _answer(self, question: PositionQuestion, number: int) -> None:
        """Says where a partition goes on, and expects its records from there."""
        self._prefixes.drop(question.topic, question.partition)
        while True:
            try:
                answer = self._work.ledger.load_position(question, group=self._work.group)
                break
            except LedgerError as error:
                self._send(handoff.Position(id=number, error=str(error)))
                return
            except UnreachableError as error:
                self._in_trouble(str(error))
                time.sleep(RETRY_SECONDS)
        self._prefixes.lease(question.topic, question.partition, question.lease_epoch, answer.next_offset)
        if answer.lost:
            log.error(
                "%s/%d: %d records fell to retention before they were read; they are counted as lost",
                question.topic,
                question.partition,
                answer.lost,
            )
        self._send(handoff.Position(id=number, next_offset=answer.next_offset))

    def _commit(self, run: Run[ScoredRecord], *, may_wait: bool) -> bool:
        """One transaction. Tried again as it is when the database cannot take it: its position check makes that safe."""
        batch = self._batch(run)
        dead = [
            item.record
            for item in run.items
            if item.record.disposition in ("invalid", "oversized", "not_replayable", "poison")
        ]
        while True:
            try:
                if dead:
                    self._work.dead_letters(dead)
                    dead = []
                started = time.monotonic()
                self._work.ledger.commit(batch)
                break
            except Fenced:
                log.warning("%s/%d belongs to another worker now; its records are left to it", run.topic, run.partition)
                self.fenced += 1
                self._prefixes.drop(run.topic, run.partition)
                self._send(handoff.Reload(run.topic, run.partition, run.lease_epoch))
                return False
            except (UnreachableError, LedgerError, OSError) as error:
                self._in_trouble(str(error))
                if not may_wait:
                    return False
                time.sleep(RETRY_SECONDS)
        self._out_of_trouble()
        self._prefixes.advance(run)
        self.last_commit_unix_ms = time.time_ns() // 1_000_000
        self._send(handoff.Committed(run.topic, run.partition, run.lease_epoch, run.next_offset))
        self._work.committed(batch, run.items, time.monotonic() - started)
        return True

    def _made(self, run: Run[ScoredRecord], *, may_wait: bool) -> PrefixBatch | None:
        """The batch of a run. A new identity of the incumbent needs the ledger, which may have to be waited for."""
        while True:
            try:
                return self._batch(run)
            except (UnreachableError, LedgerError) as error:
                self._in_trouble(str(error))
                if not may_wait:
                    return None
                time.sleep(RETRY_SECONDS)

    def _watch_incumbent(self, scored: ScoredCall) -> None:
        for outcome in scored.finished.outcomes:
            if outcome.role == "incumbent":
                sentence = self._work.incumbent.see(outcome)
                if sentence is not None:
                    if sentence:
                        log.warning("%s: new epochs of evidence begin", sentence)
                    self._rows = self._work.renew(self._work.incumbent.known or "", sentence)

    def _in_trouble(self, what: str) -> None:
        self.refused += 1
        if self.trouble != what:
            log.error("the ledger takes nothing at the moment: %s; intake waits, nothing is lost", what)
            self.trouble = what

    def _out_of_trouble(self) -> None:
        if self.trouble is not None:
            log.warning("the ledger takes records again; nothing was lost")
            self.trouble = None

    def _batch(self, run: Run[ScoredRecord]) -> PrefixBatch:
        kept = [self._rows_of(item) for item in run.items]
        try:
            aggregates = self._work.fold(group for one in kept for group in one.groups)
        except Exception:  # one record's rows cannot be counted: find it, and let the others pass
            log.exception("outcomes could not be folded together; looking for the record")
            kept = [one if self._folds(one) else self._unkept(one.record) for one in kept]
            aggregates = self._work.fold(group for one in kept for group in one.groups)
        rows = [row for one in kept for group in one.groups for row in group]
        # A heartbeat is no sign of production: with its time a mirror that has died would look alive.
        real = [one.record for one in kept if one.record.disposition != "heartbeat"]
        stamps = [record.ts_unix_ms for record in real if record.ts_unix_ms is not None]
        return PrefixBatch(
            topic=run.topic,
            partition=run.partition,
            expected_offset=run.expected_offset,
            next_offset=run.next_offset,
            gaps=run.gaps,
            dispositions=dict(Counter(one.record.disposition for one in kept)),
            records=tuple(self._record_row(one.record) for one in kept if one.record.disposition not in QUIET),
            outcomes=tuple(rows),
            texts=tuple(text for one in kept for text in one.texts),
            arm_totals=totals_of(rows),
            aggregates=dict(aggregates),
            last_ts_unix_ms=max(stamps, default=None),
        )

    def _rows_of(self, item: ScoredRecord) -> "_Kept":
        """A record's rows; one that cannot be made into rows is poison too, and holds nobody up."""
        record = item.record
        try:
            groups, texts = [], []
            for scored in item.calls:
                self._watch_incumbent(scored)
                now_ns = time.monotonic_ns()
                groups.append(self._rows.outcomes(record.topic, record.partition, record.offset, scored, now_ns))
                texts += self._rows.texts(record.offset, scored)
        except (UnreachableError, LedgerError):
            raise
        except Exception:
            log.exception("%s/%d/%d could not be made into rows", *_place(record))
            return self._unkept(record)
        return _Kept(record=record, groups=groups, texts=texts)

    def _folds(self, one: "_Kept") -> bool:
        try:
            self._work.fold(one.groups)
        except Exception:
            log.exception("%s/%d/%d could not be counted", *_place(one.record))
            return False
        return True

    def _unkept(self, record: FinishedRecord) -> "_Kept":
        self.unkept += 1
        return _Kept(record=_poison(record, "could_not_be_kept"), groups=[], texts=[])

    def _record_row(self, record: FinishedRecord) -> RecordRow:
        return RecordRow(
            offset=record.offset,
            ids=tuple(self._rows.name(i) for i in record.ids),
            disposition=record.disposition,
            reason=record.reason,
            ts_unix_ms=record.ts_unix_ms,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """One record as the ledger takes it."""

    record: FinishedRecord
    groups: list[list[OutcomeRow]]
    texts: list[TextRow]


def _place(record: FinishedRecord) -> Place:
    return record.topic, record.partition, record.offset


def _poison(record: FinishedRecord, reason: str = "ended_the_scoring_process") -> FinishedRecord:
    return FinishedRecord(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        lease_epoch=record.lease_epoch,
        sequence=record.sequence,
        disposition="poison",
        reason=reason,
        ts_unix_ms=record.ts_unix_ms,
        ids=record.ids,
        size_bytes=record.size_bytes,
    )
