"""The envelope: every field optional but the request, and what each says about the call."""

import json

import pytest

from shadow.sources.decode import decode

REQUEST = {
    "model": "prod-v1",
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Which bus?"},
        {"role": "assistant", "content": "Four."},
        {"role": "user", "content": "And back?"},
    ],
    "max_tokens": 64,
    "user": "u-1",
}
RESPONSE = {
    "id": "chatcmpl-1",
    "model": "prod-v1-2026",
    "choices": [{"index": 0, "message": {"content": "Four too."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 14, "completion_tokens": 7},
}


def envelope(**fields):
    return {"v": 1, "id": "req-1", "request": REQUEST, "response": RESPONSE, **fields}


def call(record, **options):
    (found,) = decode(record if isinstance(record, bytes) else json.dumps(record).encode(), **options)
    return found


def test_a_full_envelope_fills_the_call():
    found = call(
        envelope(
            ts="2026-11-23T16:57:50.5Z",
            session="conv-9",
            turn=2,
            route="support",
            tags={"lang": "en", "beta": True, "n": 3},
            status=200,
            latency_ms=812.5,
            ttft_ms=95.1,
            traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        )
    )

    assert (found.id, found.session, found.turn, found.route, found.user) == ("req-1", "conv-9", 2, "support", "u-1")
    assert found.tags == {"lang": "en", "beta": "true", "n": "3"}
    assert (found.status, found.latency_ms, found.ttft_ms, found.ts_unix_ms) == (200, 812.5, 95.1, 1795453070500)
    assert (found.model, found.answer.model, found.answer.text) == ("prod-v1", "prod-v1-2026", "Four too.")
    assert (found.replayable, found.comparable, found.reason) == (True, True, None)
    assert found.traceparent == "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    assert found.prompt_text == "And back?"
    assert "user" not in found.request


def test_without_a_turn_the_user_messages_are_counted():
    assert call(envelope()).turn == 2


def test_a_request_alone_is_replayable_and_has_no_answer():
    found = call({"request": REQUEST})

    assert (found.replayable, found.comparable, found.reason, found.answer.failure) == (
        True,
        False,
        "no_response",
        None,
    )
    assert found.session is None


@pytest.mark.parametrize(
    "ts",
    [
        1795453070.5,
        1795453070500,
        "2026-11-23T16:57:50.500+00:00",
        "2026-11-23T17:57:50.5+01:00",
        "2026-11-23T16:57:50.5",
        "1795453070.5",
        1795453070500000,
    ],
)
def test_one_instant_in_every_spelling(ts):
    assert call(envelope(ts=ts)).ts_unix_ms == 1795453070500


@pytest.mark.parametrize("ts", [None, "yesterday", -5, 0, True, 1e300, "nan", [], "9999-99-99"])
def test_a_time_that_makes_no_sense_gives_way_to_kafkas(ts):
    assert call(envelope(ts=ts), kafka_ts_unix_ms=1234).ts_unix_ms == 1234


@pytest.mark.parametrize(
    ("fields", "latency", "ttft"),
    [
        ({"latency_ms": 0, "ttft_ms": 0}, None, None),
        ({"latency_ms": -3.0}, None, None),
        ({"latency_ms": 10, "ttft_ms": 95}, 10.0, None),
        ({"latency_ms": "812.5"}, 812.5, None),
        ({"ttft_ms": 95}, None, 95.0),
    ],
)
def test_impossible_durations_are_unknown(fields, latency, ttft):
    found = call(envelope(**fields))

    assert (found.latency_ms, found.ttft_ms) == (latency, ttft)


def test_infinite_figures_make_no_json_and_no_record():
    assert call(envelope(latency_ms=1e300)).latency_ms == 1e300


@pytest.mark.parametrize(
    ("fields", "failure"),
    [
        ({"status": 500}, "http_5xx"),
        ({"status": 429, "response": None}, "rate_limited"),
        ({"status": "504", "response": None}, "timeout"),
        ({"status": 0, "response": None}, "connection"),
        ({"error": {"message": "CUDA out of memory"}}, "out_of_memory"),
        ({"error": "boom"}, "http_5xx"),
        ({"status": "failure"}, "http_5xx"),
        ({"response": {"object": "error", "message": "no such model", "code": 404}}, "http_4xx"),
    ],
)
def test_a_failed_incumbent_can_still_be_replayed(fields, failure):
    found = call(envelope(**fields))

    assert (found.answer.failure, found.replayable, found.comparable, found.reason) == (failure, True, False, None)


def test_a_client_that_left_is_not_the_incumbents_failure():
    found = call(envelope(status=499, response=None))

    assert (found.answer.failure, found.replayable, found.comparable, found.reason) == (
        None,
        True,
        False,
        "client_closed",
    )


def test_an_answer_from_a_cache_counts_as_text_only():
    found = call(envelope(cache_hit=True, latency_ms=3, ttft_ms=1))

    assert (found.comparable, found.latency_ms, found.ttft_ms, found.answer.usage.output_tokens) == (
        True,
        None,
        None,
        None,
    )
    assert "cache_hit" in found.notes


def test_a_heartbeat_is_no_call():
    found = call({"heartbeat": True, "ts": 1795453070.5})

    assert (found.heartbeat, found.replayable, found.ts_unix_ms) == (True, False, 1795453070500)


def test_request_and_response_may_be_text():
    assert call(envelope(request=json.dumps(REQUEST), response=json.dumps(RESPONSE))).comparable


def test_a_request_that_was_cut_is_never_replayed():
    found = call(envelope(request=json.dumps(REQUEST)[:40]))

    assert (found.replayable, found.comparable, found.reason) == (False, False, "truncated_request")


def test_an_unsupported_endpoint_is_not_the_incumbents_failure():
    found = call(
        envelope(
            request={"model": "m", "input": "Which bus?"},
            response={
                "object": "response",
                "output": [{"type": "message", "content": [{"type": "output_text", "text": "Four"}]}],
            },
        )
    )

    assert (found.reason, found.answer.failure, found.answer.text) == ("unsupported_endpoint", None, "Four")


def test_the_limit_that_is_ours_is_marked_and_set():
    found = call({"request": {"messages": REQUEST["messages"]}}, max_output_tokens=100)

    assert (found.request["max_tokens"], "limit_is_ours" in found.notes) == (100, True)


def test_without_an_id_the_answers_own_is_taken():
    assert call({"request": REQUEST, "response": RESPONSE}).id == "chatcmpl-1"


@pytest.mark.parametrize(("session", "read"), [("", None), (7, "7"), (None, None), ([], None), (True, None)])
def test_a_session_is_a_text(session, read):
    assert call(envelope(session=session)).session == read


def test_a_broken_trace_context_is_dropped():
    assert call(envelope(traceparent="00-xyz")).traceparent is None


def test_the_trace_context_may_stand_in_the_kafka_headers():
    header = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    assert call(envelope(), headers=[("Traceparent", header)]).traceparent == header.decode()
