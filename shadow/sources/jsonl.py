"""Mirrored records from a JSONL file: lines count from 0 as offsets of partition 0; a growing file is followed."""

import asyncio
import hashlib
import logging
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO

from shadow.settings import JsonlSource
from shadow.sources.base import AskPosition, Delivered, PositionQuestion
from shadow.sources.tracking import Leases

log = logging.getLogger(__name__)

BATCH_LINES = 64
FOLLOW_SECONDS = 0.25
SETTLED_SECONDS = 1.0  # a last line without a line feed counts once the file has not grown for so long
_CHUNK = 1 << 16


class JsonlRecords:
    """The JSONL source. `window_records` and `window_bytes` bound what is delivered and not yet in the ledger."""

    def __init__(
        self, settings: JsonlSource, *, ask_position: AskPosition, window_records: int, window_bytes: int
    ) -> None:
        self._settings = settings
        self._path = Path(settings.path)
        self._topic = self._path.name
        self._ask = ask_position
        self._window_records, self._window_bytes = window_records, window_bytes
        self._leases = Leases()
        self._end: int | None = None
        self._stopping = False
        self._room = asyncio.Event()

    async def start(self) -> None:
        return None

    async def __aiter__(self) -> AsyncIterator[list[Delivered]]:
        tp = (self._topic, 0)
        lines = _Lines(self._path, self._settings.max_record_bytes)
        try:
            while not self._stopping and not lines.open():  # noqa: ASYNC110  # a file has no event to wait for
                await asyncio.sleep(FOLLOW_SECONDS)
            restored = False
            while not self._stopping:
                if not restored or self._leases.to_restore():
                    await self._restore(tp, lines, first=not restored)
                    restored = True
                    continue
                if self._full():
                    self._room.clear()
                    await self._room.wait()
                    continue
                batch = lines.read(BATCH_LINES)
                if not batch:
                    self._end = lines.number
                    await asyncio.sleep(FOLLOW_SECONDS)
                    continue
                self._end = None
                yield self._deliver(tp, batch)
        finally:
            lines.close()

    async def _restore(self, tp: tuple[str, int], lines: "_Lines", *, first: bool) -> None:
        if first:
            self._leases.assign([tp])
        epoch = self._leases.to_restore()[tp]
        question = PositionQuestion(
            topic=tp[0],
            partition=0,
            topic_id=lines.identity(),
            begin_offset=0,
            end_offset=await asyncio.to_thread(lines.count),
            start_offset=0,
            lease_epoch=epoch,
        )
        position = await asyncio.to_thread(self._ask, question)
        lines.seek(position)
        self._leases.restored(tp, epoch, position)

    def _deliver(self, tp: tuple[str, int], batch: list[tuple[int, bytes | None, int]]) -> list[Delivered]:
        lease = self._leases.deliver(tp, [(offset, size) for offset, _, size in batch])
        if lease is None:
            return []
        epoch, first = lease
        read_at = time.time_ns() // 1_000_000
        return [
            Delivered(
                topic=tp[0],
                partition=0,
                offset=offset,
                lease_epoch=epoch,
                sequence=sequence,
                value=value,
                ts_unix_ms=read_at,
                oversized=value is None,
            )
            for sequence, (offset, value, _) in enumerate(batch, first)
        ]

    def _full(self) -> bool:
        return self._leases.records >= self._window_records or self._leases.bytes >= self._window_bytes

    def is_current(self, topic: str, partition: int, lease_epoch: int) -> bool:
        return self._leases.current((topic, partition), lease_epoch)

    def done(self, topic: str, partition: int, lease_epoch: int, next_offset: int) -> None:
        self._leases.done((topic, partition), lease_epoch, next_offset)
        if not self._full():
            self._room.set()

    def reload(self, topic: str, partition: int, lease_epoch: int) -> None:
        self._leases.reload((topic, partition), lease_epoch)
        self._room.set()

    def outstanding(self) -> tuple[int, int]:
        """(records, bytes) delivered and not yet in the ledger."""
        return self._leases.records, self._leases.bytes

    def ends(self) -> dict[tuple[str, int], int] | None:
        return None if self._end is None else {(self._topic, 0): self._end}

    async def stop(self) -> None:
        self._stopping = True
        self._room.set()


class _Lines:
    """Lines of a file with their numbers; a line above the limit is passed over in bounded memory."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._file: BinaryIO | None = None
        self._said = False
        self._pending = bytearray()
        self._skipping = 0  # bytes of an oversized line passed over so far
        self._grown_at = time.monotonic()
        self.number = 0  # of the next line

    def open(self) -> bool:
        """False while there is no such file, or nothing in it yet."""
        if self._file is None:
            try:
                self._file = self._path.open("rb")
            except FileNotFoundError:
                if not self._said:
                    log.warning("%s does not exist yet; waiting for it", self._path.name)
                    self._said = True
                return False
        empty = not self._file.read(1)
        self._file.seek(0)
        return not empty

    def identity(self) -> str:
        """Stable for a file that only grows: a hash of its first line."""
        with self._path.open("rb") as file:
            return hashlib.sha256(file.readline(_CHUNK)).hexdigest()[:32]

    def count(self) -> int:
        """How many lines there are, an unfinished last one included."""
        total, last = 0, b"\n"
        with self._path.open("rb") as file:
            while chunk := file.read(1 << 20):
                total += chunk.count(b"\n")
                last = chunk[-1:]
        return total + (last != b"\n")

    def seek(self, number: int) -> None:
        """Goes to the beginning of a line."""
        if self._file is None:
            return
        self._file.seek(0)
        self._pending.clear()
        self._skipping = 0
        left = number
        while left > 0 and (chunk := self._file.read(1 << 20)):
            newlines = chunk.count(b"\n")
            if newlines < left:
                left -= newlines
                continue
            position = -1
            for _ in range(left):
                position = chunk.index(b"\n", position + 1)
            self._file.seek(position + 1 - len(chunk), 1)
            left = 0
        self.number = number

    def read(self, limit: int) -> list[tuple[int, bytes | None, int]]:
        """Up to `limit` complete lines as (number, bytes or None when oversized, size); empty at the end of the file."""
        found: list[tuple[int, bytes | None, int]] = []
        while len(found) < limit:
            cut = self._pending.find(b"\n")
            if cut >= 0:
                found.append(self._take(cut, 1))
                continue
            if len(self._pending) > self._max_bytes:
                self._skipping += len(self._pending)
                self._pending.clear()
            chunk = self._file.read(_CHUNK) if self._file is not None else b""
            if chunk:
                self._pending += chunk
                self._grown_at = time.monotonic()
                continue
            settled = time.monotonic() - self._grown_at >= SETTLED_SECONDS
            if settled and (self._pending or self._skipping):
                found.append(self._take(len(self._pending), 0))
            break
        return found

    def _take(self, cut: int, feed: int) -> tuple[int, bytes | None, int]:
        size = self._skipping + cut
        value = None if size > self._max_bytes else bytes(self._pending[:cut])
        del self._pending[: cut + feed]
        self._skipping = 0
        self.number += 1
        return self.number - 1, value, size

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
