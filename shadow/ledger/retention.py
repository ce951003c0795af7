"""What leaves the ledger: minutes that became hours, texts and outcomes past their time."""

from collections.abc import Callable, Iterable
from functools import partial
from itertools import groupby

from sqlalchemy import Connection, Table, bindparam, delete, func, select, update

from shadow.ledger.base import AggregateKey, MergeStates
from shadow.ledger.engine import Database
from shadow.ledger.rows import decoded
from shadow.ledger.schema import (
    NO_POSITION,
    aggregate,
    answer_text,
    call,
    outcome,
    position,
    record,
    request,
)
from shadow.ledger.writing import add_states

MINUTES_PER_HOUR = 60
_DAY_MS = 86_400_000
_SWEEP_ROWS = 1000

_PLACE = (aggregate.c.kind, aggregate.c.epoch, aggregate.c.subject)


def roll_up(database: Database, before_minute: int, merge: MergeStates) -> int:
    """Moves the minute states below `before_minute` into hours without partition; returns how many rows were removed.

    One transaction per hour: exact whenever it is interrupted, and workers wait for an hour's work at most. Late minutes
    of an hour that was rolled up before are added to it at the next time.
    """
    removed = 0
    while True:
        moved = database.write(lambda connection: _roll_up_first_hour(connection, before_minute, merge))
        if moved == 0:
            return removed
        removed += moved


def _roll_up_first_hour(connection: Connection, before_minute: int, merge: MergeStates) -> int:
    open_minutes = aggregate.c.position_id > NO_POSITION, aggregate.c.minute < before_minute
    first = connection.execute(select(func.min(aggregate.c.minute)).where(*open_minutes)).scalar()
    if first is None:
        return 0
    hour = first // MINUTES_PER_HOUR * MINUTES_PER_HOUR
    # the owners' row locks: no worker is between reading a state and writing it back
    owners = connection.execute(select(position.c.id).order_by(position.c.id).with_for_update()).scalars().all()
    these = (
        aggregate.c.position_id.in_(owners),
        aggregate.c.minute >= first,
        aggregate.c.minute < min(hour + MINUTES_PER_HOUR, before_minute),
    )
    rows = connection.execute(
        select(*_PLACE, aggregate.c.segment, aggregate.c.weight_exponent, aggregate.c.state)
        .where(*these)
        .order_by(
            *_PLACE, aggregate.c.segment, aggregate.c.weight_exponent, aggregate.c.minute, aggregate.c.position_id
        )
    ).all()
    sums: dict[AggregateKey, bytes] = {}
    for (kind, epoch, subject, segment, exponent), group in groupby(rows, key=lambda row: tuple(row[:5])):
        key = AggregateKey(kind, epoch, subject, segment, hour, exponent)
        sums[key] = _sum(kind, (bytes(row.state) for row in group), merge)
    add_states(connection, NO_POSITION, sums, merge)
    connection.execute(delete(aggregate).where(*these))
    return len(rows)


def _sum(kind: str, states: Iterable[bytes], merge: MergeStates) -> bytes:
    rest = iter(states)
    total = next(rest)
    for state in rest:
        total = merge(kind, total, state)
    return total


def sweep(database: Database, now_unix_ms: int, *, text_days: float, outcome_days: float | None) -> int:
    """Deletes texts, and where `outcome_days` is set also outcomes, that were stored longer ago; returns the rows removed.

    Counts, aggregates and verdicts stay. Rows go in small transactions, oldest first, so that a writer never waits long.
    """
    with database.reading() as connection:
        positions = connection.execute(select(position.c.id).order_by(position.c.id)).scalars().all()
    text_limit = now_unix_ms - round(text_days * _DAY_MS)
    removed = 0
    for position_id in positions:
        removed += _repeat(database, partial(_sweep_texts, position_id=position_id, limit_unix_ms=text_limit))
        if outcome_days is not None:
            limit = now_unix_ms - round(outcome_days * _DAY_MS)
            removed += _repeat(database, partial(_sweep_outcomes, position_id=position_id, limit_unix_ms=limit))
    return removed


def _repeat(database: Database, step: Callable[[Connection], int]) -> int:
    """Runs a step, each in its own transaction, until one removes nothing."""
    removed = 0
    while count := database.write(step):
        removed += count
    return removed


def _sweep_texts(connection: Connection, position_id: int, limit_unix_ms: int) -> int:
    below = _expired_below(connection, position_id, answer_text, limit_unix_ms)
    return 0 if below is None else _delete_below(connection, answer_text, position_id, below)


def _sweep_outcomes(connection: Connection, position_id: int, limit_unix_ms: int) -> int:
    limits = [_expired_below(connection, position_id, table, limit_unix_ms) for table in (record, call)]
    below = max((limit for limit in limits if limit is not None), default=None)
    if below is None:
        return 0
    connection.execute(
        update(position).where(position.c.id == position_id, position.c.swept_before < below).values(swept_before=below)
    )
    _delete_names(connection, position_id, below)
    return sum(_delete_below(connection, table, position_id, below) for table in (outcome, call, answer_text, record))


def _delete_below(connection: Connection, table: Table, position_id: int, below: int) -> int:
    return connection.execute(delete(table).where(table.c.position_id == position_id, table.c.offset < below)).rowcount


def _delete_names(connection: Connection, position_id: int, below: int) -> None:
    """Request ids have no index by offset: they are deleted by the ids that the rows hold."""
    calls = select(call.c.id, call.c.offset).where(call.c.position_id == position_id, call.c.offset < below)
    records = select(record.c.ids, record.c.offset).where(
        record.c.position_id == position_id, record.c.offset < below, record.c.ids.is_not(None)
    )
    names = {(name, offset) for name, offset in connection.execute(calls)}
    names |= {(name, offset) for ids, offset in connection.execute(records) for name in decoded(ids)}
    if names:
        connection.execute(
            delete(request).where(
                request.c.id == bindparam("b_id"),
                request.c.position_id == position_id,
                request.c.offset == bindparam("b_offset"),
            ),
            [{"b_id": name, "b_offset": offset} for name, offset in sorted(names)],
        )


def _expired_below(connection: Connection, position_id: int, table: Table, limit_unix_ms: int) -> int | None:
    """The offset below which a step of the oldest rows has expired; None when the oldest row may stay."""
    oldest = connection.execute(
        select(table.c.offset, table.c.stored_unix_ms)
        .where(table.c.position_id == position_id)
        .order_by(table.c.offset)
        .limit(_SWEEP_ROWS)
    ).all()
    below = None
    for offset, stored in oldest:
        if stored >= limit_unix_ms:
            break
        below = offset + 1
    return below
