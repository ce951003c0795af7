"""Production as the demo plays it: its pace and its records."""

from shadow.demo.corpus import questions
from shadow.demo.traffic import HIGHEST_RATE, LOWEST_RATE, Pace, Reading, envelope
from shadow.sources.decode import decode


def test_the_rate_grows_to_its_limit_while_shadow_keeps_up():
    pace, sent = Pace(), 0.0
    for _ in range(60):
        sent += pace.rate
        pace.adjust(int(sent), int(sent), 1.0)

    assert pace.rate == HIGHEST_RATE


def test_the_rate_settles_near_what_a_slow_machine_takes():
    pace, sent, read, seen = Pace(), 0.0, 0.0, []
    for _ in range(200):
        sent += pace.rate
        read = min(sent, read + 4.0)
        pace.adjust(int(sent), int(read), 1.0)
        seen.append((pace.rate, sent - read))

    assert 3.0 < sum(rate for rate, _ in seen[50:]) / 150 < 4.5
    assert max(queue for _, queue in seen[50:]) < 40


def test_the_rate_never_falls_below_its_lower_limit():
    pace = Pace()
    for step in range(100):
        pace.adjust(1_000 + step, 0, 1.0)

    assert pace.rate == LOWEST_RATE


def test_a_streamed_answer_is_put_together_again():
    read = Reading()
    lines = [
        b'data: {"choices": [{"delta": {"role": "assistant", "content": ""}, "finish_reason": null}]}\n',
        b'data: {"choices": [{"delta": {"content": "Hel"}, "finish_reason": null}]}\n',
        b'data: {"choices": [{"delta": {"content": "lo"}, "finish_reason": null}]}\n',
        b'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}\n',
        b'data: {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}\n',
        b"data: [DONE]\n",
    ]

    assert [read.take(line) for line in lines] == [False, True, True, False, False, False]
    body = read.response("m")
    assert body["choices"][0] == {
        "index": 0,
        "message": {"role": "assistant", "content": "Hello"},
        "finish_reason": "stop",
    }
    assert body["usage"] == {"prompt_tokens": 3, "completion_tokens": 2}


def test_a_record_decodes_to_a_replayable_and_comparable_call():
    asked = next(questions(1))
    body = {"model": "m", "messages": asked.messages, "max_tokens": 9}
    reading = Reading()
    reading.take(b'data: {"choices": [{"delta": {"content": "Hi."}, "finish_reason": "stop"}]}\n')
    answer = {"status": 200, "latency_ms": 12.5, "ttft_ms": 3.5, "response": reading.response("m")}

    (call,) = decode(envelope(7, asked, body, answer))

    assert (call.id, call.session, call.turn, call.route) == ("demo-000007", "customer-000007", 1, asked.route)
    assert (call.replayable, call.comparable, call.answer.text) == (True, True, "Hi.")
    assert (call.latency_ms, call.ttft_ms) == (12.5, 3.5)


def test_an_incumbent_that_broke_off_is_a_record_with_a_failure():
    asked = next(questions(1))
    body = {"model": "m", "messages": asked.messages}

    (call,) = decode(envelope(1, asked, body, {"status": 502, "latency_ms": 5.0, "error": "broken off"}))

    assert call.answer.failure is not None
