"""LiteLLM payloads: latency from its own clocks, failures by class, redaction, kinds of calls."""

import json

import pytest

from shadow.sources.decode import decode


def payload(**fields):
    return {
        "litellm_call_id": "call-1",
        "id": "chatcmpl-1",
        "call_type": "acompletion",
        "status": "success",
        "stream": None,
        "startTime": 1795453070.0,
        "endTime": 1795453071.2,
        "completionStartTime": 1795453070.15,
        "response_time": 0.15,
        "model": "prod-v1",
        "prompt_tokens": 14,
        "completion_tokens": 7,
        "total_tokens": 21,
        "session_id": "",
        "trace_id": "t-1",
        "request_tags": ["tier:gold", "beta"],
        "end_user": "u-1",
        "messages": [{"role": "user", "content": "Which bus?"}],
        "model_parameters": {"temperature": 0.2, "max_tokens": 64, "stream": True, "api_key": "EXAMPLE-NOT-A-KEY"},
        "response": {"choices": [{"index": 0, "message": {"content": "Four."}, "finish_reason": "stop"}]},
        **fields,
    }


def call(**fields):
    (found,) = decode(json.dumps(payload(**fields)).encode())
    return found


def test_latency_is_end_minus_start_and_first_token_only_of_streams():
    streamed, plain = call(stream=True), call()

    assert (round(streamed.latency_ms), round(streamed.ttft_ms)) == (1200, 150)
    assert plain.ttft_ms is None


def test_parameters_travel_with_the_messages_and_keys_do_not():
    found = call()

    assert found.request == {
        "temperature": 0.2,
        "max_tokens": 64,
        "model": "prod-v1",
        "messages": [{"role": "user", "content": "Which bus?"}],
    }
    assert (found.tags, found.user) == ({"tier": "gold", "beta": "true"}, "u-1")


def test_tokens_of_the_payload_fill_in_for_a_body_without():
    assert call().answer.usage.output_tokens == 7


def test_only_a_session_id_is_a_session():
    assert call().session is None
    assert call(session_id="conv-1").session == "conv-1"


@pytest.mark.parametrize(
    ("code", "name", "failure"),
    [
        ("429", "RateLimitError", "rate_limited"),
        ("", "Timeout", "timeout"),
        ("408", "Timeout", "timeout"),
        ("", "ContextWindowExceededError", "context_length"),
        ("", "APIConnectionError", "connection"),
        ("500", "InternalServerError", "http_5xx"),
        ("400", "BadRequestError", "http_4xx"),
        ("", "AuthenticationError", "http_4xx"),
    ],
)
def test_failures_have_their_kind(code, name, failure):
    found = call(
        status="failure",
        response=None,
        error_str="x",
        error_information={"error_code": code, "error_class": name, "error_message": ""},
        prompt_tokens=0,
        completion_tokens=0,
    )

    assert (found.answer.failure, found.replayable, found.comparable) == (failure, True, False)


@pytest.mark.parametrize("messages", ["redacted-by-litellm", [{"role": "user", "content": "redacted-by-litellm"}]])
def test_redacted_prompts_are_never_replayed(messages):
    assert call(messages=messages).reason == "redacted"


def test_messages_may_be_json_text():
    assert call(messages='[{"role": "user", "content": "Which bus?"}]').prompt_text == "Which bus?"


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("aembedding", "not_a_generation"),
        ("anthropic_messages", "unsupported_endpoint"),
        ("aresponses", "unsupported_endpoint"),
        ("image_generation", "not_a_generation"),
    ],
)
def test_other_kinds_of_calls_are_named(kind, reason):
    found = call(call_type=kind, response={"data": []})

    assert (found.reason, found.replayable, found.answer.failure) == (reason, False, None)


def test_a_text_completion_goes_to_its_own_endpoint():
    found = call(call_type="atext_completion")

    assert (found.endpoint, found.request["prompt"]) == ("completions", "Which bus?")


def test_a_cache_hit_has_no_latency_and_no_tokens():
    found = call(cache_hit=True)

    assert (found.answer.text, found.latency_ms, found.answer.usage.output_tokens) == ("Four.", None, None)


def test_the_payload_may_stand_inside_the_callbacks_arguments():
    (found,) = decode(json.dumps({"standard_logging_object": payload()}).encode())

    assert found.id == "call-1"
