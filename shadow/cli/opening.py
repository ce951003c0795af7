"""Opens the ledger that a configuration names, for commands that look at it while `shadow run` writes it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from shadow.errors import LedgerError

if TYPE_CHECKING:
    from shadow.ledger.sql import SqlLedger
    from shadow.settings import Settings


@contextmanager
def opened(path: str, *, read_only: bool = True) -> "Iterator[tuple[Settings, SqlLedger]]":
    """The settings of a configuration file and its ledger, closed at the end of the block.

    Raises ConfigurationError for the file, LedgerError when there is no ledger yet, UnreachableError when the database
    does not answer.
    """
    from shadow.configuration import load
    from shadow.ledger.sql import SqlLedger

    settings = load(path)
    ledger = SqlLedger.open(
        settings.ledger.url,
        merge=_no_evidence,
        text_days=settings.ledger.text_days,
        outcome_days=settings.ledger.outcome_days,
        read_only=read_only,
        must_exist=True,
    )
    try:
        yield settings, ledger
    finally:
        ledger.close()


def _no_evidence(kind: str, one: bytes, other: bytes) -> bytes:
    raise LedgerError("a command that only looks at the ledger cannot add evidence to it")
