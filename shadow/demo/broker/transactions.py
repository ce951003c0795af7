"""Producer ids and transactions."""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from shadow.demo.broker.codes import Code
from shadow.demo.broker.coordinator import Coordinator
from shadow.demo.broker.groups import Offset, Place
from shadow.demo.broker.topics import Topics

_MAX_TIMEOUT_MS = 900_000


@dataclass(slots=True, eq=False)
class Transaction:
    """What belongs to one transactional id. `ending`: EndTxn was answered, the markers are not written yet."""

    producer_id: int
    epoch: int = -1
    open: bool = False
    ending: bool = False
    committed_last: bool | None = None
    partitions: set[Place] = field(default_factory=set)
    offsets: dict[str, dict[Place, Offset]] = field(default_factory=dict)
    started: float = 0.0
    timeout_ms: int = 60_000

    def begin(self) -> None:
        """The first request of a transaction starts its clock."""
        if not self.open:
            self.open, self.started = True, time.monotonic()


class Transactions:
    """Owned by the broker's loop."""

    def __init__(self, topics: Topics, coordinator: Coordinator, marker_delay_seconds: float) -> None:
        self._topics, self._coordinator = topics, coordinator
        self._delay = marker_delay_seconds
        self._by_id: dict[str, Transaction] = {}
        # Milliseconds since the epoch grow over restarts: an id that a living producer still uses is never given again,
        # else the sequence numbers of one would swallow the batches of the other.
        self._next = max(topics.producer_ids | {int(time.time() * 1000)})

    def new_producer_id(self) -> int:
        """An id nobody has."""
        self._next += 1
        return self._next

    def init(self, transactional_id: str, timeout_ms: int, current: tuple[int, int] | None) -> tuple[Code, int, int]:
        """Error, producer id and epoch of a producer that starts; what its predecessor left open is aborted."""
        if not 0 < timeout_ms <= _MAX_TIMEOUT_MS:
            return Code.INVALID_TRANSACTION_TIMEOUT, -1, -1
        transaction = self._by_id.get(transactional_id)
        if transaction is None:
            transaction = self._by_id[transactional_id] = Transaction(self.new_producer_id())
        if current is not None and current != (transaction.producer_id, transaction.epoch):
            return Code.PRODUCER_FENCED, -1, -1
        if transaction.ending:
            return Code.CONCURRENT_TRANSACTIONS, -1, -1
        transaction.epoch += 1
        transaction.timeout_ms = timeout_ms
        if transaction.open:
            self._finish(transaction, commit=False)
        return Code.NONE, transaction.producer_id, transaction.epoch

    def find(
        self, transactional_id: str, producer_id: int, epoch: int, *, fenced: Code = Code.PRODUCER_FENCED
    ) -> tuple[Transaction | None, Code]:
        """The transaction a producer may write to, or why not."""
        transaction = self._by_id.get(transactional_id)
        if transaction is None or transaction.producer_id != producer_id:
            return None, Code.INVALID_PRODUCER_ID_MAPPING
        if transaction.epoch != epoch:
            return None, fenced
        return (None, Code.CONCURRENT_TRANSACTIONS) if transaction.ending else (transaction, Code.NONE)

    def batch_error(self, place: Place, producer_id: int, epoch: int) -> Code:
        """Whether a transactional batch may be appended: its partition has to be in the open transaction (KIP-890)."""
        transaction = next((t for t in self._by_id.values() if t.producer_id == producer_id), None)
        if transaction is not None and epoch < transaction.epoch:
            return Code.INVALID_PRODUCER_EPOCH
        return Code.NONE if transaction is not None and place in transaction.partitions else Code.INVALID_TXN_STATE

    def add_offsets(self, transaction: Transaction, group_id: str, offsets: dict[Place, Offset]) -> None:
        """Offsets that are committed with the transaction."""
        transaction.offsets.setdefault(group_id, {}).update(offsets)
        self._coordinator.group(group_id).uncommitted.setdefault(transaction.producer_id, {}).update(offsets)

    def end(self, transaction: Transaction, *, commit: bool) -> None:
        """Ends it; as in Kafka the answer may come before the markers and offsets are visible."""
        transaction.ending = True
        if self._delay:
            loop = asyncio.get_running_loop()
            loop.call_later(self._delay, lambda: self._finish(transaction, commit=commit))
        else:
            self._finish(transaction, commit=commit)

    def expire(self) -> None:
        """Aborts what is open for too long; its producer is fenced."""
        now = time.monotonic()
        for transaction in self._overdue(now):
            transaction.epoch += 1
            self._finish(transaction, commit=False)

    def _overdue(self, now: float) -> Iterable[Transaction]:
        return [t for t in self._by_id.values() if t.open and not t.ending and (now - t.started) * 1000 > t.timeout_ms]

    def _finish(self, transaction: Transaction, *, commit: bool) -> None:
        for place in transaction.partitions:
            log = self._topics.log(*place)
            if log is not None:
                log.control(transaction.producer_id, transaction.epoch, commit=commit)
        for group_id, offsets in transaction.offsets.items():
            group = self._coordinator.group(group_id)
            group.uncommitted.pop(transaction.producer_id, None)
            if commit:
                self._coordinator.commit(group, offsets)
        transaction.open = transaction.ending = False
        transaction.committed_last = commit
        transaction.partitions, transaction.offsets = set(), {}
