"""HTTP/1.1 for servers on plain http: one asyncio.Protocol per connection and llhttp, nothing between socket and answer.

A co-located engine is asked thousands of times a second; a general client costs several times what the request itself does,
and its layers add to every time that is measured. Not for TLS, proxies or redirects: those stay with aiohttp.
"""

import asyncio
import time
from collections.abc import Mapping
from typing import cast

import httptools

from shadow.records import FailureKind
from shadow.replay.transport import AFTER_DONE_SECONDS, CONNECT_SECONDS, Attempt, Done

_MAX_HEAD_BYTES = 64 * 1024
_KEEPALIVE_SECONDS = 4.0  # vLLM closes idle connections after 5 s; a request must not meet that


class _Connection(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._done: asyncio.Future[FailureKind | None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._reusable = self._to_the_end = False
        self.transport: asyncio.Transport | None = None
        self.idle_since = 0.0

    @property
    def alive(self) -> bool:
        return self._reusable and self.transport is not None and not self.transport.is_closing()

    def exchange(self, request: bytes, attempt: Attempt, seconds: float) -> "asyncio.Future[FailureKind | None]":
        self._parser = httptools.HttpResponseParser(self)
        self._attempt = attempt
        self._headers: dict[str, str] = {}
        self._head_bytes = self._unfinished_bytes = 0
        self._in_body = self._waiting_for_end = False
        self._reusable = self._to_the_end = False
        done = self._done = self._loop.create_future()
        self._timer = self._loop.call_later(seconds, self.finish, "timeout")
        if self.transport is None or self.transport.is_closing():
            self.finish("connection")
        else:
            self.transport.write(request)
        return done

    def finish(self, failure: FailureKind | None, *, reusable: bool = False) -> None:
        """Ends the exchange, once. A connection on which more may come is closed: the next answer must not meet it."""
        done, self._done = self._done, None
        if done is None:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._reusable = reusable
        if not reusable and self.transport is not None:
            self.transport.abort()
        if not done.done():
            done.set_result(failure)

    def give_up(self) -> None:
        """Closes the connection: nobody waits for what comes on it, or what came belongs to no request."""
        self._reusable = False
        if self.transport is not None:
            self.transport.abort()

    # -- asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's has the methods, not the ancestry

    def data_received(self, data: bytes) -> None:
        self._stamp_ns = time.monotonic_ns()
        done = self._done
        if done is None:
            self.give_up()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError as error:  # a defect of ours, and never the server's failure
            if not done.done():
                done.set_exception(error)
            self.finish("connection")
            return
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.finish("connection" if self._in_body else "invalid")
            self.give_up()
            return
        if not self._in_body:
            self._unfinished_bytes += len(data)
            if self._unfinished_bytes > _MAX_HEAD_BYTES:
                self.finish("invalid")

    def connection_lost(self, exc: Exception | None) -> None:
        clean = self._to_the_end and exc is None
        self.finish(None if clean else "connection")

    # -- llhttp

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value)
        if self._head_bytes <= _MAX_HEAD_BYTES:
            self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        if self._done is None:
            self.give_up()
            return
        status = self._parser.get_status_code()
        if self._head_bytes > _MAX_HEAD_BYTES:
            self.finish("invalid")
            return
        if status < 200:  # 100, 103: the answer is still to come
            self._headers = {}
            return
        self._in_body = True
        self._to_the_end = "content-length" not in self._headers and "transfer-encoding" not in self._headers
        self._attempt.head(status, self._headers)

    def on_body(self, body: bytes) -> None:
        if self._done is None:
            return
        if not self._attempt.data(body, self._stamp_ns):
            self.finish(None)
        elif self._attempt.over and not self._waiting_for_end:
            self._wait_for_end()

    def on_message_complete(self) -> None:
        if self._in_body:
            self.finish(None, reusable=self._parser.should_keep_alive())  # only here: later it answers False

    def _wait_for_end(self) -> None:
        """Servers that keep the response open after the end mark get a moment to end it, not until the deadline."""
        self._waiting_for_end = True
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(AFTER_DONE_SECONDS, self.finish, None)


class LeanTransport:
    """Connections to one address, as many as are asked for at once (bound them outside)."""

    def __init__(self, host: str, port: int, *, authority: str) -> None:
        self._host, self._port, self._authority = host, port, authority
        self._idle: list[_Connection] = []
        self._closed = False
        self._heads: dict[str, bytes] = {}  # by path, for
        self._heads_of: Mapping[str, str] | None = None  # these headers

    async def post(
        self, path: str, payload: bytes, headers: Mapping[str, str], attempt: Attempt, seconds: float
    ) -> Done:
        loop = asyncio.get_running_loop()
        connection = self._take(loop.time())
        reused = connection is not None
        if connection is None:
            begun = loop.time()
            try:
                async with asyncio.timeout(min(CONNECT_SECONDS, seconds)):
                    _, connection = await loop.create_connection(lambda: _Connection(loop), self._host, self._port)
            except (OSError, TimeoutError, UnicodeError):  # the last: a host name that cannot be looked up
                return Done("timeout" if loop.time() - begun >= seconds else "connection")
            seconds = max(0.0, seconds - (loop.time() - begun))
        request = b"%b%d\r\n\r\n%b" % (self._head(path, headers), len(payload), payload)
        try:
            failure = await connection.exchange(request, attempt, seconds)
        except asyncio.CancelledError:
            connection.finish("connection")
            connection.give_up()  # also where the answer had just become complete: nobody will give it back
            raise
        if connection.alive:
            self._give_back(connection, loop.time())
        return Done(failure, stale=reused and failure == "connection" and attempt.status is None)

    async def close(self) -> None:
        self._closed = True
        for connection in self._idle:
            if connection.transport is not None:
                connection.transport.close()
        self._idle.clear()
        await asyncio.sleep(0)  # the loop closes the sockets

    def _head(self, path: str, headers: Mapping[str, str]) -> bytes:
        """The request up to the length of its body: made once for a path and headers, used for every request."""
        if headers is not self._heads_of:
            self._heads, self._heads_of = {}, headers
        head = self._heads.get(path)
        if head is None:
            own = {"host": self._authority, "accept": "*/*", **headers}
            lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in own.items())]
            head = self._heads[path] = ("\r\n".join(lines) + "\r\ncontent-length: ").encode("latin-1")
        return head

    def _give_back(self, connection: _Connection, now: float) -> None:
        if self._closed and connection.transport is not None:
            connection.transport.close()
            return
        connection.idle_since = now
        self._idle.append(connection)

    def _take(self, now: float) -> _Connection | None:
        """The connection used last, if it is still good; the ones below it are older and go when their turn comes."""
        while self._idle:
            connection = self._idle.pop()
            if connection.alive:
                if now - connection.idle_since < _KEEPALIVE_SECONDS:
                    return connection
                if connection.transport is not None:
                    connection.transport.close()
        return None
