"""Brings a database to the schema of this program, safely when several processes start at once."""

import uuid
from pathlib import Path

from sqlalchemy import Connection, inspect, select, text

from shadow.errors import LedgerError
from shadow.ledger.engine import Database
from shadow.ledger.failures import describe
from shadow.ledger.schema import KNOWN_REVISIONS, SCHEMA_REVISION, VERSION_TABLE, meta

_ADVISORY_LOCK = 0x5AD0_1ED6
_LEDGER_ID = "ledger_id"


def upgrade(database: Database) -> str:
    """Creates or upgrades the schema and returns the ledger's id, which is made once."""
    with database.reading() as connection:
        ledger_id = _ready(connection, database)
    if ledger_id is not None:
        return ledger_id
    return database.write(lambda connection: _upgrade(connection, database))


def require(database: Database) -> str:
    """The ledger's id; for readers, which change nothing. Raises LedgerError when there is no ledger of this schema."""
    _require_file(database)
    with database.reading() as connection:
        ledger_id = _ready(connection, database)
        if ledger_id is None:
            revision = _revision(connection)
            if revision is None:
                raise LedgerError(_absent(database))
            raise LedgerError(
                f"{describe(database.url)} has the older schema {revision}; `shadow run` upgrades it when it starts"
            )
    return ledger_id


def require_existing(database: Database) -> None:
    """Raises LedgerError when there is no ledger yet: a command that looks should not make one."""
    _require_file(database)
    with database.reading() as connection:
        if _revision(connection) is None:
            raise LedgerError(_absent(database))


def _require_file(database: Database) -> None:
    if database.is_sqlite and not Path(database.url.database or "").exists():
        raise LedgerError(_absent(database))


def _absent(database: Database) -> str:
    return f"{describe(database.url)} does not exist yet; `shadow run -c FILE` creates it with the first record"


def _ready(connection: Connection, database: Database) -> str | None:
    """The ledger's id when the schema is the present one, None when there is something to do."""
    revision = _revision(connection)
    if revision is not None and revision not in KNOWN_REVISIONS:
        raise LedgerError(
            f"{describe(database.url)} has the newer schema {revision}, this program knows {SCHEMA_REVISION}; "
            "upgrade this Shadow, or give it a ledger.url of its own"
        )
    if revision != SCHEMA_REVISION:
        return None
    return connection.execute(select(meta.c.value).where(meta.c.name == _LEDGER_ID)).scalar()


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    found = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608 - a constant
    return None if found is None else str(found)


def _upgrade(connection: Connection, database: Database) -> str:
    if not database.is_sqlite:
        connection.execute(text("SET LOCAL lock_timeout = '60s'"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
    ledger_id = _ready(connection, database)  # another process may have been first
    if ledger_id is not None:
        return ledger_id
    _run_migrations(connection)
    ledger_id = uuid.uuid4().hex
    connection.execute(meta.insert(), {"name": _LEDGER_ID, "value": ledger_id})
    return ledger_id


def _run_migrations(connection: Connection) -> None:
    from alembic import command  # imported here: a start that finds its schema does not need it
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise LedgerError(f"the schema cannot be brought up to date: {error}") from None
