"""Traces of replays and evaluation events, linked to the production trace that was replayed. Ids and figures, never text.

Spans are made after the fact from times that the replayer measured, so that tracing costs the replay nothing. The share
`otel.sample_ratio` of calls is traced, and every call on which an arm failed.
"""

import hashlib
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from shadow.exporters import genai
from shadow.ledger.base import OutcomeRow
from shadow.records import ArmOutcome, FinishedCall
from shadow.settings import Settings

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?", re.ASCII)
_SHUTDOWN_SECONDS = 2.5
_MS, _S = 1_000_000, 1_000_000_000
Attributes = dict[str, str | int | float | bool | Sequence[str]]


class Traces(Protocol):
    """Takes finished calls once they are committed. Never raises for what a call contains, never waits for a collector."""

    def record(self, call: FinishedCall, rows: Sequence[OutcomeRow]) -> str | None:
        """Traces one call, or not; returns its trace id (32 hex digits) where it did, for exemplars."""
        ...

    def close(self) -> None:
        """Sends what is left, within three seconds whatever the collector does."""
        ...


class NoTraces:
    """No endpoint, no traces, no cost."""

    def record(self, call: FinishedCall, rows: Sequence[OutcomeRow]) -> str | None:
        return None

    def close(self) -> None:
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Production:
    """The trace context of the production request."""

    trace_id: int
    span_id: int
    flags: int


def production(traceparent: str | None) -> _Production | None:
    """The context a W3C `traceparent` names, None for a missing, broken or all-zero one."""
    match = _TRACEPARENT.fullmatch(traceparent.strip()) if traceparent and len(traceparent) < 512 else None
    if match is None or match[0].startswith("ff"):
        return None
    trace_id, span_id = int(match[1], 16), int(match[2], 16)
    return _Production(trace_id=trace_id, span_id=span_id, flags=int(match[3], 16)) if trace_id and span_id else None


def sampled(call: FinishedCall, ratio: float, context: _Production | None) -> bool:
    """Deterministic: the same call is traced by every replica. Where production's trace id is known it decides, as W3C asks."""
    if any(o.failure not in (None, "unavailable") for o in call.outcomes):
        return True
    if context is not None:
        draw = context.trace_id & (2**56 - 1)
    else:
        draw = int.from_bytes(hashlib.blake2b(call.call.id.encode("utf-8", "replace"), digest_size=7).digest(), "big")
    return draw < ratio * 2**56


def traces_from(settings: Settings, version: str) -> Traces:
    """The tracing that the settings ask for; OpenTelemetry is imported only where there is an endpoint."""
    endpoint = settings.otel.endpoint
    return _OtlpTraces(settings, endpoint, version) if endpoint else NoTraces()


class _OtlpTraces:
    """Spans and log events over OTLP/HTTP. Used from one thread; batches leave on threads of their own."""

    def __init__(self, settings: Settings, endpoint: str, version: str) -> None:
        from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk._logs import LoggerProvider
        from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import ALWAYS_ON

        base = endpoint.rstrip("/").removesuffix("/v1/traces")
        # Without this limit on every request a collector that answers 503 holds a shutdown for more than seven seconds.
        timeout = settings.otel.timeout_seconds
        resource = Resource.create({"service.name": "shadow", "service.version": version})
        self._spans = TracerProvider(sampler=ALWAYS_ON, resource=resource, shutdown_on_exit=False)
        self._spans.add_span_processor(
            BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{base}/v1/traces", timeout=timeout))
        )
        self._logs = LoggerProvider(resource=resource, shutdown_on_exit=False)
        self._logs.add_log_record_processor(
            BatchLogRecordProcessor(OTLPLogExporter(endpoint=f"{base}/v1/logs", timeout=timeout))
        )
        self._tracer = self._spans.get_tracer("shadow", version)
        self._logger = self._logs.get_logger("shadow", version)
        self._ratio = settings.otel.sample_ratio
        self._arms = _arm_attributes(settings)

    def record(self, call: FinishedCall, rows: Sequence[OutcomeRow]) -> str | None:
        context = production(call.call.traceparent)
        sent = [o for o in call.outcomes if o.sent_unix_ms is not None]
        if not sent or not sampled(call, self._ratio, context):
            return None
        from opentelemetry.context import Context
        from opentelemetry.trace import Link, SpanContext, SpanKind, TraceFlags, set_span_in_context

        links = []
        if context is not None:
            there = SpanContext(
                context.trace_id, context.span_id, is_remote=True, trace_flags=TraceFlags(context.flags)
            )
            links.append(Link(there, {"shadow.link": "production"}))
        # A new root that links to production: a child would prolong the user's trace and inherit its sampling.
        root = self._tracer.start_span(
            "shadow.replay",
            context=Context(),
            kind=SpanKind.CONSUMER,
            links=links,
            attributes=_root_attributes(call, rows),
            start_time=min(_start_ns(o) - int((o.queue_seconds or 0) * _S) for o in sent),
        )
        below = set_span_in_context(root, Context())
        by_arm = {row.arm: row for row in rows}
        for outcome in sent:
            self._arm(call, outcome, by_arm.get(outcome.arm), below)
        root.end(max(_end_ns(o) for o in sent))
        return f"{root.get_span_context().trace_id:032x}"

    def _arm(self, call: FinishedCall, outcome: ArmOutcome, row: OutcomeRow | None, below: object) -> None:
        from opentelemetry._logs import LogRecord, SeverityNumber
        from opentelemetry.context import Context
        from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context

        parent = below if isinstance(below, Context) else Context()
        operation = genai.CHAT if call.call.endpoint == "chat" else genai.TEXT_COMPLETION
        known = self._arms.get(outcome.arm, {})
        span = self._tracer.start_span(
            f"{operation} {known.get(genai.REQUEST_MODEL, outcome.arm)}",
            context=parent,
            kind=SpanKind.CLIENT,
            attributes={genai.OPERATION: operation, **known, **_outcome_attributes(outcome)},
            start_time=_start_ns(outcome),
        )
        if outcome.failure is not None:
            span.set_status(Status(StatusCode.ERROR))
        span.end(_end_ns(outcome))
        inside = set_span_in_context(span, Context())
        for scorer, value in (row.scores if row is not None else {}).items():
            if value is None or row is None:
                continue
            attributes: dict[str, str | float] = {genai.EVALUATION_NAME: scorer, genai.EVALUATION_VALUE: value}
            label = row.labels.get(scorer)
            if label is not None:
                attributes[genai.EVALUATION_LABEL] = label
            self._logger.emit(
                LogRecord(
                    timestamp=_end_ns(outcome),
                    context=inside,
                    event_name=genai.EVALUATION_EVENT,
                    severity_number=SeverityNumber.INFO,
                    attributes=attributes,
                )
            )

    def close(self) -> None:
        """Both sides at once; a thread that a collector still holds is left behind, it is a daemon."""
        ends = [threading.Thread(target=p.shutdown, daemon=True) for p in (self._spans, self._logs)]
        for end in ends:
            end.start()
        for end in ends:
            end.join(_SHUTDOWN_SECONDS / len(ends))


