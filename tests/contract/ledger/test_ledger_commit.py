"""One prefix, one transaction: all of it or nothing, once."""

import dataclasses
from typing import Any

import pytest
from builders_ledger import ARMS, a_batch, a_key, a_question, a_row, an_empty_batch, number, opened, state
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shadow.errors import Fenced, LedgerError, UnreachableError
from shadow.ledger.base import ArmTotals, OutcomeRow, RecordRow, TextRow
from shadow.ledger.sql import SqlLedger

UNKNOWNS: dict[str, Any] = {
    **dict.fromkeys(("ts_unix_ms", "session", "user_key", "route", "epoch", "status", "failure", "spell")),
    **dict.fromkeys(("latency_seconds", "queue_seconds", "ttft_seconds", "ttft_answer_seconds", "tpot_seconds")),
    **dict.fromkeys(("input_tokens", "cached_input_tokens", "output_tokens", "reasoning_tokens", "cost_usd")),
}
EVERYTHING: dict[str, Any] = {
    "call": 3,
    "user_key": "k",
    "failure": "http_5xx",
    "spell": "first",
    "truncated": True,
    "retries": 2,
    "client_saturated": True,
    "limited_by_us": True,
    "comparable": False,
    "counted": False,
    "weight_exponent": 4,
    "probability": 0.1 + 0.2,
    "cached_input_tokens": 2**62,
    "reasoning_tokens": 0,
    "latency_seconds": 5e-324,
    "scores": {"agreement": 1 / 3, "x": None},
    "labels": {"agreement": "flagged", "x": None},
    "findings": [{"scorer": "leakage", "category": "email", "count": 2}],
    "tags": {"ключ": "значение\u2028", "": ""},
    "segments": ("a", "b"),
}


def kept(ledger: SqlLedger) -> tuple[Any, ...]:
    """Everything a commit changes."""
    return (
        ledger.positions(),
        ledger.dispositions(),
        ledger.arm_totals(),
        list(ledger.outcomes()),
        sorted((k, number(v)) for k, v in ledger.all_aggregates()),
    )


def test_a_commit_keeps_outcomes_texts_counts_states_and_position(ledger: SqlLedger) -> None:
    batch = a_batch(0, 3)

    ledger.commit(batch)

    assert list(ledger.outcomes()) == sorted(batch.outcomes, key=lambda r: (r.offset, r.call, r.arm))
    assert ledger.texts("t", 0, 1, 0) == {arm: f"text 1 {arm}" for arm in ("", *ARMS)}
    assert ledger.dispositions() == {"scored": 3}
    assert ledger.arm_totals()["cand-b"] == ArmTotals(outcomes=3, output_tokens=120)
    assert [(k, number(v)) for k, v in ledger.aggregates("pair", 1, "cand-a")] == [(a_key(), 3)]
    assert [(p.first_offset, p.next_offset, p.last_ts_unix_ms) for p in ledger.positions()] == [
        (0, 3, 1_764_000_000_000)
    ]


@pytest.mark.parametrize("changes", [UNKNOWNS, EVERYTHING, {"tags": {}, "segments": (), "scores": {}, "findings": []}])
def test_an_outcome_comes_back_exactly_as_it_went_in(ledger: SqlLedger, changes: dict[str, Any]) -> None:
    row = a_row(0, **changes)

    ledger.commit(a_batch(0, 1, outcomes=(row,)))

    assert list(ledger.outcomes()) == [row]


@given(data=st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_storable_outcome_comes_back(ledger: SqlLedger, data: st.DataObject) -> None:
    text = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), max_size=60)
    real = st.floats(allow_nan=False, allow_infinity=False)
    names = ("latency_seconds", "queue_seconds", "ttft_seconds", "ttft_answer_seconds", "tpot_seconds", "cost_usd")
    changes: dict[str, Any] = {name: data.draw(st.none() | real) for name in names}
    changes |= {name: data.draw(text) for name in ("id", "session", "route", "segment")}
    changes |= {
        "tags": data.draw(st.dictionaries(text, text, max_size=3)),
        "reasons": data.draw(st.dictionaries(text, text, max_size=3)),
    }
    changes |= {
        "scores": data.draw(st.dictionaries(text, st.none() | real, max_size=3)),
        "probability": data.draw(real),
    }
    changes |= {"output_tokens": data.draw(st.integers(-(2**63) + 1, 2**63 - 1))}
    start = ledger.positions()[0].next_offset
    row = a_row(start, **changes)

    ledger.commit(a_batch(start, 1, outcomes=(row,)))

    assert [r for r in ledger.outcomes() if r.offset == start] == [row]


