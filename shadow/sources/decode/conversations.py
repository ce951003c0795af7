"""One span or event to request and answer, whichever convention its attributes follow."""

from typing import Any

from shadow.records import Answer
from shadow.sources.decode import attributes as attrs
from shadow.sources.decode import stamps
from shadow.sources.decode.building import Found
from shadow.wire import numbers, recorded
from shadow.wire.reasons import CallReason

_GENERATIONS = ("chat", "generate_content", "text_completion")
_PARAMETERS = (
    "temperature",
    "top_p",
    "top_k",
    "max_tokens",
    "seed",
    "frequency_penalty",
    "presence_penalty",
)
_FIRST_TOKEN = ("First Token Stream Event", "gen_ai.content.first_token", "llm.content.completion.chunk")


def found_in(entry: dict[str, Any], resource: dict[str, Any], *, is_span: bool) -> Found | None:
    """The call that a span or event describes, None when it asked no model for an answer."""
    about = attrs.plain(entry.get("attributes"))
    kind = about.get("openinference.span.kind")
    operation = about.get("gen_ai.operation.name")
    inference = operation is None and (kind == "LLM" or (kind is None and "llm.model_name" in about))
    numbered = operation is None and not inference and any(k.startswith("gen_ai.prompt.0.") for k in about)
    if not inference and not numbered and operation not in _GENERATIONS:
        return None
    request, reason = _read_request(about, inference=inference, numbered=numbered)
    if attrs.integer(entry.get("droppedAttributesCount")):
        reason = "truncated_request"
    started, ended = attrs.integer(entry.get("startTimeUnixNano")), attrs.integer(entry.get("endTimeUnixNano"))
    first = about.get("gen_ai.response.time_to_first_chunk")
    status, answer = _answer(entry, about, inference=inference, numbered=numbered)
    trace, span = entry.get("traceId"), entry.get("spanId")
    moment = started if is_span else attrs.integer(entry.get("timeUnixNano"))
    return Found(
        request=request,
        answer=answer,
        id=stamps.name(about.get("gen_ai.response.id")) or f"{trace or ''}/{span or ''}".strip("/") or None,
        reason=reason,
        model=_text(about.get("gen_ai.request.model")) or _text(about.get("llm.model_name")),
        ts_unix_ms=moment // 1_000_000 if moment and 0 < moment < 2**63 else None,
        session=stamps.name(about.get("gen_ai.conversation.id")) or stamps.name(about.get("session.id")),
        route=stamps.name(resource.get("service.name")),
        user=stamps.name(about.get("user.id")) or stamps.name(about.get("enduser.id")),
        status=status,
        latency_ms=(ended - started) / 1e6 if is_span and started and ended and ended > started > 0 else None,
        ttft_ms=first * 1000.0 if isinstance(first, float | int) else _first_token(entry, started),
        traceparent=stamps.parent_of(trace, span),
    )


def _read_request(
    about: dict[str, Any], *, inference: bool, numbered: bool
) -> tuple[dict[str, Any] | None, CallReason | None]:
    try:
        if inference:
            return _inference_request(about), None
        return _genai_request(about, numbered=numbered), None
    except attrs.Cut:
        return None, "truncated_request"
    except attrs.Unsupported:
        return None, "external_content"


def _genai_request(about: dict[str, Any], *, numbered: bool) -> dict[str, Any]:
    request: dict[str, Any] = {"model": about.get("gen_ai.request.model")}
    for name in _PARAMETERS:
        if f"gen_ai.request.{name}" in about:
            request[name] = about[f"gen_ai.request.{name}"]
    if about.get("gen_ai.request.stop_sequences"):
        request["stop"] = about["gen_ai.request.stop_sequences"]
    if about.get("gen_ai.request.choice.count"):
        request["n"] = about["gen_ai.request.choice.count"]
    tools = attrs.structured(about.get("gen_ai.tool.definitions"))
    if isinstance(tools, list) and tools:
        request["tools"] = [_tool(tool) for tool in tools]
    messages: list[Any] = []
    instructions = attrs.structured_or_text(about.get("gen_ai.system_instructions"))
    if instructions:
        whole = {"role": "system", "parts": instructions if isinstance(instructions, list) else _part(instructions)}
        messages += attrs.from_parts(whole)
    if numbered:
        messages += [attrs.from_openinference(item) for item in attrs.numbered(about, "gen_ai.prompt")]
    else:
        said = attrs.structured(about.get("gen_ai.input.messages"))
        for item in said if isinstance(said, list) else ():
            messages += attrs.from_parts(item)
        if not said:
            messages = []
    request["messages"] = messages
    return request


