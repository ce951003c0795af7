"""OpenTelemetry traces and logs: one record holds a batch of spans or events, some of which asked a model.

Reads the GenAI conventions (`gen_ai.*`), OpenInference (`llm.*`) and the older numbered `gen_ai.prompt.N.*` form, in
OTLP/JSON and protobuf. Agent, tool, HTTP and embedding spans are no calls of their own.
"""

import base64
from collections.abc import Iterator
from typing import Any

from shadow.errors import DecodeError
from shadow.records import Call
from shadow.sources.decode import attributes as attrs
from shadow.sources.decode import conversations
from shadow.sources.decode.building import Context, call_of

_EVENT = "gen_ai.client.inference.operation.details"


def matches(record: dict[str, Any]) -> bool:
    """True for an export request of traces or logs."""
    return any(key in record for key in ("resourceSpans", "resourceLogs", "resource_spans", "resource_logs"))


def calls(record: dict[str, Any], context: Context, index: int) -> list[Call]:
    """Every generation in the batch, in order; one broken span never takes its neighbours along."""
    found: list[Call] = []
    for entry, resource, is_span in _entries(record):
        call = conversations.found_in(entry, resource, is_span=is_span)
        if call is not None:
            found.append(call_of(call, context, index + len(found)))
    return found


def may_be_protobuf(value: bytes) -> bool:
    """True when the value may be an export request: its first field is number 1 with a length."""
    return value[:1] == b"\n"


def protobuf_calls(value: bytes, context: Context) -> list[Call]:
    """As `calls`, from the binary form. Raises DecodeError("unknown_format") for bytes that are something else."""
    from google.protobuf.json_format import MessageToDict  # type: ignore[import-untyped]
    from google.protobuf.message import DecodeError as NotThisMessage  # type: ignore[import-untyped]
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    try:
        traces = ExportTraceServiceRequest.FromString(value)
        spans = [s for r in traces.resource_spans for scope in r.scope_spans for s in scope.spans]
        if spans and all(len(s.trace_id) == 16 for s in spans):
            return calls(_hexadecimal(MessageToDict(traces)), context, 0)
    except (NotThisMessage, ValueError, RecursionError):
        pass  # not traces; it may still be logs
    try:
        logs = ExportLogsServiceRequest.FromString(value)
        if any(scope.log_records for r in logs.resource_logs for scope in r.scope_logs):
            return calls(_hexadecimal(MessageToDict(logs)), context, 0)
    except (NotThisMessage, ValueError, RecursionError):
        pass  # not logs either
    raise DecodeError("unknown_format")


def _entries(record: dict[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any], bool]]:
    """(span or log record, attributes of its resource, is it a span)."""
    for outer, middle, inner, is_span in (
        ("resourceSpans", "scopeSpans", "spans", True),
        ("resource_spans", "scope_spans", "spans", True),
        ("resourceLogs", "scopeLogs", "logRecords", False),
        ("resource_logs", "scope_logs", "log_records", False),
    ):
        for resource in _dicts(record.get(outer)):
            described = resource.get("resource")
            about = attrs.plain(described.get("attributes")) if isinstance(described, dict) else {}
            for scope in _dicts(resource.get(middle)):
                for entry in _dicts(scope.get(inner)):
                    if is_span or _is_generation_event(entry):
                        yield entry, about, is_span


def _is_generation_event(entry: dict[str, Any]) -> bool:
    if entry.get("eventName") == _EVENT:
        return True
    return attrs.plain(entry.get("attributes")).get("event.name") == _EVENT


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _hexadecimal(message: dict[str, Any]) -> dict[str, Any]:
    """Protobuf's JSON mapping writes ids in base64, OTLP/JSON in hexadecimal."""
    for entry, _, _ in _entries(message):
        for key in ("traceId", "spanId"):
            if isinstance(entry.get(key), str):
                entry[key] = base64.b64decode(entry[key]).hex()
    return message
