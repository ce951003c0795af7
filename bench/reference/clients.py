"""Two HTTP/1.1 clients for OpenAI-compatible chat servers, as fast as Python gets, for the simulator only.

No TLS, no retries, no deadline, no tools, no reasoning, one way of ending an event. Each read takes one timestamp before
any JSON is parsed. Neither bounds the requests in flight.
"""

import asyncio
import time
from collections.abc import Awaitable
from typing import Any, Protocol

import aiohttp
import httptools
import msgspec

now = time.monotonic_ns


class Text(msgspec.Struct):
    content: str | None = None


class Choice(msgspec.Struct):
    message: Text | None = None
    delta: Text | None = None


class Reply(msgspec.Struct):
    choices: list[Choice]
    usage: dict[str, Any] | None = None


REPLY = msgspec.json.Decoder(Reply)


class Answer:
    """Text, usage, and monotonic nanoseconds of sending and of each content chunk."""

    __slots__ = ("_rest", "received", "sent", "texts", "usage")

    def __init__(self) -> None:
        self.sent = now()
        self.received: list[int] = []
        self.texts: list[str] = []
        self.usage: dict[str, Any] | None = None
        self._rest = b""

    def feed(self, data: bytes, stamp: int) -> None:
        """One read of an event stream."""
        *events, self._rest = (self._rest + data).split(b"\n\n")
        for event in events:
            if event.startswith(b"data: {"):
                self.whole(event[6:], stamp)

    def whole(self, data: bytes, stamp: int) -> None:
        """One JSON body or event."""
        reply = REPLY.decode(data)
        self.usage = reply.usage or self.usage
        for choice in reply.choices[:1]:
            part = choice.delta or choice.message
            if part and part.content:
                self.texts.append(part.content)
                self.received.append(stamp)


class Client(Protocol):
    """Posts an encoded request."""

    def complete(self, body: bytes) -> Awaitable[Answer]: ...

    async def close(self) -> None: ...


class _Connection(asyncio.Protocol):
    """One keep-alive connection, one request at a time."""

    transport: asyncio.Transport
    done: "asyncio.Future[Answer] | None" = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def exchange(self, request: bytes, stream: bool, loop: asyncio.AbstractEventLoop) -> "asyncio.Future[Answer]":
        self.parser = httptools.HttpResponseParser(self)
        self.body: list[bytes] = []
        self.stream, self.answer = stream, Answer()
        self.done = loop.create_future()
        self.transport.write(request)
        return self.done

    def data_received(self, data: bytes) -> None:
        self.stamp = now()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError as error:
            self.connection_lost(error)

    def on_body(self, body: bytes) -> None:
        if self.stream:
            self.answer.feed(body, self.stamp)
        else:
            self.body.append(body)

    def on_message_complete(self) -> None:
        self.reusable = self.parser.should_keep_alive()  # only here: once feed_data has returned, it answers False
        status = self.parser.get_status_code()
        if status != 200:
            self.connection_lost(ConnectionError(f"status {status}"))
            return
        if not self.stream:
            self.answer.whole(b"".join(self.body), self.stamp)
        if self.done is not None and not self.done.done():
            self.done.set_result(self.answer)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.done is not None and not self.done.done():
            self.done.set_exception(exc or ConnectionResetError("closed before the answer was complete"))


class Lean:
    """asyncio.Protocol and httptools."""

    def __init__(self, port: int, *, stream: bool) -> None:
        self._port, self._stream = port, stream
        self._idle: list[_Connection] = []
        self._head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
            "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        ).encode()

    async def complete(self, body: bytes) -> Answer:
        loop = asyncio.get_running_loop()
        connection = None
        while self._idle and connection is None:
            connection = self._idle.pop()
            if connection.transport.is_closing():
                connection = None
        if connection is None:
            _, connection = await loop.create_connection(_Connection, "127.0.0.1", self._port)
        try:
            answer = await connection.exchange(self._head % len(body) + body, self._stream, loop)
        except BaseException:
            connection.transport.abort()  # on cancellation too: the rest of the answer must not meet the next request
            raise
        if connection.reusable:
            self._idle.append(connection)
        else:
            connection.transport.close()
        return answer

    async def close(self) -> None:
        for connection in self._idle:
            connection.transport.close()
        self._idle.clear()


class Bare:
    """aiohttp, one session, no limit of connections."""

    def __init__(self, port: int, *, stream: bool) -> None:
        self._url, self._stream = f"http://127.0.0.1:{port}/v1/chat/completions", stream
        self._session: aiohttp.ClientSession | None = None

    async def complete(self, body: bytes) -> Answer:
        if self._session is None:
            connector, timeout = aiohttp.TCPConnector(limit=0), aiohttp.ClientTimeout(total=60)
            self._session = aiohttp.ClientSession(connector=connector, timeout=timeout, read_bufsize=2**20)
        answer = Answer()
        headers = {"content-type": "application/json"}
        async with self._session.post(self._url, data=body, headers=headers) as response:
            if response.status != 200:
                raise ConnectionError(f"status {response.status}")
            if self._stream:
                async for data in response.content.iter_any():
                    answer.feed(data, now())
            else:
                answer.whole(await response.read(), now())
        return answer

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None
