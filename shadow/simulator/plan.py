"""When which bytes of a response leave: pure functions of request, behaviour and text, played by the connection."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from shadow.simulator.behaviour import Behaviour
from shadow.simulator.request import Asked

_REASONS = {
    200: "OK",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Content Too Large",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
_SSE_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\n"
DONE = b"data: [DONE]\n\n"
STAMP = b"1000000000000000001"  # stands where the writing time goes; no clock reading is longer
encode = msgspec.json.encode


class Step(NamedTuple):
    """Something that happens so many seconds after the request was taken up.

    `data` None cuts the connection. `tokens` counts the output tokens in `data`.
    """

    at: float
    data: bytes | None
    tokens: int = 0


Plan = Iterator[Step]


class Timing(NamedTuple):
    """Seconds until the first token and between tokens, for one request."""

    ttft: float
    itl: float

    def token(self, index: int) -> float:
        """When a token is due, counted from 0. A function of the index alone, so that lateness never adds up."""
        return self.ttft + self.itl * index


def whole(status: int, body: bytes, content_type: str = "application/json", extra: str = "") -> bytes:
    """A complete HTTP response."""
    head = f"HTTP/1.1 {status} {_REASONS[status]}\r\ncontent-type: {content_type}\r\n{extra}content-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def error_body(status: int, message: str, kind: str) -> dict[str, Any]:
    """An error as vLLM words it."""
    return {"error": {"message": message, "type": kind, "param": None, "code": status}}


def refusal(status: int, message: str, kind: str, extra: str = "") -> bytes:
    """A complete error response."""
    return whole(status, encode(error_body(status, message, kind)), extra=extra)


def framed(data: bytes, *, chunked: bool, last: bool = False) -> bytes:
    """One HTTP chunk, with the end of the body when it is the last. HTTP/1.0 has no chunks: its body ends with the connection."""
    if not chunked:
        return data
    return b"%x\r\n%b\r\n%b" % (len(data), data, b"0\r\n\r\n" if last else b"") if data else b"0\r\n\r\n" * last


def stream_head(chunked: bool) -> bytes:
    """The head of an event stream."""
    return _SSE_HEAD + (b"transfer-encoding: chunked\r\n\r\n" if chunked else b"connection: close\r\n\r\n")


class Answer(NamedTuple):
    """What is answered: chunks of text, why it ends, and what names it."""

    id: str
    created: int
    model: str
    pieces: list[str]
    finish_reason: str
    fingerprint: str | None = None

    @property
    def tokens(self) -> int:
        """An empty answer still costs the end-of-sequence token."""
        return max(1, len(self.pieces))


def usage(asked: Asked, answer: Answer) -> dict[str, Any]:
    """Token counts in the shape of vLLM."""
    prompt, output = asked.prompt_tokens, answer.tokens
    return {
        "prompt_tokens": prompt,
        "total_tokens": prompt + output,
        "completion_tokens": output,
        "prompt_tokens_details": None,
    }


def _top(asked: Asked, answer: Answer, *, chunk: bool) -> dict[str, Any]:
    kind = ("chat.completion.chunk" if chunk else "chat.completion") if asked.chat else "text_completion"
    top: dict[str, Any] = {"id": answer.id, "object": kind, "created": answer.created, "model": answer.model}
    if answer.fingerprint is not None:
        top["system_fingerprint"] = answer.fingerprint
    return top


def whole_body(asked: Asked, answer: Answer) -> dict[str, Any]:
    """The body of an answer that is not streamed."""
    choice: dict[str, Any] = {"index": 0, "logprobs": None, "finish_reason": answer.finish_reason}
    text = "".join(answer.pieces)
    if asked.chat:
        choice["message"] = {"role": "assistant", "content": text, "refusal": None, "tool_calls": []}
    else:
        choice["text"] = text
    return {**_top(asked, answer, chunk=False), "choices": [choice], "usage": usage(asked, answer)}


def whole_plan(asked: Asked, answer: Answer, timing: Timing, behaviour: Behaviour) -> Plan:
    """The answer in one response, when its last token would have been due."""
    body = encode(whole_body(asked, answer))
    if behaviour.timestamps:
        body = body[:-1] + b',"t":' + STAMP + b"}"
    yield Step(timing.token(answer.tokens - 1), whole(200, body), answer.tokens)


class Events(NamedTuple):
    """The event stream of an answer, cut where tokens end: the first piece carries the role, the last the finish reason."""

    role: bytes
    tokens: list[bytes]
    finish: bytes
    usage: bytes


def events(asked: Asked, answer: Answer, *, timestamps: bool = False) -> Events:
    """Encodes an answer as server-sent events."""
    top = encode(_top(asked, answer, chunk=True))[:-1]
    field = b'"delta":{"content":%b}' if asked.chat else b'"text":%b'
    end = b',"t":' + STAMP if timestamps else b""
    start = b"data: " + top + b',"choices":[{"index":0,'
    before, after = field.split(b"%b")
    head, tail = start + before, after + b',"logprobs":null,"finish_reason":null}]' + end + b"}\n\n"
    role = start + b'"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]}\n\n'
    finish = (
        start
        + before
        + b'""'
        + after
        + b',"logprobs":null,"finish_reason":'
        + encode(answer.finish_reason)
        + b"}]}\n\n"
    )
    counted = b"data: " + top + b',"choices":[],"usage":' + encode(usage(asked, answer)) + b"}\n\n"
    return Events(
        role=role if asked.chat else b"",
        tokens=[head + encode(piece) + tail for piece in answer.pieces],
        finish=finish,
        usage=counted if asked.include_usage else b"",
    )


def stream_plan(
    asked: Asked,
    answer: Answer,
    timing: Timing,
    behaviour: Behaviour,
    *,
    chunked: bool,
    done: bytes = DONE,
) -> Plan:
    """The answer token by token, each at its own due time; the role rides with the first token, as in vLLM."""
    event, head = events(asked, answer, timestamps=behaviour.timestamps), stream_head(chunked)
    end = event.finish + event.usage + done
    if behaviour.early_headers:
        yield Step(0.0, head)
        head = b""
    if not timing.itl or len(event.tokens) < 2:
        body = event.role + b"".join(event.tokens) + end
        yield Step(timing.ttft, head + framed(body, chunked=chunked, last=True), answer.tokens)
        return
    yield Step(timing.ttft, head + framed(event.role + event.tokens[0], chunked=chunked), 1)
    for index in range(1, len(event.tokens)):
        yield Step(timing.token(index), framed(event.tokens[index], chunked=chunked), 1)
    yield Step(timing.token(len(event.tokens) - 1), framed(end, chunked=chunked, last=True))