def _inference_request(about: dict[str, Any]) -> dict[str, Any]:
    parameters = attrs.structured(about.get("llm.invocation_parameters"))
    request: dict[str, Any] = dict(parameters) if isinstance(parameters, dict) else {}
    messages = [attrs.from_openinference(item) for item in attrs.numbered(about, "llm.input_messages")]
    if not messages and isinstance(about.get("input.value"), str) and about["input.value"].lstrip()[:1] == "{":
        whole = attrs.structured(about["input.value"])
        if isinstance(whole, dict) and ("messages" in whole or "prompt" in whole):
            return {**request, **whole}
    request["model"] = about.get("llm.model_name")
    request["messages"] = messages
    tools = []
    for item in attrs.numbered(about, "llm.tools"):
        tool = item.get("tool")
        schema = attrs.structured(tool.get("json_schema")) if isinstance(tool, dict) else None
        if isinstance(schema, dict):
            tools.append(_tool(schema))
    if tools:
        request["tools"] = tools
    return request


def _tool(definition: Any) -> Any:
    """A tool definition as a chat request writes it: the conventions leave out the inner `function`."""
    if isinstance(definition, dict) and "function" not in definition and "name" in definition:
        kind = definition.get("type", "function")
        if kind == "function":
            return {"type": "function", "function": {k: v for k, v in definition.items() if k != "type"}}
    return definition


def _answer(
    entry: dict[str, Any], about: dict[str, Any], *, inference: bool, numbered: bool
) -> tuple[int | None, Answer]:
    state = entry.get("status")
    state = state if isinstance(state, dict) else {}
    error_type = about.get("error.type")
    if error_type or state.get("code") in (2, "STATUS_CODE_ERROR"):
        code = numbers.count(error_type)
        status = code if code is not None and 400 <= code < 600 else None
        error = {"type": _text(error_type), "message": _text(state.get("message")), "error": "error"}
        return status, recorded.answer_of(None, status=status, error=error)
    try:
        body = _inference_answer(about) if inference else _genai_answer(about, numbered=numbered)
    except attrs.Cut:
        return None, Answer(comparable=False, reason="truncated_response")
    except attrs.Unsupported:
        return None, Answer(comparable=False, reason="unreadable_response")
    return None, recorded.answer_of(body, status=None)


def _genai_answer(about: dict[str, Any], *, numbered: bool) -> dict[str, Any] | None:
    finishes = about.get("gen_ai.response.finish_reasons")
    finishes = finishes if isinstance(finishes, list) else []
    choices: list[dict[str, Any]] = []
    if numbered:
        for item in attrs.numbered(about, "gen_ai.completion"):
            choices.append({"message": attrs.from_openinference(item), "finish_reason": item.get("finish_reason")})
    else:
        said = attrs.structured(about.get("gen_ai.output.messages"))
        for item in said if isinstance(said, list) else ():
            messages = attrs.from_parts(item)
            finish = item.get("finish_reason") if isinstance(item, dict) else None
            choices.append({"message": messages[0] if messages else {}, "finish_reason": finish})
    for number, choice in enumerate(choices):
        if not choice["finish_reason"] and number < len(finishes):
            choice["finish_reason"] = finishes[number]
    usage = {
        "prompt_tokens": about.get("gen_ai.usage.input_tokens", about.get("gen_ai.usage.prompt_tokens")),
        "completion_tokens": about.get("gen_ai.usage.output_tokens", about.get("gen_ai.usage.completion_tokens")),
        "prompt_tokens_details": {"cached_tokens": about.get("gen_ai.usage.cache_read.input_tokens")},
        "completion_tokens_details": {"reasoning_tokens": about.get("gen_ai.usage.reasoning.output_tokens")},
    }
    return _body(choices, about.get("gen_ai.response.model"), usage)


def _inference_answer(about: dict[str, Any]) -> dict[str, Any] | None:
    choices = [{"message": attrs.from_openinference(i)} for i in attrs.numbered(about, "llm.output_messages")]
    if not choices and isinstance(about.get("output.value"), str) and about["output.value"].lstrip()[:1] == "{":
        whole = attrs.structured(about["output.value"])
        if isinstance(whole, dict) and "choices" in whole:
            return whole
    usage = {
        "prompt_tokens": about.get("llm.token_count.prompt"),
        "completion_tokens": about.get("llm.token_count.completion"),
        "prompt_tokens_details": {"cached_tokens": about.get("llm.token_count.prompt_details.cache_read")},
        "completion_tokens_details": {"reasoning_tokens": about.get("llm.token_count.completion_details.reasoning")},
    }
    return _body(choices, about.get("llm.model_name"), usage)


def _body(choices: list[dict[str, Any]], model: Any, usage: dict[str, Any]) -> dict[str, Any] | None:
    """The answer as a chat body, so that the one normaliser reads it; None when nothing of it was logged."""
    if not choices:
        return None
    numbered = [{**choice, "index": number} for number, choice in enumerate(choices)]
    return {"model": model, "choices": numbered, "usage": usage}


def _first_token(entry: dict[str, Any], started: int | None) -> float | None:
    """Milliseconds to the event that some instrumentations add to the span when the first token arrives."""
    events = entry.get("events")
    for event in events if isinstance(events, list) else ():
        if isinstance(event, dict) and event.get("name") in _FIRST_TOKEN:
            moment = attrs.integer(event.get("timeUnixNano"))
            return (moment - started) / 1e6 if moment and started and moment > started > 0 else None
    return None


def _part(instructions: Any) -> list[dict[str, Any]]:
    return [{"type": "text", "content": instructions}]


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
