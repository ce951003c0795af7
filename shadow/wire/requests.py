"""What of a recorded request travels to every arm, or why the call cannot be replayed.

The body travels as production sent it, less bookkeeping, transport and credentials; the same bytes for every arm. The
model, `stream` and its options are set per arm afterwards.
"""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from shadow.wire import credentials, history, markers, numbers, strict_json
from shadow.wire.reasons import CallReason, Note

Endpoint = Literal["chat", "completions"]

DROPPED = frozenset(
    (
        "user",
        "metadata",
        "store",
        "safety_identifier",
        "prompt_cache_key",
        "prompt_cache_retention",
        "service_tier",
        "stream",
        "stream_options",
        "n",
        "api_base",
        "base_url",
    )
)
"""Keys of the request that never travel: bookkeeping of the provider and transport, which are set per arm."""

_LIMITS = ("max_completion_tokens", "max_tokens")
_INTEGERS = frozenset(("top_k", "seed", "min_tokens", "top_logprobs", "best_of"))
_FLOATS = frozenset(("temperature", "top_p", "min_p", "presence_penalty", "frequency_penalty", "repetition_penalty"))
_NUMBERS = _INTEGERS | _FLOATS
_OWN_TOOLS = ("function", "custom")
_LIVE_CONTENT = frozenset(
    ("web_search_options", "search_parameters", "data_sources", "plugins", "enable_search", "web_search")
)
_STATE = frozenset(("previous_response_id", "conversation", "assistant_id"))
_TOKENS = frozenset(("prompt_token_ids", "prompt_embeds"))
_FUNCTIONS = frozenset(("functions", "function_call"))
_ANTHROPIC = frozenset(("anthropic_version", "anthropic_beta", "stop_sequences", "system"))
_ANTHROPIC_PARTS = ("tool_use", "tool_result", "document")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What an operator may state about replayed requests."""

    max_output_tokens: int = 2048
    tokenizers_equal: bool = False


class Travelling(NamedTuple):
    """`body` is None when the call cannot be replayed, and then `reason` says why. `notes` say what was changed."""

    body: dict[str, Any] | None
    reason: CallReason | None
    notes: tuple[Note, ...]
    endpoint: Endpoint


def travelling_body(request: Any, limits: Limits) -> Travelling:
    """The body that every arm gets; `request` is never changed and shares its parts with the result."""
    if not isinstance(request, dict):
        return Travelling(None, "no_prompt" if not request else "invalid_request", (), "chat")
    endpoint: Endpoint = "completions" if "prompt" in request and not request.get("messages") else "chat"
    messages: Any = request.get("messages")
    plain = endpoint == "chat" and _is_plain(messages)
    reason = _why_not(request, endpoint, plain=plain)
    if reason is not None:
        return Travelling(None, reason, (), endpoint)
    notes: list[Note] = []
    body = {k: v for k, v in request.items() if k not in DROPPED and v is not None}
    if endpoint == "chat" and not (plain and body.keys().isdisjoint(_FUNCTIONS)):
        body["messages"], removed = history.without_thoughts(messages)
        if removed:
            notes.append("thoughts_removed")
        if history.uses_functions(body):
            translated = history.functions_to_tools(body)
            if translated is None:
                return Travelling(None, "legacy_functions", (), endpoint)
            body = translated
            notes.append("functions_translated")
    if "logit_bias" in body and not limits.tokenizers_equal:
        if body["logit_bias"]:
            notes.append("logit_bias_dropped")
        del body["logit_bias"]
    if (numbers.count(request.get("n")) or 1) > 1:
        notes.append("one_choice")
    _limit(body, limits, notes)
    _coerce(body, notes)
    body, found = _without_credentials(body, "messages" if endpoint == "chat" else "prompt", plain=plain)
    if found:
        notes.append("credentials_removed")
    if not all(strict_json.fits(value) for key, value in body.items() if not (plain and key == "messages")):
        return Travelling(None, "invalid_request", (), endpoint)
    return Travelling(body, None, tuple(notes), endpoint)


def _why_not(request: dict[str, Any], endpoint: Endpoint, *, plain: bool) -> CallReason | None:
    if _has(request, _STATE):
        return "external_state"
    messages: Any = request.get("messages")
    if not messages and endpoint == "chat":
        return _without_messages(request)
    if endpoint == "completions":
        return _prompt_fault(request)
    if isinstance(messages, str):
        return _fault_of(markers.damage(messages)) or "invalid_request"
    if not plain and not (isinstance(messages, list) and all(isinstance(m, dict) for m in messages)):
        return "invalid_request"
    if _has(request, _TOKENS):
        return "token_ids"
    if not request.keys().isdisjoint(_ANTHROPIC):
        return "unsupported_endpoint"
    if _has(request, _LIVE_CONTENT) or _searches(request):
        return "external_content"
    if plain:
        return "external_tools" if _has_live_tools(request.get("tools")) else None
    if _is_anthropic(messages):
        return "unsupported_endpoint"
    damaged = _damaged(messages)
    if damaged is not None:
        return damaged
    if history.external(messages):
        return "external_content"
    if history.provider_state(messages):
        return "external_state"
    return "external_tools" if _has_live_tools(request.get("tools")) else None


def _without_messages(request: dict[str, Any]) -> CallReason:
    """Why a request without messages and prompt is none of ours: the format, not the prompt, may be the problem."""
    if "messages" in request:
        return "no_prompt"
    if "input" in request:
        kinds = ("encoding_format", "dimensions", "input_type", "voice", "response_format")
        model = request.get("model")
        embeds = isinstance(model, str) and ("embed" in model or "moderation" in model or "tts" in model)
        return "not_a_generation" if embeds or any(k in request for k in kinds) else "unsupported_endpoint"
    if "contents" in request or "inputs" in request or "instructions" in request:
        return "unsupported_endpoint"
    if "documents" in request or "query" in request or "text_1" in request:
        return "not_a_generation"
    return "no_prompt"


def _prompt_fault(request: dict[str, Any]) -> CallReason | None:
    prompt = request["prompt"]
    if _has(request, _TOKENS):
        return "token_ids"
    if isinstance(prompt, dict):
        return "external_state" if prompt.get("id") else "invalid_request"
    if isinstance(prompt, list) and prompt:
        if any(isinstance(p, int | list) for p in prompt):
            return "token_ids"
        if len(prompt) > 1:
            return "batch_prompt"
        prompt = prompt[0]
    if not prompt:
        return "no_prompt"
    if not isinstance(prompt, str):
        return "invalid_request"
    if "size" in request or "quality" in request:
        return "not_a_generation"
    return _fault_of(markers.damage(prompt))


def _damaged(messages: list[dict[str, Any]]) -> CallReason | None:
    for message in messages:
        content = message.get("content")
        found = markers.damage(content) if isinstance(content, str) else markers.damage_anywhere(content)
        if found is None and "tool_calls" in message:
            found = markers.damage_anywhere(message["tool_calls"])
        if found is not None:
            return _fault_of(found)
    return None


def _fault_of(damage: markers.Damage | None) -> CallReason | None:
    return None if damage is None else "redacted" if damage == "redacted" else "truncated_request"


def _has(request: dict[str, Any], keys: frozenset[str]) -> bool:
    """True when one of `keys` is set to something."""
    return not request.keys().isdisjoint(keys) and any(request.get(key) for key in keys)


def _searches(request: dict[str, Any]) -> bool:
    """True where search is on by mere presence of an empty object, or by the model's name."""
    model = request.get("model")
    return request.get("web_search_options") is not None or (
        isinstance(model, str) and (model.endswith(":online") or "-search-preview" in model)
    )


