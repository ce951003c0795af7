"""OTLP attribute lists and the two ways in which conversations are written into them."""

import json
from typing import Any

from shadow.errors import DecodeError
from shadow.wire import strict_json

_MAX_KEY_PARTS = 16


class Cut(Exception):
    """An attribute's JSON ends too early, or numbered attributes have gaps: a limit of the tracer removed something."""


class Unsupported(Exception):
    """A message holds something that has no form in a chat request."""


def plain(pairs: Any) -> dict[str, Any]:
    """`[{"key", "value": {"stringValue" ...}}]` as a dictionary."""
    found: dict[str, Any] = {}
    for pair in pairs if isinstance(pairs, list) else ():
        if isinstance(pair, dict) and isinstance(pair.get("key"), str):
            found[pair["key"]] = _value(pair.get("value"))
    return found


def _value(value: Any) -> Any:
    if not isinstance(value, dict):
        return None
    for name in ("stringValue", "boolValue"):
        if name in value:
            return value[name]
    if "intValue" in value:
        return integer(value["intValue"])
    if "doubleValue" in value:
        number = value["doubleValue"]
        return float(number) if isinstance(number, int | float) else None
    if "arrayValue" in value:
        inner = value["arrayValue"]
        items = inner.get("values") if isinstance(inner, dict) else None
        return [_value(item) for item in items] if isinstance(items, list) else []
    if "kvlistValue" in value:
        inner = value["kvlistValue"]
        return plain(inner.get("values")) if isinstance(inner, dict) else {}
    return None


def integer(value: Any) -> int | None:
    """A 64-bit integer, which OTLP/JSON writes as text."""
    if type(value) is int:
        return value
    if isinstance(value, str) and len(value) <= 20:
        digits = value.removeprefix("-")
        return int(value) if digits.isascii() and digits.isdigit() else None
    return None


def structured(value: Any) -> Any:
    """An attribute that is JSON text on spans and structured on events. Raises Cut for JSON that is broken."""
    if not isinstance(value, str):
        return value
    if not value.strip():
        return None
    try:
        return strict_json.loads(value)
    except DecodeError:
        raise Cut from None


def numbered(attributes: dict[str, Any], prefix: str) -> list[dict[str, Any]]:
    """`prefix.0.message.role` and its like as a list of nested dictionaries. Raises Cut where a number is missing."""
    tree: dict[str, Any] = {}
    start = prefix + "."
    for key, value in attributes.items():
        if key.startswith(start):
            path = key[len(start) :].split(".")
            if len(path) <= _MAX_KEY_PARTS:
                _plant(tree, path, value)
    return [item for item in _ordered(tree) if isinstance(item, dict)]


def _plant(tree: dict[str, Any], path: list[str], value: Any) -> None:
    for part in path[:-1]:
        below = tree.setdefault(part, {})
        if not isinstance(below, dict):
            return
        tree = below
    tree.setdefault(path[-1], value)


def _ordered(tree: Any) -> list[Any]:
    """The values of a dictionary with keys "0", "1", ... in order."""
    if not isinstance(tree, dict):
        return []
    items = [tree.get(str(position)) for position in range(len(tree))]
    if any(item is None for item in items):
        raise Cut
    return items


def from_openinference(item: dict[str, Any]) -> dict[str, Any]:
    """One flattened OpenInference message as a chat message."""
    source = item.get("message")
    if not isinstance(source, dict):
        source = item
    message: dict[str, Any] = {"role": source.get("role"), "content": source.get("content")}
    contents = [_openinference_part(part) for part in _ordered(source.get("contents"))]
    if contents:
        message["content"] = contents
    calls = []
    for number, entry in enumerate(_ordered(source.get("tool_calls"))):
        call = entry.get("tool_call") if isinstance(entry, dict) else None
        if isinstance(call, dict):
            calls.append(_call(call.get("id"), number, call.get("function")))
    if calls:
        message["tool_calls"] = calls
    for name in ("tool_call_id", "name"):
        if isinstance(source.get(name), str):
            message[name] = source[name]
    return message


def _openinference_part(part: Any) -> dict[str, Any]:
    content = part.get("message_content") if isinstance(part, dict) else None
    if not isinstance(content, dict):
        raise Unsupported
    if isinstance(content.get("text"), str):
        return {"type": "text", "text": content["text"]}
    image = content.get("image")
    image = image.get("image") if isinstance(image, dict) else None
    if isinstance(image, dict) and isinstance(image.get("url"), str):
        return {"type": "image_url", "image_url": {"url": image["url"]}}
    raise Unsupported


def from_parts(item: Any) -> list[dict[str, Any]]:
    """One GenAI message (`role`, `parts`) as chat messages; every tool response is a message of its own."""
    if not isinstance(item, dict):
        raise Unsupported
    parts = item.get("parts")
    if not isinstance(parts, list):
        content = item.get("content")
        if isinstance(content, str | list):
            return [dict(item)]
        raise Unsupported
    content_parts: list[dict[str, Any]] = []
    thoughts: list[str] = []
    calls: list[dict[str, Any]] = []
    responses: list[dict[str, Any]] = []
    for part in parts:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind in ("text", "refusal"):
            content_parts.append({"type": "text", "text": _as_text(part.get("content"))})
        elif kind in ("reasoning", "thinking"):
            thoughts.append(_as_text(part.get("content")))
        elif kind == "tool_call":
            calls.append(_call(part.get("id"), len(calls), part))
        elif kind == "tool_call_response":
            answer = part.get("response", part.get("result"))
            responses.append({"role": "tool", "tool_call_id": part.get("id"), "content": _as_text(answer)})
        else:
            content_parts.append(_picture(part))
    if responses and not content_parts and not calls:
        return responses
    message: dict[str, Any] = {"role": item.get("role"), "content": None}
    if all(p["type"] == "text" for p in content_parts):
        message["content"] = "".join(p["text"] for p in content_parts) if content_parts else None
    else:
        message["content"] = content_parts
    if calls:
        message["tool_calls"] = calls
    if thoughts:
        message["reasoning_content"] = "".join(thoughts)
    return [message, *responses]


def _picture(part: Any) -> dict[str, Any]:
    """An image by address or inline; leaving any other part out would ask another question."""
    if isinstance(part, dict) and str(part.get("modality", "image")).lower() == "image":
        if part.get("type") == "uri" and isinstance(part.get("uri"), str):
            return {"type": "image_url", "image_url": {"url": part["uri"]}}
        if part.get("type") == "blob" and isinstance(part.get("content"), str):
            mime = part.get("mime_type") if isinstance(part.get("mime_type"), str) else "image/png"
            return {"type": "image_url", "image_url": {"url": f"data:{mime};base64,{part['content']}"}}
    raise Unsupported


def _call(identity: Any, number: int, function: Any) -> dict[str, Any]:
    source = function if isinstance(function, dict) else {}
    arguments = source.get("arguments")
    if not isinstance(arguments, str):
        arguments = "" if arguments is None else json.dumps(arguments)
    return {
        "id": identity if isinstance(identity, str) and identity else f"call_{number}",
        "type": "function",
        "function": {"name": source.get("name"), "arguments": arguments},
    }


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value)


def structured_or_text(value: Any) -> Any:
    """As `structured`, for attributes that some tracers write as plain text; only text that begins as JSON can be cut."""
    if isinstance(value, str) and value.lstrip()[:1] not in ("[", "{", '"'):
        return value
    return structured(value)
