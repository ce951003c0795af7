"""LiteLLM's StandardLoggingPayload, as a callback writes it into a topic.

The session is `session_id` alone: a trace id is new for every request, and a unit of one call would be counted only when
its turn happens to be drawn.
"""

from typing import Any

from shadow.errors import DecodeError
from shadow.records import Answer, Call
from shadow.sources.decode import stamps
from shadow.sources.decode.building import Context, Found, call_of, with_usage
from shadow.wire import numbers, recorded, strict_json
from shadow.wire.reasons import CallReason

_COMPLETIONS = ("text_completion", "atext_completion")
_CHAT = ("completion", "acompletion", "", None)
_UNSUPPORTED = ("anthropic_messages", "responses", "aresponses", "pass_through_endpoint", "generate_content")


def matches(record: dict[str, Any]) -> bool:
    """True for a payload, also inside the `kwargs` that a callback gets."""
    return (
        "litellm_call_id" in record
        or "standard_logging_object" in record
        or ("model_parameters" in record and "messages" in record)
    )


def calls(record: dict[str, Any], context: Context, index: int) -> list[Call]:
    """The one call of a payload."""
    inner = record.get("standard_logging_object")
    if isinstance(inner, dict):
        record = inner
    call_type = record.get("call_type")
    request = _request(record, completions=call_type in _COMPLETIONS)
    started, ended = _seconds(record.get("startTime")), _seconds(record.get("endTime"))
    first = _seconds(record.get("completionStartTime"))
    cached = record.get("cache_hit") in (True, "True", "true")
    status, answer = _answer(record, cached=cached)
    streamed = record.get("stream") is True and first is not None and ended is not None and first < ended
    return [
        call_of(
            Found(
                request=request,
                answer=answer,
                id=stamps.name(record.get("litellm_call_id")) or stamps.name(record.get("id")),
                reason=_reason(call_type),
                ts_unix_ms=stamps.unix_ms(record.get("startTime")),
                session=stamps.name(record.get("session_id")),
                tags=stamps.tags(record.get("request_tags")),
                user=stamps.name(record.get("end_user")),
                status=status,
                latency_ms=_between(started, ended),
                ttft_ms=_between(started, first) if streamed else None,
                cached=cached,
            ),
            context,
            index,
        )
    ]


def _request(record: dict[str, Any], *, completions: bool) -> dict[str, Any]:
    """The body as far as the payload has it: messages beside the parameters, the system prompt of some calls inside."""
    parameters = record.get("model_parameters")
    request = dict(parameters) if isinstance(parameters, dict) else {}
    request["model"] = record.get("model")
    messages = record.get("messages")
    if isinstance(messages, str) and messages[:1] == "[":
        try:
            messages = strict_json.loads(messages)
        except DecodeError:
            messages = None
    if completions:
        request.pop("messages", None)
        request["prompt"] = _prompt(messages)
    else:
        request["messages"] = messages
    return request


def _prompt(messages: Any) -> Any:
    """The prompt of a text completion, which is logged as one user message."""
    if isinstance(messages, list) and len(messages) == 1 and isinstance(messages[0], dict):
        return messages[0].get("content")
    return messages


def _reason(call_type: Any) -> CallReason | None:
    if call_type in _CHAT or call_type in _COMPLETIONS:
        return None
    if isinstance(call_type, str) and (
        call_type in _UNSUPPORTED or (call_type.startswith("a") and call_type[1:] in _UNSUPPORTED)
    ):
        return "unsupported_endpoint"
    return "not_a_generation"


def _answer(record: dict[str, Any], *, cached: bool) -> tuple[int | None, Answer]:
    if record.get("status") == "failure":
        details = record.get("error_information")
        details = details if isinstance(details, dict) else {}
        code = numbers.count(details.get("error_code"))
        error = {
            "error_class": details.get("error_class"),
            "message": details.get("error_message"),
            "error": record.get("error_str"),
        }
        return code, recorded.answer_of(None, status=code, error=error)
    response = record.get("response")
    if isinstance(response, str) and response[:1] not in ("{", "[", "d") and response:
        response = {"choices": [{"message": {"content": response}}]}  # some calls log the text alone
    answer = recorded.answer_of(response, status=None, cached=cached)
    return 200, answer if cached else with_usage(answer, record)


def _seconds(value: Any) -> float | None:
    """A moment in seconds: LiteLLM writes floats, callbacks that serialise it themselves write ISO text."""
    if isinstance(value, str):
        ms = stamps.unix_ms(value)
        return None if ms is None else ms / 1000.0
    return numbers.positive(value)


def _between(start: float | None, end: float | None) -> float | None:
    """Milliseconds from `start` to `end`, None when either is unknown."""
    return None if start is None or end is None else (end - start) * 1000.0