def _start_ns(outcome: ArmOutcome) -> int:
    return (outcome.sent_unix_ms or 0) * _MS


def _end_ns(outcome: ArmOutcome) -> int:
    return _start_ns(outcome) + int((outcome.latency_seconds or 0) * _S)


def _arm_attributes(settings: Settings) -> dict[str, Attributes]:
    """What is known of each arm beforehand: provider, model, address. Never a key, never a path or query of its URL."""
    arms: dict[str, Attributes] = {}
    if settings.baseline is not None:
        arms["baseline"] = _server("openai", settings.baseline.model, settings.baseline.url)
    for candidate in settings.candidates:
        backend = candidate.backend
        url = backend.url if backend.kind == "openai" else ""
        arms[candidate.name] = _server(backend.kind, backend.model, url)
    return arms


def _server(provider: str, model: str, url: str) -> Attributes:
    attributes: Attributes = {genai.PROVIDER: provider, genai.REQUEST_MODEL: model}
    parts = urlsplit(url)
    if parts.hostname:
        attributes[genai.SERVER_ADDRESS] = parts.hostname
        attributes[genai.SERVER_PORT] = parts.port or (443 if parts.scheme == "https" else 80)
    return attributes


def _root_attributes(call: FinishedCall, rows: Sequence[OutcomeRow]) -> Attributes:
    attributes: Attributes = {"shadow.call.id": call.call.id[:128], "shadow.call.index": call.call.index}
    if rows:
        attributes |= {
            "messaging.system": "kafka",
            "messaging.destination.name": rows[0].topic,
            "messaging.destination.partition.id": str(rows[0].partition),
            "messaging.kafka.offset": rows[0].offset,
        }
    if call.call.route:
        attributes["shadow.route"] = call.call.route[:64]
    return attributes


def _outcome_attributes(outcome: ArmOutcome) -> Attributes:
    usage, answer = outcome.answer.usage, outcome.answer
    found: dict[str, str | int | float | Sequence[str] | None] = {
        "shadow.arm": outcome.arm,
        "shadow.retries": outcome.retries,
        genai.RESPONSE_MODEL: answer.model,
        genai.FINISH_REASONS: (answer.finish_reason,) if answer.finish_reason else None,
        genai.TIME_TO_FIRST_CHUNK: outcome.ttft_seconds,
        genai.INPUT_TOKENS: usage.input_tokens,
        genai.OUTPUT_TOKENS: usage.output_tokens,
        genai.CACHED_TOKENS: usage.cached_input_tokens,
        genai.REASONING_TOKENS: usage.reasoning_tokens,
        genai.ERROR_TYPE: outcome.failure,
        "http.response.status_code": outcome.status,
    }
    return {name: value for name, value in found.items() if value is not None}
