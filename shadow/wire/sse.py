"""Splits a server-sent event stream into events, whatever way the network cut the bytes.

Lines end at CR, LF or CRLF and nowhere else (a U+2028 inside a JSON string is text). Memory is bounded: a line or event
above the limit stops the stream and sets `overflowed`.
"""

from typing import NamedTuple

_BOM = b"\xef\xbb\xbf"


class SseEvent(NamedTuple):
    """One event that carries data. `name` is its `event` field; some servers put an error into a field named `error`."""

    data: bytes
    name: str | None = None


class SseSplitter:
    """Feed it reads as they arrive; it returns the events each one completed. Owned by one reader."""

    def __init__(self, max_event_bytes: int = 8 * 2**20) -> None:
        self._max = max_event_bytes
        self._tail = bytearray()  # the unfinished line; grows in place, so that one-byte reads stay linear
        self._after_cr = False
        self._first_line = True
        self._data: list[bytes] = []
        self._data_bytes = 0
        self._name: str | None = None
        self.overflowed = False

    def feed(self, chunk: bytes) -> list[SseEvent]:
        """The events completed by `chunk`, in order."""
        if self.overflowed or not chunk:
            return []
        if self._after_cr and chunk.startswith(b"\n"):
            chunk = chunk[1:]
            if not chunk:
                self._after_cr = False
                return []
        self._after_cr = chunk.endswith(b"\r")
        if b"\r" in chunk:
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        lines = chunk.split(b"\n")
        events: list[SseEvent] = []
        for line in lines[:-1]:
            if self._tail:
                self._tail += line
                line = bytes(self._tail)
                self._tail.clear()
            self._line(line, events)
            if self.overflowed:
                return events
        if lines[-1]:
            self._tail += lines[-1]
            if len(self._tail) + self._data_bytes > self._max:
                self._stop()
        return events

    def finish(self) -> list[SseEvent]:
        """The last event when nothing terminated it; the standard drops it, a recording that was closed keeps it."""
        events: list[SseEvent] = []
        if not self.overflowed:
            if self._tail:
                self._line(bytes(self._tail), events)
                self._tail.clear()
            self._line(b"", events)
        return events

    def _line(self, line: bytes, events: list[SseEvent]) -> None:
        if self._first_line:
            self._first_line = False
            line = line.removeprefix(_BOM)
        if not line:
            if self._data:
                events.append(SseEvent(b"\n".join(self._data), self._name))
                self._data.clear()
                self._data_bytes = 0
            self._name = None
            return
        if len(line) + self._data_bytes > self._max:
            self._stop()
            return
        if line.startswith(b"{"):  # no field begins so: an error or chunk that was written without its `data:`
            events.append(SseEvent(line))
            return
        field, _, value = line.partition(b":")
        if value.startswith(b" "):
            value = value[1:]
        if field == b"data":
            self._data.append(value)
            self._data_bytes += len(value) + 1
        elif field == b"event":
            self._name = value.decode("utf-8", "replace")
        elif field == b"error":
            self._data.append(value)
            self._data_bytes += len(value) + 1
            self._name = "error"

    def _stop(self) -> None:
        self.overflowed = True
        self._tail.clear()
        self._data.clear()