def test_a_batch_from_another_position_is_refused_and_leaves_nothing(ledger: SqlLedger) -> None:
    ledger.commit(a_batch(0, 3))
    before = kept(ledger)

    with pytest.raises(Fenced, match="another worker"):
        ledger.commit(a_batch(0, 5))
    with pytest.raises(Fenced):
        ledger.commit(a_batch(2, 5))
    with pytest.raises(Fenced):
        ledger.commit(a_batch(4, 5))
    with pytest.raises(Fenced):
        ledger.commit(a_batch(0, 5, partition=9))

    assert kept(ledger) == before


def test_two_owners_of_one_partition_count_nothing_twice(url: str, ledger: SqlLedger) -> None:
    zombie = opened(url)
    zombie.load_position(a_question(), group="g")
    ledger.commit(a_batch(0, 3))

    with pytest.raises(Fenced):
        zombie.commit(a_batch(0, 2))
    zombie.close()

    assert ledger.arm_totals()["cand-a"].outcomes == 3
    assert len(list(ledger.outcomes(arm="cand-a"))) == 3


def test_rows_that_exist_already_are_a_second_net(ledger: SqlLedger) -> None:
    ledger.commit(a_batch(0, 3))
    rewind(ledger, 0)
    before = kept(ledger)

    with pytest.raises(Fenced):
        ledger.commit(a_batch(0, 3))

    assert kept(ledger) == before


def rewind(ledger: SqlLedger, offset: int) -> None:
    """What no code of the project does: the position moved back by hand."""
    from sqlalchemy import update

    from shadow.ledger.schema import position

    ledger._database.write(lambda c: c.execute(update(position).values(next_offset=offset)))


def test_a_failure_half_way_leaves_nothing(url: str, ledger: SqlLedger) -> None:
    ledger.commit(a_batch(0, 3))
    before = kept(ledger)

    def broken(kind: str, one: bytes, other: bytes) -> bytes:
        raise RuntimeError("no sum")

    other = SqlLedger.open(url, merge=broken)
    with pytest.raises(RuntimeError, match="no sum"):
        other.commit(a_batch(3, 3))
    other.close()

    assert kept(ledger) == before


def test_counts_of_batches_add_up(ledger: SqlLedger) -> None:
    ledger.commit(a_batch(0, 2))
    ledger.commit(an_empty_batch(2, 5))
    ledger.commit(a_batch(7, 4, gaps=1, next_offset=12, dispositions={"scored": 3, "filtered": 1}))

    assert ledger.dispositions() == {"filtered": 1, "not_sampled": 5, "scored": 5}
    assert ledger.arm_totals()["incumbent"] == ArmTotals(outcomes=6, output_tokens=240)
    assert [(p.next_offset, p.gaps) for p in ledger.positions()] == [(12, 1)]


@given(deltas=st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["all", "r"]), st.integers(0, 999)), max_size=12))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_states_are_the_sum_of_their_deltas(ledger: SqlLedger, deltas: list[tuple[int, str, int]]) -> None:
    before = {k: number(v) for k, v in ledger.all_aggregates()}
    start = ledger.positions()[0].next_offset

    for i, (minute, segment, value) in enumerate(deltas):
        change = {a_key(minute, segment=segment): state(value)}
        ledger.commit(an_empty_batch(start + i, 1, aggregates=change))

    for minute, segment, value in deltas:
        key = a_key(minute, segment=segment)
        before[key] = before.get(key, 0) + value
    assert {k: number(v) for k, v in ledger.all_aggregates()} == before


