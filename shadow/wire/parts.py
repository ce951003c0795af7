"""The text, thoughts and tool calls inside a message or delta, in the shapes that servers write them."""

import json
from typing import Any

from shadow.errors import DecodeError
from shadow.records import ToolCall
from shadow.wire import strict_json


def text_of(content: Any) -> str:
    """The text of a `content` field: a string, or its text parts joined without a separator; other parts are skipped."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join([part if isinstance(part, str) else _part_text(part) for part in content])
    return ""


def _part_text(part: Any) -> str:
    if isinstance(part, dict) and part.get("type", "text") in ("text", "output_text", "input_text"):
        text = part.get("text")
        if text is None:
            text = part.get("content")
        if isinstance(text, dict):  # the Assistants API wraps it once more
            text = text.get("value")
        if isinstance(text, str):
            return text
    return ""


def thoughts_of(message: dict[str, Any]) -> str:
    """The thoughts a message or delta carries beside its text; a proxy may name the same text twice, it counts once."""
    for name in ("reasoning_content", "reasoning", "thinking"):
        value = message.get(name)
        if value and isinstance(value, str):
            return value
    for name in ("reasoning_details", "content"):
        value = message.get(name)
        if isinstance(value, list) and (text := "".join([_part_thoughts(part) for part in value])):
            return text
    return ""


def _part_thoughts(part: Any) -> str:
    if not isinstance(part, dict):
        return ""
    kind = part.get("type")
    if kind in ("thinking", "reasoning", "reasoning.text"):
        for name in ("thinking", "text", "content", "reasoning"):
            value = part.get(name)
            if value:
                return text_of(value)
    return ""


def arguments_of(raw: Any) -> Any:
    """Parsed arguments of a tool call; none at all are {}, and what does not parse, or not into 64 bits, is a string."""
    if raw is None:
        return {}
    if not isinstance(raw, str):
        return raw if strict_json.fits(raw) else json.dumps(raw)
    raw = strict_json.repair(raw)
    if not raw.strip():
        return {}
    try:
        value = strict_json.loads(raw)
    except DecodeError:
        return raw
    return value if strict_json.fits(value) else raw


class _Tool:
    __slots__ = ("id", "name", "pieces", "value")

    def __init__(self) -> None:
        self.id: str | None = None
        self.name: str | None = None
        self.pieces: list[str] = []
        self.value: Any = None  # arguments that came as an object, not as text


class Tools:
    """Joins the tool calls of one choice: a new id or index starts a call, names are set once, arguments are joined."""

    __slots__ = ("_by_index", "_calls", "_current")

    def __init__(self) -> None:
        self._calls: list[_Tool] = []
        self._by_index: dict[int, _Tool] = {}
        self._current: _Tool | None = None

    def __bool__(self) -> bool:
        return bool(self._calls)

    def whole(self, items: Any) -> bool:
        """Takes the finished calls of a message, one each. True when there were any."""
        found = False
        for item in items if isinstance(items, list) else ():
            if isinstance(item, dict):
                self._merge(self._start(None), item)
                found = True
        return found

    def deltas(self, items: Any) -> bool:
        """Takes the fragments of one delta. True when there were any."""
        found = False
        for item in items if isinstance(items, list) else ():
            if isinstance(item, dict):
                self._merge(self._target(item), item)
                found = True
        return found

    def legacy(self, call: Any) -> bool:
        """Takes a `function_call`: one unnumbered call per answer."""
        if not isinstance(call, dict) or not (call.get("name") or call.get("arguments")):
            return False
        self._merge(self._current or self._start(None), {"function": call})
        return True

    def calls(self, *, complete: bool) -> tuple[ToolCall, ...]:
        """The calls so far; of a stream that broke off only those whose arguments are whole."""
        done = []
        for tool in self._calls:
            arguments = arguments_of(tool.value if tool.value is not None else "".join(tool.pieces))
            if complete or not isinstance(arguments, str):
                done.append(ToolCall(name=strict_json.repair(tool.name or ""), arguments=arguments))
        return tuple(done)

    def _start(self, index: int | None) -> _Tool:
        tool = _Tool()
        self._calls.append(tool)
        self._current = tool
        if index is not None:
            self._by_index[index] = tool
        return tool

    def _target(self, item: dict[str, Any]) -> _Tool:
        raw = item.get("index")
        index = raw if type(raw) is int else None
        tool = self._by_index.get(index) if index is not None else self._current
        if tool is None:
            return self._start(index)
        given = item.get("id")
        if given and tool.id and given != tool.id:
            return self._start(index)
        if not given and self._repeats(tool, item):
            return self._start(index)
        return tool

    @staticmethod
    def _repeats(tool: _Tool, item: dict[str, Any]) -> bool:
        """A server that numbers nothing sends each call whole: named, and with arguments that are complete by themselves."""
        function = item.get("function")
        if not isinstance(function, dict) or not function.get("name") or tool.name is None:
            return False
        arguments = function.get("arguments")
        return (
            isinstance(arguments, str)
            and arguments.lstrip().startswith("{")
            and isinstance(arguments_of(arguments), dict)
            and isinstance(arguments_of("".join(tool.pieces)), dict)
            and bool(tool.pieces)
        )

    def _merge(self, tool: _Tool, item: dict[str, Any]) -> None:
        self._current = tool
        given = item.get("id")
        if tool.id is None and given and isinstance(given, str):
            tool.id = given
        function = item.get("function")
        if not isinstance(function, dict):
            function = item.get("custom")
        if not isinstance(function, dict):
            function = item
        name = function.get("name")
        if tool.name is None and name and isinstance(name, str):
            tool.name = name
        arguments = function.get("arguments", function.get("input"))
        if isinstance(arguments, str):
            if arguments:
                tool.pieces.append(arguments)
        elif arguments is not None:
            tool.value = arguments
