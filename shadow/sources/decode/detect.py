"""One record's value to its calls: finds the format, and turns everything that cannot be read into a dead letter."""

from collections.abc import Iterable
from types import ModuleType
from typing import Any, Literal

from shadow.errors import DecodeError
from shadow.records import Answer, Call
from shadow.sources.decode import gateway, litellm, native, openai, otlp, stamps
from shadow.sources.decode.building import Context
from shadow.wire import strict_json
from shadow.wire.requests import Limits

Format = Literal["auto", "native", "openai", "litellm", "otlp", "gateway"]

# In this order: a log entry of a gateway has a `request` too, a LiteLLM payload has `messages`.
_READERS: dict[str, ModuleType] = {
    "otlp": otlp,
    "litellm": litellm,
    "gateway": gateway,
    "native": native,
    "openai": openai,
}
_MAX_OPENED = 2  # a value may be JSON inside a JSON string, and once more


def decode(
    value: bytes | None,
    format: str = "auto",
    *,
    kafka_ts_unix_ms: int | None = None,
    max_output_tokens: int = 2048,
    tokenizers_equal: bool = False,
    headers: Iterable[tuple[str, bytes]] = (),
) -> list[Call]:
    """The calls of one record, in order; none when it holds no request to a model (health checks, other spans).

    Raises DecodeError with a reason of the closed vocabulary for a record that cannot be read, and nothing else whatever
    the input; no reason quotes it. Cost is linear in the size of the value.
    """
    context = Context(
        limits=Limits(max_output_tokens=max_output_tokens, tokenizers_equal=tokenizers_equal),
        kafka_ts_unix_ms=kafka_ts_unix_ms,
        traceparent=_traceparent(headers),
    )
    try:
        return decode_value(value, format, context)
    except DecodeError:
        raise
    except Exception:  # the border: no value of a topic may stop the consumer, it becomes a dead letter
        raise DecodeError("unknown_format") from None


def decode_value(value: bytes | None, format: str, context: Context) -> list[Call]:
    """As `decode`, without the border that catches what should not happen."""
    if value is None:
        raise DecodeError("tombstone")
    try:
        record = strict_json.loads(value)
    except DecodeError:
        if format in ("auto", "otlp") and otlp.may_be_protobuf(value):
            return otlp.protobuf_calls(value, context)
        raise
    for _ in range(_MAX_OPENED):
        if not isinstance(record, str):
            break
        try:
            record = strict_json.loads(record)
        except DecodeError:
            raise DecodeError("unknown_format") from None
    return _batch(record, format, context) if isinstance(record, list) else _one(record, format, context, 0)


def _batch(records: list[Any], format: str, context: Context) -> list[Call]:
    """A list of records in one value, as some loggers batch them. What is unknown among known ones stays visible."""
    found: list[Call] = []
    unknown = 0
    for record in records:
        try:
            found += _one(record, format, context, len(found))
        except DecodeError:
            unknown += 1
            found.append(
                Call(
                    index=len(found),
                    id="",
                    request=None,
                    ts_unix_ms=context.kafka_ts_unix_ms,
                    replayable=False,
                    comparable=False,
                    reason="unknown_format",
                    answer=Answer(comparable=False),
                )
            )
    if unknown == len(records):
        raise DecodeError("unknown_format")
    return found


def _one(record: Any, format: str, context: Context, index: int) -> list[Call]:
    if not isinstance(record, dict):
        raise DecodeError("unknown_format")
    if format != "auto":
        reader = _READERS.get(format)
        if reader is not None and reader.matches(record):
            return _calls(reader, record, context, index)
        if record.get("heartbeat") is True:  # signs of life have one form, whatever the mirror's format
            return native.calls(record, context, index)
        raise DecodeError("unknown_format")
    for reader in _READERS.values():
        if reader.matches(record):
            return _calls(reader, record, context, index)
    raise DecodeError("unknown_format")


def _calls(reader: ModuleType, record: dict[str, Any], context: Context, index: int) -> list[Call]:
    calls: list[Call] = reader.calls(record, context, index)
    return calls


def _traceparent(headers: Iterable[tuple[str, bytes]]) -> str | None:
    return next((stamps.traceparent(value) for key, value in headers if key.lower() == "traceparent"), None)
