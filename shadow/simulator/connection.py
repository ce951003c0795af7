"""One HTTP/1.1 connection: reads requests, plays the plan of each answer on schedule, one after the other.

Written on the transport itself because half of the faults (cut before a byte, cut in the middle, a body slower than
its reader) cannot be expressed through a web framework, and because a timer per token is all that an answer may cost.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from time import monotonic, monotonic_ns
from typing import NamedTuple, Protocol

import httptools

from shadow.simulator.plan import STAMP, Plan, Step, refusal

_MAX_HEADER_BYTES = 65_536
_MAX_BODY_BYTES = 64 * 2**20
_MAX_PIPELINED = 16
# The timers of the loop tick in milliseconds and fire up to half of one early: close enough, and better than a spin.
_EARLY_SECONDS = 0.0006


class Request(NamedTuple):
    """One request as it came in."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    chunked: bool
    keep_alive: bool
    local: bool
    arrived: float


class Played(NamedTuple):
    """How an answer went. Seconds of the monotonic clock since it was taken up; `first_token` None when none was sent."""

    complete: bool
    tokens: int
    first_token: float | None
    seconds: float
    lateness: float


class Handler(Protocol):
    """Decides what to answer; called in the loop, never blocks, never raises on anything a client can send."""

    def handle(self, request: Request, connection: "Connection") -> None:
        """Has to lead to one `connection.play`, now or later."""
        ...

    def opened(self, connection: "Connection") -> None:
        """A client connected."""
        ...

    def closed(self, connection: "Connection") -> None:
        """The connection is gone; a request that still waits will never be played."""
        ...


class Connection(asyncio.Protocol):
    """The transport's side; also the callbacks of the HTTP parser."""

    def __init__(self, handler: Handler, loop: asyncio.AbstractEventLoop) -> None:
        self._handler, self._loop = handler, loop
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._waiting: deque[Request] = deque()
        self._current: Request | None = None
        self._plan: Plan = iter(())
        self._next: Step | None = None
        self._done: Callable[[Played], None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._start, self._tokens, self._late = 0.0, 0, 0.0
        self._first: float | None = None
        self._writable = True
        self._broken = False
        self._local = False
        self._start_request()

    # ---- transport
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # uvloop's is a Transport by behaviour, not by class
        peer = transport.get_extra_info("peername")
        self._local = bool(peer) and (peer[0].startswith(("127.", "::ffff:127.")) or peer[0] == "::1")
        self._handler.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._broken = True
        self._waiting.clear()
        self._finish(complete=False)
        self._transport = None
        self._handler.closed(self)

    def data_received(self, data: bytes) -> None:
        if self._broken:
            return
        if not self._in_body:
            self._header_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._refuse(400, "no upgrade to another protocol is offered")
        except httptools.HttpParserError:
            self._refuse(400, "this is not HTTP/1.1")
        else:
            if not self._in_body and self._header_bytes > _MAX_HEADER_BYTES:
                self._refuse(431, "the headers are too large")

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        if self._done is not None:
            self._advance()

    def close(self) -> None:
        """Closes after what is written has left."""
        self._broken = True
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Closes at once, whatever has not left yet."""
        self._broken = True
        if self._transport is not None:
            self._transport.abort()

    # ---- parser
    def _start_request(self) -> None:
        self._url, self._size = b"", 0
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._in_body, self._header_bytes = False, 0

    def on_message_begin(self) -> None:
        """A request begins."""
        carried = self._header_bytes
        self._start_request()
        self._header_bytes = carried

    def on_url(self, url: bytes) -> None:
        """A part of the target."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """The body follows, if there is one."""
        self._in_body = True
        if self._headers.get("expect", "").lower() == "100-continue" and self._transport is not None:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        self._size += len(body)
        if self._size <= _MAX_BODY_BYTES:
            self._body.append(body)
        elif not self._broken:
            self._refuse(413, "the body is too large")

    def on_message_complete(self) -> None:
        """The request is whole: answered at once, or after those before it."""
        if self._broken:
            return
        request = Request(
            method=self._parser.get_method().decode("latin-1"),
            path=self._url.decode("latin-1").partition("?")[0],
            headers=self._headers,
            body=b"".join(self._body),
            chunked=self._parser.get_http_version() != "1.0",
            keep_alive=self._parser.should_keep_alive(),
            local=self._local,
            arrived=monotonic(),
        )
        self._start_request()
        if self._current is None:
            self._take(request)
        elif len(self._waiting) < _MAX_PIPELINED:
            self._waiting.append(request)
        else:
            self.close()

    # ---- answers
    def _take(self, request: Request) -> None:
        self._current = request
        self._handler.handle(request, self)

    def _refuse(self, status: int, message: str) -> None:
        if self._transport is not None and self._current is None:
            self._transport.write(refusal(status, message, "BadRequestError", "connection: close\r\n"))
        self.close()

    def play(self, plan: Plan, done: Callable[[Played], None]) -> None:
        """Plays a plan from now on; `done` is called once, also when the client leaves before the end."""
        self._plan, self._done, self._next = plan, done, None
        self._start, self._first, self._tokens, self._late = monotonic(), None, 0, 0.0
        self._advance()

    def _advance(self) -> None:
        self._timer = None
        while self._writable and self._transport is not None:
            step = self._next or next(self._plan, None)
            if step is None:
                self._finish(complete=True)
                return
            now = monotonic() - self._start
            wait = step.at - now
            if wait > _EARLY_SECONDS:
                self._next = step
                self._timer = self._loop.call_later(wait, self._advance)
                return
            self._next = None
            if step.data is None:
                self._broken = True  # before the next request is taken: nothing follows a cut
                self._finish(complete=False)
                self.close()
                return
            self._late = max(self._late, -wait)
            if step.tokens:
                self._tokens += step.tokens
                if self._first is None:
                    self._first = now
            data = step.data
            self._transport.write(data.replace(STAMP, b"%-19d" % monotonic_ns()) if STAMP in data else data)

    def _finish(self, *, complete: bool) -> None:
        done, self._done = self._done, None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._plan, self._next = iter(()), None
        if done is None:
            return
        done(Played(complete, self._tokens, self._first, monotonic() - self._start, self._late))
        request, self._current = self._current, None
        if request is not None and complete and not request.keep_alive:
            self.close()
        elif self._waiting and not self._broken:
            self._take(self._waiting.popleft())
