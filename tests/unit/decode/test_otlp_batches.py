"""OTLP batches: GenAI and OpenInference attributes, in JSON and protobuf, one broken span beside whole ones."""

import base64
import json

import pytest

from shadow.errors import DecodeError
from shadow.sources.decode import decode

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def attribute(key, value):
    kinds = {bool: "boolValue", str: "stringValue", float: "doubleValue"}
    if isinstance(value, list):
        return {"key": key, "value": {"arrayValue": {"values": [attribute("", v)["value"] for v in value]}}}
    if type(value) is int:
        return {"key": key, "value": {"intValue": str(value)}}
    return {"key": key, "value": {kinds[type(value)]: value}}


def span(attributes, **fields):
    return {
        "traceId": TRACE,
        "spanId": SPAN,
        "name": "chat",
        "startTimeUnixNano": "1795453070000000000",
        "endTimeUnixNano": "1795453070812000000",
        "attributes": [attribute(k, v) for k, v in attributes.items()],
        **fields,
    }


def batch(*spans):
    return {
        "resourceSpans": [
            {"resource": {"attributes": [attribute("service.name", "travel")]}, "scopeSpans": [{"spans": list(spans)}]}
        ]
    }


def calls(*spans):
    return decode(json.dumps(batch(*spans)).encode())


def message(role, *parts, **more):
    return {"role": role, "parts": list(parts), **more}


def text(content):
    return {"type": "text", "content": content}


GENAI = {
    "gen_ai.operation.name": "chat",
    "gen_ai.request.model": "prod-v1",
    "gen_ai.request.max_tokens": 64,
    "gen_ai.request.stop_sequences": ["\n"],
    "gen_ai.usage.input_tokens": 14,
    "gen_ai.usage.output_tokens": 7,
    "gen_ai.conversation.id": "conv-1",
    "gen_ai.response.time_to_first_chunk": 0.12,
    "gen_ai.system_instructions": json.dumps([text("Be brief.")]),
    "gen_ai.input.messages": json.dumps([message("user", text("Which bus?"))]),
    "gen_ai.output.messages": json.dumps([message("assistant", text("Four."), finish_reason="stop")]),
}
INFERENCE = {
    "openinference.span.kind": "LLM",
    "llm.model_name": "prod-v1",
    "llm.invocation_parameters": '{"temperature": 0.2, "max_tokens": 64}',
    "llm.token_count.prompt": 14,
    "llm.token_count.completion": 7,
    "session.id": "conv-1",
    "llm.input_messages.0.message.role": "user",
    "llm.input_messages.0.message.content": "Which bus?",
    "llm.output_messages.0.message.role": "assistant",
    "llm.output_messages.0.message.content": "Four.",
}


def test_a_genai_span_is_a_call():
    (found,) = calls(span(GENAI))

    assert found.request["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Which bus?"},
    ]
    assert (found.request["stop"], found.request["max_tokens"]) == (["\n"], 64)
    assert (found.answer.text, found.answer.finish_reason, found.answer.usage.output_tokens) == ("Four.", "stop", 7)
    assert (found.session, found.route, found.latency_ms, found.ttft_ms, found.ts_unix_ms) == (
        "conv-1",
        "travel",
        812.0,
        120.0,
        1795453070000,
    )
    assert (found.id, found.traceparent) == (f"{TRACE}/{SPAN}", f"00-{TRACE}-{SPAN}-01")


def test_an_openinference_span_is_a_call():
    (found,) = calls(span(INFERENCE))

    assert (found.request["messages"], found.request["temperature"]) == (
        [{"role": "user", "content": "Which bus?"}],
        0.2,
    )
    assert (found.answer.text, found.session, found.comparable) == ("Four.", "conv-1", True)


def test_older_numbered_attributes_are_a_call_too():
    (found,) = calls(
        span(
            {
                "gen_ai.system": "openai",
                "gen_ai.request.model": "m",
                "gen_ai.prompt.0.role": "user",
                "gen_ai.prompt.0.content": "Which bus?",
                "gen_ai.completion.0.content": "Four.",
                "gen_ai.completion.0.finish_reason": "stop",
            }
        )
    )

    assert (found.prompt_text, found.answer.text, found.answer.finish_reason) == ("Which bus?", "Four.", "stop")


@pytest.mark.parametrize(
    "other",
    [
        {"http.request.method": "POST"},
        {"gen_ai.operation.name": "execute_tool"},
        {**GENAI, "gen_ai.operation.name": "invoke_agent"},
        {**GENAI, "gen_ai.operation.name": "embeddings"},
        {**INFERENCE, "openinference.span.kind": "AGENT"},
    ],
)
def test_other_spans_are_no_calls(other):
    assert calls(span(other)) == []


