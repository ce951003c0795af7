"""The splitter gives the same events however the bytes arrive, and its memory is bounded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.wire.sse import SseEvent, SseSplitter

LINES = st.sampled_from(
    [
        b"data: a",
        b"data:b",
        b"data",
        b": note",
        b"event: error",
        b"id: 1",
        b"",
        b"",
        b"error: x",
        b"data:  c ",
        b"\xef\xbb\xbfdata: d",
        b"retry: 3",
        "data: \u2028é".encode(),
        b'{"a": 1}',
        b"x" * 40,
    ]
)
ENDS = st.sampled_from([b"\n", b"\r", b"\r\n"])
STREAMS = st.lists(st.tuples(LINES, ENDS), max_size=12).map(lambda pairs: b"".join(line + end for line, end in pairs))


def events(pieces, limit=2**20):
    splitter = SseSplitter(limit)
    found = [event for piece in pieces for event in splitter.feed(piece)]
    return found + splitter.finish(), splitter.overflowed


@given(STREAMS, st.data())
def test_any_split_of_the_bytes_gives_the_same_events(stream, data):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]

    assert events(pieces) == events([stream]) == events([stream[i : i + 1] for i in range(len(stream))])


@given(STREAMS, st.integers(1, 60))
def test_a_bounded_splitter_stops_at_the_same_event_for_any_split(stream, limit):
    assert events([stream], limit) == events([stream[i : i + 1] for i in range(len(stream))], limit)


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_every_line_end_of_the_standard_ends_an_event(end):
    assert events([b"data: 1" + end + end + b"data: 2" + end + end])[0] == [SseEvent(b"1"), SseEvent(b"2")]


def test_other_unicode_line_ends_are_text():
    assert events(["data: a\u2028b\u0085c\x0bd\n\n".encode()])[0] == [SseEvent("a\u2028b\u0085c\x0bd".encode())]


def test_several_data_lines_are_one_event():
    assert events([b"data: a\ndata:b\n\n"])[0] == [SseEvent(b"a\nb")]


def test_one_blank_after_the_colon_belongs_to_the_field():
    assert events([b"data:  a \n\n"])[0] == [SseEvent(b" a ")]


def test_comments_ids_and_empty_events_give_nothing():
    assert events([b": ping\n\nid: 4\nretry: 10\n\nevent: ping\n\n"])[0] == []


def test_a_name_holds_for_one_event_only():
    assert events([b"event: error\ndata: 1\n\ndata: 2\n\n"])[0] == [SseEvent(b"1", "error"), SseEvent(b"2")]


def test_a_field_named_error_is_an_error_event():
    assert events([b'error: {"code":400}\n\n'])[0] == [SseEvent(b'{"code":400}', "error")]


def test_json_without_its_field_is_an_event_of_its_own():
    assert events([b'data: 1\n\n{"error": "x"}\n'])[0] == [SseEvent(b"1"), SseEvent(b'{"error": "x"}')]


def test_an_unterminated_last_event_is_used():
    assert events([b"data: 1\n\ndata: 2"])[0] == [SseEvent(b"1"), SseEvent(b"2")]


def test_a_line_above_the_limit_stops_the_stream_and_frees_the_memory():
    splitter = SseSplitter(100)
    splitter.feed(b"data: ok\n\n")

    assert splitter.feed(b"x" * 101) == []
    assert splitter.overflowed
    assert splitter.feed(b"\n\ndata: late\n\n") == []
    assert splitter.finish() == []
