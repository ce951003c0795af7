"""The envelope of our own: one JSON object per record, everything but `request` optional."""

from typing import Any

from shadow.records import Answer, Call
from shadow.sources.decode import stamps
from shadow.sources.decode.building import Context, Found, call_of, opened
from shadow.wire import numbers, recorded

_FAILED_WORDS = ("failure", "failed", "error")


def matches(record: dict[str, Any]) -> bool:
    """True for an envelope, or what can only be meant as one."""
    return "request" in record or record.get("heartbeat") is True or ("v" in record and "response" in record)


def calls(record: dict[str, Any], context: Context, index: int) -> list[Call]:
    """The one call of an envelope, or its heartbeat."""
    ts = stamps.unix_ms(record.get("ts"))
    identity = stamps.name(record.get("id"))
    if record.get("heartbeat") is True:
        return [
            Call(
                index=index,
                id=identity or "",
                request=None,
                ts_unix_ms=ts if ts is not None else context.kafka_ts_unix_ms,
                replayable=False,
                comparable=False,
                answer=Answer(comparable=False),
                heartbeat=True,
            )
        ]
    request, reason = opened(record.get("request"))
    response = record.get("response")
    raw_status = record.get("status")
    status = numbers.count(raw_status)
    error = record.get("error") or (isinstance(raw_status, str) and raw_status.lower() in _FAILED_WORDS)
    cached = record.get("cache_hit") is True
    answer = recorded.answer_of(response, status=status, error=error, cached=cached)
    if identity is None and isinstance(response, dict):
        identity = stamps.name(response.get("id"))
    found = Found(
        request=request,
        answer=answer,
        id=identity,
        reason=reason,
        ts_unix_ms=ts,
        session=stamps.name(record.get("session")),
        turn=record.get("turn"),
        route=stamps.name(record.get("route")),
        tags=stamps.tags(record["tags"]) if "tags" in record else {},
        user=stamps.name(record.get("user")),
        status=status,
        latency_ms=record.get("latency_ms"),
        ttft_ms=record.get("ttft_ms"),
        traceparent=stamps.traceparent(record["traceparent"]) if "traceparent" in record else None,
        cached=cached,
    )
    return [call_of(found, context, index)]