def _is_plain(messages: Any) -> bool:
    """True for whole, plain text messages, the bulk of all traffic: the closer looks would find nothing in them."""
    if not isinstance(messages, list):
        return False
    for message in messages:
        if not isinstance(message, dict) or len(message) != 2:
            return False
        role, content = message.get("role"), message.get("content")
        if not isinstance(role, str) or not isinstance(content, str) or role == "function":
            return False
        if "think>" in content or markers.damage(content) is not None:
            return False
    return True


def _is_anthropic(messages: list[dict[str, Any]]) -> bool:
    for message in messages:
        content = message.get("content")
        for part in content if isinstance(content, list) else ():
            if isinstance(part, dict) and part.get("type") in _ANTHROPIC_PARTS:
                return True
    return False


def _has_live_tools(tools: Any) -> bool:
    """True for tools that a provider would run itself (search, code, MCP): they would be executed again."""
    for tool in tools if isinstance(tools, list) else ():
        if isinstance(tool, dict):
            kind = tool.get("type")
            if kind not in _OWN_TOOLS and not (kind is None and ("function" in tool or "name" in tool)):
                return True
    return False


def _limit(body: dict[str, Any], limits: Limits, notes: list[Note]) -> None:
    """Leaves exactly one output limit in the body: the caller's, else ours (marked)."""
    found: tuple[str, int] | None = None
    for key in _LIMITS:
        raw = body.pop(key, None)
        value = numbers.count(raw)
        if value and found is None:
            found = (key, value)
            if type(raw) is not int:
                notes.append("numbers_coerced")
    if found is None:
        notes.append("limit_is_ours")
        found = ("max_tokens", limits.max_output_tokens)
    body[found[0]] = found[1]


def _coerce(body: dict[str, Any], notes: list[Note]) -> None:
    """Numbers that were written as text, or whole ones as floats, for every arm alike: engines differ in what they bear."""
    for key, value in list(body.items()):
        if key not in _NUMBERS or type(value) is int or (isinstance(value, float) and key in _FLOATS):
            continue
        read = _integer(value) if key in _INTEGERS else _float(value)
        if read is not None:
            body[key] = read
            if "numbers_coerced" not in notes:
                notes.append("numbers_coerced")


def _float(value: Any) -> float | None:
    try:
        number = float(value) if isinstance(value, str) and len(value) <= 32 else None
    except ValueError:
        return None
    return number if number is not None and -1e6 < number < 1e6 else None


def _integer(value: Any) -> int | None:
    if isinstance(value, str):
        digits = value.removeprefix("-")
        return int(value) if digits.isascii() and digits.isdigit() and len(digits) <= 16 else None
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) <= 2**53 else None


def _without_credentials(body: dict[str, Any], conversation: str, *, plain: bool) -> tuple[dict[str, Any], bool]:
    """What a user wrote is the task and stays (scorers watch what leaks from it); the fields around it are searched."""
    spoken = body.pop(conversation)
    cleaned, found = credentials.clean(body)
    said, found_inside = (spoken, False) if plain else credentials.clean(spoken, values=False)
    return {conversation: said, **cleaned}, found or found_inside
