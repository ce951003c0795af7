"""The incumbent's answer as somebody recorded it. The recorder's faults (cut, redacted, absent, unreadable) are told from
the incumbent's failures: only the latter are evidence."""

from dataclasses import replace
from typing import Any

from shadow.errors import DecodeError
from shadow.records import Answer, Usage
from shadow.wire import failures, markers, strict_json
from shadow.wire.answers import AnswerReader, answer_from_object
from shadow.wire.reasons import CallReason

_CLIENT_CLOSED = 499


def answer_of(
    response: Any, *, status: int | None, error: Any = None, may_be_cut: bool = False, cached: bool = False
) -> Answer:
    """What the record says the incumbent answered.

    `response` is a parsed body, the raw text of a body or stream, or {"sse": text}. `status` 0 means that nobody
    answered. `may_be_cut`: the logger limits bodies, so an answer without its end was cut by it and did not break off.
    `cached`: the answer came from a cache; its text counts, its tokens were not computed.
    """
    if status == _CLIENT_CLOSED:
        return _not_comparable("client_closed")
    if error or (status is not None and not 100 <= status < 400):
        body = error or (_text_of(response) if isinstance(response, str) else response)
        filtered = failures.is_filter(body)
        return Answer(
            failure=failures.classify(status, body),
            finish_reason="content_filter" if filtered else None,
            comparable=False,
        )
    answer = _read(response, may_be_cut=may_be_cut)
    if answer.failure is None and answer.reason is None:
        found = markers.damage(answer.text) if answer.text else None
        if found == "redacted":
            answer = replace(answer, text=None, comparable=False, reason="redacted")
        elif found == "truncated":
            answer = replace(answer, comparable=False, reason="truncated_response")
    return replace(answer, usage=Usage()) if cached else answer


def _read(response: Any, *, may_be_cut: bool) -> Answer:
    if isinstance(response, dict) and isinstance(response.get("sse"), str | bytes):
        return _stream(response["sse"], may_be_cut=may_be_cut)
    if isinstance(response, str):
        return _raw(response, may_be_cut=may_be_cut)
    if response is None or response in ({}, []):
        return _not_comparable("no_response")
    if isinstance(response, dict) and "choices" not in response and markers.damage_anywhere(response) == "redacted":
        return _not_comparable("redacted")
    return answer_from_object(response)


def _stream(text: str | bytes, *, may_be_cut: bool) -> Answer:
    if not text.strip():
        return _not_comparable("no_response")
    reader = AnswerReader(200, {"content-type": "text/event-stream"}, max_body_bytes=2**31)
    reader.feed(text.encode("utf-8", "replace") if isinstance(text, str) else text)
    return _blame(reader.finish(), may_be_cut=may_be_cut)


def _raw(text: str, *, may_be_cut: bool) -> Answer:
    start = text.lstrip("\ufeff \t\r\n")
    if not start:
        return _not_comparable("no_response")
    if start.startswith(("data:", "event:", "id:", "retry:", "error:", ":")):
        return _stream(text, may_be_cut=may_be_cut)
    if start[0] in '{["':
        try:
            opened = strict_json.loads(text)
        except DecodeError:
            return _not_comparable("truncated_response" if strict_json.looks_cut(text) else "unreadable_response")
        return _read(opened, may_be_cut=may_be_cut) if not isinstance(opened, str) else _opened(opened, may_be_cut)
    found = markers.damage(text)
    if found is not None:
        return _not_comparable("redacted" if found == "redacted" else "truncated_response")
    if start[0] == "<":
        return Answer(failure="invalid", comparable=False)
    return _not_comparable("unreadable_response")


def _opened(text: str, may_be_cut: bool) -> Answer:
    """A body that was written as a JSON string; opened once more and no further."""
    start = text.lstrip()
    return _raw(text, may_be_cut=may_be_cut) if start and start[0] != '"' else _not_comparable("unreadable_response")


def _blame(answer: Answer, *, may_be_cut: bool) -> Answer:
    if may_be_cut and answer.failure == "incomplete":
        return replace(answer, failure=None, comparable=False, reason="truncated_response")
    return answer


def _text_of(response: str) -> Any:
    try:
        return strict_json.loads(response)
    except DecodeError:
        return response


def _not_comparable(reason: CallReason) -> Answer:
    return Answer(comparable=False, reason=reason)
