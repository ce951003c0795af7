"""Database errors as messages that say what to try; they never quote a statement, a row or a password."""

import sqlite3
from pathlib import Path

from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from shadow.errors import Fenced, LedgerError, ShadowError, UnreachableError

_SQLSTATE_SERIALIZATION = "40001"
_SQLSTATE_UNIQUE = "23505"
_SQLSTATE_DEADLOCK = "40P01"
_SQLSTATE_LOCK_TIMEOUT = "55P03"

_POSTGRES_REMEDIES: dict[str, str] = {
    "28P01": "the password is refused; check the password of this user in ledger.url",
    "28000": "this user may not connect from here; check ledger.url and the server's pg_hba.conf",
    "3D000": "there is no such database; create it with `createdb`, or correct ledger.url",
    "42501": "this user lacks the right; `GRANT USAGE, CREATE ON SCHEMA public TO <user>` as the database's owner",
    "53100": "the server's disk is full; free space there, Shadow goes on by itself",
    "53300": "the server has too many connections; raise max_connections or use fewer workers",
    "25P03": "the transaction stood idle for too long and the server ended it; nothing of it was kept",
    "25006": "the server is read-only (a standby?); point ledger.url to the primary",
    "57P03": "the server is starting up; try again in a moment",
    _SQLSTATE_LOCK_TIMEOUT: "another transaction holds the rows; nothing was changed, try again",
    _SQLSTATE_DEADLOCK: "two transactions waited for each other and this one gave way; try again",
    _SQLSTATE_SERIALIZATION: "another transaction changed the same rows first; try again",
}
_CONNECT_REMEDIES: tuple[tuple[str, str], ...] = (  # a refused connection has no SQLSTATE, only libpq's sentence
    ("password authentication failed", "28P01"),
    ("no password supplied", "28P01"),
    ("no pg_hba.conf entry", "28000"),
    ("role", "28000"),
    ("does not exist", "3D000"),
    ("starting up", "57P03"),
    ("too many clients", "53300"),
)


def describe(url: URL) -> str:
    """The database without its password or options, for messages."""
    if url.get_backend_name() == "sqlite":
        return f"the ledger {url.database}"
    port = f":{url.port}" if url.port else ""
    return f"the ledger {url.get_backend_name()}://{url.username or ''}@{url.host or 'localhost'}{port}/{url.database or ''}"


def sqlstate(error: BaseException) -> str | None:
    """PostgreSQL's five-letter code of an error; None when there is none."""
    state = getattr(getattr(error, "orig", None), "sqlstate", None)
    return state if isinstance(state, str) else None


def is_passing(error: DBAPIError) -> bool:
    """True when nothing was changed and the same transaction may succeed a moment later."""
    return sqlstate(error) in (_SQLSTATE_LOCK_TIMEOUT, _SQLSTATE_DEADLOCK, _SQLSTATE_SERIALIZATION)


def is_refusal(error: DBAPIError) -> bool:
    """True when PostgreSQL says that another transaction moved the row that was read."""
    return sqlstate(error) == _SQLSTATE_SERIALIZATION


def is_duplicate(error: DBAPIError) -> bool:
    """True when a row with this key exists already."""
    code = getattr(error.orig, "sqlite_errorcode", None)
    return sqlstate(error) == _SQLSTATE_UNIQUE or code in (
        sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY,
        sqlite3.SQLITE_CONSTRAINT_UNIQUE,
    )


def translate(error: SQLAlchemyError, url: URL) -> ShadowError:
    """What to raise instead of a database error: an own message with a remedy, never the driver's text."""
    name = describe(url)
    if isinstance(error, DBAPIError):
        if isinstance(error.orig, sqlite3.Error):
            return _sqlite(error.orig, url, name)
        state = sqlstate(error)
        if state is None:
            state = _state_of_refused_connection(str(error.orig))
        if state is not None and state in _POSTGRES_REMEDIES:
            return UnreachableError(f"{name}: {_POSTGRES_REMEDIES[state]}")
        if state is not None and not error.connection_invalidated:
            return LedgerError(f"{name}: the database refused a statement (SQLSTATE {state}); see the server's log")
    return UnreachableError(f"{name} does not answer; check that the server runs and that host and port are right")


def fenced(topic: str, partition: int) -> Fenced:
    """The refusal of a batch."""
    return Fenced(f"partition {partition} of {topic!r} has moved on: another worker owns it, this batch is dropped")


def _state_of_refused_connection(text: str) -> str | None:
    return next((state for words, state in _CONNECT_REMEDIES if words in text), None)


def _sqlite(error: sqlite3.Error, url: URL, name: str) -> ShadowError:
    code = getattr(error, "sqlite_errorcode", None)
    primary = code & 0xFF if isinstance(code, int) else None
    if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return UnreachableError(f"{name} has been locked by another process for too long; end that process or wait")
    if primary == sqlite3.SQLITE_FULL:
        return UnreachableError(
            f"{name}: the disk is full; free space or shorten ledger.text_days, Shadow goes on by itself"
        )
    if primary == sqlite3.SQLITE_READONLY:
        return UnreachableError(f"{name} cannot be written; check owner and mode of the file and of its folder")
    if primary == sqlite3.SQLITE_CANTOPEN:
        return UnreachableError(f"{name} cannot be opened; {_why_not_opened(url)}")
    if primary == sqlite3.SQLITE_NOTADB:
        return LedgerError(f"{name} is no SQLite database; ledger.url points to a file of another kind")
    if primary == sqlite3.SQLITE_CORRUPT:
        return LedgerError(f"{name} is damaged; restore a backup, or `sqlite3 FILE .recover` into a new file")
    if primary == sqlite3.SQLITE_IOERR:
        return UnreachableError(f"{name}: the disk reports errors or is full; check it with `df` and `dmesg`")
    return LedgerError(f"{name}: the database refused a statement ({getattr(error, 'sqlite_errorname', 'unknown')})")


def _why_not_opened(url: URL) -> str:
    path = Path(url.database or "")
    if path.is_dir():
        return "it is a folder; name a file in it"
    if not path.parent.exists():
        return f"its folder does not exist; `mkdir -p {path.parent}`"
    return f"check owner and mode of the file and of {path.parent}: readers share a file beside it and need to write there too"
