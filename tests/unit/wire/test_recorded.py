"""The recorder's faults are told from the incumbent's failures."""

import json

import pytest

from shadow.records import Usage
from shadow.wire.recorded import answer_of

BODY = {
    "choices": [{"index": 0, "message": {"content": "Four."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2},
}
STREAM = 'data: {"choices":[{"delta":{"content":"Four."},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
CUT = 'data: {"choices":[{"delta":{"content":"Fo"}}]}\n\n'


@pytest.mark.parametrize(
    "response", [BODY, json.dumps(BODY), json.dumps(json.dumps(BODY)), STREAM, {"sse": STREAM}, "\ufeff" + STREAM]
)
def test_every_form_of_a_recorded_answer_reads_the_same(response):
    answer = answer_of(response, status=200)

    assert (answer.text, answer.failure, answer.comparable) == ("Four.", None, True)


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        (None, "no_response"),
        ({}, "no_response"),
        ("", "no_response"),
        ({"sse": ""}, "no_response"),
        ('{"choices": [{"message": {"content": "Fo', "truncated_response"),
        ("\x1f\ufffd\b\x00", "unreadable_response"),
        ({"text": "redacted-by-litellm"}, "redacted"),
        ({"choices": [{"message": {"content": "redacted-by-litellm"}}]}, "redacted"),
        ({"choices": [{"message": {"content": "1 (litellm_truncated 99 chars) 2"}}]}, "truncated_response"),
    ],
)
def test_a_fault_of_the_log_is_no_failure(response, reason):
    answer = answer_of(response, status=200)

    assert (answer.failure, answer.comparable, answer.reason) == (None, False, reason)


@pytest.mark.parametrize(
    ("status", "error", "failure"),
    [
        (504, None, "timeout"),
        (408, None, "timeout"),
        (429, None, "rate_limited"),
        (0, None, "connection"),
        (500, None, "http_5xx"),
        (403, None, "http_4xx"),
        (200, "engine died", "http_5xx"),
        (None, {"code": 400, "message": "prompt is too long"}, "context_length"),
    ],
)
def test_a_failed_incumbent_is_a_failure(status, error, failure):
    answer = answer_of(None, status=status, error=error)

    assert (answer.failure, answer.comparable, answer.reason) == (failure, False, None)


def test_an_error_body_explains_the_status():
    assert answer_of('{"error": {"message": "maximum context length"}}', status=400).failure == "context_length"


def test_a_client_that_left_is_no_failure():
    answer = answer_of({"sse": CUT}, status=499)

    assert (answer.failure, answer.reason) == (None, "client_closed")


def test_a_stream_without_its_end_broke_off_unless_the_logger_limits_bodies():
    assert answer_of({"sse": CUT}, status=200).failure == "incomplete"
    assert answer_of(CUT, status=200, may_be_cut=True).reason == "truncated_response"


def test_of_a_cached_answer_the_text_counts_and_the_tokens_do_not():
    answer = answer_of(BODY, status=200, cached=True)

    assert (answer.text, answer.usage) == ("Four.", Usage())
