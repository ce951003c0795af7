"""Erases the text and the names of a request, a session or a user; the numbers stay, and nothing leads back."""

import time
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, select, update

from shadow.errors import UnreachableError
from shadow.ledger.engine import Database
from shadow.ledger.failures import describe
from shadow.ledger.identity import erased_name, hidden_name, storable_name, user_key
from shadow.ledger.rows import decoded, encoded
from shadow.ledger.schema import answer_text, call, record, request

_STEP_CALLS = 200
_CHECKPOINT_ATTEMPTS = 5
_CHECKPOINT_PAUSE_SECONDS = 0.5

_TOUCHED = (call, record, request, answer_text)


def forget(
    database: Database,
    ledger_id: str,
    *,
    request_id: str | None = None,
    session: str | None = None,
    user: str | None = None,
) -> int:
    """Erases what belongs to exactly one of the three and returns how many calls (or records without calls) it touched.

    A forgotten id is replaced by a random one, so that rows stay distinct and joinable; a forgotten session by one random
    session. User key, tags and texts are deleted. The bytes leave the files with `wipe`.
    """
    if (request_id is not None) + (session is not None) + (user is not None) != 1:
        raise ValueError("forget exactly one of request_id, session, user")
    if request_id is not None:
        names = _spellings(request_id, ledger_id)
        touched = _calls(database, call.c.id.in_(names), None)
        return touched + database.write(lambda connection: _forget_records(connection, names))
    if session is not None:
        return _calls(database, call.c.session.in_(_spellings(session, ledger_id)), erased_name())
    return _calls(database, call.c.user_key == user_key(user or "", ledger_id), None)


def _spellings(name: str, ledger_id: str) -> list[str]:
    """A name as it is kept: as it came, or hidden when it was personal data."""
    return [storable_name(name), hidden_name(name, ledger_id)]


def _calls(database: Database, condition: ColumnElement[bool], session: str | None) -> int:
    """Erases the calls for which `condition` holds, some in each transaction. An erased call does not match again."""
    touched = 0
    sessions: dict[str, str] = {}
    while count := database.write(lambda connection: _forget_calls(connection, condition, session, sessions)):
        touched += count
    return touched


def _forget_calls(
    connection: Connection, condition: ColumnElement[bool], session: str | None, sessions: dict[str, str]
) -> int:
    rows = connection.execute(
        select(call.c.position_id, call.c.offset, call.c.call, call.c.id, call.c.session)
        .where(condition)
        .order_by(call.c.position_id, call.c.offset, call.c.call)
        .limit(_STEP_CALLS)
    ).all()
    for row in rows:
        new_session = session
        if new_session is None and row.session is not None:
            # one stand-in per session, so that the erased calls of one conversation are still one unit
            new_session = sessions.setdefault(row.session, erased_name())
        _forget_call(connection, row, new_session)
    return len(rows)


def _forget_call(connection: Connection, row: Any, session: str | None) -> None:
    new_id = erased_name()
    here = (call.c.position_id == row.position_id, call.c.offset == row.offset, call.c.call == row.call)
    connection.execute(update(call).where(*here).values(id=new_id, session=session, user_key=None, tags=None))
    connection.execute(
        delete(answer_text).where(
            answer_text.c.position_id == row.position_id,
            answer_text.c.offset == row.offset,
            answer_text.c.call == row.call,
        )
    )
    _rename(connection, row.position_id, row.offset, row.id, new_id)


def _forget_records(connection: Connection, names: list[str]) -> int:
    """Records that left an id but no call (filtered, expired, not replayable)."""
    places = connection.execute(
        select(request.c.id, request.c.position_id, request.c.offset).where(request.c.id.in_(names))
    ).all()
    for name, position_id, offset in places:
        _rename(connection, position_id, offset, name, erased_name())
    return len(places)


def _rename(connection: Connection, position_id: int, offset: int, name: str, new_name: str) -> None:
    place = (record.c.position_id == position_id, record.c.offset == offset)
    ids = connection.execute(select(record.c.ids).where(*place)).scalar()
    if ids is not None:
        renamed = [new_name if known == name else known for known in decoded(ids)]
        connection.execute(update(record).where(*place).values(ids=encoded(renamed)))
    connection.execute(
        delete(request).where(request.c.id == name, request.c.position_id == position_id, request.c.offset == offset)
    )
    connection.execute(request.insert(), {"id": new_name, "position_id": position_id, "offset": offset})


def wipe(database: Database) -> None:
    """Makes erased bytes leave the files; may take about 10 s per gigabyte, in which writers wait.

    SQLite keeps copies of rows in the unused space of pages that were split, whatever it overwrites on deletion: only a
    rewritten file is free of them, and only an emptied log. Needs free space of the ledger's size. PostgreSQL's tables
    are vacuumed. Raises UnreachableError when others kept it from happening; the same again finishes the work.
    """
    with database.alone() as connection:
        if not database.is_sqlite:
            for table in _TOUCHED:
                connection.exec_driver_sql(f"VACUUM {table.name}")
            return
        connection.exec_driver_sql("VACUUM")
        for attempt in range(_CHECKPOINT_ATTEMPTS):
            busy = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()[0]
            if not busy:
                return
            time.sleep(_CHECKPOINT_PAUSE_SECONDS * (attempt + 1))
    raise UnreachableError(
        f"{describe(database.url)}: the rows are erased, but a reader keeps old pages in the files; "
        "end long exports and run the same command again"
    )
