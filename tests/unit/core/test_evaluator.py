"""The writer's thread: prefixes in order, a refused transaction given up, a broken record no obstacle."""

import asyncio
import threading

import pytest
from builders import a_call, a_finished_call, a_record, an_outcome
from fakes.clock import FakeClock

from shadow.allowance import Allowance
from shadow.anchors.cases import anchors_of
from shadow.app.parts import fold_of
from shadow.errors import Fenced, UnreachableError
from shadow.ledger.base import PositionAnswer
from shadow.loops import handoff
from shadow.loops.evaluator import Evaluator, Work
from shadow.loops.identity import IncumbentWatch
from shadow.loops.probing import Prober, Remembered
from shadow.rows import RowMaker, Segments
from shadow.scoring import Scoring
from shadow.settings import Anchors
from shadow.sources.base import PositionQuestion
from shadow.stats import FoldSpec


class Ledger:
    """Keeps batches; refuses or fails as told."""

    def __init__(self):
        self.batches, self.failures, self.states = [], [], {}
        self.committed = threading.Event()

    def load_position(self, question, *, group):
        return PositionAnswer(next_offset=question.start_offset)

    def commit(self, batch):
        if self.failures:
            raise self.failures.pop(0)
        self.batches.append(batch)
        self.committed.set()

    def put_state(self, name, value):
        if self.failures:
            raise self.failures.pop(0)
        self.states[name] = value


class Pipe:
    """Frames to the replayer."""

    def __init__(self):
        self.frames = []

    def send(self, frame):
        self.frames.append(frame)


def maker():
    return RowMaker(
        epochs={"cand": 1},
        prices={},
        meters={},
        segments=Segments(10, lambda text: None),
        clean=lambda text: text,
        clean_json=lambda value: value,
        user_key=str,
        absolute=frozenset(),
        text="none",
    )


probed = []


def prober(scoring):
    return Prober(
        scoring,
        anchors_of(None),
        Anchors(),
        instance="here",
        allowance=Allowance({}, FakeClock()),
        remembered=Remembered(),
        now_unix_ms=FakeClock().wall_unix_ms,
    )


@pytest.fixture
async def running():
    ledger, pipe, dead, scoring = Ledger(), Pipe(), [], Scoring([])
    probed.clear()
    evaluator = Evaluator(
        Work(
            ledger=ledger,
            group="g",
            scoring=scoring,
            rows=maker(),
            incumbent=IncumbentWatch(None),
            renew=lambda identity, why: maker(),
            fold=fold_of(FoldSpec(quality="exact", quality_kind="comparative")),
            dead_letters=dead.extend,
            committed=lambda batch, items, seconds: None,
            suspects={},
            journal=None,
            prober=prober(scoring),
            probed=probed.append,
        )
    )
    evaluator.start(pipe)
    evaluator.ask(
        PositionQuestion(
            topic="t", partition=0, topic_id="x", begin_offset=0, end_offset=9, start_offset=0, lease_epoch=1
        ),
        7,
    )
    yield evaluator, ledger, pipe, dead
    await evaluator.stop(5.0)


async def until(holds):
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.02)


def written(ledger):
    return [record.offset for batch in ledger.batches for record in batch.records]


async def test_records_reach_the_ledger_in_the_order_of_their_offsets(running):
    evaluator, ledger, pipe, _ = running
    for offset in (2, 0, 1):
        evaluator.take(a_record(offset, calls=(a_finished_call(an_outcome(), call=a_call(id=f"r{offset}")),)))

    await until(lambda: written(ledger) == [0, 1, 2])
    await until(lambda: handoff.Committed("t", 0, 1, 3) in pipe.frames)


async def test_a_refused_transaction_gives_the_partition_up(running):
    evaluator, ledger, pipe, _ = running
    ledger.failures.append(Fenced("t/0"))
    evaluator.take(a_record(0))

    await until(lambda: handoff.Reload("t", 0, 1) in pipe.frames)
    assert ledger.batches == []
    assert evaluator.fenced == 1


async def test_a_ledger_that_does_not_answer_is_asked_again_with_the_same_batch(running):
    evaluator, ledger, _, _ = running
    ledger.failures.append(UnreachableError("the disk is full"))
    evaluator.take(a_record(0))

    await until(lambda: written(ledger) == [0])
    assert evaluator.trouble is None


async def test_a_record_that_cannot_be_made_into_rows_is_poison_and_the_others_pass(running):
    evaluator, ledger, _, _ = running
    broken = a_call(id="r1", prompt_text=None)  # no decoder makes such a call; a defect of ours might
    evaluator.take(a_record(0))
    evaluator.take(a_record(1, calls=(a_finished_call(an_outcome(), call=broken),)))
    evaluator.take(a_record(2))

    await until(lambda: written(ledger) == [0, 1, 2])
    dispositions = [record.disposition for batch in ledger.batches for record in batch.records]
    assert dispositions == ["scored", "poison", "scored"]


async def test_a_dead_letter_is_written_before_it_is_counted(running):
    evaluator, ledger, _, dead = running
    evaluator.take(a_record(0, disposition="invalid", reason="not_json"))

    await until(lambda: written(ledger) == [0])
    assert [record.offset for record in dead] == [0]


async def test_a_heartbeat_out_of_the_topic_does_not_make_a_silent_mirror_look_alive(running):
    evaluator, ledger, _, _ = running
    evaluator.take(a_record(0, ts_unix_ms=1_000, disposition="not_sampled"))
    evaluator.take(a_record(1, ts_unix_ms=9_000, disposition="heartbeat"))
    await until(lambda: ledger.batches and ledger.batches[-1].next_offset == 2)
    stamps = [batch.last_ts_unix_ms for batch in ledger.batches]

    assert [stamp for stamp in stamps if stamp is not None] == [1_000]


async def test_a_heartbeat_reaches_the_ledger_and_moves_no_position(running):
    evaluator, ledger, pipe, _ = running
    evaluator.beat(handoff.Beat(number=1, whole=True, began_unix_ms=1))
    await until(lambda: probed)

    assert list(ledger.states) == ["anchors/here"]
    assert ledger.batches == []
    assert not any(isinstance(frame, handoff.Committed) for frame in pipe.frames)


async def test_a_heartbeat_that_the_ledger_does_not_take_is_missed_and_the_next_one_is_not(running):
    evaluator, ledger, _, _ = running
    ledger.failures.append(UnreachableError("the disk is full"))
    evaluator.beat(handoff.Beat(number=1, whole=True, began_unix_ms=1))
    await until(lambda: evaluator.trouble is not None)
    assert probed == []

    evaluator.beat(handoff.Beat(number=2, whole=True, began_unix_ms=2))
    await until(lambda: probed)
    assert evaluator.trouble is None


async def test_a_probe_that_breaks_leaves_real_answers_alone(running, monkeypatch):
    evaluator, ledger, _, _ = running
    monkeypatch.setattr(evaluator._work.prober, "run", lambda beat: 1 / 0)
    evaluator.beat(handoff.Beat(number=1, whole=True, began_unix_ms=1))
    evaluator.take(a_record(0, calls=(a_finished_call(an_outcome(), call=a_call(id="r")),)))

    await until(lambda: written(ledger) == [0])
    assert evaluator.failure is None
