"""Builds a `Call` from what a format's reader found: the one place where request, answer and figures meet."""

from dataclasses import dataclass, field, replace
from typing import Any

from shadow.errors import DecodeError
from shadow.records import Answer, Call, Usage
from shadow.wire import numbers, parts, strict_json
from shadow.wire.reasons import CallReason, Note
from shadow.wire.requests import Limits, travelling_body


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What holds for every call of one record."""

    limits: Limits
    kafka_ts_unix_ms: int | None = None
    traceparent: str | None = None


@dataclass(slots=True, kw_only=True)
class Found:
    """What a format's reader found of one call. `request` is the parsed body; `reason` what the reader knows against it."""

    request: Any
    answer: Answer
    id: str | None = None
    reason: CallReason | None = None
    model: str | None = None
    ts_unix_ms: int | None = None
    session: str | None = None
    turn: Any = None
    route: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    user: str | None = None
    status: int | None = None
    latency_ms: Any = None
    ttft_ms: Any = None
    traceparent: str | None = None
    cached: bool = False
    doubted: bool = False


_BY_REQUEST = ("unsupported_endpoint", "not_a_generation")


def call_of(found: Found, context: Context, index: int) -> Call:
    """The finished call. A reason against the request comes before a reason against the answer."""
    request, answer = found.request, found.answer
    body, reason, notes, endpoint = travelling_body(request, context.limits)
    if found.reason is not None:
        body, reason = None, found.reason
    if reason in _BY_REQUEST and answer.failure == "invalid":
        answer = replace(answer, failure=None, comparable=False)  # the right protocol, only not one that we read
    latency, ttft = numbers.positive(found.latency_ms), numbers.positive(found.ttft_ms)
    doubted = found.doubted or (latency is None and found.latency_ms is not None)
    if ttft is not None and latency is not None and ttft > latency:
        ttft, doubted = None, True
    if found.cached:
        latency = ttft = None
    extra: tuple[Note, ...] = ()
    if doubted:
        extra += ("figure_doubted",)
    if found.cached:
        extra += ("cache_hit",)
    messages = request.get("messages") if isinstance(request, dict) else None
    users, prompt = _conversation(messages)
    if endpoint == "completions" and isinstance(request, dict):
        raw = request.get("prompt")
        prompt = raw if isinstance(raw, str) else parts.text_of(raw)
    turn = numbers.count(found.turn) or max(users, 1)
    user = found.user
    model = found.model
    if isinstance(request, dict):
        user = user or _text(request.get("user")) or _text(request.get("safety_identifier"))
        model = model or _text(request.get("model"))
    return Call(
        index=index,
        id=found.id or "",
        request=body,
        endpoint=endpoint,
        ts_unix_ms=found.ts_unix_ms if found.ts_unix_ms is not None else context.kafka_ts_unix_ms,
        session=found.session,
        turn=turn,
        route=found.route,
        tags=found.tags,
        model=model or answer.model,
        user=user,
        prompt_text=prompt,
        messages_count=len(messages) if isinstance(messages, list) else 0,
        replayable=body is not None,
        comparable=body is not None and answer.comparable,
        reason=reason or answer.reason,
        answer=answer,
        status=found.status,
        latency_ms=latency,
        ttft_ms=ttft,
        traceparent=found.traceparent or context.traceparent,
        notes=notes + extra,
    )


def opened(request: Any) -> tuple[Any, CallReason | None]:
    """A request body that may have been logged as text; text that is no JSON any more was cut."""
    if not isinstance(request, str):
        return request, None
    if not request.strip():
        return None, "no_prompt"
    try:
        value = strict_json.loads(request)
    except DecodeError:
        return None, "truncated_request"
    return value, None if isinstance(value, dict) else "invalid_request"


def with_usage(answer: Answer, raw: Any) -> Answer:
    """`answer` with the token counts of a log beside it where its own body has none."""
    if answer.usage != Usage():
        return answer
    answered = bool(answer.text or answer.tool_calls) or answer.failure is not None or answer.reason is not None
    counts, _ = numbers.usage(raw, answered=answered)
    return replace(answer, usage=counts)


def _conversation(messages: Any) -> tuple[int, str]:
    """How many user messages there are, and the text of the last one."""
    users, last = 0, None
    for message in messages if isinstance(messages, list) else ():
        if isinstance(message, dict) and message.get("role") == "user":
            users += 1
            last = message.get("content")
    return users, last if isinstance(last, str) else parts.text_of(last)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
