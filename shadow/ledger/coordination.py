"""What processes agree on through the ledger: epochs of evidence, the monitor's lease, notes and small states."""

from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Connection, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from shadow.errors import LedgerError
from shadow.ledger.base import EpochRow
from shadow.ledger.engine import Database
from shadow.ledger.identity import storable, storable_name
from shadow.ledger.reading import epoch_of
from shadow.ledger.rows import encoded
from shadow.ledger.schema import epoch, lease, note, state

_ATTEMPTS = 5

T = TypeVar("T")


def open_epoch(
    database: Database, candidate: str, key: str, description: dict[str, Any], at_unix_ms: int, why: str
) -> EpochRow:
    """The current epoch when its key is the same, else a new one; concurrent callers with one key get one epoch."""

    def work(connection: Connection) -> EpochRow:
        current = connection.execute(
            select(epoch).where(epoch.c.candidate == candidate, epoch.c.ended_unix_ms.is_(None)).with_for_update()
        ).first()
        if current is not None and current.key == key:
            return epoch_of(current)
        if current is not None:
            connection.execute(
                update(epoch).where(epoch.c.id == current.id).values(ended_unix_ms=at_unix_ms, why_ended=storable(why))
            )
        values = {
            "candidate": candidate,
            "key": key,
            "description": encoded(description) or "{}",
            "started_unix_ms": at_unix_ms,
        }
        return epoch_of(connection.execute(insert(epoch).values(values).returning(epoch)).one())

    for _ in range(_ATTEMPTS):
        try:
            return database.write(_unless_taken(work))
        except _Taken:
            continue  # another worker opened one at the same moment: the next look finds it
    raise LedgerError(
        f"the epoch of {candidate!r} changes while it is opened; workers with different configurations share this ledger"
    )


def take_lease(database: Database, name: str, holder: str, now_unix_ms: int, ttl_seconds: float) -> bool:
    """True when `holder` holds the lease now: taken, renewed, or taken over after it expired."""
    expires = now_unix_ms + round(ttl_seconds * 1000)

    def work(connection: Connection) -> bool:
        taken = connection.execute(
            update(lease)
            .where(lease.c.name == name, or_(lease.c.holder == holder, lease.c.expires_unix_ms <= now_unix_ms))
            .values(holder=holder, expires_unix_ms=expires)
        )
        if taken.rowcount == 1:
            return True
        if connection.execute(select(lease.c.name).where(lease.c.name == name)).first() is not None:
            return False
        connection.execute(insert(lease).values(name=name, holder=holder, expires_unix_ms=expires))
        return True

    try:
        return database.write(_unless_taken(work))
    except _Taken:
        return False


def release_lease(database: Database, name: str, holder: str) -> None:
    """Gives the lease back, if `holder` has it."""
    database.write(
        lambda connection: connection.execute(lease.delete().where(lease.c.name == name, lease.c.holder == holder))
    )


def put_note(database: Database, kind: str, subject: str, key: str, value: dict[str, Any], at_unix_ms: int) -> bool:
    """Appends a fact once per (kind, subject, key); False when it is known already."""
    values = {
        "kind": kind,
        "subject": storable_name(subject),
        "key": storable_name(key),
        "value": encoded(value) or "{}",
        "at_unix_ms": at_unix_ms,
    }

    def work(connection: Connection) -> bool:
        known = select(note.c.sequence).where(
            note.c.kind == kind, note.c.subject == values["subject"], note.c.key == values["key"]
        )
        if connection.execute(known).first() is not None:
            return False
        connection.execute(insert(note).values(values))
        return True

    try:
        return database.write(_unless_taken(work))
    except _Taken:
        return False


def put_state(database: Database, name: str, value: bytes) -> None:
    """Keeps a small state; the last write wins."""

    def work(connection: Connection) -> None:
        changed = connection.execute(update(state).where(state.c.name == name).values(value=value))
        if changed.rowcount == 0:
            connection.execute(insert(state).values(name=name, value=value))

    for _ in range(_ATTEMPTS):
        try:
            return database.write(_unless_taken(work))
        except _Taken:
            continue
    raise LedgerError(f"the state {name!r} cannot be kept: others write it at the same time")


class _Taken(Exception):
    """Another process inserted the row first; the transaction is rolled back."""


def _unless_taken(work: Callable[[Connection], T]) -> Callable[[Connection], T]:
    """`work`, with the database's word for "exists already" turned into _Taken."""

    def guarded(connection: Connection) -> T:
        try:
            return work(connection)
        except IntegrityError:
            raise _Taken from None

    return guarded
