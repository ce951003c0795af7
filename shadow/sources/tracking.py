"""Who owns which partition, what was delivered and not yet accounted for: the bookkeeping of a Kafka source.

A *lease* is one assignment of one partition; its epoch makes results of a revoked or reloaded partition harmless.
"""

import threading
from collections import deque
from dataclasses import dataclass, field

TopicPartition = tuple[str, int]


@dataclass(slots=True)
class _Lease:
    epoch: int
    next_offset: int | None = None  # what the ledger has; None until it answered
    sequence: int = 0
    outstanding: deque[tuple[int, int]] = field(default_factory=deque)  # (offset, bytes), delivered, not accounted for
    committed: int | None = None  # what was last handed to a group commit


class Leases:
    """Thread-safe: the Kafka thread delivers, its I/O thread assigns and revokes, the loop reports what is done."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # protects everything below
        self._leases: dict[TopicPartition, _Lease] = {}
        self._epoch = 0
        self.records = 0  # outstanding over all leases
        self.bytes = 0

    def assign(self, partitions: list[TopicPartition]) -> None:
        """New leases, to be restored before anything is delivered."""
        with self._lock:
            for tp in partitions:
                self._drop(tp)
                self._epoch += 1
                self._leases[tp] = _Lease(self._epoch)

    def revoke(self, partitions: list[TopicPartition]) -> None:
        """The partitions belong to somebody else now."""
        with self._lock:
            for tp in partitions:
                self._drop(tp)

    def reload(self, tp: TopicPartition, epoch: int) -> bool:
        """The ledger refused: a new lease of the same partition. False when the lease is gone already."""
        with self._lock:
            lease = self._leases.get(tp)
            if lease is None or lease.epoch != epoch:
                return False
            self._drop(tp)
            self._epoch += 1
            self._leases[tp] = _Lease(self._epoch)
            return True

    def _drop(self, tp: TopicPartition) -> None:
        lease = self._leases.pop(tp, None)
        if lease is not None:
            self.records -= len(lease.outstanding)
            self.bytes -= sum(size for _, size in lease.outstanding)

    def to_restore(self) -> dict[TopicPartition, int]:
        """Epochs of the leases whose position is not known yet."""
        with self._lock:
            return {tp: lease.epoch for tp, lease in self._leases.items() if lease.next_offset is None}

    def restored(self, tp: TopicPartition, epoch: int, next_offset: int) -> bool:
        """The position is known and sought. False when the lease is gone meanwhile."""
        with self._lock:
            lease = self._leases.get(tp)
            if lease is None or lease.epoch != epoch:
                return False
            lease.next_offset = next_offset
            return True

    def current(self, tp: TopicPartition, epoch: int) -> bool:
        """True while that lease stands."""
        with self._lock:
            lease = self._leases.get(tp)
            return lease is not None and lease.epoch == epoch

    def deliver(self, tp: TopicPartition, items: list[tuple[int, int]]) -> tuple[int, int] | None:
        """Notes (offset, bytes) as outstanding: (epoch, first sequence), or None when nothing may be delivered."""
        with self._lock:
            lease = self._leases.get(tp)
            if lease is None or lease.next_offset is None:
                return None
            first = lease.sequence
            lease.sequence += len(items)
            lease.outstanding.extend(items)
            self.records += len(items)
            self.bytes += sum(size for _, size in items)
            return lease.epoch, first

    def floor(self, tp: TopicPartition) -> int | None:
        """The position of a restored lease: records below it were accounted for already."""
        with self._lock:
            lease = self._leases.get(tp)
            return None if lease is None else lease.next_offset

    def done(self, tp: TopicPartition, epoch: int, next_offset: int) -> None:
        """Everything below `next_offset` is in the ledger."""
        with self._lock:
            lease = self._leases.get(tp)
            if lease is None or lease.epoch != epoch:
                return
            lease.next_offset = next_offset
            while lease.outstanding and lease.outstanding[0][0] < next_offset:
                _, size = lease.outstanding.popleft()
                self.records -= 1
                self.bytes -= size

    def idle(self, tp: TopicPartition) -> int | None:
        """The position of a lease with nothing outstanding, else None."""
        with self._lock:
            lease = self._leases.get(tp)
            return None if lease is None or lease.outstanding else lease.next_offset

    def to_commit(self, only: list[TopicPartition] | None = None) -> dict[TopicPartition, int]:
        """Positions that moved since they were last handed out; group offsets are for lag tools only."""
        with self._lock:
            moved = {
                tp: lease.next_offset
                for tp, lease in self._leases.items()
                if lease.next_offset is not None
                and lease.next_offset != lease.committed
                and (only is None or tp in only)
            }
            for tp, offset in moved.items():
                self._leases[tp].committed = offset
            return moved

    def commit_failed(self, partitions: list[TopicPartition]) -> None:
        """Hand these positions out again."""
        with self._lock:
            for tp in partitions:
                if tp in self._leases:
                    self._leases[tp].committed = None
