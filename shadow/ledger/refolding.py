"""Counting stored outcomes anew when a policy asks for other counts: another tail threshold, another quality scorer.

The evidence is the outcomes; the paired states are only their sum by one specification. Nothing is lost by the change.
"""

from contextlib import nullcontext
from itertools import groupby

from sqlalchemy import Connection, delete, select

from shadow.ledger.base import FoldRows
from shadow.ledger.engine import Database
from shadow.ledger.reading import Reader
from shadow.ledger.schema import aggregate, position, state
from shadow.ledger.writing import add_states

STATE = "fold"
_PAIRED = ("pair", "floor")


def refold(database: Database, key: str, fold: FoldRows) -> int:
    """Makes the paired states those of the specification `key`; returns how many states were made, 0 when they were so.

    One transaction that holds every position's row: no worker adds to the old states meanwhile. A worker that still
    counts by the old specification is refused at its next commit, and starts again with the configuration it finds.
    """

    def work(connection: Connection) -> int:
        owners = connection.execute(select(position.c.id).order_by(position.c.id).with_for_update()).scalars().all()
        known = connection.execute(select(state.c.value).where(state.c.name == STATE)).scalar()
        if known is not None and bytes(known).decode() == key:
            return 0
        connection.execute(delete(state).where(state.c.name == STATE))
        connection.execute(state.insert().values(name=STATE, value=key.encode()))
        if known is None:
            return 0
        connection.execute(delete(aggregate).where(aggregate.c.kind.in_(_PAIRED)))
        made = 0
        for owner in owners:
            rows = Reader(lambda: nullcontext(connection)).outcomes(position_id=owner)
            calls = (list(group) for _, group in groupby(rows, key=lambda row: (row.offset, row.call)))
            states = {k: v for k, v in fold(calls).items() if k.kind in _PAIRED}
            add_states(connection, owner, states, _never)
            made += len(states)
        return made

    return database.write(work)


def _never(kind: str, one: bytes, other: bytes) -> bytes:
    """Nothing is left to add to: every paired state of the partition was removed in this transaction."""
    raise AssertionError(f"a {kind} state was left over")
