"""What of a conversation travels: thoughts of the incumbent do not, legacy functions become tools, the rest is untouched."""

from typing import Any

from shadow.wire import credentials, thoughts

_THOUGHTS = ("reasoning_content", "reasoning", "reasoning_details", "thinking", "thinking_blocks", "encrypted_content")
_THOUGHT_PARTS = ("thinking", "reasoning", "redacted_thinking", "reasoning.text")
_PROVIDER_FILES = ("file_id", "file_ids", "container_id", "vector_store_id", "vector_store_ids")
_LINKS = ("image_url", "video_url", "audio_url", "file_url", "input_audio", "file")


def without_thoughts(messages: list[Any]) -> tuple[list[Any], bool]:
    """The messages without thoughts and private bookkeeping of earlier answers, and whether thoughts were removed.

    An open `<think>` at the very end is a prefill that the caller wrote, and stays.
    """
    removed = False
    sent = messages
    for position, message in enumerate(messages):
        if not isinstance(message, dict):
            continue
        changed = message
        if "metadata" in message:
            changed = {k: v for k, v in message.items() if k != "metadata"}
        if message.get("role") == "assistant":
            bare = _bare(changed, last=position == len(messages) - 1)
            removed = removed or bare is not changed
            changed = bare
        if changed is not message:
            if sent is messages:
                sent = list(messages)
            sent[position] = changed
    return sent, removed


def _bare(message: dict[str, Any], *, last: bool) -> dict[str, Any]:
    if any(name in message for name in _THOUGHTS):
        message = {k: v for k, v in message.items() if k not in _THOUGHTS}
    content = message.get("content")
    if isinstance(content, str) and "think>" in content:
        split = thoughts.split(content)
        if split.offset and not (last and not split.answer):
            message = {**message, "content": split.answer}
    elif isinstance(content, list):
        kept = [p for p in content if not (isinstance(p, dict) and p.get("type") in _THOUGHT_PARTS)]
        if len(kept) != len(content):
            message = {**message, "content": kept}
    return message


def external(messages: list[Any]) -> bool:
    """True when a message points at something only production can open: a provider's file, or a link with a key in it."""
    for message in messages:
        content = message.get("content") if isinstance(message, dict) else None
        for part in content if isinstance(content, list) else ():
            if isinstance(part, dict) and _points_outside(part):
                return True
        if isinstance(message, dict) and message.get("attachments"):
            return True
    return False


def _points_outside(part: dict[str, Any]) -> bool:
    if any(part.get(name) for name in _PROVIDER_FILES):
        return True
    for name in _LINKS:
        link = part.get(name)
        if isinstance(link, dict):
            if any(link.get(key) for key in _PROVIDER_FILES):
                return True
            link = link.get("url")
        if isinstance(link, str) and credentials.in_url(link):
            return True
    return False


def provider_state(messages: list[Any]) -> bool:
    """True when an earlier answer lives at the provider (spoken answers are referred to by id)."""
    return any(
        isinstance(m, dict)
        and m.get("role") == "assistant"
        and isinstance(m.get("audio"), dict)
        and m["audio"].get("id")
        for m in messages
    )


def uses_functions(body: dict[str, Any]) -> bool:
    """True when the request uses the shape that `tools` replaced."""
    return (
        "functions" in body
        or "function_call" in body
        or any(
            isinstance(m, dict) and (m.get("function_call") or m.get("role") == "function") for m in body["messages"]
        )
    )


def functions_to_tools(body: dict[str, Any]) -> dict[str, Any] | None:
    """The same request with `functions` as tools, None when it cannot be said what belongs to what.

    Ids are made from positions, so that every arm gets the same bytes.
    """
    sent = {k: v for k, v in body.items() if k not in ("functions", "function_call")}
    functions = body.get("functions") or []
    if not isinstance(functions, list) or not all(isinstance(f, dict) for f in functions):
        return None
    tools = list(body.get("tools") or []) if isinstance(body.get("tools"), list | None) else []
    tools += [{"type": "function", "function": f} for f in functions]
    if tools:
        sent["tools"] = tools
    choice = body.get("function_call")
    if isinstance(choice, dict) and isinstance(choice.get("name"), str):
        sent["tool_choice"] = {"type": "function", "function": {"name": choice["name"]}}
    elif isinstance(choice, str) and tools:
        sent["tool_choice"] = choice
    elif choice is not None and not isinstance(choice, str):
        return None
    messages = _messages_to_tools(body["messages"])
    if messages is None:
        return None
    sent["messages"] = messages
    return sent


def _messages_to_tools(messages: list[Any]) -> list[Any] | None:
    translated: list[Any] = []
    pending: str | None = None
    for position, message in enumerate(messages):
        if not isinstance(message, dict):
            translated.append(message)
            continue
        call = message.get("function_call")
        if isinstance(call, dict):
            pending = f"call_{position}"
            message = {k: v for k, v in message.items() if k != "function_call"}
            message["tool_calls"] = [{"id": pending, "type": "function", "function": call}]
        elif message.get("role") == "function":
            if pending is None:
                return None
            message = {"role": "tool", "tool_call_id": pending, "content": message.get("content")}
            pending = None
        elif "function_call" in message:
            message = {k: v for k, v in message.items() if k != "function_call"}
        translated.append(message)
    return translated
