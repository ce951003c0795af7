"""`shadow score`: one line per case and scorer, whatever comes in."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from shadow.cli.score import BadLine, command, reply_of


def run(lines: list[Any], *args: str) -> Result:
    text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
    return CliRunner().invoke(command, args, input=text)


def rows(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.split("\n") if line]


def test_every_case_gets_a_line_of_every_scorer_in_order() -> None:
    cases = [{"id": i, "prompt": "Q", "incumbent": "a b c", "candidate": "a b c"} for i in ("x", "y")]

    result = run(cases, "--scorer", "exact,checks")

    assert result.exit_code == 0
    assert [(r["id"], r["scorer"]) for r in rows(result)] == [
        ("x", "exact"),
        ("x", "checks"),
        ("y", "exact"),
        ("y", "checks"),
    ]
    assert set(rows(result)[0]) == {"id", "scorer", "value", "label", "reason", "findings"}


def test_an_unscored_case_is_a_line_with_null_and_a_reason() -> None:
    (row,) = rows(run([{"id": "1", "prompt": "Q", "incumbent": "", "candidate": "x"}], "--scorer", "exact"))

    assert row["value"] is None
    assert row["reason"]


def test_an_absolute_scorer_judges_the_candidate_without_an_incumbent() -> None:
    (row,) = rows(
        run([{"id": "1", "prompt": "Q", "candidate": "12"}], "--scorer", "regex", "--option", r"pattern=^\d+$")
    )

    assert row["value"] == 1.0


def test_bad_lines_are_named_and_the_rest_is_scored() -> None:
    good = {"id": "1", "prompt": "Q", "incumbent": "a", "candidate": "a"}

    result = run(["nope", good, "[1]", {"id": "2"}], "--scorer", "exact")

    assert result.exit_code == 1
    assert len(rows(result)) == 1
    assert [line.split(":")[0] for line in result.stderr.split("\n") if line] == ["line 0", "line 2", "line 3"]


@pytest.mark.parametrize(
    "args",
    [[], ["--scorer", "agrement"], ["--scorer", "exact", "--option", "mod=x"], ["--scorer", "exact", "--option", "x"]],
)
def test_wrong_usage_exits_2(args: list[str]) -> None:
    assert run([], *args).exit_code == 2


def test_messages_tools_and_thoughts_are_read() -> None:
    reply = reply_of(
        {"content": "<think>hm</think>Done", "tool_calls": [{"function": {"name": "f", "arguments": '{"a": 1}'}}]},
        "candidate",
    )
    response = reply_of({"choices": [{"message": {"content": "Hi"}, "finish_reason": "length"}]}, "candidate")

    assert (reply.text, reply.reasoning, reply.tool_calls[0].arguments) == ("Done", "hm", {"a": 1})
    assert (response.text, response.finish_reason) == ("Hi", "length")
    with pytest.raises(BadLine):
        reply_of(5, "candidate")


def test_the_list_names_every_kind() -> None:
    result = run([], "--list")

    assert result.exit_code == 0
    assert {"agreement", "judge", "refusal"} <= {line.split()[0] for line in result.stdout.split("\n") if line}


def test_the_list_of_a_configuration_says_who_sees_what_and_what_it_may_cost(tmp_path: Path) -> None:
    path = tmp_path / "shadow.yaml"
    path.write_text(
        """
source: {kind: jsonl, path: mirror.jsonl}
candidates: [{name: b, backend: {kind: openai, url: "http://127.0.0.1:1/v1", model: b}}]
scorers:
  - {kind: agreement}
  - kind: judge
    name: umpire
    endpoint: "http://127.0.0.1:1/v1"
    model: m
    rate: 0.05
    generation: 2
    resolve: {rate: 0.5}
    budget: {seconds_per_day: 600, usd_per_day: 20, usd_per_case: 0.01}
"""
    )

    lines = run([], "--list", "-c", str(path)).stdout.splitlines()

    assert lines == [
        "agreement      comparative  1 of calls",
        "umpire         preference   0.05 of calls; 0.5 of the others that agreement calls unknown; at most 600 s a day "
        "and worker; at most 20 USD a day and worker (0.01 a case); generation 2 (kind judge)",
    ]


def test_a_configuration_is_only_for_the_list(tmp_path: Path) -> None:
    assert run([], "--scorer", "exact", "-c", str(tmp_path / "x.yaml")).exit_code == 2
