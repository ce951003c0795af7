"""Gateway logs: bodies as text, cuts without a word, values that are strings."""

import json

import pytest

from shadow.sources.decode import decode

BODY = json.dumps({"model": "prod-v1", "messages": [{"role": "user", "content": "Which bus?"}], "max_tokens": 64})
ANSWER = json.dumps(
    {"model": "prod-v1", "choices": [{"index": 0, "message": {"content": "Four."}, "finish_reason": "stop"}]}
)
CUT = 'data: {"choices":[{"delta":{"content":"Fo"}}]}\n\n'


def apisix(response=None, request=None, **fields):
    return {
        "route_id": "llm",
        "upstream": "198.51.100.5:8000",
        "start_time": 1795453070000,
        "latency": 812,
        "request": {
            "uri": "/v1/chat/completions",
            "headers": {"X-Request-Id": "r-1", "authorization": "Bearer EXAMPLE-NOT-A-KEY"},
            "body": BODY,
            **(request or {}),
        },
        "response": {"status": 200, "body": ANSWER, "headers": {}, **(response or {})},
        **fields,
    }


def kong(payload=None, usage=None, **fields):
    return {
        "tries": [],
        "latencies": {"request": 812},
        "started_at": 1795453070123,
        "request": {"id": "k-1", "uri": "/v1/chat/completions"},
        "response": {"status": 200},
        "ai": {
            "proxy": {
                "payload": payload or {"request": BODY, "response": ANSWER},
                "usage": usage or {"prompt_tokens": 14, "completion_tokens": 7},
                "meta": {"llm_latency": 780, "request_model": "prod-v1"},
            }
        },
        **fields,
    }


def call(record):
    (found,) = decode(json.dumps(record).encode())
    return found


def test_an_apisix_entry_with_bodies_is_a_call():
    found = call(apisix())

    assert (found.id, found.route, found.latency_ms, found.ts_unix_ms) == ("r-1", "llm", 812.0, 1795453070000)
    assert (found.answer.text, found.comparable) == ("Four.", True)


def test_a_kong_entry_is_a_call():
    found = call(kong())

    assert (found.id, found.latency_ms, found.ts_unix_ms, found.model) == ("k-1", 780.0, 1795453070123, "prod-v1")
    assert (found.answer.text, found.answer.usage.input_tokens) == ("Four.", 14)


def test_a_cut_request_is_never_replayed():
    assert call(apisix(request={"body": BODY[:40]})).reason == "truncated_request"


@pytest.mark.parametrize(
    ("size", "failure", "reason"),
    [(5000, None, "truncated_response"), (None, None, "truncated_response"), (len(CUT), "incomplete", None)],
)
def test_the_logged_size_tells_a_cut_log_from_a_broken_stream(size, failure, reason):
    found = call(apisix(response={"body": CUT, "size": size}))

    assert (found.answer.failure, found.reason, found.replayable) == (failure, reason, True)


def test_summary_values_may_be_text_and_parameters_survive():
    record = apisix(
        llm_summary={
            "request_model": "prod-v1",
            "duration": "120",
            "prompt_tokens": "14",
            "completion_tokens": "",
            "stream": "true",
        },
        llm_request={"messages": [{"role": "user", "content": "Which bus?"}], "temperature": 0.2, "max_tokens": 8},
        llm_response_text={"content": "Four."},
    )
    found = call(record)

    assert (found.ttft_ms, found.answer.usage.input_tokens, found.answer.usage.output_tokens) == (120.0, 14, None)
    assert (found.request["temperature"], found.request["max_tokens"], found.request["model"]) == (0.2, 8, "prod-v1")


def test_a_summary_that_cannot_show_tool_calls_is_no_empty_answer():
    found = call(
        apisix(llm_request={"messages": [{"role": "user", "content": "Which bus?"}]}, llm_response_text={"content": ""})
    )

    assert (found.answer.failure, found.reason) == (None, "no_response")


def test_a_gateway_that_logs_no_payloads_is_named():
    assert call(apisix(llm_summary={"model": "prod-v1"})).reason == "no_prompt"
    assert call(kong(ai=None)).reason == "no_prompt"


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("/v1/embeddings", "not_a_generation"),
        ("/v1/messages", "unsupported_endpoint"),
        ("/v1/responses?x=1", "unsupported_endpoint"),
    ],
)
def test_the_address_names_what_is_no_chat(uri, reason):
    assert call(apisix(request={"uri": uri})).reason == reason


@pytest.mark.parametrize(
    "record",
    [
        kong(ai=None, request={"uri": "/health"}),
        {**apisix(), "request": {"uri": "/v1/models"}, "response": {"status": 200}},
    ],
)
def test_other_traffic_is_no_call(record):
    assert decode(json.dumps(record).encode()) == []


def test_zero_tokens_beside_text_are_unknown():
    assert call(kong(usage={"prompt_tokens": 14, "completion_tokens": 0})).answer.usage.output_tokens is None


def test_a_semantic_cache_hit_has_no_latency():
    record = kong()
    record["ai"]["semantic-cache"] = {"cache": {"cache_status": "Hit"}}

    assert (call(record).latency_ms, call(record).answer.text) == (None, "Four.")


def test_credentials_of_the_log_stay_in_the_log():
    assert "EXAMPLE-NOT-A-KEY" not in repr(call(apisix()))
