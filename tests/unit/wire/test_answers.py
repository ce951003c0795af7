"""One reader for live and recorded HTTP answers: streams, bodies, mislabelled and broken ones."""

import gzip
import json
import time
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.wire.answers import AnswerReader, answer_from_http

BODY = {
    "model": "m-1",
    "choices": [{"index": 0, "message": {"content": "Four."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2},
}
STREAM = (
    b'data: {"choices":[{"delta":{"role":"assistant","content":""}}]}\r\n\r\n'
    b': ping\r\n\r\ndata: {"choices":[{"delta":{"content":"<think>hm</think> Fo"}}]}\n\n'
    b'data: {"choices":[{"delta":{"content":"ur \xf0\x9f\x9a\x8c"},"finish_reason":"stop"}]}\r\rdata: [DONE]\n\n'
)
JSON = {"content-type": "application/json"}
SSE = {"Content-Type": "text/event-stream; charset=utf-8"}


def read(status, headers, pieces, **how):
    reader = AnswerReader(status, headers, **how)
    for piece in pieces:
        reader.feed(piece)
    return reader, reader.finish()


def test_a_json_body_has_text_and_figures_and_no_time_to_first_token():
    reader, answer = read(200, JSON, [json.dumps(BODY).encode()])

    assert (answer.text, answer.failure, answer.usage.output_tokens, answer.model) == ("Four.", None, 2, "m-1")
    assert (reader.first_output_event, reader.first_answer_event, reader.events) == (None, None, 0)


@pytest.mark.parametrize("headers", [JSON, SSE, {}])
@pytest.mark.parametrize("body", [json.dumps(BODY).encode(), STREAM])
def test_bytes_decide_between_stream_and_body_whatever_the_content_type(headers, body):
    assert answer_from_http(200, headers, body).text in ("Four.", "Four \U0001f68c")


@given(st.data())
def test_any_split_of_a_stream_gives_the_same_answer_and_clocks(data):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(STREAM)), max_size=8)))
    pieces = [STREAM[a:b] for a, b in zip([0, *cuts], [*cuts, len(STREAM)], strict=True)]

    reader, answer = read(200, JSON, pieces)

    assert (answer.text, answer.reasoning, answer.failure) == ("Four \U0001f68c", "hm", None)
    assert (reader.events, reader.first_output_event, reader.first_answer_event) == (4, 1, 1)


@given(st.integers(0, len(STREAM)), st.booleans())
def test_a_stream_cut_anywhere_is_never_a_finished_answer_before_its_end(position, broken):
    reader = AnswerReader(200, SSE)
    reader.feed(STREAM[:position])
    answer = reader.finish(broken=broken)

    assert (answer.failure is None) is (b'"finish_reason":"stop"}]}' in STREAM[:position])


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_compressed_streams_are_unpacked_in_any_pieces(encoding):
    packed = gzip.compress(STREAM) if encoding == "gzip" else zlib.compress(STREAM)

    _, answer = read(200, {**SSE, "Content-Encoding": encoding}, [packed[i : i + 3] for i in range(0, len(packed), 3)])

    assert answer.text == "Four \U0001f68c"


def test_a_body_that_was_unpacked_before_us_is_read_as_it_is():
    assert answer_from_http(200, {**JSON, "content-encoding": "gzip"}, json.dumps(BODY).encode()).text == "Four."


def test_a_cut_compressed_stream_is_incomplete():
    packed = gzip.compress(STREAM * 20)

    assert answer_from_http(200, {**SSE, "content-encoding": "gzip"}, packed[:60]).failure == "incomplete"


def test_unpacking_is_bounded():
    bomb = gzip.compress(b" " * 50_000_000)
    started = time.process_time()

    answer = answer_from_http(200, {**JSON, "content-encoding": "gzip"}, bomb, max_body_bytes=2**20)

    assert answer.failure == "invalid"
    assert time.process_time() - started < 1


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip"])
def test_an_encoding_that_cannot_be_read_is_invalid(encoding):
    assert answer_from_http(200, {**JSON, "content-encoding": encoding}, b"\x1f\x8b\x00nonsense").failure == "invalid"


