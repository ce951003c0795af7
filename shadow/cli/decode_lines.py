"""One line of `shadow decode`: a value in, its report as one line of ASCII JSON out, whatever the value is."""

import base64
import binascii
import json
from dataclasses import asdict
from typing import Any

from shadow.errors import DecodeError
from shadow.records import Answer, Call
from shadow.sources.decode import decode
from shadow.wire import strict_json
from shadow.wire.answers import AnswerReader


def report(line: int, raw: bytes, *, kind: str, format: str, encoded: bool, max_output_tokens: int) -> str:
    """The report of one value as JSON without a line break; an empty base64 line is a tombstone."""
    reason: str | None = None
    calls: list[dict[str, Any]] = []
    try:
        value = _value(raw, encoded=encoded)
        if kind == "record":
            found = decode(value, format, max_output_tokens=max_output_tokens)
            calls = [_call(call) for call in found]
            reason = None if found else "not_a_generation"
        elif value is None:
            reason = "tombstone"
        else:
            calls = [_stream(value) if kind == "sse" else _response(value)]
    except DecodeError as error:
        reason = error.reason
    return json.dumps({"line": line, "reason": reason, "calls": calls}, ensure_ascii=True, allow_nan=False)


def _value(raw: bytes, *, encoded: bool) -> bytes | None:
    if not encoded:
        return raw
    text = raw.strip()
    if not text:
        return None
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise DecodeError("not_base64") from None


def _call(call: Call) -> dict[str, Any]:
    shown = {
        "id": call.id,
        "endpoint": call.endpoint,
        "replayable": call.replayable,
        "comparable": call.comparable,
        "reason": call.reason,
        **_answer(call.answer),
        "model": call.answer.model or call.model,
        "session": call.session,
        "turn": call.turn,
        "route": call.route,
        "tags": call.tags,
        "messages_count": call.messages_count,
        "prompt_text": call.prompt_text,
        "status": call.status,
        "latency_ms": call.latency_ms,
        "ttft_ms": call.ttft_ms,
        "ts_unix_ms": call.ts_unix_ms,
        "heartbeat": call.heartbeat,
        "notes": list(call.notes),
    }
    if call.request is not None:
        shown["send"] = call.request
    return shown


def _answer(answer: Answer) -> dict[str, Any]:
    return {
        "text": answer.text,
        "text_length": len(answer.text or ""),
        "tool_calls": [asdict(call) for call in answer.tool_calls] or None,
        "finish_reason": answer.finish_reason,
        "failure": answer.failure,
        "refusal": answer.refusal,
        "reasoning": answer.reasoning,
        "choices": list(answer.choices) or None,
        "model": answer.model,
        "system_fingerprint": answer.system_fingerprint,
        "prompt_tokens": answer.usage.input_tokens,
        "completion_tokens": answer.usage.output_tokens,
        "cached_tokens": answer.usage.cached_input_tokens,
        "reasoning_tokens": answer.usage.reasoning_tokens,
    }


def _stream(value: bytes) -> dict[str, Any]:
    reader = AnswerReader(200, {"content-type": "text/event-stream"})
    reader.feed(value)
    return _live(reader, reader.finish())


def _response(value: bytes) -> dict[str, Any]:
    http = strict_json.loads(value)
    if not isinstance(http, dict):
        raise DecodeError("unknown_format")
    status = http.get("status")
    headers = http.get("headers")
    reader = AnswerReader(
        status if type(status) is int else 200,
        {k: v for k, v in headers.items() if isinstance(v, str)} if isinstance(headers, dict) else {},
    )
    reader.feed(_body(http))
    return _live(reader, reader.finish())


def _body(http: dict[str, Any]) -> bytes:
    if isinstance(http.get("body_base64"), str):
        try:
            return base64.b64decode(http["body_base64"])
        except (binascii.Error, ValueError):
            raise DecodeError("not_base64") from None
    body = http.get("body")
    if isinstance(body, str):
        return body.encode("utf-8", "replace")
    return b"" if body is None else json.dumps(body).encode()


def _live(reader: AnswerReader, answer: Answer) -> dict[str, Any]:
    return {
        "replayable": True,
        "comparable": answer.comparable,
        "reason": answer.reason,
        **_answer(answer),
        "latency_ms": None,
        "ttft_ms": None,
        "ts_unix_ms": None,
        "first_output_event": reader.first_output_event,
        "first_content_event": reader.first_answer_event,
    }
