"""From what a server sent to one `Answer`: the same reader for live answers and for bodies that somebody recorded.

An `AnswerReader` takes status and headers, then the body in any pieces. It tells a stream from a single body by looking at
the bytes (gateways mislabel both), unpacks gzip within bounds, and names every way in which an answer can fail.
"""

import zlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from shadow.errors import DecodeError
from shadow.records import Answer, FailureKind
from shadow.wire import failures, parts, strict_json
from shadow.wire.assemble import Assembler, Carried, stronger
from shadow.wire.sse import SseSplitter

MAX_BODY_BYTES = 8 * 2**20
"""Above this an answer is `invalid`: no model writes that much, and a compressed body must not fill the memory."""

_SSE_FIELDS = (b"data:", b"event:", b"id:", b"retry:", b"error:", b":")
_PLAIN_STARTS = (b"", b"{", b"[", b"<", b'"', b":", b"d", b"e", b"i", b"r")  # neither gzip nor zlib begins so
_SNIFF_BYTES = max(len(f) for f in _SSE_FIELDS)


class AnswerReader:
    """Reads one HTTP answer: `feed` each read as it arrives, then `finish`. Nothing the server sends makes it raise.

    `events` counts the data events read so far; together with `first_output_event` and `first_answer_event` (valid after
    `finish`) and the arrival of each read it gives both times to first token. They stay None for an answer in one body.
    """

    def __init__(self, status: int, headers: Mapping[str, str], *, max_body_bytes: int = MAX_BODY_BYTES) -> None:
        lowered = {name.lower(): value for name, value in headers.items()}
        self._status = status
        self._max = max_body_bytes
        self._stream_promised = "event-stream" in lowered.get("content-type", "")
        self._encoding = lowered.get("content-encoding", "").strip().lower()
        self._inflate: Any = None
        self._expected = _int(lowered.get("content-length"))
        self._received = 0
        self._assembler = Assembler()
        self._splitter = SseSplitter(max_body_bytes)
        self._mode: Literal["unknown", "stream", "body"] = "unknown" if 200 <= status < 300 else "body"
        self._body = bytearray()
        self._total = 0
        self._failure: FailureKind | None = None

    @property
    def events(self) -> int:
        """Data events read so far."""
        return self._assembler.events

    @property
    def first_output_event(self) -> int | None:
        """The event that brought the first output of any kind."""
        return self._assembler.first_output_event

    @property
    def first_answer_event(self) -> int | None:
        """The event that brought the first piece of the answer itself; final after `finish`."""
        return self._assembler.first_answer_event

    @property
    def figure_doubted(self) -> bool:
        """True when a token count was refused as impossible."""
        return self._assembler.figure_doubted

    @property
    def stopped(self) -> bool:
        """True once nothing that follows can matter (too large, unreadable): the caller may close the connection."""
        return self._failure is not None

    def feed(self, data: bytes) -> Carried:
        """Takes one read and says what it carried, the strongest of its events."""
        if self._failure is not None:
            return "nothing"
        self._received += len(data)
        if not self._encoding:
            return self._take(data)
        carried: Carried = "nothing"
        for piece in self._unpacked(data):
            carried = stronger(carried, self._take(piece))
        return carried

    def finish(self, *, broken: bool = False) -> Answer:
        """The answer. `broken`: the connection ended before the server said so."""
        if self._inflate is not None and not self._inflate.eof:
            broken = True
        if self._expected is not None and self._received < self._expected and self._received:
            broken = True
        if not 200 <= self._status < 300:
            return _failed_status(self._status, bytes(self._body))
        if self._failure is not None:
            return Answer(failure=self._failure, comparable=False)
        if self._mode == "unknown" and self._body:
            self._mode = "stream" if self._stream_promised else "body"
            if self._mode == "stream":
                self._events(bytes(self._body))
        if self._mode == "stream":
            for event in self._splitter.finish():
                self._assembler.feed(event)
            if self._splitter.overflowed:
                return Answer(failure="invalid", comparable=False)
            if not self._assembler.events:
                return Answer(failure="incomplete", comparable=False)
            return self._assembler.finish(broken=broken and not self._assembler.ended)
        return self._finish_body(broken=broken)

    def _unpacked(self, data: bytes) -> list[bytes]:
        """`data` as it is, or unpacked; a body that claims gzip and is plain was unpacked by somebody before us."""
        if self._encoding in ("", "identity"):
            return [data]
        if self._inflate is None:
            if data.lstrip()[:1] in _PLAIN_STARTS:
                self._encoding = ""
                return [data]
            if self._encoding not in ("gzip", "x-gzip", "deflate"):
                self._failure = "invalid"
                return []
            self._inflate = zlib.decompressobj(zlib.MAX_WBITS if self._encoding == "deflate" else zlib.MAX_WBITS | 16)
        pieces = []
        try:
            while data and not self._inflate.eof:
                pieces.append(self._inflate.decompress(data, 65536))
                data = self._inflate.unconsumed_tail
                if self._total + sum(map(len, pieces)) > self._max:
                    self._failure = "invalid"
                    break
        except zlib.error:
            self._failure = "invalid"
        return pieces

    def _take(self, data: bytes) -> Carried:
        self._total += len(data)
        if self._total > self._max:
            self._failure = "invalid" if 200 <= self._status < 300 else None
            if self._failure is None:
                return "nothing"  # of an error page the beginning says enough
            self._body.clear()
            return "nothing"
        if self._mode == "stream":
            return self._events(data)
        self._body += data
        if self._mode == "unknown" and self._sniff() == "stream":
            started = bytes(self._body)
            self._body.clear()
            return self._events(started)
        return "nothing"

    def _sniff(self) -> str:
        """Decides between stream and body as soon as the first bytes allow it."""
        start = bytes(self._body[:4096]).removeprefix(b"\xef\xbb\xbf").lstrip()
        if not start and len(self._body) < 4096:
            return self._mode
        if start[:1] in (b"{", b"[", b"<", b'"'):
            self._mode = "body"
        elif start.startswith(_SSE_FIELDS) or (self._stream_promised and len(start) >= 1):
            self._mode = "stream"
        elif len(start) >= _SNIFF_BYTES:
            self._mode = "body"
        return self._mode

    def _events(self, data: bytes) -> Carried:
        carried: Carried = "nothing"
        for event in self._splitter.feed(data):
            carried = stronger(carried, self._assembler.feed(event))
        if self._splitter.overflowed:
            self._failure = "invalid"
        return carried

    def _finish_body(self, *, broken: bool) -> Answer:
        body = bytes(self._body)
        if not body.strip():
            return Answer(failure="incomplete" if broken else "empty", comparable=False)
        try:
            value = strict_json.loads(body)
        except DecodeError:
            value = _before_done(body)
            if value is None:
                cut = broken or (body.lstrip()[:1] in (b"{", b"[") and strict_json.looks_cut(body))
                return Answer(failure="incomplete" if cut else "invalid", comparable=False)
        return answer_from_object(value, self._assembler)


