"""Deltas become one answer: chat, completions and legacy streams, tool calls, thoughts, ends and the two clocks."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.records import ToolCall
from shadow.wire.assemble import Assembler
from shadow.wire.sse import SseEvent

DONE = SseEvent(b"[DONE]")


def chunk(delta=None, finish=None, index=0, **more):
    return SseEvent(
        json.dumps({"choices": [{"index": index, "delta": delta, "finish_reason": finish}], **more}).encode()
    )


def tool(index=None, id=None, name=None, arguments=None):
    call = {"function": {"name": name, "arguments": arguments}, "id": id}
    return chunk({"tool_calls": [call if index is None else {**call, "index": index}]})


def read(*events, **how):
    assembler = Assembler()
    carried = [assembler.feed(event) for event in events]
    return assembler, carried, assembler.finish(**how)


def answer(*events):
    return read(*events)[2]


def calls(*events):
    return [(c.name, c.arguments) for c in answer(*events, chunk({}, "tool_calls")).tool_calls]


def test_pieces_are_joined_and_each_says_what_it_carried():
    assembler, carried, whole = read(
        chunk({"role": "assistant", "content": ""}),
        chunk({"content": "Take "}),
        chunk({"content": "line 4."}, "stop"),
        DONE,
    )

    assert (whole.text, whole.finish_reason, whole.failure, whole.comparable) == ("Take line 4.", "stop", None, True)
    assert carried == ["nothing", "text", "text", "nothing"]
    assert (assembler.first_output_event, assembler.first_answer_event) == (1, 1)


def test_thoughts_start_the_first_clock_and_the_answer_the_second():
    assembler, carried, whole = read(
        chunk({"reasoning_content": "hm"}), chunk({"reasoning": ". ", "content": "Four"}), chunk(None, "stop")
    )

    assert carried == ["reasoning", "text", "nothing"]
    assert (assembler.first_output_event, assembler.first_answer_event) == (0, 1)
    assert (whole.text, whole.reasoning) == ("Four", "hm. ")


def test_a_thought_that_is_named_twice_counts_once():
    assert answer(chunk({"reasoning_content": "hm", "reasoning": "hm", "content": "4"}, "stop")).reasoning == "hm"


@pytest.mark.parametrize(
    "pieces",
    [
        ["<think>hm</think>\n\nFour"],
        ["<th", "ink>h", "m</thi", "nk>", "\n\n", "Fo", "ur"],
        list("<think>hm</think>\n\nFour"),
    ],
)
def test_an_inline_block_of_thoughts_is_no_answer(pieces):
    assembler, _, whole = read(*(chunk({"content": p}) for p in pieces), chunk({}, "stop"))

    assert (whole.text, whole.reasoning) == ("Four", "hm")
    assert assembler.first_output_event == 0
    assert pieces[assembler.first_answer_event].endswith(("Four", "Fo", "F"))


def test_text_before_a_lone_closing_tag_turns_out_to_be_thoughts():
    assembler, carried, whole = read(
        chunk({"content": "hm"}), chunk({"content": "</think>"}), chunk({"content": "Four"}, "stop")
    )

    assert carried[0] == "text"
    assert (whole.text, whole.reasoning, assembler.first_answer_event) == ("Four", "hm", 2)


def test_unterminated_thoughts_are_no_answer_at_all():
    whole = answer(chunk({"content": "<think>on and on"}, "length"), DONE)

    assert (whole.text, whole.reasoning, whole.failure, whole.truncated) == (None, "on and on", "empty", True)


def test_a_new_id_starts_a_call_although_the_index_is_reused():
    assert calls(tool(0, "a", "find", '{"x":1}'), tool(0, "b", "find", '{"x":2}'), tool(0, "", None, "")) == [
        ("find", {"x": 1}),
        ("find", {"x": 2}),
    ]


def test_calls_interleaved_by_index_are_kept_apart():
    assert calls(
        tool(0, "a", "f", ""),
        tool(1, "b", "g", ""),
        tool(1, None, None, '{"x":'),
        tool(0, None, None, "{}"),
        tool(1, None, None, "2}"),
    ) == [("f", {}), ("g", {"x": 2})]


def test_names_are_set_once_and_arguments_are_joined():
    assert calls(tool(0, "a", "find", '{"x":'), tool(0, "a", "find", "1}")) == [("find", {"x": 1})]


def test_whole_calls_without_any_number_are_several_calls():
    assert calls(tool(None, None, "f", '{"x":1}'), tool(None, None, "f", '{"x":2}')) == [
        ("f", {"x": 1}),
        ("f", {"x": 2}),
    ]


def test_missing_arguments_are_an_empty_object_and_broken_ones_stay_text():
    assert calls(tool(0, "a", "f", ""), tool(1, "b", "g", "{oops")) == [("f", {}), ("g", "{oops")]


def test_arguments_beyond_64_bits_stay_exact_as_text():
    assert calls(tool(0, "a", "f", '{"x": 1000000000000000000000000000000}')) == [
        ("f", '{"x": 1000000000000000000000000000000}')
    ]


def test_arguments_may_come_as_an_object():
    assert calls(tool(0, "a", "f", {"x": 1})) == [("f", {"x": 1})]


def test_a_legacy_function_call_is_a_tool_call():
    whole = answer(
        chunk({"function_call": {"name": "f", "arguments": '{"x"'}}),
        chunk({"function_call": {"arguments": ":1}"}}, "function_call"),
    )

    assert whole.tool_calls == (ToolCall(name="f", arguments={"x": 1}),)


def test_half_a_call_of_a_broken_stream_is_not_a_call():
    whole = answer(tool(0, "a", "f", '{"x": "har'))

    assert (whole.failure, whole.tool_calls, whole.comparable) == ("incomplete", (), False)


def test_a_completions_stream_has_its_text_in_the_choice():
    events = [
        SseEvent(json.dumps({"choices": [{"index": 0, "text": t, "finish_reason": f}]}).encode())
        for t, f in ((" Line", None), (" 4.", None), (None, "stop"))
    ]

    assert answer(*events).text == " Line 4."


def test_a_whole_message_in_the_last_chunk_is_not_added_again():
    last = SseEvent(
        json.dumps(
            {"choices": [{"index": 0, "delta": {}, "message": {"content": "Four."}, "finish_reason": "stop"}]}
        ).encode()
    )

    assert answer(chunk({"content": "Four."}), last).text == "Four."
    assert answer(last).text == "Four."


def test_done_alone_completes_an_answer_and_its_absence_does_not():
    assert answer(chunk({"content": "Four"}), DONE).failure is None
    assert answer(chunk({"content": "Four"})).failure == "incomplete"
    assert answer(chunk({"content": "Four"}, "stop")).failure is None


def test_a_connection_that_breaks_after_the_end_has_still_ended():
    assert read(chunk({"content": "Four"}, "stop"), broken=False)[2].failure is None


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (SseEvent(b'{"error": {"message": "boom", "code": 500}}'), "http_5xx"),
        (SseEvent(b'{"error": "boom"}'), "http_5xx"),
        (SseEvent(b'{"message": "boom", "code": 503}', "error"), "http_5xx"),
        (SseEvent(b"plain words", "error"), "http_5xx"),
        (SseEvent(b'{"object": "error", "message": "prompt is too long", "code": 400}'), "context_length"),
        (SseEvent(b'{"error": {"message": "CUDA out of memory"}}'), "out_of_memory"),
        (SseEvent(b'{"error": {"type": "rate_limit_exceeded"}}'), "rate_limited"),
        (SseEvent(b'[{"error": {"code": 429}}]'), "rate_limited"),
        (chunk({}, "error"), "http_5xx"),
    ],
)
def test_an_error_in_the_stream_is_a_failure_and_keeps_the_partial_text(event, kind):
    whole = answer(chunk({"content": "Line "}), event, DONE)

    assert (whole.failure, whole.text, whole.comparable) == (kind, "Line ", False)


def test_nothing_but_the_end_is_empty():
    assert answer(DONE).failure == "empty"


def test_a_protocol_we_did_not_ask_for_is_invalid_and_never_empty():
    assert answer(SseEvent(b'{"type": "response.output_text.delta", "delta": "Four"}')).failure == "invalid"
    assert answer(SseEvent(b'{"type": "message_start", "message": {"role": "assistant"}}')).failure == "invalid"


def test_foreign_events_and_rewrapped_comments_are_passed_over():
    assert (
        answer(
            SseEvent(b": PROCESSING"), SseEvent(b'{"sources": []}'), chunk({"content": "Four"}, "stop"), DONE
        ).failure
        is None
    )


def test_a_broken_chunk_in_the_middle_makes_the_answer_invalid():
    assert (
        answer(chunk({"content": "Li"}), SseEvent(b'{"choices": [{"del'), chunk({"content": "4"}, "stop")).failure
        == "invalid"
    )


def test_a_broken_chunk_at_the_very_end_is_a_stream_that_broke_off():
    assert answer(chunk({"content": "Li"}), SseEvent(b'{"choices": [{"del')).failure == "incomplete"


def test_a_refusal_is_no_empty_answer():
    whole = answer(chunk({"refusal": "I cannot "}), chunk({"refusal": "do that."}, "stop"))

    assert (whole.refusal, whole.text, whole.failure, whole.comparable) == ("I cannot do that.", None, None, True)


def test_a_filtered_answer_is_a_class_of_its_own():
    whole = answer(chunk({}, "content_filter"), DONE)

    assert (whole.failure, whole.finish_reason, whole.comparable, whole.reason) == (
        None,
        "content_filter",
        False,
        "content_filter",
    )


def test_the_last_usage_counts():
    whole = answer(
        chunk({"content": "a"}, usage={"prompt_tokens": 3, "completion_tokens": 1}),
        chunk({"content": "b"}, "stop", usage={"prompt_tokens": 3, "completion_tokens": 2}),
        chunk({}, usage=None),
    )

    assert (whole.usage.input_tokens, whole.usage.output_tokens) == (3, 2)


def test_an_emoji_in_two_halves_is_joined_before_it_is_repaired():
    events = [
        SseEvent(b'{"choices":[{"delta":{"content":"Bus \\ud83d"}}]}'),
        SseEvent(b'{"choices":[{"delta":{"content":"\\ude8c"},"finish_reason":"stop"}]}'),
    ]

    assert answer(*events).text == "Bus \U0001f68c"
    assert answer(events[0], DONE).text == "Bus \ufffd"


def test_several_choices_are_kept_in_order_and_the_first_is_the_answer():
    whole = answer(chunk({"content": "B"}, index=1), chunk({"content": "A"}), chunk({}, "stop", index=1), DONE)

    assert (whole.text, whole.choices) == ("A", ("A", "B"))


def test_the_first_named_model_counts_and_an_empty_one_does_not():
    assert (
        answer(chunk({}, model=""), chunk({"content": "a"}, model="m-1"), chunk({}, "stop", model="m-2")).model == "m-1"
    )


KEYS = st.sampled_from(
    [
        *[
            "choices",
            "delta",
            "message",
            "content",
            "index",
            "tool_calls",
            "function",
            "arguments",
            "name",
            "id",
            "text",
        ],
        *["finish_reason", "usage", "error", "reasoning", "type", "parts", "refusal", "function_call", "model"],
    ]
)
LEAVES = st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=4)
JUNK = st.recursive(LEAVES, lambda i: st.lists(i, max_size=3) | st.dictionaries(KEYS, i, max_size=4), max_leaves=15)


@given(st.lists(st.tuples(JUNK, st.sampled_from([None, "error", "ping"])), max_size=6))
def test_no_sequence_of_json_events_can_make_it_raise(values):
    events = [SseEvent(json.dumps(value).encode(), name) for value, name in values]

    whole = answer(*events)

    assert whole.comparable is (whole.failure is None and whole.reason is None)


@given(st.lists(st.binary(max_size=12), max_size=5))
def test_no_bytes_can_make_it_raise(values):
    assert answer(*map(SseEvent, values)).failure is not None