@pytest.mark.parametrize(
    ("status", "body", "failure"),
    [
        (200, b"", "empty"),
        (204, b"", "empty"),
        (200, b"<!doctype html><p>Sign in", "invalid"),
        (200, b"plain words", "invalid"),
        (200, b"null", "invalid"),
        (200, b"[]", "invalid"),
        (200, b"{}", "invalid"),
        (200, b'{"choices": []}', "empty"),
        (200, b'{"choices": [{"message": {"content": " \\n"}, "finish_reason": "stop"}]}', "empty"),
        (200, b'{"choices": [{"finish_reason": "length"}]}', "empty"),
        (200, b'{"choices": [{"message": {"content": "Fo', "incomplete"),
        (200, b'{"choices": [}', "invalid"),
        (200, b'{"error": {"message": "exceeds the available context size", "code": 400}}', "context_length"),
        (200, b'{"error": "boom"}', "http_5xx"),
        (200, b'{"object": "response", "output": []}', "invalid"),
        (200, b'{"type": "message", "content": [{"type": "text", "text": "Four"}]}', "invalid"),
        (302, b"", "invalid"),
        (400, b"", "http_4xx"),
        (400, b'{"object":"error","message":"maximum context length is 2048 tokens","code":400}', "context_length"),
        (400, b'[{"error": {"code": 400}}]', "http_4xx"),
        (401, b'{"error": "bad credentials"}', "http_4xx"),
        (404, b"<html>", "http_4xx"),
        (408, b"", "timeout"),
        (413, b'{"error": {"message": "input is too long"}}', "context_length"),
        (422, b'{"detail": [{"loc": ["body"], "msg": "field required"}]}', "http_4xx"),
        (429, b'{"error": {"message": "too many tokens per minute"}}', "rate_limited"),
        (500, b'{"error": {"message": "CUDA out of memory. Tried to allocate"}}', "out_of_memory"),
        (500, b"boom", "http_5xx"),
        (502, b"<html>Bad Gateway", "http_5xx"),
        (503, b'{"error": "Loading model"}', "http_5xx"),
        (503, b'{"error": "queue is full"}', "rate_limited"),
        (504, b"", "timeout"),
        (529, b'{"type": "error", "error": {"type": "overloaded_error"}}', "rate_limited"),
    ],
)
def test_every_way_to_fail_has_its_kind(status, body, failure):
    answer = answer_from_http(status, JSON, body)

    assert (answer.failure, answer.comparable) == (failure, False)


def test_a_prompt_refused_by_the_filter_shows_as_filtered():
    answer = answer_from_http(400, JSON, b'{"error": {"code": "content_filter", "message": "filtered", "status": 400}}')

    assert (answer.failure, answer.finish_reason) == ("http_4xx", "content_filter")


def test_a_body_with_a_stream_end_behind_it_is_still_read():
    assert answer_from_http(200, SSE, json.dumps(BODY).encode() + b"\n\ndata: [DONE]\n\n").text == "Four."


def test_fewer_bytes_than_promised_are_a_broken_body():
    assert answer_from_http(200, {**JSON, "content-length": "500"}, b'{"choices": []').failure == "incomplete"


def test_a_stream_of_comments_only_is_incomplete():
    assert answer_from_http(200, SSE, b": ping\n\n" * 3).failure == "incomplete"


def test_an_answer_above_the_limit_is_invalid_and_tells_the_caller_to_stop():
    reader = AnswerReader(200, SSE, max_body_bytes=1000)
    reader.feed(b"data: " + b"x" * 2000)

    assert reader.stopped
    assert reader.finish().failure == "invalid"


def test_an_endless_error_page_is_read_only_at_its_beginning():
    reader, answer = read(500, JSON, [b"CUDA out of memory " + b"x" * 900] + [b"y" * 1000] * 50, max_body_bytes=1000)

    assert (answer.failure, reader.stopped) == ("out_of_memory", False)


HEADERS = st.dictionaries(
    st.sampled_from(["content-type", "Content-Encoding", "content-length"]),
    st.sampled_from(["text/event-stream", "application/json", "gzip", "deflate", "br", "12", "-1", ""]),
)


@given(
    st.integers(100, 600),
    HEADERS,
    st.lists(
        st.binary(max_size=30) | st.sampled_from([b"data: ", b"{", b'"choices"', b"\n\n", b"\x1f\x8b"]), max_size=8
    ),
    st.booleans(),
)
def test_no_answer_can_make_the_reader_raise(status, headers, pieces, broken):
    reader = AnswerReader(status, headers, max_body_bytes=64)
    for piece in pieces:
        reader.feed(piece)

    assert reader.finish(broken=broken).comparable is False
