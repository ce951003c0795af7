"""The log of one partition: append with the checks of idempotent producers, read, trim, look up by time."""

import asyncio
import bisect
import struct
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from kafka.record import MemoryRecords
from kafka.record.util import calc_crc32c

from shadow.demo.broker.codes import Code
from shadow.demo.broker.files import HEADER_BYTES, LogFile

_HEADER = struct.Struct(">qiibIhiqqqhii")  # of a batch, format v2
_CONTROL, _TRANSACTIONAL = 0x20, 0x10
_MAX_AHEAD_MS: Final = 3_600_000  # log.message.timestamp.after.max.ms since Kafka 4.0
_REMEMBERED_PRODUCERS = 10_000
BATCH_OVERHEAD_BYTES: Final = 256  # of the objects around a batch: without it, small batches would escape the limit


class Header(NamedTuple):
    """The head of a record batch."""

    base_offset: int
    length: int
    leader_epoch: int
    magic: int
    crc: int
    flags: int
    last_offset_delta: int
    first_timestamp: int
    max_timestamp: int
    producer_id: int
    producer_epoch: int
    sequence: int
    records: int


@dataclass(frozen=True, slots=True)
class Batch:
    """One stored batch, as it was sent but for its base offset."""

    base: int
    last: int
    max_timestamp: int
    control: bool
    data: bytes

    @property
    def cost(self) -> int:
        """The memory it takes."""
        return len(self.data) + BATCH_OVERHEAD_BYTES


@dataclass(slots=True)
class _Producer:
    """What an idempotent producer sent last: sequences and base offsets of five batches, as in Kafka."""

    epoch: int
    recent: deque[tuple[int, int, int]] = field(default_factory=lambda: deque(maxlen=5))


class Aborted(NamedTuple):
    """A transaction that was aborted; `last` is the offset of its marker."""

    producer_id: int
    first: int
    last: int


def header(data: bytes, position: int = 0) -> Header:
    """Reads the head of a batch. The caller makes sure that it is all there."""
    return Header(*_HEADER.unpack_from(data, position))


def split(data: bytes) -> list[bytes] | None:
    """The batches of a produce request; None when the bytes are not whole batches of format v2."""
    position, batches = 0, []
    while position < len(data):
        if len(data) - position < HEADER_BYTES:
            return None
        head = header(data, position)
        end = position + 12 + head.length
        if head.magic != 2 or head.length < HEADER_BYTES - 12 or end > len(data) or head.last_offset_delta < 0:
            return None
        batches.append(data[position:end])
        position = end
    return batches or None


