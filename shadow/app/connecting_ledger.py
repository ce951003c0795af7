"""Can the ledger be opened and written? Nothing is created and nothing is changed."""

import os
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Connection, text

from shadow.app.connecting_base import Deadline, Line, Unanswered, connect
from shadow.errors import LedgerError, ShadowError
from shadow.ledger.engine import Database
from shadow.ledger.failures import describe
from shadow.ledger.schema import SCHEMA_REVISION
from shadow.ledger.upgrade import require
from shadow.settings import LedgerSettings

_SUBJECT = "ledger"
_NEW = "does not exist yet"
_OLDER = "has the older schema"


def check_ledger(settings: LedgerSettings, deadline: Deadline) -> Iterator[Line]:
    """One line about the database."""
    try:
        yield Line(state="OK", subject=_SUBJECT, text=_examined(settings, deadline))
    except (ShadowError, Unanswered) as problem:
        words = str(problem).removeprefix("the ledger ")
        yield Line(state="FIX", subject=_SUBJECT, text=words)


def _examined(settings: LedgerSettings, deadline: Deadline) -> str:
    database = Database(settings.url, busy_seconds=deadline.step_seconds())
    try:
        name = describe(database.url).removeprefix("the ledger ")
        if database.is_sqlite:
            path = Path(database.url.database or "")
            if not path.exists():
                return _can_be_made(path, name)
        elif database.url.host and "," not in database.url.host:
            _reach(database.url.host, database.url.port or 5432, name, deadline)
        state = _schema(database)
        if database.is_sqlite:
            database.write(lambda connection: None)  # takes the writer's lock, changes nothing
        else:
            database.write(_may_create if state is None else _may_write)
        return f"{name} can be written, {state or f'empty: `shadow run` makes the schema {SCHEMA_REVISION}'}"
    finally:
        database.close()


def _can_be_made(path: Path, name: str) -> str:
    folder = path.absolute().parent
    if not folder.is_dir():
        raise Unanswered(f"the folder {folder} does not exist; `mkdir -p {folder}`")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise Unanswered(f"the folder {folder} cannot be written; check its owner and mode")
    return f"{name} does not exist yet and can be made"


def _reach(host: str, port: int, name: str, deadline: Deadline) -> None:
    if host.startswith("/"):
        return  # a socket in a folder
    try:
        connect(host, port, deadline).close()
    except Unanswered as problem:
        raise Unanswered(f"{name}: {problem}") from None


def _schema(database: Database) -> str | None:
    """What stands there, in words; None for a database without any. Raises LedgerError for a newer one."""
    try:
        require(database)
    except LedgerError as error:
        if _NEW in str(error):
            return None
        if _OLDER in str(error):
            return "an older schema that `shadow run` upgrades"
        raise
    return f"schema {SCHEMA_REVISION}"


def _may_create(connection: Connection) -> None:
    if not connection.execute(text("SELECT has_schema_privilege(current_schema(), 'CREATE')")).scalar():
        raise LedgerError(
            "this user may not create tables; `GRANT USAGE, CREATE ON SCHEMA public TO <user>` as the database's owner"
        )


def _may_write(connection: Connection) -> None:
    query = "SELECT bool_and(has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE')) FROM pg_class c JOIN pg_namespace n"
    query += " ON n.oid = c.relnamespace WHERE n.nspname = current_schema() AND c.relkind = 'r'"
    if connection.execute(text("SELECT pg_is_in_recovery()")).scalar():
        raise LedgerError("the server is read-only (a standby?); point ledger.url to the primary")
    if not connection.execute(text(query)).scalar():
        raise LedgerError("this user may not write its tables; grant INSERT, UPDATE and DELETE on them to it")
