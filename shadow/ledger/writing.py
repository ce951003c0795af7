"""One prefix of a partition in one transaction: the position first, then everything that belongs to it."""

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Table, and_, bindparam, func, select, update
from sqlalchemy.exc import DBAPIError

from shadow.ledger.base import AggregateKey, ArmTotals, MergeStates, PrefixBatch
from shadow.ledger.failures import fenced, is_duplicate, is_refusal
from shadow.ledger.identity import storable_name
from shadow.ledger.rows import Row, call_facts, call_values, outcome_values, record_values, text_values
from shadow.ledger.schema import (
    aggregate,
    answer_text,
    arm_total,
    call,
    disposition,
    outcome,
    position,
    record,
    request,
)

_ADVANCE = (
    update(position)
    .where(
        position.c.topic == bindparam("b_topic"),
        position.c.partition == bindparam("b_partition"),
        position.c.next_offset == bindparam("b_expected"),
    )
    .values(
        next_offset=bindparam("b_next"),
        gaps=position.c.gaps + bindparam("b_gaps"),
        last_ts_unix_ms=func.coalesce(bindparam("b_ts"), position.c.last_ts_unix_ms),
        updated_unix_ms=bindparam("b_now"),
    )
    .returning(position.c.id)
)
_STATES = select(aggregate.c.minute, aggregate.c.segment, aggregate.c.weight_exponent, aggregate.c.state).where(
    aggregate.c.kind == bindparam("b_kind"),
    aggregate.c.epoch == bindparam("b_epoch"),
    aggregate.c.subject == bindparam("b_subject"),
    aggregate.c.position_id == bindparam("b_position"),
    aggregate.c.minute.in_(bindparam("b_minutes", expanding=True)),
)


def write_batch(connection: Connection, batch: PrefixBatch, merge: MergeStates, now_unix_ms: int) -> None:
    """Everything of `batch`, in the caller's transaction. Raises Fenced when the position is not the expected one."""
    try:
        position_id = _advance(connection, batch, now_unix_ms)
        _insert_rows(connection, position_id, batch, now_unix_ms)
        _add_dispositions(connection, position_id, batch)
        _add_arm_totals(connection, position_id, batch.arm_totals)
        add_states(connection, position_id, batch.aggregates, merge)
    except DBAPIError as error:
        if is_refusal(error) or is_duplicate(error):  # the keys are the second net: somebody wrote these rows already
            raise fenced(batch.topic, batch.partition) from None
        raise


def check(batch: PrefixBatch) -> None:
    """Refuses a batch that is no prefix. Raises ValueError: such a batch is a defect of the caller."""
    if batch.next_offset <= batch.expected_offset:
        raise ValueError(f"a prefix moves on: next {batch.next_offset}, expected {batch.expected_offset}")
    first: dict[tuple[int, int], tuple[Any, ...]] = {}
    for row in batch.outcomes:
        if row.topic != batch.topic or row.partition != batch.partition:
            raise ValueError("an outcome of another partition cannot be part of a prefix")
        if first.setdefault((row.offset, row.call), facts := call_facts(row)) != facts:
            raise ValueError(f"the arms of offset {row.offset}, call {row.call} disagree about the call itself")
    if len({(row.offset, row.call, row.arm) for row in batch.outcomes}) != len(batch.outcomes):
        raise ValueError("an arm has two outcomes of one call")
    if len({row.offset for row in batch.records}) != len(batch.records):
        raise ValueError("a record stands twice in one batch")
    for offset in _offsets(batch):
        if not batch.expected_offset <= offset < batch.next_offset:
            raise ValueError(f"offset {offset} is outside the prefix {batch.expected_offset}..{batch.next_offset}")


def add_states(connection: Connection, position_id: int, deltas: dict[AggregateKey, bytes], merge: MergeStates) -> None:
    """Reads, merges and writes the additive states of one partition, whose row lock the caller holds."""
    new: list[Row] = []
    changed: list[Row] = []
    for (kind, epoch, subject), keys in _by_subject(deltas):
        deltas_here = list(keys)
        found = connection.execute(
            _STATES,
            {
                "b_kind": kind,
                "b_epoch": epoch,
                "b_subject": subject,
                "b_position": position_id,
                "b_minutes": sorted({key.minute for key, _ in deltas_here}),
            },
        )
        stored = {(minute, segment, exponent): state for minute, segment, exponent, state in found}
        for key, delta in deltas_here:
            place = (key.minute, key.segment, key.weight_exponent)
            row = {
                "b_kind": kind,
                "b_epoch": epoch,
                "b_subject": subject,
                "b_position": position_id,
                "b_minute": key.minute,
                "b_segment": key.segment,
                "b_exponent": key.weight_exponent,
            }
            if place in stored:
                changed.append({**row, "b_state": merge(kind, bytes(stored[place]), delta)})
            else:
                new.append({**row, "b_state": delta})
    _execute_many(connection, _INSERT_STATE, new)
    _execute_many(connection, _UPDATE_STATE, changed)