def test_states_of_partitions_are_apart_and_read_together(ledger: SqlLedger) -> None:
    ledger.load_position(a_question(partition=1), group="g")

    ledger.commit(an_empty_batch(0, 1, aggregates={a_key(): state(1), a_key(kind="arm"): state(9)}))
    ledger.commit(an_empty_batch(0, 1, partition=1, aggregates={a_key(): state(2), a_key(epoch=2): state(9)}))

    assert sorted(number(v) for _, v in ledger.aggregates("pair", 1, "cand-a")) == [1, 2]


def test_outcomes_stream_over_page_borders_in_order(ledger: SqlLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shadow.ledger.reading.PAGE_ROWS", 7)
    ledger.load_position(a_question(partition=10), group="g")
    ledger.load_position(a_question(partition=2), group="g")
    ledger.load_position(a_question(topic="a"), group="g")
    ledger.commit(a_batch(0, 9, partition=10))
    ledger.commit(a_batch(0, 7, partition=2))
    rows = tuple(dataclasses.replace(r, topic="a") for r in a_batch(0, 1).outcomes)
    ledger.commit(a_batch(0, 1, topic="a", outcomes=rows))

    keys = [(r.topic, r.partition, r.offset, r.call, r.arm) for r in ledger.outcomes()]

    assert keys == sorted(keys)
    assert len(keys) == len(set(keys)) == (9 + 7 + 1) * len(ARMS)
    assert len(list(ledger.outcomes(arm="cand-b"))) == 17
    assert {r.arm for r in ledger.outcomes(epoch=1)} == {"cand-a", "cand-b", "cand-c"}


def test_a_record_may_hold_several_calls(ledger: SqlLedger) -> None:
    rows = tuple(a_row(0, arm, call=c, id=f"c{c}") for c in range(3) for arm in ARMS)
    record = RecordRow(offset=0, ids=("c0", "c1", "c2"), disposition="scored", reason=None, ts_unix_ms=None)

    ledger.commit(a_batch(0, 1, outcomes=rows, records=(record,)))

    assert [(e.record.ids, {r.call for r in e.outcomes}) for e in ledger.explain("c1")] == [(("c0", "c1", "c2"), {1})]


def test_a_request_is_found_by_its_id(ledger: SqlLedger) -> None:
    refused = RecordRow(offset=3, ids=("gone",), disposition="not_replayable", reason="no_prompt", ts_unix_ms=5)
    ledger.commit(a_batch(0, 3))
    ledger.commit(an_empty_batch(3, 1, records=(refused,), dispositions={"not_replayable": 1}))

    (found,) = ledger.explain("req-0-1")
    assert (found.topic, found.partition, found.record.offset, len(found.outcomes)) == ("t", 0, 1, 4)
    assert ledger.explain("gone")[0].record == refused
    assert ledger.explain("nobody") == []


def test_a_turn_that_is_not_counted_is_found_without_a_record(ledger: SqlLedger) -> None:
    ledger.commit(a_batch(0, 1, records=(), dispositions={"other_turn": 1}))

    assert ledger.explain("req-0-0")[0].record.disposition == "other_turn"


HOSTILE = "x\x00\ud800\u202e" + "é" * 5000


def test_hostile_names_and_numbers_cannot_stop_a_commit(ledger: SqlLedger) -> None:
    row = a_row(
        0, id=HOSTILE, session=HOSTILE, user_key=HOSTILE, route=HOSTILE, segment=HOSTILE, segments=(HOSTILE,),
        tags={HOSTILE: HOSTILE}, reasons={HOSTILE: HOSTILE}, ts_unix_ms=10**30, status=10**20, input_tokens=-(10**40),
        output_tokens=2**63, latency_seconds=float("nan"), cost_usd=float("inf"), scores={"a": float("nan")},
        findings=[{"scorer": "s", "category": "c", "count": 10**30}],
    )  # fmt: skip
    record = RecordRow(offset=0, ids=(HOSTILE,), disposition="scored", reason=HOSTILE, ts_unix_ms=-(10**30))
    texts = (TextRow(offset=0, call=0, arm="", text=HOSTILE),)

    ledger.commit(
        a_batch(0, 1, outcomes=(row,), records=(record,), texts=texts, aggregates={a_key(segment=HOSTILE): state(1)})
    )

    (found,) = ledger.outcomes()
    assert (found.ts_unix_ms, found.status, found.input_tokens, found.output_tokens) == (None, None, None, None)
    assert (found.latency_seconds, found.cost_usd, found.scores) == (None, None, {"a": None})
    assert len(found.id.encode()) <= 512
    assert ledger.texts("t", 0, 0, 0)[""] == "x\ufffd\ufffd\u202e" + "é" * 5000
    assert len(ledger.explain(HOSTILE)) == 1
    assert ledger.forget(session=HOSTILE) == 1


def test_long_names_that_begin_alike_stay_apart(ledger: SqlLedger) -> None:
    keys = {a_key(segment="s" * 5000 + end): state(n) for n, end in enumerate("abc")}

    ledger.commit(an_empty_batch(0, 1, aggregates=keys))

    assert sorted(number(v) for _, v in ledger.aggregates("pair", 1, "cand-a")) == [0, 1, 2]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"next_offset": 0}, "moves on"),
        ({"outcomes": (a_row(7),)}, "outside the prefix"),
        ({"outcomes": (a_row(0), a_row(0))}, "two outcomes"),
        ({"outcomes": (a_row(0), a_row(0, "cand-b", session="other"))}, "disagree"),
        ({"outcomes": (a_row(0, partition=1),)}, "another partition"),
        ({"records": (RecordRow(offset=0, ids=(), disposition="scored", reason=None, ts_unix_ms=None),) * 2}, "twice"),
    ],
)
def test_a_batch_that_is_no_prefix_is_a_defect_of_the_caller(
    ledger: SqlLedger, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        ledger.commit(a_batch(0, 1, **changes))


def test_a_recount_of_the_rows_equals_the_counts(ledger: SqlLedger) -> None:
    failed = tuple(
        a_row(o, failure=failure, output_tokens=tokens)
        for o, (failure, tokens) in enumerate([(None, 5), ("timeout", None), ("unavailable", None)])
    )
    totals = {"cand-a": ArmTotals(outcomes=3, failures=1, output_tokens=5)}
    ledger.commit(a_batch(0, 3, outcomes=failed, arm_totals=totals))

    raw = ledger.raw_counts()

    assert raw.arms == ledger.arm_totals() == totals
    assert (raw.dispositions, raw.swept) == (ledger.dispositions(), 0)


def test_a_snapshot_sees_one_moment(url: str, ledger: SqlLedger) -> None:
    ledger.commit(a_batch(0, 3))
    writer = opened(url)

    with ledger.snapshot() as snapshot:
        before = len(list(snapshot.outcomes()))
        writer.commit(a_batch(3, 3))
        writer.roll_up(2**40)
        after = (
            len(list(snapshot.outcomes())),
            snapshot.positions()[0].next_offset,
            len(list(snapshot.all_aggregates())),
        )
    writer.close()

    assert (before, *after) == (12, 12, 3, 1)
    assert len(list(ledger.outcomes())) == 24


def test_a_ledger_for_reading_changes_nothing(url: str, ledger: SqlLedger) -> None:
    ledger.commit(a_batch(0, 3))
    reader = opened(url, read_only=True)

    assert len(list(reader.outcomes())) == 12
    with pytest.raises(LedgerError, match="reading only"):
        reader.commit(a_batch(3, 3))
    reader.close()


def test_every_field_of_an_outcome_is_kept() -> None:
    from shadow.ledger.rows import OUTCOME_COLUMNS

    names = {f.name for f in dataclasses.fields(OutcomeRow)} - {"topic", "partition"}

    assert names == {c.key for c in OUTCOME_COLUMNS}


def test_a_commit_whose_answer_was_lost_is_settled_by_the_position(
    ledger: SqlLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    dialect = ledger._database.engine.dialect
    really = dialect.do_commit

    def lost(connection: Any) -> None:
        really(connection)
        raise dialect.loaded_dbapi.OperationalError("server closed the connection unexpectedly")

    with monkeypatch.context() as broken:
        broken.setattr(dialect, "do_commit", lost)
        with pytest.raises(UnreachableError, match="during COMMIT"):
            ledger.commit(a_batch(0, 3))

    assert ledger.load_position(a_question(), group="g").next_offset == 3
    with pytest.raises(Fenced):
        ledger.commit(a_batch(0, 3))
    assert ledger.dispositions() == {"scored": 3}