def test_one_cut_attribute_never_takes_the_neighbours_along():
    broken = {**GENAI, "gen_ai.input.messages": GENAI["gen_ai.input.messages"][:30]}

    assert [(c.index, c.reason, c.replayable) for c in calls(span(broken), span(GENAI))] == [
        (0, "truncated_request", False),
        (1, None, True),
    ]


def test_a_cut_answer_leaves_the_request_replayable():
    (found,) = calls(span({**GENAI, "gen_ai.output.messages": GENAI["gen_ai.output.messages"][:30]}))

    assert (found.replayable, found.comparable, found.reason, found.answer.failure) == (
        True,
        False,
        "truncated_response",
        None,
    )


@pytest.mark.parametrize("attributes", [GENAI, INFERENCE])
def test_dropped_attributes_may_have_held_a_message(attributes):
    (found,) = calls(span(attributes, droppedAttributesCount=3))

    assert (found.replayable, found.reason) == (False, "truncated_request")


def test_a_gap_in_the_numbers_is_a_cut():
    (found,) = calls(span({**INFERENCE, "llm.input_messages.2.message.role": "user"}))

    assert found.reason == "truncated_request"


@pytest.mark.parametrize(
    ("kind", "status", "failure"),
    [
        ("429", {"code": "STATUS_CODE_ERROR"}, "rate_limited"),
        ("timeout", {"code": 2}, "timeout"),
        ("500", {}, "http_5xx"),
        ("ConnectionError", {"code": 2}, "connection"),
    ],
)
def test_an_error_span_is_a_failure(kind, status, failure):
    (found,) = calls(span({**GENAI, "error.type": kind}, status=status))

    assert (found.answer.failure, found.replayable, found.comparable) == (failure, True, False)


def test_tool_calls_pictures_and_thoughts_keep_their_form():
    said = [
        message(
            "user", text("Which line?"), {"type": "uri", "modality": "image", "uri": "https://pictures.example/a.png"}
        ),
        message(
            "assistant",
            {"type": "reasoning", "content": "hm"},
            {"type": "tool_call", "id": "c1", "name": "find", "arguments": {"x": 1}},
        ),
        message("tool", {"type": "tool_call_response", "id": "c1", "response": {"line": 4}}),
    ]
    (found,) = calls(
        span(
            {
                **GENAI,
                "gen_ai.input.messages": json.dumps(said),
                "gen_ai.tool.definitions": json.dumps([{"type": "function", "name": "find", "parameters": {}}]),
            }
        )
    )
    sent = found.request["messages"]

    assert sent[1]["content"][1] == {"type": "image_url", "image_url": {"url": "https://pictures.example/a.png"}}
    assert sent[2] == {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "find", "arguments": '{"x": 1}'}}],
    }
    assert sent[3] == {"role": "tool", "tool_call_id": "c1", "content": '{"line": 4}'}
    assert found.request["tools"] == [{"type": "function", "function": {"name": "find", "parameters": {}}}]


def test_a_part_without_a_form_in_a_chat_request_is_never_left_out_silently():
    (found,) = calls(
        span(
            {
                **GENAI,
                "gen_ai.input.messages": json.dumps(
                    [message("user", text("What is said?"), {"type": "file", "file_id": "f"})]
                ),
            }
        )
    )

    assert (found.replayable, found.reason) == (False, "external_content")


def test_an_end_before_the_start_is_no_latency():
    (found,) = calls(span(GENAI, endTimeUnixNano="0"))

    assert found.latency_ms is None


def test_an_event_has_no_latency():
    entry = {
        "timeUnixNano": "1795453070812000000",
        "eventName": "gen_ai.client.inference.operation.details",
        "traceId": TRACE,
        "spanId": SPAN,
        "attributes": span(GENAI)["attributes"],
    }
    (found,) = decode(json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [entry]}]}]}).encode())

    assert (found.answer.text, found.latency_ms, found.ts_unix_ms) == ("Four.", None, 1795453070812)


def test_protobuf_says_the_same_as_json():
    json_format = pytest.importorskip("google.protobuf.json_format")
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    record = batch(span(GENAI), span(INFERENCE))
    expected = decode(json.dumps(record).encode())
    for entry in record["resourceSpans"][0]["scopeSpans"][0]["spans"]:
        entry.update({k: base64.b64encode(bytes.fromhex(entry[k])).decode() for k in ("traceId", "spanId")})
    binary = json_format.ParseDict(record, ExportTraceServiceRequest()).SerializeToString()

    assert decode(binary) == decode(binary, "otlp") == expected


@pytest.mark.parametrize("value", [b"\n", b"\n\x00", b"\n\x05hello", b"\x0a\xff\xff\xff\xff\x0f"])
def test_bytes_that_are_no_export_request_are_a_dead_letter(value):
    with pytest.raises(DecodeError):
        decode(value)
