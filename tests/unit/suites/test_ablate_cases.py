"""Cases of an ablation: lines as `shadow score` takes them, and mirrored records."""

import json

import pytest

from shadow.errors import ConfigurationError
from shadow.suites.ablate_cases import read_cases


def read(tmp_path, *rows):
    path = tmp_path / "cases.jsonl"
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return read_cases(str(path), max_output_tokens=77)


def test_a_prompt_becomes_a_request_with_its_own_limit_or_ours(tmp_path):
    found = read(
        tmp_path, {"id": 1, "prompt": "Hi"}, {"id": "2", "prompt": "Hi", "max_tokens": 5, "candidate": "unused"}
    )
    first, second = (case.call.request for case in found.cases)

    assert first["messages"] == [{"role": "user", "content": "Hi"}]
    assert 77 in first.values()
    assert second["max_tokens"] == 5
    assert [case.call.id for case in found.cases] == ["1", "2"]


def test_messages_and_expectations_travel(tmp_path):
    messages = [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]
    (case,) = read(tmp_path, {"id": "a", "messages": messages, "expected": "x", "route": "r", "canary": "c"}).cases

    assert case.call.request["messages"] == messages
    assert (case.expected, case.canary, case.call.route) == ("x", "c", "r")


def test_mirrored_records_are_cases_and_what_cannot_be_asked_is_counted(tmp_path):
    request = {"model": "m", "messages": [{"role": "user", "content": "u"}]}
    found = read(tmp_path, {"v": 1, "id": "e", "request": request}, {"id": "b", "heartbeat": True})

    assert [case.call.id for case in found.cases] == ["e"]
    assert found.skipped == {"heartbeat": 1}


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"prompt": "Hi"}, r'cases.jsonl:1: no "id"'),
        ({"id": "1", "prompt": 3}, "prompt is neither text nor"),
        ({"id": "1", "prompt": "Hi", "schema": "x"}, "schema is not an object"),
        ("not json", "neither a case nor a mirrored record"),
        ("", "holds no request"),
    ],
)
def test_what_is_wrong_is_named_by_line(tmp_path, row, words):
    with pytest.raises(ConfigurationError, match=words):
        read(tmp_path, row)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match=r"--cases: .* cannot be read"):
        read_cases(str(tmp_path / "none"), max_output_tokens=1)
