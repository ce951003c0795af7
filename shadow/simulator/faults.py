"""The ways a server can fail, each as a plan of what leaves when."""

from collections.abc import Callable
from typing import NamedTuple

from shadow.simulator import plan
from shadow.simulator.answers import draw
from shadow.simulator.behaviour import FAULT_KINDS, Behaviour, FaultKind
from shadow.simulator.plan import Answer, Plan, Step, Timing
from shadow.simulator.request import Asked

_BLOCK = "padding " * 8192


def choose(behaviour: Behaviour, prompt: str) -> FaultKind | None:
    """The fault that a prompt meets, always the same for (seed, prompt, shares); None for most."""
    if not behaviour.faults:
        return None
    left = draw(behaviour.seed, "fault", prompt)
    for kind in FAULT_KINDS:
        left -= behaviour.faults.get(kind, 0.0)
        if left < 0:
            return kind
    return None


class Context(NamedTuple):
    """What a fault's plan may depend on."""

    asked: Asked
    answer: Answer
    timing: Timing
    behaviour: Behaviour
    chunked: bool


def _status(status: int, message: str, kind: str, extra: str = "") -> Callable[[Context], Plan]:
    response = plan.refusal(status, message, kind, extra)
    return lambda _: iter([Step(0.0, response)])


def _hang(c: Context) -> Plan:
    yield Step(c.behaviour.hang_seconds, None)


def _close(c: Context) -> Plan:
    yield Step(c.timing.ttft, None)


def _close_mid_stream(c: Context) -> Plan:
    if not c.asked.stream:
        response = next(plan.whole_plan(c.asked, c.answer, c.timing, c.behaviour))
        data = response.data or b""
        yield Step(response.at, data[: data.index(b"\r\n\r\n") + 4 + 40])
        yield Step(response.at, None)
        return
    event = plan.events(c.asked, c.answer)
    keep = max(1, len(event.tokens) // 2)
    data = plan.stream_head(c.chunked)
    for index, token in enumerate(event.tokens[:keep]):
        yield Step(
            c.timing.token(index), data + plan.framed((b"" if index else event.role) + token, chunked=c.chunked), 1
        )
        data = b""
    yield Step(c.timing.token(keep), data or None)
    yield Step(c.timing.token(keep), None)


def _garbage(c: Context) -> Plan:
    if c.asked.stream:
        body = plan.framed(b'data: {"choices": [{"delta": oops\n\ndata: <html>\n\n', chunked=c.chunked, last=True)
        yield Step(c.timing.ttft, plan.stream_head(c.chunked) + body)
        return
    page = b"<html><body><h1>It works!</h1></body></html>"
    yield Step(c.timing.ttft, plan.whole(200, page, "text/html"))


def _empty(c: Context) -> Plan:
    return normal(c._replace(answer=c.answer._replace(pieces=[], finish_reason="stop")))


def _slow(c: Context) -> Plan:
    factor = c.behaviour.slow_factor
    return normal(c._replace(timing=Timing(c.timing.ttft * factor, c.timing.itl * factor)))


def _error_in_200(c: Context) -> Plan:
    error = plan.encode(plan.error_body(500, "EngineCore encountered an issue.", "InternalServerError"))
    if c.asked.stream:
        body = plan.framed(b"data: " + error + b"\n\n" + plan.DONE, chunked=c.chunked, last=True)
        yield Step(c.timing.ttft, plan.stream_head(c.chunked) + body)
        return
    yield Step(c.timing.ttft, plan.whole(200, error))


def _no_done(c: Context) -> Plan:
    if not c.asked.stream:
        return normal(c)
    return plan.stream_plan(c.asked, c.answer, c.timing, c.behaviour, chunked=c.chunked, done=b"")


def _huge(c: Context) -> Plan:
    """Produced block by block: the size costs time and traffic, never the simulator's memory."""
    blocks = -(-c.behaviour.huge_bytes // len(_BLOCK))
    if c.asked.stream:
        event = plan.events(c.asked, c.answer._replace(pieces=[_BLOCK]))
        yield Step(c.timing.ttft, plan.stream_head(c.chunked) + plan.framed(event.role, chunked=c.chunked))
        data = plan.framed(event.tokens[0], chunked=c.chunked)
        for _ in range(blocks):
            yield Step(c.timing.ttft, data, 8192)
        end = event.finish + event.usage + plan.DONE
        yield Step(c.timing.ttft, plan.framed(end, chunked=c.chunked, last=True))
        return
    mark = "simulated-huge-answer"
    body = plan.encode(plan.whole_body(c.asked, c.answer._replace(pieces=[mark])))
    before, after = body.split(f'"{mark}"'.encode(), 1)
    length = len(before) + len(after) + 2 + blocks * len(_BLOCK)
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n".encode()
    yield Step(c.timing.ttft, head + before + b'"')
    for _ in range(blocks):
        yield Step(c.timing.ttft, _BLOCK.encode(), 8192)
    yield Step(c.timing.ttft, b'"' + after)


def normal(c: Context) -> Plan:
    """The plan of an answer without a fault."""
    if c.asked.stream:
        return plan.stream_plan(c.asked, c.answer, c.timing, c.behaviour, chunked=c.chunked)
    return plan.whole_plan(c.asked, c.answer, c.timing, c.behaviour)


_FULL = "retry-after: 1\r\n"
PLANS: dict[FaultKind, Callable[[Context], Plan]] = {
    "http_500": _status(500, "Internal server error", "InternalServerError"),
    "http_429": _status(429, "Rate limit reached, try again later.", "RateLimitError", _FULL),
    "http_503": _status(503, "The engine's queue is full, try again later.", "ServiceUnavailableError", _FULL),
    "http_400": _status(400, "temperature must be non-negative.", "BadRequestError"),
    "context_length": _status(
        400,
        "This model's maximum context length is 4096 tokens. However, your request has more input tokens. "
        "Please reduce the length of the input messages.",
        "BadRequestError",
    ),
    "out_of_memory": _status(
        500, "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has 512.00 MiB free.", "InternalServerError"
    ),
    "hang": _hang,
    "close": _close,
    "close_mid_stream": _close_mid_stream,
    "garbage": _garbage,
    "empty": _empty,
    "huge": _huge,
    "slow": _slow,
    "error_in_200": _error_in_200,
    "no_done": _no_done,
}
