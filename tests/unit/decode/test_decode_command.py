"""`shadow decode`: a line out for every line in, ASCII only, exit 0 whatever the input."""

import base64
import json

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shadow.cli.decode import command

NATIVE = {
    "id": "req-1",
    "request": {"messages": [{"role": "user", "content": "Où?"}], "max_tokens": 8},
    "response": {"choices": [{"message": {"content": "Là-bas \u2028."}, "finish_reason": "stop"}]},
}


def run(lines, *options):
    data = b"".join(line + b"\n" for line in lines)
    result = CliRunner().invoke(command, list(options), input=data)
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def packed(*values):
    return [b"" if v is None else base64.b64encode(v) for v in values]


def test_a_record_shows_what_would_be_sent():
    (line,) = run([json.dumps(NATIVE).encode()])

    assert (line["line"], line["reason"]) == (0, None)
    assert line["calls"][0]["send"] == {"messages": [{"role": "user", "content": "Où?"}], "max_tokens": 8}
    assert line["calls"][0]["text"] == "Là-bas \u2028."


def test_lines_count_from_zero_and_bad_ones_keep_their_place():
    lines = run(packed(None, b"{", json.dumps(NATIVE).encode(), b'{"tries": []}'), "--base64")

    assert [(line["line"], line["reason"], len(line["calls"])) for line in lines] == [
        (0, "tombstone", 0),
        (1, "not_json", 0),
        (2, None, 1),
        (3, "not_a_generation", 0),
    ]


def test_output_is_ascii():
    assert (
        CliRunner().invoke(command, [], input=json.dumps(NATIVE, ensure_ascii=False).encode() + b"\n").stdout.isascii()
    )


def test_send_is_absent_when_the_call_cannot_be_replayed():
    (line,) = run([b'{"request": {"messages": []}}'])

    assert "send" not in line["calls"][0]


def test_a_stream_shows_both_clocks():
    stream = b'data: {"choices":[{"delta":{"reasoning":"hm"}}]}\n\n'
    stream += b'data: {"choices":[{"delta":{"content":"Four"},"finish_reason":"stop"}]}\n\n'
    (line,) = run(packed(stream), "--base64", "--as", "sse")

    assert [line["calls"][0][k] for k in ("text", "reasoning", "first_output_event", "first_content_event")] == [
        "Four",
        "hm",
        0,
        1,
    ]


@pytest.mark.parametrize(
    "http",
    [
        {"status": 503, "headers": {}, "body": ""},
        {"status": 503, "body_base64": ""},
        {"status": 503, "headers": None, "body": {"error": "x"}},
    ],
)
def test_a_response_shows_its_failure(http):
    (line,) = run([json.dumps(http).encode()], "--as", "response")

    assert line["calls"][0]["failure"] == "http_5xx"


def test_a_line_that_is_no_base64_is_said_to_be_none():
    (line,) = run([b"***"], "--base64")

    assert line["reason"] == "not_base64"


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=40)
@given(st.lists(st.binary(max_size=30), max_size=4), st.sampled_from(["record", "sse", "response"]))
def test_any_input_gives_a_line_each(values, kind):
    assert len(run(packed(*values), "--base64", "--as", kind)) == len(values)
