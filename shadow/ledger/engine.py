"""Connections to the database: what SQLite and PostgreSQL need set, and transactions with a deadline on every wait."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from shadow.errors import LedgerError, ShadowError, UnreachableError
from shadow.ledger.failures import describe, is_passing, translate

BUSY_SECONDS = 30.0
_ATTEMPTS = 3
_PAUSE_SECONDS = 0.2
_WAL_PAUSE_SECONDS = 0.02
_WAL_KEPT_BYTES = 64 * 2**20
_POSTGRES_OPTIONS = (
    # a process frozen inside its transaction gives the row up after 2 s; nobody waits for a row longer than 5 s
    "-c idle_in_transaction_session_timeout=2000 -c lock_timeout=5000 -c client_min_messages=error"
)
_WRITES = "shadow_writes"
_ALONE = "shadow_alone"

T = TypeVar("T")


class Database:
    """One engine and its rules. Thread-safe; every method may block on the database, for a bounded time.

    Raises UnreachableError or LedgerError with a remedy; never SQLAlchemy's errors, whose text quotes rows.
    """

    def __init__(self, url: str, *, read_only: bool = False, busy_seconds: float = BUSY_SECONDS) -> None:
        self.url = _parse(url)
        self.read_only = read_only
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        try:
            self.engine = self._sqlite(busy_seconds) if self.is_sqlite else self._postgres()
        except ModuleNotFoundError as error:
            raise LedgerError(
                f"{describe(self.url)}: the driver {error.name} is not installed; "
                "`pip install 'shadow-monitor[postgres]'`"
            ) from None

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One consistent view of the database, for as long as the block runs."""
        try:
            with self.engine.connect() as connection:
                if not self.is_sqlite:
                    connection = connection.execution_options(isolation_level="REPEATABLE READ")
                    # a reader holds no row that others wait for, and may be slow
                    connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
                yield connection
        except SQLAlchemyError as error:
            raise translate(error, self.url) from None

    def write(self, work: Callable[[Connection], T]) -> T:
        """`work` in one transaction: all of it or nothing. Repeats it when another transaction was merely in the way.

        When the connection is lost during COMMIT nobody knows whether it happened: the UnreachableError says so, and
        the caller has to read again what it wants to change. It is never repeated here.
        """
        attempt = 1
        while True:
            try:
                return self._once(work)
            except DBAPIError as error:
                if attempt >= _ATTEMPTS or not is_passing(error):
                    raise translate(error, self.url) from None
            except SQLAlchemyError as error:
                raise translate(error, self.url) from None
            time.sleep(_PAUSE_SECONDS * attempt)
            attempt += 1

    def _once(self, work: Callable[[Connection], T]) -> T:
        with self.engine.connect() as plain:
            connection = plain.execution_options(**{_WRITES: True})
            transaction = connection.begin()
            try:
                result = work(connection)
            except BaseException:
                transaction.rollback()
                raise
            try:
                transaction.commit()
            except DBAPIError as error:
                raise self._after_commit(error) from None
            return result

    def _after_commit(self, error: DBAPIError) -> ShadowError:
        cause = translate(error, self.url)
        return UnreachableError(f"{cause} (during COMMIT: whether it took place is read from the ledger again)")

    @contextmanager
    def alone(self) -> Iterator[Connection]:
        """A connection outside any transaction, for what databases refuse inside one (VACUUM, checkpoints)."""
        try:
            with self.engine.connect() as connection:
                if self.is_sqlite:
                    yield connection.execution_options(**{_ALONE: True})
                else:
                    yield connection.execution_options(isolation_level="AUTOCOMMIT")
        except SQLAlchemyError as error:
            raise translate(error, self.url) from None

    def close(self) -> None:
        """Closes every pooled connection."""
        self.engine.dispose()

    def _sqlite(self, busy_seconds: float) -> Engine:
        database = self.url.database or ""
        mode = "ro" if self.read_only else "rwc"
        uri = f"file:{quote(str(Path(database).absolute()))}?mode={mode}"

        def connect() -> sqlite3.Connection:
            return sqlite3.connect(uri, uri=True, timeout=busy_seconds, isolation_level=None, check_same_thread=False)

        engine = create_engine(self.url.set(drivername="sqlite"), creator=connect, hide_parameters=True)
        read_only = self.read_only

        @event.listens_for(engine, "connect")
        def prepare(connection: Any, _: Any) -> None:
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA foreign_keys = OFF")
            connection.execute("PRAGMA cache_size = -32768")
            if read_only:
                connection.execute("PRAGMA query_only = ON")
                return
            _switch_to_wal(connection, busy_seconds)
            connection.execute(f"PRAGMA journal_size_limit = {_WAL_KEPT_BYTES}")
            connection.execute("PRAGMA secure_delete = ON")  # what is deleted is overwritten, not only unlinked

        @event.listens_for(engine, "begin")
        def begin(connection: Connection) -> None:
            options = connection.get_execution_options()
            if options.get(_ALONE):
                return
            # a writer takes the lock before it reads: a lock that is upgraded midway cannot wait, it fails
            connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get(_WRITES) else "BEGIN")

        return engine

    def _postgres(self) -> Engine:
        query = dict(self.url.query)
        given = query.pop("options", "")
        options = f"{_POSTGRES_OPTIONS} {given if isinstance(given, str) else ' '.join(given)}".strip()
        if self.read_only:
            options += " -c default_transaction_read_only=on"
        return create_engine(
            self.url.set(query=query),
            hide_parameters=True,
            pool_pre_ping=True,
            pool_size=4,
            max_overflow=4,
            pool_timeout=BUSY_SECONDS,
            isolation_level="READ COMMITTED",
            connect_args={"connect_timeout": 5, "application_name": "shadow", "options": options},
        )


def _switch_to_wal(connection: Any, busy_seconds: float) -> None:
    """SQLite's own waiting does not cover this switch: processes that open a new file together have to take turns."""
    end = time.monotonic() + busy_seconds
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
        time.sleep(_WAL_PAUSE_SECONDS)


def _parse(text: str) -> URL:
    try:
        url = make_url(text)
        backend = url.get_backend_name()
    except (ArgumentError, NoSuchModuleError, ValueError):
        raise LedgerError("ledger.url cannot be read; write sqlite:///shadow.db or postgresql://user@host/db") from None
    if backend == "sqlite":
        if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
            raise LedgerError(
                "ledger.url names no file; a ledger in memory would not outlive a restart: sqlite:///shadow.db"
            )
        return url
    if backend == "postgresql":
        return url.set(drivername="postgresql+psycopg")
    raise LedgerError(f"ledger.url: {backend} is not supported; write sqlite:///shadow.db or postgresql://user@host/db")
