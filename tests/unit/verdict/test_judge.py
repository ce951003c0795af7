"""`shadow judge` on files made anywhere: exit codes, lines of JSON, messages that name line and field."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from shadow.cli.judge import command
from shadow.cli.paired import read_pairs
from shadow.errors import ShadowError

POLICY = """
policy:
  quality: score
  gates:
  - {id: quality, metric: score, kind: mean_drop, margin: .08}
  - {id: tail, metric: "score<0.3", kind: risk_difference, margin: .03}
"""


@pytest.fixture
def judge(tmp_path: Path):
    (tmp_path / "policy.yaml").write_text(POLICY)

    def run(lines: list[Any], *args: str, policy: str | None = None) -> Result:
        if policy is not None:
            (tmp_path / "policy.yaml").write_text(policy)
        path = tmp_path / "pairs.jsonl"
        path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
        return CliRunner().invoke(command, [str(path), "--policy", str(tmp_path / "policy.yaml"), *args])

    return run


def stream(n: int, drop: float = 0.0, bad: float = 0.0, **more: Any) -> list[dict[str, Any]]:
    g = random.Random(7)
    lines = []
    for i in range(n):
        b = g.betavariate(8, 2)
        c = g.betavariate(1, 9) if g.random() < bad else b * (1 - drop)
        lines.append({"session": f"s{i}", "score": [c, b], "failure": [0, 0], **more})
    return lines


@pytest.mark.parametrize(
    ("lines", "code"), [(stream(500), 0), (stream(500, bad=0.3), 1), (stream(30), 2)], ids=["promote", "reject", "hold"]
)
def test_the_exit_code_is_the_verdict(judge, lines: list[Any], code: int) -> None:
    assert judge(lines).exit_code == code


def test_json_has_a_line_per_look_and_a_last_one(judge) -> None:
    result = judge(stream(420), "--look-every", "100", "--json", "--candidate", "cand-x")
    looks = [json.loads(line) for line in result.stdout.splitlines()]

    assert [look["n"] for look in looks] == [100, 200, 300, 400, 420]
    assert all({"n", "verdict", "gates"} <= look.keys() for look in looks)
    last = looks[-1]
    assert (last["candidate"], last["verdict"], last["hold"]) == ("cand-x", "promote", [])
    assert last["first"] == {"n": 200, "verdict": "promote"}
    assert [gate["id"] for gate in last["gates"]] == ["quality", "tail"]
    assert all({"id", "state", "lower", "point", "upper"} <= gate.keys() for gate in last["gates"])


def test_without_looks_there_is_one_line(judge) -> None:
    assert len(judge(stream(60), "--json").stdout.splitlines()) == 1


def test_a_later_rejection_beats_an_earlier_promotion(judge) -> None:
    lines = stream(500) + [line | {"session": f"t{i}"} for i, line in enumerate(stream(1500, bad=0.5))]
    result = judge(lines, "--look-every", "100", "--json")

    assert json.loads(result.stdout.splitlines()[-1])["first"]["verdict"] == "promote"
    assert result.exit_code == 1


def test_a_promotion_that_was_seen_once_is_the_exit_code(judge) -> None:
    lines = stream(300) + [line | {"session": f"t{i}"} for i, line in enumerate(stream(150, drop=0.2))]
    result = judge(lines, "--look-every", "50", "--json")

    assert result.exit_code == 0


def test_the_comment_is_markdown(judge) -> None:
    assert judge(stream(200), "--markdown").stdout.startswith("### Shadow: candidate: PROMOTE")


def test_columns_nowhere_in_the_file_are_not_evaluable(judge) -> None:
    gates = POLICY + "  - {id: safety, metric: violation, kind: risk_difference, margin: .01}\n  utility: {}\n"
    last = json.loads(judge(stream(600), "--json", policy=gates).stdout)

    assert last["hold"] == ["not_evaluable"]
    assert last["gates"][2]["state"] == "not_evaluable"


def test_times_make_min_duration_apply(judge) -> None:
    lines = [line | {"ts": 1_800_000_000 + i} for i, line in enumerate(stream(400))]

    assert json.loads(judge(lines, "--json").stdout)["hold"] == ["too_early"]


def test_turns_of_a_session_count_once_and_are_named(judge) -> None:
    result = judge([line | {"session": f"s{i // 4}"} for i, line in enumerate(stream(400))], "--json")

    assert json.loads(result.stdout)["n"] == 100
    assert "300 lines were further turns" in result.stderr


def test_segments_are_shown_worst_first(judge) -> None:
    lines = [line | {"segment": "de"} for line in stream(300)]
    lines += [line | {"segment": "fr", "session": f"f{i}"} for i, line in enumerate(stream(300, drop=0.3))]
    segments = json.loads(judge(lines, "--json").stdout)["segments"]

    assert [(s["segment"], s["state"]) for s in segments] == [("fr", "worse"), ("de", "not_worse")]
    assert "segment fr: worse, quality" in judge(lines).stdout


def test_a_segment_that_is_only_less_safe_is_worse_too(judge) -> None:
    policy = POLICY + "  - {id: safety, metric: violation, kind: risk_difference, margin: .01}\n"
    lines = [line | {"segment": "de", "violation": [0, 0]} for line in stream(600)]
    lines += [
        line | {"segment": "fr", "session": f"f{i}", "violation": [int(i % 8 == 0), 0]}
        for i, line in enumerate(stream(600))
    ]
    first, second = json.loads(judge(lines, "--json", policy=policy).stdout)["segments"]

    assert (first["segment"], first["state"], first["gate"]) == ("fr", "worse", "safety")
    assert (second["segment"], second["state"]) == ("de", "not_worse")


def test_a_comparative_score_counts_on_routes_where_the_incumbent_agrees_with_itself(judge) -> None:
    g = random.Random(3)
    lines = []
    for i in range(600):
        lines.append({"session": f"s{i}", "segment": "route=facts", "score": [1.0, 1.0]})
        lines.append({"session": f"t{i}", "segment": "route=poems", "score": [g.uniform(0, 0.3), g.uniform(0, 1)]})
    plain = judge(lines, "--json")
    compared = judge(lines, "--json", "--comparative")
    classes = {r["route"]: r["class"] for r in json.loads(compared.stdout)["calibration"]["routes"]}

    assert plain.exit_code == 1
    assert compared.exit_code == 0
    assert classes == {"facts": "deterministic", "poems": "open_ended"}
    assert json.loads(compared.stdout)["gates"][0]["n"] == 600
    assert "poems does not count for quality: open-ended" in judge(lines, "--comparative").stdout


def test_a_comparative_score_without_any_route_that_counts_decides_nothing(judge) -> None:
    g = random.Random(4)
    lines = [{"session": f"s{i}", "score": [g.random(), g.random()]} for i in range(400)]
    result = judge(lines, "--json", "--comparative")

    assert result.exit_code == 2
    assert json.loads(result.stdout)["hold"] == ["uncalibrated"]


def test_fixed_shares_weigh_the_segments_of_a_file(judge) -> None:
    shares = "  shares: {de: 0.5, fr: 0.5}\n"
    lines = [line | {"segment": "de"} for line in stream(900)]
    lines += [line | {"segment": "fr", "session": f"f{i}"} for i, line in enumerate(stream(300, drop=0.2))]
    free, fixed = judge(lines, "--json"), judge(lines, "--json", policy=POLICY + shares)

    assert json.loads(free.stdout)["gates"][0]["point"] == pytest.approx(0.04, abs=0.005)
    assert json.loads(fixed.stdout)["gates"][0]["point"] == pytest.approx(0.08, abs=0.005)


def test_a_share_of_a_segment_that_the_file_lacks_is_named(judge) -> None:
    shares = "  shares: {de: 0.5, it: 0.5}\n"
    lines = [line | {"segment": "de"} for line in stream(10)]
    result = judge(lines, policy=POLICY + shares)

    assert isinstance(result.exception, ShadowError)
    assert "no line has the segment 'it'; in the file are de" in str(result.exception)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"score": ["a", 1]}', "score[0]"),
        ('{"score": [0.5]}', "score"),
        ('{"score": [1.5, 1]}', "score[0]: 1.5 has to be between 0 and 1"),
        ('{"failure": [2, 0]}', "failure[0]: 2 has to be 0, 1"),
        ('{"latency_seconds": [-1, 1]}', "latency_seconds[0]"),
        ('{"weight": 3}', "weight: 3 has to be a power of two"),
        ('{"weight": 0}', "weight: 0 has to be a power of two"),
        ('{"weight": 1%s}' % ("0" * 400), "has to be a power of two"),
        ('{"tokens": [1%s, 1]}' % ("0" * 400), "tokens[0]"),
        ('{"ts": 1e300}', "is no time"),
        ('{"ts": "yesterday"}', "ts: 'yesterday' is no time"),
        ('{"score": [NaN, 1]}', "is no JSON object"),
        ("[1, 2]", "the line"),
        ("{", "is no JSON object"),
        ("[" * 5000, "pairs.jsonl:2"),
    ],
)
def test_a_bad_line_is_named_with_its_field(judge, line: str, said: str) -> None:
    result = judge([{"score": [1, 1]}, line])

    assert isinstance(result.exception, ShadowError)
    assert "pairs.jsonl:2" in str(result.exception)
    assert said in str(result.exception)


def test_misspelled_keys_are_named_once(judge) -> None:
    result = judge([line | {"latency_second": [1, 1]} for line in stream(20)])

    assert result.stderr.count("latency_second ") == 1


def test_null_is_unknown_and_weights_are_relative_to_the_largest(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(
        '{"score": null, "violation": [null, 1], "weight": 16}\n\n{"score": [null, 0.5], "failure": [1, 0]}\n'
        '{"score": [0.5, 0.5], "failure": [0, 1], "ts": "2026-11-23T10:00:00Z"}\n'
    )

    units = read_pairs(str(path)).units

    assert [unit.exponent for unit in units] == [0, 4, 4]
    assert units[0].pair.violation == (None, True)
    assert units[1].pair.score == (0.0, 0.5)
    assert units[2].pair.score == (0.5, None)
    assert units[2].pair.ts_unix_ms == 1_795_428_000_000


@pytest.mark.parametrize("args", [["missing.jsonl"], ["--nonsense"], []])
def test_errors_are_never_confused_with_hold(args: list[str]) -> None:
    result = CliRunner().invoke(command, args)

    assert result.exit_code == 3 or isinstance(result.exception, ShadowError)


@pytest.mark.parametrize(
    "policy", ["gates: 3", "{", "policy: {gates: [{id: a, metric: nothing, kind: rate, max: .1}]}"]
)
def test_a_wrong_policy_is_an_error(judge, policy: str) -> None:
    result = judge(stream(5), policy=policy)

    assert isinstance(result.exception, ShadowError)
    assert "policy" in str(result.exception)


def test_an_empty_file_is_an_error(judge) -> None:
    assert isinstance(judge([]).exception, ShadowError)
