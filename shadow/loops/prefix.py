"""The contiguous prefix of each partition: what may go into the ledger, in the order it was delivered.

Completion order never matters: a record enters the statistics only when every record before it is resolved.
"""

from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")

TopicPartition = tuple[str, int]


@dataclass(slots=True)
class _Partition(Generic[T]):
    lease_epoch: int
    expected_offset: int  # next_offset of the ledger
    next_sequence: int = 0
    waiting: dict[int, tuple[int, T]] = field(default_factory=dict)  # sequence -> (offset, item)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run(Generic[T]):
    """A contiguous run of resolved records of one lease."""

    topic: str
    partition: int
    lease_epoch: int
    expected_offset: int
    next_offset: int
    gaps: int  # offsets between that never held a record (compaction, transaction markers)
    items: tuple[T, ...]


class Prefixes(Generic[T]):
    """One reorder buffer per leased partition; owned by the writer thread. Bounded by the source's window."""

    def __init__(self) -> None:
        self._partitions: dict[TopicPartition, _Partition[T]] = {}

    def lease(self, topic: str, partition: int, lease_epoch: int, next_offset: int) -> None:
        """A partition starts, or starts again, at the ledger's position."""
        self._partitions[topic, partition] = _Partition(lease_epoch, next_offset)

    def drop(self, topic: str, partition: int) -> None:
        """The lease is void; what waits of it is forgotten, its new owner replays it."""
        self._partitions.pop((topic, partition), None)

    def add(self, topic: str, partition: int, lease_epoch: int, sequence: int, offset: int, item: T) -> bool:
        """Takes a resolved record. False when its lease is void."""
        state = self._partitions.get((topic, partition))
        if state is None or state.lease_epoch != lease_epoch:
            return False
        state.waiting[sequence] = (offset, item)
        return True

    def take(self, limit: int) -> list[Run[T]]:
        """What is contiguous now, at most `limit` records a partition. Nothing is removed until `advance`."""
        runs: list[Run[T]] = []
        for (topic, partition), state in self._partitions.items():
            items: list[T] = []
            last = state.expected_offset - 1
            sequence = state.next_sequence
            while len(items) < limit and sequence in state.waiting:
                last, item = state.waiting[sequence]
                items.append(item)
                sequence += 1
            if items:
                runs.append(
                    Run(
                        topic=topic,
                        partition=partition,
                        lease_epoch=state.lease_epoch,
                        expected_offset=state.expected_offset,
                        next_offset=last + 1,
                        gaps=last + 1 - state.expected_offset - len(items),
                        items=tuple(items),
                    )
                )
        return runs

    def advance(self, run: Run[T]) -> None:
        """The ledger has `run`: forget it and expect what follows."""
        state = self._partitions.get((run.topic, run.partition))
        if state is None or state.lease_epoch != run.lease_epoch:
            return
        for _ in run.items:
            state.waiting.pop(state.next_sequence, None)
            state.next_sequence += 1
        state.expected_offset = run.next_offset

    def waiting(self) -> int:
        """Records that are resolved and wait for one before them."""
        return sum(len(p.waiting) for p in self._partitions.values())
