"""The port of whoever carries a request to a server and its answer back, and the place an answer arrives at."""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple, Protocol

from shadow.records import Answer, FailureKind
from shadow.wire.answers import AnswerReader

CONNECT_SECONDS = 10.0
AFTER_DONE_SECONDS = (
    0.5  # servers that keep the response open after `[DONE]` get so long to end it, not until the deadline
)
ERROR_BODY_BYTES = 64 * 1024  # of an error page the beginning says enough
_DONES = (b"data: [DONE]", b"data:[DONE]")
_DONE_BYTES = 20


class Done(NamedTuple):
    """How one exchange ended on the wire. `failure` None: completely; `stale`: a connection used before was already closed."""

    failure: FailureKind | None = None
    stale: bool = False


class Attempt:
    """One request's answer while it arrives: its reader, and a timestamp per read. Never raises, never blocks."""

    __slots__ = (
        "_max_bytes",
        "_received",
        "counts",
        "done",
        "end_ns",
        "over",
        "reader",
        "retry_after",
        "stamps",
        "status",
    )

    def __init__(self, max_answer_bytes: int) -> None:
        self._max_bytes = max_answer_bytes
        self._received = 0
        self.reader: AnswerReader | None = None
        self.status: int | None = None
        self.retry_after: str | None = None
        self.counts: list[int] = []  # data events known after a read, and
        self.stamps: list[int] = []  # when that read was made, before any of it was parsed
        self.end_ns: int | None = None  # the last read
        self.over = False  # the end mark has come, whether or not the server ends the response
        self.done = Done()

    def head(self, status: int, headers: Mapping[str, str]) -> None:
        """Status and headers have come; names in any case, lookups by lower case."""
        self.status = status
        self.reader = AnswerReader(status, headers, max_body_bytes=self._max_bytes)
        if status != 200:
            self.retry_after = headers.get("retry-after")

    def data(self, data: bytes, stamp_ns: int) -> bool:
        """Takes a piece of the body; False when no more is wanted."""
        reader = self.reader
        if reader is None:
            return False
        reader.feed(data)
        self.end_ns = stamp_ns
        events = reader.events
        if events and (not self.counts or events > self.counts[-1]):
            self.counts.append(events)
            self.stamps.append(stamp_ns)
        self.over = events > 0 and data[-_DONE_BYTES:].rstrip().endswith(_DONES)
        if reader.stopped:
            return False
        if self.status is not None and self.status >= 300:
            self._received += len(data)
            return self._received <= ERROR_BODY_BYTES
        return True

    def stamp_of(self, event: int | None) -> int | None:
        """When the read that completed an event was made."""
        if event is None or not self.stamps:
            return None
        return self.stamps[min(bisect_right(self.counts, event), len(self.stamps) - 1)]

    def answer(self) -> Answer:
        """The answer, with the transport's failure unless what came before it was already a whole answer."""
        failure = self.done.failure
        if self.reader is None:
            return Answer(failure=failure or "connection", comparable=False)
        answer = self.reader.finish(broken=failure is not None)
        if failure == "timeout" and answer.failure in ("incomplete", "empty"):
            return replace(answer, failure="timeout", comparable=False)
        return answer


class Transport(Protocol):
    """Carries requests to one server. Owned by one loop; bounds nothing but time."""

    async def post(
        self, path: str, payload: bytes, headers: Mapping[str, str], attempt: Attempt, seconds: float
    ) -> Done:
        """One request, its answer into `attempt`. Raises nothing but cancellation, which closes the connection."""
        ...

    async def close(self) -> None:
        """Closes connections. Called once."""
        ...