class PartitionLog:
    """Owned by the broker's loop. The newest batch is never dropped, so that the end of the log is known after a restart."""

    def __init__(self, file: LogFile | None = None) -> None:
        self.start = self.end = 0
        self.bytes = 0
        self.changed = asyncio.Event()
        self.open: dict[int, int] = {}  # producer id -> first offset of its open transaction
        self.aborted: list[Aborted] = []
        self._batches: list[Batch] = []
        self._lasts: list[int] = []  # the last offset of each batch, for bisection
        self._producers: dict[int, _Producer] = {}
        self._file = file
        if file is not None:
            self._restore(file)

    def _restore(self, file: LogFile) -> None:
        start, batches = file.load()
        for data in batches:
            self._add(data)
        self.start = start if start is not None else self._batches[0].base if self._batches else 0
        self._forget(self.start)
        for producer_id in list(self.open):  # it was open when the broker stopped
            self.control(producer_id, self._producers[producer_id].epoch, commit=False)

    @property
    def stable_end(self) -> int:
        """The offset that read_committed may read up to."""
        return min(self.open.values(), default=self.end)

    @property
    def producer_ids(self) -> set[int]:
        """Every producer id the log remembers."""
        return set(self._producers)

    @property
    def newest_timestamp(self) -> int:
        """The largest timestamp in the log, 0 for an empty one."""
        return max((b.max_timestamp for b in self._batches), default=0)

    def append(self, data: bytes) -> tuple[Code, int]:
        """Appends what a producer sent. Returns the error and the base offset (-1 with an error)."""
        batches = split(data)
        if batches is None:
            return Code.INVALID_RECORD, -1
        first = -1
        for batch in batches:
            head = header(batch)
            if head.max_timestamp > time.time() * 1000 + _MAX_AHEAD_MS:
                return Code.INVALID_TIMESTAMP, -1
            error, duplicate = self._sequence_error(head)
            if error:
                return error, -1
            if first < 0:
                first = self.end if duplicate is None else duplicate
            if duplicate is None:
                self._store(struct.pack(">qii", self.end, head.length, 0) + batch[16:])
        self.wake()
        return Code.NONE, first

    def _sequence_error(self, head: Header) -> tuple[Code, int | None]:
        """An error, or the base offset of the batch when it is there already (the answer to it was lost)."""
        known = self._producers.get(head.producer_id) if head.producer_id >= 0 else None
        if known is None:  # Kafka takes any first sequence of a producer id it does not know (any more)
            return Code.NONE, None
        if head.producer_epoch < known.epoch:
            return Code.INVALID_PRODUCER_EPOCH, None
        if head.producer_epoch == known.epoch and known.recent:
            span = head.sequence, head.sequence + head.last_offset_delta
            for first, last, base in known.recent:
                if (first, last) == span:
                    return Code.NONE, base
            expected = (known.recent[-1][1] + 1) & 0x7FFFFFFF
        else:
            expected = 0
        return (Code.NONE if head.sequence == expected else Code.OUT_OF_ORDER_SEQUENCE_NUMBER), None

    def control(self, producer_id: int, epoch: int, *, commit: bool) -> None:
        """Writes the marker that ends a transaction."""
        now = int(time.time() * 1000)
        record = bytes([0, 0, 0, 8, 0, 0, 0, 1 if commit else 0, 12, 0, 0, 0, 0, 0, 0, 0])
        body = (
            struct.pack(">hiqqqhii", 0x30, 0, now, now, producer_id, epoch, -1, 1) + bytes([len(record) * 2]) + record
        )
        self._store(struct.pack(">qiibI", self.end, 9 + len(body), 0, 2, calc_crc32c(body)) + body)
        known = self._producers.get(producer_id)
        if known is None or known.epoch != epoch:
            self._producers[producer_id] = _Producer(epoch)  # fences older epochs
        self.wake()

    def _store(self, data: bytes) -> None:
        self._add(data)
        if self._file is not None:
            self._file.append(data)

    def _add(self, data: bytes) -> None:
        head = header(data)
        self.end = head.base_offset + head.last_offset_delta + 1
        batch = Batch(head.base_offset, self.end - 1, head.max_timestamp, bool(head.flags & _CONTROL), data)
        self.bytes += batch.cost
        self._batches.append(batch)
        self._lasts.append(self.end - 1)
        if batch.control:
            first = self.open.pop(head.producer_id, None)
            if first is not None and data[HEADER_BYTES + 8] == 0:  # type of a control record: 0 abort, 1 commit
                self.aborted.append(Aborted(head.producer_id, first, self.end - 1))
            return
        if head.flags & _TRANSACTIONAL:
            self.open.setdefault(head.producer_id, head.base_offset)
        if head.producer_id >= 0:
            self._remember(head)

    def _remember(self, head: Header) -> None:
        known = self._producers.get(head.producer_id)
        if known is None or known.epoch != head.producer_epoch:
            known = self._producers[head.producer_id] = _Producer(head.producer_epoch)
            if len(self._producers) > _REMEMBERED_PRODUCERS:
                oldest = next(p for p in self._producers if p not in self.open)
                del self._producers[oldest]
        known.recent.append((head.sequence, head.sequence + head.last_offset_delta, head.base_offset))

    def wake(self) -> None:
        """Tells fetches that wait for data that there may be some."""
        event, self.changed = self.changed, asyncio.Event()
        event.set()

    def read(self, offset: int, max_bytes: int, *, committed: bool) -> bytes:
        """Whole batches from an offset on: at least one if there is any, more as long as they fit."""
        limit = self.stable_end if committed else self.end
        found: list[bytes] = []
        size = 0
        for index in range(bisect.bisect_left(self._lasts, offset), len(self._batches)):
            batch = self._batches[index]
            if batch.last >= limit or (found and size + len(batch.data) > max_bytes):
                break
            found.append(batch.data)
            size += len(batch.data)
        return b"".join(found)

    def trim(self, before: int) -> None:
        """Moves the log start; what lies below is gone."""
        if before > self.start:
            self.start = before
            self._forget(before)
            if self._file is not None:
                self._file.trimmed(self.start, [b.data for b in self._batches])

    def release(self, size: int) -> int:
        """Drops oldest batches until `size` bytes are free or only the newest, or an open transaction, is left.

        Returns the bytes freed. The log start moves past what was dropped.
        """
        freed, start, limit = 0, self.start, min(self.stable_end, self._batches[-1].base if self._batches else 0)
        for batch in self._batches:
            if freed >= size or batch.last >= limit:
                break
            freed += batch.cost
            start = batch.last + 1
        self.trim(start)
        return freed

    def _forget(self, before: int) -> None:
        count = min(bisect.bisect_left(self._lasts, before), max(len(self._batches) - 1, 0))
        self.bytes -= sum(b.cost for b in self._batches[:count])
        del self._batches[:count], self._lasts[:count]
        self.aborted = [a for a in self.aborted if a.last >= before]

    def by_time(self, timestamp: int) -> tuple[int, int]:
        """Offset and timestamp of the first record at or after a time; (-1, -1) for none."""
        for batch in self._batches:
            if batch.max_timestamp >= timestamp and not batch.control:
                for records in MemoryRecords(batch.data):
                    for record in records:
                        if record.timestamp >= timestamp and record.offset >= self.start:
                            return record.offset, record.timestamp
        return -1, -1

    def close(self) -> None:
        """Closes the file and lets waiting fetches go."""
        self.wake()
        if self._file is not None:
            self._file.close()
