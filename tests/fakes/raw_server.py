"""A server that sends exactly the bytes a test says, when it says, and remembers what it was sent."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

EVENT = b'data: {"choices":[{"index":0,"delta":{"content":"%s"}}]}\n\n'
END = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":%d}}\n\n'
DONE = b"data: [DONE]\n\n"
SSE = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"


@dataclass
class Received:
    path: str
    headers: dict[str, str]
    body: bytes
    method: str


Script = Callable[["Exchange"], Awaitable[None]]


@dataclass
class Exchange:
    request: Received
    writer: asyncio.StreamWriter
    number: int
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def whole(
        self, status: int, body: bytes, *, headers: str = "", content_type: str = "application/json"
    ) -> None:
        head = f"HTTP/1.1 {status} X\r\ncontent-type: {content_type}\r\ncontent-length: {len(body)}\r\n{headers}\r\n"
        await self.send(head.encode() + body)


class RawServer:
    """`script` answers one request; the connection is closed afterwards unless `keep` is set."""

    def __init__(self, script: Script, *, keep: bool = False) -> None:
        self._script, self._keep = script, keep
        self.received: list[Received] = []
        self.gone = asyncio.Event()  # a client has closed its connection
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def posts(self) -> list[Received]:
        return [r for r in self.received if r.method == "POST"]

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while await self._one(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    @property
    def open(self) -> int:
        """Connections that clients have not closed."""
        return len(self._tasks)

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        lines = head.split("\r\n")
        method, path, _ = lines[0].split(" ")
        headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        request = Received(path, headers, body, method)
        self.received.append(request)
        exchange = Exchange(request, writer, len(self.received))
        eof = asyncio.create_task(reader.read(1))
        eof.add_done_callback(
            lambda t: self.gone.set() if not t.cancelled() and not t.exception() and not t.result() else None
        )
        try:
            await self._script(exchange)
        finally:
            if not self._keep:
                eof.cancel()
        if self._keep:
            eof.cancel()
            await asyncio.gather(eof, return_exceptions=True)
        return self._keep


def streamed(*words: bytes, tokens: int | None = None) -> bytes:
    body = b"".join(EVENT % word for word in words) + END
    return SSE + body + (USAGE % tokens if tokens is not None else b"") + DONE
