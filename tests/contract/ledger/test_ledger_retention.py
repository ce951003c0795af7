"""Minutes become hours exactly, old rows go, forgotten ones leave nothing behind."""

import random
import threading
from pathlib import Path

import pytest
from builders_ledger import a_batch, a_key, a_question, a_row, an_empty_batch, number, opened, state
from fakes.clock import FakeClock

from shadow.errors import Fenced
from shadow.ledger.base import AggregateKey, RecordRow, TextRow
from shadow.ledger.identity import hidden_name, user_key
from shadow.ledger.sql import SqlLedger

HOUR = 29_400_000
DAY_SECONDS = 86_400.0


def sums(ledger: SqlLedger) -> dict[AggregateKey, int]:
    """Hours over all partitions, whether they were rolled up or not."""
    found: dict[AggregateKey, int] = {}
    for key, data in ledger.all_aggregates():
        place = key._replace(minute=key.minute // 60 * 60)
        found[place] = found.get(place, 0) + number(data)
    return found


def test_minutes_become_hours_without_partition(ledger: SqlLedger) -> None:
    ledger.load_position(a_question(partition=1), group="g")
    for partition in (0, 1):
        minutes = {a_key(HOUR + m): state(10**partition) for m in (0, 1, 59, 60, 61)}
        ledger.commit(an_empty_batch(0, 1, partition=partition, aggregates=minutes))

    removed = ledger.roll_up(HOUR + 61)

    assert removed == 8
    assert {(k.minute, number(v)) for k, v in ledger.all_aggregates()} == {
        (HOUR, 33),
        (HOUR + 60, 11),
        (HOUR + 61, 1),
        (HOUR + 61, 10),
    }
    assert ledger.roll_up(HOUR + 61) == 0


def test_late_minutes_are_added_to_their_hour(ledger: SqlLedger) -> None:
    ledger.commit(an_empty_batch(0, 1, aggregates={a_key(HOUR + 5): state(1)}))
    ledger.roll_up(HOUR + 60)
    ledger.commit(an_empty_batch(1, 1, aggregates={a_key(HOUR): state(2), a_key(HOUR + 6): state(4)}))

    assert ledger.roll_up(HOUR + 60) == 2
    assert [(k, number(v)) for k, v in ledger.all_aggregates()] == [(a_key(HOUR), 7)]


def test_rolling_up_changes_no_sum_whenever_it_happens(ledger: SqlLedger) -> None:
    dice = random.Random(5)
    ledger.load_position(a_question(partition=1), group="g")
    expected: dict[AggregateKey, int] = {}
    starts = [0, 0]
    for _ in range(25):
        partition = dice.randrange(2)
        deltas: dict[AggregateKey, bytes] = {}
        for _ in range(dice.randrange(5)):
            key = a_key(HOUR + dice.randrange(180), segment=dice.choice("ab"), weight_exponent=dice.randrange(2))
            if key not in deltas:
                value = dice.randrange(1000)
                deltas[key] = state(value)
                place = key._replace(minute=key.minute // 60 * 60)
                expected[place] = expected.get(place, 0) + value
        ledger.commit(an_empty_batch(starts[partition], 1, partition=partition, aggregates=deltas))
        starts[partition] += 1
        if dice.random() < 0.4:
            ledger.roll_up(HOUR + dice.randrange(200))
            assert sums(ledger) == expected


def test_rolling_up_while_workers_commit_is_exact(url: str, ledger: SqlLedger) -> None:
    ledger.load_position(a_question(partition=1), group="g")
    done = threading.Event()
    errors: list[BaseException] = []

    def work(partition: int) -> None:
        mine = opened(url)
        try:
            for i in range(40):
                mine.commit(an_empty_batch(i, 1, partition=partition, aggregates={a_key(HOUR + i % 3): state(1)}))
        except BaseException as error:
            errors.append(error)
        finally:
            mine.close()

    def roll() -> None:
        mine = opened(url)
        while not done.is_set():
            mine.roll_up(HOUR + 60)
        mine.close()

    workers = [threading.Thread(target=work, args=(p,)) for p in (0, 1)]
    rollers = [threading.Thread(target=roll) for _ in range(2)]
    for thread in (*workers, *rollers):
        thread.start()
    for thread in workers:
        thread.join(60)
    done.set()
    for thread in rollers:
        thread.join(60)

    assert errors == []
    ledger.roll_up(HOUR + 60)
    assert [(k.minute, number(v)) for k, v in ledger.all_aggregates()] == [(HOUR, 80)]


def test_texts_go_when_their_days_are_over_and_numbers_stay(url: str, clock: FakeClock) -> None:
    ledger = opened(url, clock=clock, text_days=2)
    ledger.load_position(a_question(), group="g")
    ledger.commit(a_batch(0, 3))
    clock.advance(1.5 * DAY_SECONDS)
    ledger.commit(a_batch(3, 3))
    clock.advance(DAY_SECONDS)

    removed = ledger.sweep(clock.wall_unix_ms())

    assert removed == 15
    assert (ledger.texts("t", 0, 2, 0), len(ledger.texts("t", 0, 3, 0))) == ({}, 5)
    assert len(list(ledger.outcomes())) == 24
    assert ledger.sweep(clock.wall_unix_ms()) == 0
    ledger.close()


def test_outcomes_go_only_when_their_days_are_set(url: str, clock: FakeClock) -> None:
    ledger = opened(url, clock=clock, outcome_days=30)
    ledger.load_position(a_question(), group="g")
    expired = RecordRow(offset=5, ids=("x",), disposition="expired", reason=None, ts_unix_ms=None)
    ledger.commit(a_batch(0, 5))
    ledger.commit(an_empty_batch(5, 1, records=(expired,)))
    clock.advance(31 * DAY_SECONDS)
    ledger.commit(a_batch(6, 2))
    before = ledger.dispositions(), ledger.arm_totals(), sums(ledger)

    removed = ledger.sweep(clock.wall_unix_ms())

    assert removed == 25 + 20 + 5 + 6  # texts, outcomes, calls, records
    assert [r.offset for r in ledger.outcomes(arm="cand-a")] == [6, 7]
    assert (ledger.explain("req-0-1"), ledger.explain("x")) == ([], [])
    assert len(ledger.explain("req-0-6")) == 1
    assert (ledger.dispositions(), ledger.arm_totals(), sums(ledger)) == before
    assert ledger.raw_counts().swept == 6
    ledger.close()


def test_a_sweep_takes_many_steps(url: str, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shadow.ledger.retention._SWEEP_ROWS", 7)
    ledger = opened(url, clock=clock, text_days=1, outcome_days=1)
    ledger.load_position(a_question(), group="g")
    ledger.commit(a_batch(0, 30))
    clock.advance(2 * DAY_SECONDS)

    ledger.sweep(clock.wall_unix_ms())

    assert list(ledger.outcomes()) == []
    assert ledger.raw_counts().swept == 30
    ledger.close()


def test_a_forgotten_request_keeps_its_numbers_and_nothing_else(ledger: SqlLedger) -> None:
    ledger.commit(a_batch(0, 3))
    before = {(r.offset, r.arm): r for r in ledger.outcomes()}

    assert ledger.forget(request_id="req-0-1") == 1

    after = {(r.offset, r.arm): r for r in ledger.outcomes()}
    erased = after[1, "cand-a"]
    assert erased.id.startswith("erased-")
    assert erased.session is not None
    assert erased.session.startswith("erased-")
    assert (erased.tags, erased.user_key) == ({}, None)
    assert (erased.scores, erased.latency_seconds, erased.segments) == (
        before[1, "cand-a"].scores, before[1, "cand-a"].latency_seconds, before[1, "cand-a"].segments,
    )  # fmt: skip
    assert {r.id for k, r in after.items() if k[0] == 1} == {erased.id}
    assert {k: r for k, r in after.items() if k[0] != 1} == {k: r for k, r in before.items() if k[0] != 1}
    assert ledger.texts("t", 0, 1, 0) == {}
    assert len(ledger.texts("t", 0, 2, 0)) == 5
    assert ledger.explain("req-0-1") == []
    assert ledger.explain(erased.id)[0].record.ids == (erased.id,)
    assert ledger.forget(request_id="req-0-1") == 0


def test_a_forgotten_session_is_still_one_session(ledger: SqlLedger) -> None:
    ledger.commit(a_batch(0, 7))

    assert ledger.forget(session="conv-1") == 3

    sessions = {r.offset: r.session for r in ledger.outcomes(arm="cand-a")}
    assert {o for o, s in sessions.items() if s == "conv-0"} == {0, 1, 2}
    assert len({sessions[o] for o in (3, 4, 5)}) == 1
    assert "conv-1" not in sessions.values()
    assert ledger.explain("req-0-4") == []


def test_a_user_is_found_by_a_keyed_hash_only(ledger: SqlLedger) -> None:
    key = user_key("jane@example.com", ledger.ledger_id())
    rows = tuple(a_row(o, user_key=key if o < 2 else user_key("joe", ledger.ledger_id())) for o in range(4))
    ledger.commit(a_batch(0, 4, outcomes=rows))

    assert ledger.forget(user="nobody") == 0
    assert ledger.forget(user="jane@example.com") == 2
    assert [r.user_key is None for r in ledger.outcomes()] == [True, True, False, False]
    assert user_key("jane@example.com", "another ledger") != key


def test_names_that_are_personal_data_are_found_by_who_knows_them(ledger: SqlLedger) -> None:
    hidden = hidden_name("jane@example.com", ledger.ledger_id())
    ledger.commit(a_batch(0, 2, outcomes=(a_row(0, id=hidden), a_row(1, session=hidden)), records=()))

    assert len(ledger.explain("jane@example.com")) == 1
    assert ledger.forget(request_id="jane@example.com") == 1
    assert ledger.forget(session="jane@example.com") == 1


def test_an_id_without_a_call_is_forgotten_too(ledger: SqlLedger) -> None:
    record = RecordRow(offset=0, ids=("keep", "gone"), disposition="filtered", reason=None, ts_unix_ms=None)
    ledger.commit(an_empty_batch(0, 1, records=(record,)))

    assert ledger.forget(request_id="gone") == 1
    (found,) = ledger.explain("keep")
    assert (found.record.ids[0], found.record.ids[1].startswith("erased-")) == ("keep", True)


def test_more_calls_than_one_step_are_forgotten(ledger: SqlLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shadow.ledger.forgetting._STEP_CALLS", 3)
    rows = tuple(a_row(o, session="long") for o in range(10))
    ledger.commit(a_batch(0, 10, outcomes=rows))

    assert ledger.forget(session="long") == 10
    assert len({r.session for r in ledger.outcomes()}) == 1


def test_exactly_one_thing_is_forgotten_at_a_time(ledger: SqlLedger) -> None:
    with pytest.raises(ValueError, match="exactly one"):
        ledger.forget()
    with pytest.raises(ValueError, match="exactly one"):
        ledger.forget(request_id="a", user="b")


def test_forgotten_bytes_are_gone_from_the_files(tmp_path: Path) -> None:
    ledger = opened(f"sqlite:///{tmp_path}/ledger.db")
    for partition in (0, 1):
        ledger.load_position(a_question(partition=partition), group="g")
    dice = random.Random(2)
    names: list[str] = []
    for step in range(12):
        partition, start = step % 2, step // 2 * 60
        ids = [f"{dice.getrandbits(120):030x}" for _ in range(60)]
        names += ids
        offsets = range(start, start + 60)
        rows = tuple(
            a_row(o, partition=partition, id=i, session=f"s{i}", tags={"who": f"t{i}"})
            for o, i in zip(offsets, ids, strict=True)
        )
        texts = tuple(
            TextRow(offset=o, call=0, arm="", text=f"x{i} " * dice.randrange(1, 40))
            for o, i in zip(offsets, ids, strict=True)
        )
        records = tuple(
            RecordRow(offset=o, ids=(i,), disposition="scored", reason=None, ts_unix_ms=None)
            for o, i in zip(offsets, ids, strict=True)
        )
        ledger.commit(a_batch(start, 60, partition=partition, outcomes=rows, texts=texts, records=records))
    forgotten = dice.sample(names, 80)

    for name in forgotten:
        assert ledger.forget(request_id=name, wipe_files=False) == 1
    ledger.wipe()

    files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert [(n, f) for n in forgotten for f, data in files.items() if n.encode() in data] == []
    assert all(n.encode() in b"".join(files.values()) for n in names if n not in forgotten)
    ledger.close()


def test_a_worker_that_was_fenced_before_a_roll_up_stays_fenced(url: str, ledger: SqlLedger) -> None:
    ledger.commit(an_empty_batch(0, 1, aggregates={a_key(HOUR): state(1)}))
    ledger.roll_up(HOUR + 60)
    zombie = opened(url)

    with pytest.raises(Fenced):
        zombie.commit(an_empty_batch(0, 1, aggregates={a_key(HOUR): state(1)}))
    zombie.close()

    assert sums(ledger) == {a_key(HOUR): 1}
