"""JSON read in one way everywhere: the semantics of `json`, made strict.

The truth is `loads_exactly`: a byte order mark is accepted; NaN, infinities (1e999 too), invalid UTF-8 and integers that
Python refuses to convert are not; the last duplicate key wins; nesting is bounded; lone surrogates become U+FFFD.
`loads` tries msgspec first, which may only accept what the truth accepts, with the same value (a law in the tests).
"""

import json
import math
from typing import Any

import msgspec

from shadow.errors import DecodeError

MAX_DEPTH = 128
"""Containers inside containers; tool schemas in use stay below 30."""

_BOM = b"\xef\xbb\xbf"


def _finite(literal: str) -> float:
    value = float(literal)
    if not math.isfinite(value):
        raise ValueError("not a finite number")
    return value


def _refuse(literal: str) -> float:
    raise ValueError("not a JSON number")


_FAST = msgspec.json.Decoder(float_hook=_finite)
_TRUTH = json.JSONDecoder(parse_float=_finite, parse_constant=_refuse)


def loads(data: bytes | str) -> Any:
    """The value of a JSON document. Raises DecodeError("not_json" | "invalid_unicode")."""
    try:
        value = _FAST.decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return loads_exactly(data)
    _bound_depth(data, value)
    return value


def loads_exactly(data: bytes | str, *, keep_surrogates: bool = False) -> Any:
    """As `loads`, by the standard library alone.

    With `keep_surrogates` halves of surrogate pairs stay as they are, so that a caller who joins fragments can pair them
    first and call `repair` afterwards.
    """
    text = _text(data)
    try:
        value = _TRUTH.decode(text)
    except (ValueError, RecursionError):
        raise DecodeError("not_json") from None
    _bound_depth(text, value)
    if keep_surrogates or ("\\u" not in text and isinstance(data, bytes)):
        return value
    return _repair_tree(value)


def looks_cut(data: bytes | str) -> bool:
    """True when the document is JSON as far as it goes and just ends too early: somebody cut it."""
    try:
        text = _text(data).rstrip()
        _TRUTH.decode(text)
    except json.JSONDecodeError as error:
        rest = text[error.pos : error.pos + 8]
        return (
            error.msg.startswith("Unterminated string")
            or any(word.startswith(rest) for word in ("true", "false", "null", "-"))
            or ("escape" in error.msg and len(rest) <= len("\\u0000"))
        )
    except (DecodeError, ValueError, RecursionError):
        return False
    return False


def fits(value: Any) -> bool:
    """True when every integer has 64 bits at most: larger ones are exact here but have no form in MessagePack."""
    level = [value]
    while level:
        inner: list[Any] = []
        for node in level:
            if type(node) is int:
                if not -(2**63) <= node < 2**64:
                    return False
            elif isinstance(node, dict):
                inner += node.values()
            elif isinstance(node, list):
                inner += node
        level = inner
    return True


def repair(text: str) -> str:
    """Pairs surrogate halves that stand side by side, then replaces each lone one by U+FFFD."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def _text(data: bytes | str) -> str:
    if isinstance(data, str):
        return data.removeprefix("\ufeff")
    try:
        return data.removeprefix(_BOM).decode()
    except UnicodeDecodeError:
        raise DecodeError("invalid_unicode") from None


def _bound_depth(data: bytes | str, value: Any) -> None:
    """Walks the tree only when there are enough brackets to be too deep at all."""
    brackets = data.count("[") + data.count("{") if isinstance(data, str) else data.count(b"[") + data.count(b"{")
    if brackets <= MAX_DEPTH:
        return
    level = [value] if isinstance(value, dict | list) else []
    depth = 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise DecodeError("not_json")
        level = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, dict | list)
        ]


def _repair_tree(value: Any) -> Any:
    if isinstance(value, str):
        return repair(value)
    if isinstance(value, dict):
        return {repair(k): _repair_tree(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_repair_tree(v) for v in value]
    return value