_INSERT_STATE = aggregate.insert().values(
    kind=bindparam("b_kind"),
    epoch=bindparam("b_epoch"),
    subject=bindparam("b_subject"),
    position_id=bindparam("b_position"),
    minute=bindparam("b_minute"),
    segment=bindparam("b_segment"),
    weight_exponent=bindparam("b_exponent"),
    state=bindparam("b_state"),
)
_UPDATE_STATE = (
    update(aggregate)
    .where(
        aggregate.c.kind == bindparam("b_kind"),
        aggregate.c.epoch == bindparam("b_epoch"),
        aggregate.c.subject == bindparam("b_subject"),
        aggregate.c.position_id == bindparam("b_position"),
        aggregate.c.minute == bindparam("b_minute"),
        aggregate.c.segment == bindparam("b_segment"),
        aggregate.c.weight_exponent == bindparam("b_exponent"),
    )
    .values(state=bindparam("b_state"))
)


def _by_subject(
    deltas: dict[AggregateKey, bytes],
) -> Iterator[tuple[tuple[str, int, str], Iterator[tuple[AggregateKey, bytes]]]]:
    """The deltas in an order that is alike in every process, with names as they are stored.

    Two keys that a bounded name makes equal would overwrite each other; `storable_name` keeps a hash, so they differ.
    """
    named = sorted(
        (key._replace(subject=storable_name(key.subject), segment=storable_name(key.segment)), delta)
        for key, delta in deltas.items()
    )
    return groupby(named, key=lambda item: (item[0].kind, item[0].epoch, item[0].subject))


def _advance(connection: Connection, batch: PrefixBatch, now_unix_ms: int) -> int:
    position_id = connection.execute(
        _ADVANCE,
        {
            "b_topic": batch.topic,
            "b_partition": batch.partition,
            "b_expected": batch.expected_offset,
            "b_next": batch.next_offset,
            "b_gaps": batch.gaps,
            "b_ts": batch.last_ts_unix_ms,
            "b_now": now_unix_ms,
        },
    ).scalar()
    if position_id is None:
        raise fenced(batch.topic, batch.partition)
    return int(position_id)


def _insert_rows(connection: Connection, position_id: int, batch: PrefixBatch, now_unix_ms: int) -> None:
    calls: dict[tuple[int, int], Row] = {}
    names: dict[tuple[str, int], Row] = {}
    for row in batch.outcomes:
        if (row.offset, row.call) not in calls:
            values = calls[row.offset, row.call] = call_values(position_id, row, now_unix_ms)
            _name(names, position_id, row.offset, values["id"])
    for entry in batch.records:
        for name in entry.ids:
            _name(names, position_id, entry.offset, storable_name(name))
    _execute_many(connection, outcome.insert(), [outcome_values(position_id, row) for row in batch.outcomes])
    _execute_many(connection, call.insert(), list(calls.values()))
    _execute_many(connection, record.insert(), [record_values(position_id, r, now_unix_ms) for r in batch.records])
    _execute_many(connection, request.insert(), list(names.values()))
    _execute_many(connection, answer_text.insert(), text_values(position_id, batch, now_unix_ms))


def _name(names: dict[tuple[str, int], Row], position_id: int, offset: int, name: str) -> None:
    names[name, offset] = {"id": name, "position_id": position_id, "offset": offset}


def _add_dispositions(connection: Connection, position_id: int, batch: PrefixBatch) -> None:
    counts = {str(name): {"records": n} for name, n in batch.dispositions.items() if n}
    _add(connection, disposition, "disposition", position_id, counts)


def _add_arm_totals(connection: Connection, position_id: int, totals: dict[str, ArmTotals]) -> None:
    counts = {
        storable_name(arm): {"outcomes": t.outcomes, "failures": t.failures, "output_tokens": t.output_tokens}
        for arm, t in totals.items()
    }
    _add(connection, arm_total, "arm", position_id, counts)


def _add(
    connection: Connection, table: Table, name_column: str, position_id: int, counts: dict[str, dict[str, int]]
) -> None:
    """Adds counters by name to those of a partition, whose row lock the caller holds."""
    if not counts:
        return
    name = table.c[name_column]
    known = set(connection.execute(select(name).where(table.c.position_id == position_id)).scalars())
    columns = list(next(iter(counts.values())))
    addition = (
        update(table)
        .where(and_(table.c.position_id == position_id, name == bindparam("b_name")))
        .values({column: table.c[column] + bindparam(f"b_{column}") for column in columns})
    )
    added = [(n, values) for n, values in counts.items() if n in known]
    first = [(n, values) for n, values in counts.items() if n not in known]
    _execute_many(
        connection, addition, [{"b_name": n, **{f"b_{c}": v for c, v in values.items()}} for n, values in added]
    )
    _execute_many(
        connection, table.insert(), [{"position_id": position_id, name_column: n, **values} for n, values in first]
    )


def _execute_many(connection: Connection, statement: Any, rows: list[Row]) -> None:
    if rows:
        connection.execute(statement, rows)


def _offsets(batch: PrefixBatch) -> Iterable[int]:
    yield from (row.offset for row in batch.outcomes)
    yield from (row.offset for row in batch.records)
    yield from (row.offset for row in batch.texts)
