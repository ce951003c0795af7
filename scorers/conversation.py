"""Reads the texts out of a case: by role, content parts and tool arguments included."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from scorers.base import Case, Reply

MAX_NODES = 50_000


def content_text(content: Any) -> str:
    """The text of a message's `content`: a string, or the text parts of a list; everything else has none."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        texts = (part.get("text") if isinstance(part, Mapping) else part for part in content)
        return "\n".join(text for text in texts if isinstance(text, str))
    return ""


def leaves(value: Any) -> Iterator[str]:
    """Keys and scalar leaves of a JSON value as text, without recursion, at most `MAX_NODES`."""
    stack = [value]
    for _ in range(MAX_NODES):
        if not stack:
            return
        item = stack.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, Mapping):
            stack.extend(v for pair in reversed(list(item.items())) for v in reversed(pair))
        elif isinstance(item, list | tuple):
            stack.extend(reversed(item))
        elif isinstance(item, float):
            yield repr(item)
        elif isinstance(item, int) and not isinstance(item, bool) and abs(item) < 10**40:
            yield str(item)


def flat_json(value: Any) -> str:
    """A JSON value as `key: value` lines, so that a field's name stays beside its value."""
    lines: list[str] = []
    stack: list[tuple[str, Any]] = [("", value)]
    for _ in range(MAX_NODES):
        if not stack:
            break
        name, item = stack.pop()
        if isinstance(item, Mapping):
            stack.extend((str(k), v) for k, v in reversed(list(item.items())))
        elif isinstance(item, list | tuple):
            stack.extend((name, v) for v in reversed(item))
        else:
            text = next(leaves(item), "")
            lines.append(f"{name}: {text}" if name else text)
    return "\n".join(lines)


def message_texts(case: Case, *roles: str) -> list[str]:
    """Texts of the messages with one of `roles` (all of them without any), tool arguments included."""
    texts: list[str] = []
    for message in tuple[Any, ...](case.messages):
        if not isinstance(message, Mapping) or (roles and message.get("role") not in roles):
            continue
        texts.append(content_text(message.get("content")))
        calls = message.get("tool_calls")
        for call in calls if isinstance(calls, list) else ():
            function = call.get("function") if isinstance(call, Mapping) else None
            if isinstance(function, Mapping):
                texts.append(arguments_text(function.get("arguments")))
    return [text for text in texts if text]


def arguments_text(arguments: Any) -> str:
    """Tool arguments as text; a string that holds JSON is read as JSON."""
    if isinstance(arguments, str):
        try:
            return flat_json(json.loads(arguments))
        except (ValueError, RecursionError):
            return arguments
    return flat_json(arguments)


def answer_text(reply: Reply) -> str:
    """Everything the answer shows: text, the structured refusal, names and arguments of its tool calls."""
    parts = [reply.text, reply.refusal or ""]
    parts += [f"{call.name}\n{arguments_text(call.arguments)}" for call in reply.tool_calls]
    return "\n".join(part for part in parts if part)


def user_texts(case: Case) -> list[str]:
    """What the user's side said: user and tool messages and the prompt."""
    return [*message_texts(case, "user", "tool", "function"), case.prompt]


def system_texts(case: Case) -> list[str]:
    """The operator's instructions."""
    return message_texts(case, "system", "developer")
