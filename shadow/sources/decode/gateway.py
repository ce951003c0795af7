"""What API gateways log of LLM traffic: APISIX `kafka-logger` and Kong `kafka-log`.

Gateways cut bodies at a size limit without a word: an answer without its end was cut, unless the logged size says that the
log holds all of it.
"""

from typing import Any

from shadow.records import Answer, Call
from shadow.sources.decode import stamps
from shadow.sources.decode.building import Context, Found, call_of, opened, with_usage
from shadow.wire import numbers, recorded
from shadow.wire.reasons import CallReason

_UNSUPPORTED = ("/messages", "/responses")
_NOT_GENERATIONS = ("/embeddings", "/rerank", "/moderations", "/images/", "/audio/", "/score", "/tokenize")


def matches(record: dict[str, Any]) -> bool:
    """True for a log entry of either gateway."""
    return _is_kong(record) or _is_apisix(record)


def _is_kong(record: dict[str, Any]) -> bool:
    return "tries" in record or "latencies" in record or ("ai" in record and "request" in record)


def _is_apisix(record: dict[str, Any]) -> bool:
    if "llm_request" in record or "llm_summary" in record or ("route_id" in record and "upstream" in record):
        return True
    request = record.get("request")
    return isinstance(request, dict) and "uri" in request and "messages" not in request


def calls(record: dict[str, Any], context: Context, index: int) -> list[Call]:
    """The call of one log entry; none for traffic that asked no model for an answer (health checks, model lists)."""
    return _kong(record, context, index) if _is_kong(record) else _apisix(record, context, index)


def _apisix(record: dict[str, Any], context: Context, index: int) -> list[Call]:
    http, reply = _dict(record.get("request")), _dict(record.get("response"))
    summary = _dict(record.get("llm_summary"))
    asked, text = record.get("llm_request"), _dict(record.get("llm_response_text"))
    status = numbers.count(reply.get("status"))
    path = _path(http)
    if isinstance(asked, dict) or summary:
        request = dict(asked) if isinstance(asked, dict) else None
        if request is not None:
            request.setdefault("model", summary.get("request_model") or summary.get("model"))
        reason: CallReason | None = None if request is not None else "no_prompt"
        content = text.get("content")
        body = {"model": summary.get("model"), "choices": [{"message": {"content": content}}]} if content else None
        answer = with_usage(recorded.answer_of(body, status=status), summary)
    elif "body" in http or _is_generation(path):
        request, reason = opened(http.get("body"))
        answer = _logged_answer(reply, status)
    else:
        return []
    streamed = str(summary.get("stream")).lower() == "true"
    return [
        call_of(
            Found(
                request=request,
                answer=answer,
                id=stamps.header(http.get("headers"), "x-request-id"),
                reason=_by_path(path) or reason,
                ts_unix_ms=stamps.unix_ms(record.get("start_time")),
                route=stamps.name(record.get("route_id")),
                status=status,
                latency_ms=record.get("latency"),
                ttft_ms=summary.get("duration") or None if streamed else None,
                traceparent=stamps.traceparent(stamps.header(http.get("headers"), "traceparent")),
            ),
            context,
            index,
        )
    ]


def _logged_answer(reply: dict[str, Any], status: int | None) -> Answer:
    body = reply.get("body")
    size = numbers.count(reply.get("size"))
    whole = isinstance(body, str) and size is not None and size <= len(body.encode("utf-8", "replace"))
    return recorded.answer_of(body, status=status, may_be_cut=not whole)


def _kong(record: dict[str, Any], context: Context, index: int) -> list[Call]:
    http, reply, ai = _dict(record.get("request")), _dict(record.get("response")), _dict(record.get("ai"))
    plugin = _dict(ai.get("proxy")) or next(
        (v for v in ai.values() if isinstance(v, dict) and ("usage" in v or "payload" in v)), {}
    )
    path = _path(http) or _text(record.get("upstream_uri"))
    if not plugin and not _is_generation(path):
        return []
    payload = _dict(plugin.get("payload")) or _dict(ai.get("payload"))
    usage, meta = _dict(plugin.get("usage")), _dict(plugin.get("meta"))
    status = numbers.count(reply.get("status"))
    if status is None:
        status = numbers.count(record.get("upstream_status"))
    cached = any(
        _text(_dict(_dict(part).get("cache")).get("cache_status")).lower() == "hit" for part in (plugin, *ai.values())
    )
    request, reason = opened(payload.get("request"))
    answer = recorded.answer_of(payload.get("response"), status=status, may_be_cut=True, cached=cached)
    if not cached:
        answer = with_usage(answer, usage)
    route = _dict(record.get("route"))
    latency = meta.get("llm_latency")
    return [
        call_of(
            Found(
                request=request,
                answer=answer,
                id=stamps.name(http.get("id")) or stamps.header(http.get("headers"), "x-request-id"),
                reason=_by_path(path) or reason,
                model=_text(meta.get("request_model")) or None,
                ts_unix_ms=stamps.unix_ms(record.get("started_at")),
                route=stamps.name(route.get("name")) or stamps.name(route.get("id")),
                status=status,
                latency_ms=_dict(record.get("latencies")).get("request") if latency is None else latency,
                traceparent=stamps.traceparent(stamps.header(http.get("headers"), "traceparent")),
                cached=cached,
            ),
            context,
            index,
        )
    ]


def _path(http: dict[str, Any]) -> str:
    return (_text(http.get("uri")) or _text(http.get("url"))).partition("?")[0].lower()


def _is_generation(path: str) -> bool:
    return path.rstrip("/").endswith(("/completions", "/generate", *_UNSUPPORTED))


def _by_path(path: str) -> CallReason | None:
    """What the address says against a call; the body of an embedding may look like a prompt."""
    if path.rstrip("/").endswith(_UNSUPPORTED):
        return "unsupported_endpoint"
    return "not_a_generation" if any(part in path for part in _NOT_GENERATIONS) else None


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
