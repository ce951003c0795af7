"""Files that survive kill -9: an append-only log per partition, and small documents that are replaced whole."""

import json
import os
import struct
from pathlib import Path
from typing import IO, Any

HEADER_BYTES = 61
_SLACK_BYTES = 1 << 20


def write_document(path: Path, document: Any) -> None:
    """Writes JSON so that a reader finds the old text or the new one, never a part."""
    draft = path.with_name(path.name + ".tmp")
    draft.write_text(json.dumps(document))
    os.replace(draft, path)


def read_document(path: Path) -> Any | None:
    """The JSON in a file, None when there is no such file."""
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return None


class LogFile:
    """The batches of one partition, one after the other, and beside them where the log starts.

    Writes go to the operating system at once: they outlive the process, not the machine.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._start_path = path.with_suffix(".start")
        self._file: IO[bytes] | None = None
        self._bytes = 0

    def load(self) -> tuple[int | None, list[bytes]]:
        """The recorded log start (None: never moved) and all whole batches; a torn one at the end is cut off."""
        batches, position = [], 0
        raw = self._path.read_bytes() if self._path.exists() else b""
        while position + HEADER_BYTES <= len(raw):
            (length,) = struct.unpack_from(">i", raw, position + 8)
            end = position + 12 + length
            if length < HEADER_BYTES - 12 or end > len(raw):
                break
            batches.append(raw[position:end])
            position = end
        if position < len(raw):
            with self._path.open("r+b") as file:
                file.truncate(position)
        self._file, self._bytes = self._path.open("ab"), position
        start = read_document(self._start_path)
        return (int(start) if start is not None else None), batches

    def append(self, batch: bytes) -> None:
        """Adds one batch."""
        if self._file is not None:
            self._file.write(batch)
            self._file.flush()
            self._bytes += len(batch)

    def trimmed(self, start: int, batches: list[bytes]) -> None:
        """Records a new log start; rewrites the file once most of it is no longer needed."""
        write_document(self._start_path, start)
        live = sum(map(len, batches))
        if self._bytes > 2 * live + _SLACK_BYTES:
            draft = self._path.with_suffix(".tmp")
            draft.write_bytes(b"".join(batches))
            os.replace(draft, self._path)
            self.close()
            self._file, self._bytes = self._path.open("ab"), live

    def close(self) -> None:
        """Closes the file; what follows is not written any more."""
        if self._file is not None:
            self._file.close()
            self._file = None
