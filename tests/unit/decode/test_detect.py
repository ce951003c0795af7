"""Whatever stands in a topic becomes calls or a named dead letter, in bounded time."""

import json
import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.errors import DecodeError
from shadow.sources.decode import decode, detect
from shadow.sources.decode.building import Context
from shadow.wire.requests import Limits

USER = {"role": "user", "content": "Which bus?"}
NATIVE = {
    "id": "req-1",
    "request": {"messages": [USER], "max_tokens": 8},
    "response": {"choices": [{"message": {"content": "Four."}, "finish_reason": "stop"}]},
}
DEAD = ("tombstone", "not_json", "invalid_unicode", "unknown_format")


def read(decoder, *arguments):
    """(calls, None) or (None, reason)."""
    try:
        return decoder(*arguments), None
    except DecodeError as error:
        return None, error.reason


def refusal(value, format="auto"):
    with pytest.raises(DecodeError) as caught:
        decode(value, format)
    return caught.value.reason


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "tombstone"),
        (b"", "not_json"),
        (b"42", "unknown_format"),
        (b"null", "unknown_format"),
        (b'"text"', "unknown_format"),
        (b"{}", "unknown_format"),
        (b"[]", "unknown_format"),
        (b"[1, 2]", "unknown_format"),
        (b'{"a": 1}', "unknown_format"),
        (b"{", "not_json"),
        (b'{"request": "\xff"}', "invalid_unicode"),
        (b"\x00\x01", "not_json"),
        (b'{"request": NaN}', "not_json"),
    ],
)
def test_what_cannot_be_read_has_a_reason(value, reason):
    assert refusal(value) == reason


def test_a_format_that_was_named_is_the_only_one_tried():
    value = json.dumps(NATIVE).encode()

    assert decode(value, "native")[0].id == "req-1"
    assert refusal(value, "litellm") == "unknown_format"
    assert refusal(b'{"messages": []}', "native") == "unknown_format"


def test_a_bare_request_is_a_call_without_an_answer():
    (found,) = decode(json.dumps({"messages": [USER]}).encode())

    assert (found.replayable, found.reason) == (True, "no_response")


@pytest.mark.parametrize("times", [1, 2])
def test_json_in_a_json_string_is_opened_a_bounded_number_of_times(times):
    value = json.dumps(NATIVE)
    for _ in range(times):
        value = json.dumps(value)

    assert decode(value.encode())[0].comparable
    assert refusal(json.dumps(json.dumps(json.dumps(value))).encode()) == "unknown_format"


def test_a_list_is_a_batch_and_what_is_unknown_in_it_stays_visible():
    found = decode(json.dumps([NATIVE, {"other": 1}, NATIVE]).encode())

    assert [(c.index, c.reason) for c in found] == [(0, None), (1, "unknown_format"), (2, None)]


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, '{"request":' * 100_000, json.dumps("[" * 100_000), '{"request":{"messages":' + "[" * 100_000],
)
def test_a_hundred_thousand_brackets_are_a_dead_letter_in_no_time(text):
    started = time.process_time()

    assert refusal(text.encode()) in ("not_json", "unknown_format")
    assert time.process_time() - started < 3


@pytest.mark.parametrize(
    "text",
    [
        "x" * 10_000_000,
        "<think>" * 1_400_000,
        "</think>" * 1_200_000,
        "[REDACTED " * 10,
        "\ud83d" * 500_000,
        " " * 5_000_000,
    ],
)
def test_ten_megabytes_take_seconds_not_minutes(text):
    record = {
        "request": {"messages": [{"role": "assistant", "content": text}, USER]},
        "response": {"choices": [{"message": {"content": text}, "finish_reason": "stop"}]},
    }
    started = time.process_time()

    decode(json.dumps(record).encode())

    assert time.process_time() - started < 10


def test_a_large_stream_takes_seconds_not_minutes():
    stream = 'data: {"choices":[{"index":0,"delta":{"content":"four "}}]}\n\n' * 100_000 + "data: [DONE]\n\n"
    started = time.process_time()

    (found,) = decode(json.dumps({**NATIVE, "response": {"sse": stream}}).encode())

    assert found.answer.text == "four " * 100_000
    assert time.process_time() - started < 15


KEYS = st.sampled_from(
    [
        "request",
        "response",
        "messages",
        "role",
        "content",
        "choices",
        "message",
        "delta",
        "sse",
        "status",
        "error",
        "ts",
        "session",
        "turn",
        "tags",
        "usage",
        "latency_ms",
        "tools",
        "function_call",
        "litellm_call_id",
        "model_parameters",
        "resourceSpans",
        "scopeSpans",
        "spans",
        "attributes",
        "key",
        "value",
        "stringValue",
        "arrayValue",
        "values",
        "llm_request",
        "llm_summary",
        "tries",
        "ai",
        "proxy",
        "payload",
        "uri",
        "body",
        "heartbeat",
        "startTime",
        "headers",
        "call_type",
        "metadata",
    ]
)
WORDS = st.sampled_from(
    [
        "gen_ai.operation.name",
        "chat",
        "gen_ai.input.messages",
        '[{"role":"user","parts":[]}]',
        "llm.model_name",
        "user",
        "assistant",
        "failure",
        "/v1/completions",
        "llm.input_messages.0.message.contents.0",
        "data: {}\n\n",
        "{",
        "499",
        "<think>",
    ]
)
LEAVES = (
    st.none()
    | st.just(10**30)
    | st.booleans()
    | st.integers(-1, 600)
    | st.floats(allow_nan=False, allow_infinity=False)
    | WORDS
    | st.text(st.characters(), max_size=3)
)
RECORDS = st.recursive(LEAVES, lambda i: st.lists(i, max_size=3) | st.dictionaries(KEYS, i, max_size=5), max_leaves=25)


@given(RECORDS, st.sampled_from(["auto", "native", "openai", "litellm", "otlp", "gateway"]))
def test_no_record_needs_the_last_border(record, format):
    """`decode_value` is the inside without the catch-all: only what it raises on purpose may come out."""
    found, reason = read(detect.decode_value, json.dumps(record).encode(), format, Context(limits=Limits()))

    if found is None:
        assert reason in DEAD
    else:
        assert [c.index for c in found] == list(range(len(found)))
        assert all(c.replayable is (c.request is not None) for c in found)
        assert msgspec.msgpack.encode(found)  # every call can cross the pipe


@given(st.binary(max_size=60) | st.binary(max_size=60).map(lambda b: b"\n" + b))
def test_any_bytes_are_calls_or_a_dead_letter(value):
    found, reason = read(decode, value)

    assert found is not None or reason in DEAD


def test_whatever_goes_wrong_inside_is_a_dead_letter(monkeypatch):
    def fail(*_):
        raise RecursionError("private text")

    monkeypatch.setattr(detect, "decode_value", fail)

    assert refusal(b"{}") == "unknown_format"


@given(st.sampled_from(["request", "response", "session", "status", "error", "traceparent"]), st.booleans())
def test_no_reason_quotes_the_record(place, cut):
    value = json.dumps({**NATIVE, place: "EXAMPLE-NOT-A-KEY {"}).encode()

    found, reason = read(decode, value[:-2] if cut else value)

    said = [reason, *((c.reason, c.answer.reason, c.notes) for c in found or ())]
    assert "EXAMPLE-NOT-A-KEY" not in repr(said)