def answer_from_http(
    status: int, headers: Mapping[str, str], body: bytes, *, max_body_bytes: int = MAX_BODY_BYTES
) -> Answer:
    """The answer of a whole HTTP response, stream or not."""
    reader = AnswerReader(status, headers, max_body_bytes=max_body_bytes)
    reader.feed(body)
    return reader.finish()


def answer_from_object(body: Any, assembler: Assembler | None = None) -> Answer:
    """The answer that a parsed JSON body of a 200 holds; errors inside are failures whatever their spelling."""
    if isinstance(body, list) and body and isinstance(body[0], dict) and failures.is_error(body[0]):
        body = body[0]
    if not isinstance(body, dict):
        return Answer(failure="invalid", comparable=False)
    assembler = assembler or Assembler()
    assembler.take(body, whole=True)
    if failures.is_error(body):
        partial = assembler.finish(whole=True)
        return _failed(partial, failures.classify(None, body), body)
    if not isinstance(body.get("choices"), list):
        return replace(_other_protocol(body), usage=assembler.finish(whole=True).usage)
    return assembler.finish(whole=True)


def _failed_status(status: int, body: bytes) -> Answer:
    error: Any = None
    if body:
        try:
            error = strict_json.loads(body)
        except DecodeError:
            error = body[:8192].decode("utf-8", "replace")
    return _failed(Answer(), failures.classify(status, error), error)


def _failed(partial: Answer, kind: FailureKind, error: Any) -> Answer:
    finish = "content_filter" if failures.is_filter(error) else partial.finish_reason
    return replace(partial, failure=kind, finish_reason=finish, comparable=False, reason=None)


def _other_protocol(body: dict[str, Any]) -> Answer:
    """An answer in a shape that we did not ask for: `invalid`, its text kept for display where it is easy to see."""
    texts = [parts.text_of(body.get("content"))]
    output = body.get("output")
    for item in output if isinstance(output, list) else ():
        if isinstance(item, dict) and item.get("type") == "message":
            texts.append(parts.text_of(item.get("content")))
    model = body.get("model")
    return Answer(
        text="".join(texts) or None,
        model=model if isinstance(model, str) else None,
        failure="invalid",
        comparable=False,
    )


def _before_done(body: bytes) -> Any:
    """The JSON value of a whole body that some servers end with `data: [DONE]` all the same."""
    head, mark, tail = body.rstrip().rpartition(b"data:")
    if not mark or tail.strip() != b"[DONE]":
        return None
    try:
        return strict_json.loads(head)
    except DecodeError:
        return None


def _int(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 16 else None
