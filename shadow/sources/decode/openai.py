"""A bare request body as the record's value: it can be replayed, but there is no answer to compare with."""

from typing import Any

from shadow.records import Call
from shadow.sources.decode.building import Context, Found, call_of
from shadow.wire import recorded

_KEYS = ("messages", "prompt", "input", "contents", "inputs", "previous_response_id")


def matches(record: dict[str, Any]) -> bool:
    """True for anything that looks like a request to a model, also to one we cannot replay."""
    return any(key in record for key in _KEYS)


def calls(record: dict[str, Any], context: Context, index: int) -> list[Call]:
    """The one call of a bare body."""
    return [call_of(Found(request=record, answer=recorded.answer_of(None, status=None)), context, index)]
