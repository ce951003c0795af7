"""Where a partition goes on: the first sight is recorded, every later one is checked against the log."""

from contextlib import suppress
from typing import Any

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import IntegrityError

from shadow.errors import LedgerError
from shadow.ledger.base import PositionAnswer
from shadow.ledger.engine import Database
from shadow.ledger.schema import position
from shadow.sources.base import PositionQuestion

_ATTEMPTS = 5
_ANEW = "set a new ledger.url and a new source.group_id to start afresh; this ledger stays readable"


def load_position(database: Database, question: PositionQuestion, group: str, now_unix_ms: int) -> PositionAnswer:
    """The next offset of a partition, and how many records were lost to retention since the last time.

    Raises LedgerError when the ledger belongs to another group, the topic was made anew, or the log is shorter than
    what has been read.
    """
    for _ in range(_ATTEMPTS):
        with suppress(_Overtaken):
            return database.write(lambda connection: _load(connection, question, group, now_unix_ms))
    raise LedgerError(
        f"the position of partition {question.partition} of {question.topic!r} changes while it is read; "
        "two workers hold the same partition: give every worker the same source.group_id"
    )


class _Overtaken(Exception):
    """Another process wrote the row in between; the transaction is rolled back."""


def _load(connection: Connection, question: PositionQuestion, group: str, now_unix_ms: int) -> PositionAnswer:
    rows = connection.execute(
        select(
            position.c.id,
            position.c.partition,
            position.c.topic_id,
            position.c.group_name,
            position.c.next_offset,
        ).where(position.c.topic == question.topic)
    ).all()
    for row in rows:
        _check_owner(row, question, group)
    mine = next((row for row in rows if row.partition == question.partition), None)
    if mine is None:
        return _first_sight(connection, question, group, now_unix_ms)
    if mine.next_offset > question.end_offset:
        raise LedgerError(
            f"{question.topic!r} partition {question.partition} ends at {question.end_offset}, but this ledger has read up to "
            f"{mine.next_offset}: the log was cut or is another cluster's; {_ANEW}"
        )
    if mine.next_offset < question.begin_offset:
        return _skip_lost(connection, mine, question.begin_offset, now_unix_ms)
    return PositionAnswer(next_offset=mine.next_offset)


def _check_owner(row: Any, question: PositionQuestion, group: str) -> None:
    if row.group_name != group:
        raise LedgerError(
            f"this ledger reads {question.topic!r} as group {row.group_name!r}, not {group!r}; "
            f"set source.group_id back to {row.group_name!r}, or give the new group a ledger.url of its own"
        )
    if row.topic_id != question.topic_id:
        raise LedgerError(f"{question.topic!r} was deleted and made anew since this ledger began to read it; {_ANEW}")


def _first_sight(connection: Connection, question: PositionQuestion, group: str, now_unix_ms: int) -> PositionAnswer:
    start = max(question.start_offset, question.begin_offset)
    try:
        connection.execute(
            insert(position),
            {
                "topic": question.topic,
                "partition": question.partition,
                "topic_id": question.topic_id,
                "group_name": group,
                "first_offset": start,
                "next_offset": start,
                "gaps": 0,
                "lost": 0,
                "swept_before": start,
                "last_ts_unix_ms": None,
                "updated_unix_ms": now_unix_ms,
            },
        )
    except IntegrityError:
        raise _Overtaken from None
    return PositionAnswer(next_offset=start)


def _skip_lost(connection: Connection, row: Any, begin_offset: int, now_unix_ms: int) -> PositionAnswer:
    """Retention of the log was faster than this reader: the range is counted and skipped, if nobody moved on meanwhile."""
    lost = begin_offset - row.next_offset
    moved = connection.execute(
        update(position)
        .where(position.c.id == row.id, position.c.next_offset == row.next_offset)
        .values(next_offset=begin_offset, lost=position.c.lost + lost, updated_unix_ms=now_unix_ms)
    )
    if moved.rowcount != 1:
        raise _Overtaken
    return PositionAnswer(next_offset=begin_offset, lost=lost)
