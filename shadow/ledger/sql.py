"""The ledger on SQLite or PostgreSQL: one class that keeps the port's promises over the modules beside it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

from shadow.clock import Clock, SystemClock
from shadow.errors import LedgerError
from shadow.ledger import coordination, retention
from shadow.ledger.base import EpochRow, Explanation, FoldRows, MergeStates, PositionAnswer, PrefixBatch
from shadow.ledger.engine import BUSY_SECONDS, Database
from shadow.ledger.failures import describe
from shadow.ledger.forgetting import forget, wipe
from shadow.ledger.identity import hidden_name
from shadow.ledger.positions import load_position
from shadow.ledger.reading import Reader
from shadow.ledger.refolding import refold
from shadow.ledger.spending import Spending, spending
from shadow.ledger.upgrade import require, require_existing, upgrade
from shadow.ledger.writing import check, write_batch
from shadow.sources.base import PositionQuestion


class SqlLedger(Reader):
    """Implements `shadow.ledger.base.Ledger`. Thread-safe; blocks on the database, never longer than its lock timeouts.

    After any exception of `commit` the caller loads the position again and goes on from there: Fenced means that nothing
    was kept, UnreachableError may come from a COMMIT whose outcome nobody knows.
    """

    def __init__(
        self,
        url: str,
        *,
        merge: MergeStates,
        text_days: float = 14,
        outcome_days: float | None = None,
        clock: Clock | None = None,
        read_only: bool = False,
        busy_seconds: float = BUSY_SECONDS,
    ) -> None:
        self._database = Database(url, read_only=read_only, busy_seconds=busy_seconds)
        super().__init__(self._database.reading)
        self._merge = merge
        self._text_days = text_days
        self._outcome_days = outcome_days
        self._clock = clock or SystemClock()
        self._ledger_id: str | None = None

    @classmethod
    def open(
        cls,
        url: str,
        *,
        merge: MergeStates,
        text_days: float = 14,
        outcome_days: float | None = None,
        clock: Clock | None = None,
        read_only: bool = False,
        must_exist: bool = False,
        busy_seconds: float = BUSY_SECONDS,
    ) -> "SqlLedger":
        """A ledger that is ready: its schema upgraded, or created unless `read_only` or `must_exist`."""
        ledger = cls(
            url,
            merge=merge,
            text_days=text_days,
            outcome_days=outcome_days,
            clock=clock,
            read_only=read_only,
            busy_seconds=busy_seconds,
        )
        try:
            if must_exist:
                require_existing(ledger._database)
            ledger.ledger_id()
        except BaseException:
            ledger.close()
            raise
        return ledger

    def ledger_id(self) -> str:
        if self._ledger_id is None:
            self._ledger_id = (require if self._database.read_only else upgrade)(self._database)
        return self._ledger_id

    def explain(self, request_id: str) -> list[Explanation]:
        return super().explain(request_id) or super().explain(hidden_name(request_id, self.ledger_id()))

    @contextmanager
    def snapshot(self) -> Iterator[Reader]:
        """Reads that all see the same moment, whatever is committed meanwhile. For one thread, and not for hours."""
        with self._database.reading() as connection:
            yield Reader(lambda: nullcontext(connection))

    def spending(self, since_unix_ms: int, read_to: Mapping[int, int]) -> Spending:
        """What the arms that cost something have used since then; see `shadow.ledger.spending`."""
        with self._database.reading() as connection:
            return spending(connection, since_unix_ms, read_to)

    def load_position(self, question: PositionQuestion, *, group: str) -> PositionAnswer:
        return load_position(self._writable(), question, group, self._clock.wall_unix_ms())

    def commit(self, batch: PrefixBatch) -> None:
        check(batch)
        now = self._clock.wall_unix_ms()
        self._writable().write(lambda connection: write_batch(connection, batch, self._merge, now))

    def open_epoch(self, candidate: str, key: str, description: dict[str, Any], at_unix_ms: int, why: str) -> EpochRow:
        return coordination.open_epoch(self._writable(), candidate, key, description, at_unix_ms, why)

    def take_lease(self, name: str, holder: str, now_unix_ms: int, ttl_seconds: float) -> bool:
        return coordination.take_lease(self._writable(), name, holder, now_unix_ms, ttl_seconds)

    def release_lease(self, name: str, holder: str) -> None:
        coordination.release_lease(self._writable(), name, holder)

    def put_note(self, kind: str, subject: str, key: str, value: dict[str, Any], at_unix_ms: int) -> bool:
        return coordination.put_note(self._writable(), kind, subject, key, value, at_unix_ms)

    def put_state(self, name: str, value: bytes) -> None:
        coordination.put_state(self._writable(), name, value)

    def forget(
        self,
        *,
        request_id: str | None = None,
        session: str | None = None,
        user: str | None = None,
        wipe_files: bool = True,
    ) -> int:
        touched = forget(self._writable(), self.ledger_id(), request_id=request_id, session=session, user=user)
        if wipe_files:
            self.wipe()
        return touched

    def wipe(self) -> None:
        """Makes what was forgotten leave the database's files; once after several `forget(..., wipe_files=False)`."""
        wipe(self._writable())

    def refold(self, key: str, fold: FoldRows) -> int:
        return refold(self._writable(), key, fold)

    def roll_up(self, before_minute: int) -> int:
        return retention.roll_up(self._writable(), before_minute, self._merge)

    def sweep(self, now_unix_ms: int) -> int:
        return retention.sweep(
            self._writable(), now_unix_ms, text_days=self._text_days, outcome_days=self._outcome_days
        )

    def close(self) -> None:
        self._database.close()

    def _writable(self) -> Database:
        if self._database.read_only:
            raise LedgerError(f"{describe(self._database.url)} was opened for reading only")
        return self._database
