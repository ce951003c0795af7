"""The pipe between the lean replayer and the evaluator: MessagePack frames over a socket pair.

The pipe is bounded by the source's window: a record stays outstanding until the ledger has it and its acknowledgement
came back, so that at most `replay.window_calls` records and `replay.window_bytes` bytes are ever on the way. Nobody has
to drop: a slow evaluator pauses the partitions.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator

import msgspec

from shadow.records import ArmState, FinishedRecord

MAX_FRAME_BYTES = 1 << 30
_HEADER = struct.Struct("!I")


class Hello(msgspec.Struct, tag=True, frozen=True):
    """Evaluator to replayer, first: the ledger is open, intake may begin."""

    ledger_id: str


class AskPosition(msgspec.Struct, tag=True, frozen=True):
    """Replayer to evaluator: where does this group go on? Fields as `PositionQuestion`."""

    id: int
    topic: str
    partition: int
    topic_id: str
    begin_offset: int
    end_offset: int
    start_offset: int
    lease_epoch: int


class Position(msgspec.Struct, tag=True, frozen=True):
    """The answer; `error` is a sentence for a person when the ledger refuses."""

    id: int
    next_offset: int = 0
    error: str | None = None


class Done(msgspec.Struct, tag=True, frozen=True):
    """Replayer to evaluator: one record is resolved."""

    record: FinishedRecord


class Beat(msgspec.Struct, tag=True, frozen=True):
    """Replayer to evaluator: a heartbeat of our own has passed intake. It belongs to no partition and moves no position.

    `whole` is False when intake did not make of it what a heartbeat has to become.
    """

    number: int
    whole: bool
    began_unix_ms: int


class Committed(msgspec.Struct, tag=True, frozen=True):
    """Evaluator to replayer: the ledger has everything of this lease below `next_offset`."""

    topic: str
    partition: int
    lease_epoch: int
    next_offset: int


class Reload(msgspec.Struct, tag=True, frozen=True):
    """Evaluator to replayer: somebody else advanced the position; forget the lease and ask again."""

    topic: str
    partition: int
    lease_epoch: int


class ArmReport(msgspec.Struct, frozen=True):
    """One arm as its runner sees it."""

    arm: str
    state: ArmState
    availability: float | None
    reason: str | None = None
    up_seconds: float = 0.0
    observed_seconds: float = 0.0
    spells: int = 0
    in_flight: int = 0
    waiting: int = 0
    adjustments: dict[str, int] = {}


class Gauges(msgspec.Struct, tag=True, frozen=True):
    """Replayer to evaluator, about once a second: also the replayer's heartbeat."""

    intake_open: bool
    arms: list[ArmReport]
    ends: list[tuple[str, int, int]] | None
    loop_lag_seconds: float
    outstanding: int
    outstanding_bytes: int
    notes: dict[str, int]


class Control(msgspec.Struct, tag=True, frozen=True):
    """Evaluator to replayer: how much to sample less (2**-shed_exponent), and which arms may not be asked."""

    shed_exponent: int
    paused: dict[str, str]


class Fatal(msgspec.Struct, tag=True, frozen=True):
    """Replayer to evaluator: this side cannot go on and a restart would not help; `message` says why."""

    message: str


class Stop(msgspec.Struct, tag=True, frozen=True):
    """Evaluator to replayer: stop intake, drain, and end with `Drained`."""


class Drained(msgspec.Struct, tag=True, frozen=True):
    """Replayer to evaluator: nothing more will come."""


ToEvaluator = AskPosition | Done | Beat | Gauges | Fatal | Drained
ToReplayer = Hello | Position | Committed | Reload | Control | Stop


class FrameWriter:
    """Writes frames; `send` never blocks the loop, `flush` waits until the other side has taken them."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._encoder = msgspec.msgpack.Encoder()

    def send(self, frame: ToEvaluator | ToReplayer) -> None:
        """Queues one frame; a pipe that is closed swallows it, its reader's end is how that is noticed."""
        if self._writer.is_closing():
            return
        body = self._encoder.encode(frame)
        self._writer.write(_HEADER.pack(len(body)))
        self._writer.write(body)

    async def flush(self) -> None:
        """Waits for room; returns at once when the pipe is closed."""
        with contextlib.suppress(ConnectionError):
            await self._writer.drain()

    def abort(self) -> None:
        """Ends the pipe at once; both sides notice and start again from the ledger."""
        self._writer.transport.abort()

    async def close(self) -> None:
        """Closes the pipe; the other side sees its end."""
        self._writer.close()
        with contextlib.suppress(ConnectionError, TimeoutError):
            await asyncio.wait_for(self._writer.wait_closed(), 2.0)


async def _frames(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Frames until the other side closes, in the middle of one or not."""
    while True:
        try:
            (length,) = _HEADER.unpack(await reader.readexactly(_HEADER.size))
            if length > MAX_FRAME_BYTES:
                return
            yield await reader.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError):
            return


async def frames_to_evaluator(reader: asyncio.StreamReader) -> AsyncIterator[ToEvaluator]:
    """What the replayer sends, until its end of the pipe closes."""
    decoder = msgspec.msgpack.Decoder(ToEvaluator)
    async for body in _frames(reader):
        yield decoder.decode(body)


async def frames_to_replayer(reader: asyncio.StreamReader) -> AsyncIterator[ToReplayer]:
    """What the evaluator sends, until its end of the pipe closes."""
    decoder = msgspec.msgpack.Decoder(ToReplayer)
    async for body in _frames(reader):
        yield decoder.decode(body)


async def open_pipe(fd: int) -> tuple[asyncio.StreamReader, FrameWriter]:
    """The streams of an inherited end of the socket pair."""
    sock = socket.socket(fileno=fd)
    sock.setblocking(False)
    reader, writer = await asyncio.open_connection(sock=sock, limit=1 << 20)
    return reader, FrameWriter(writer)
