"""The port of a source of mirrored records, and what it delivers."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """One raw record under a lease. `value` is None for a tombstone. `sequence` counts deliveries of this lease from 0."""

    topic: str
    partition: int
    offset: int
    lease_epoch: int
    sequence: int
    value: bytes | None
    key: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = field(default=())
    ts_unix_ms: int | None = None
    oversized: bool = False  # larger than the limit: `value` was not kept


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionQuestion:
    """What a source asks the ledger when it gets a partition: where does this group go on?"""

    topic: str
    partition: int
    topic_id: str
    begin_offset: int
    end_offset: int
    start_offset: int  # where a first sight of the partition would start (latest, earliest or a time, resolved)
    lease_epoch: int = 0


AskPosition = Callable[[PositionQuestion], int]
"""Asks the ledger for the next offset of a partition. Called outside the loop, blocks until answered; raises LedgerError
when the ledger refuses (foreign group, topic made anew), UnreachableError when no answer came in time."""


class Source(Protocol):
    """Delivers records in offset order per partition; everything is awaited in one loop."""

    async def start(self) -> None:
        """Connects in the background; does not wait for the broker."""
        ...

    def __aiter__(self) -> AsyncIterator[list[Delivered]]:
        """Batches until `stop`; raises what killed the source."""
        ...

    def is_current(self, topic: str, partition: int, lease_epoch: int) -> bool:
        """False: the partition was revoked or reloaded after the record was delivered, work on it is wasted."""
        ...

    def done(self, topic: str, partition: int, lease_epoch: int, next_offset: int) -> None:
        """The ledger has committed everything of this lease below `next_offset`."""
        ...

    def reload(self, topic: str, partition: int, lease_epoch: int) -> None:
        """The ledger refused a transaction: forget the lease and ask for the position again."""
        ...

    def ends(self) -> dict[tuple[str, int], int] | None:
        """The end of every partition of the topic, owned or not; None while that is unknown (no topic, no broker)."""
        ...

    def outstanding(self) -> tuple[int, int]:
        """(records, bytes) delivered and not yet in the ledger: how full the window is."""
        ...

    async def stop(self) -> None:
        """Stops delivering, leaves the group, within seconds."""
        ...
