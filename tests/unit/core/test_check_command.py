"""`shadow check`: what a file amounts to, in words and as JSON, with exit codes that scripts may rely on."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from scorers import embedding
from shadow.app import connecting
from shadow.app.connecting_base import Line
from shadow.app.summarising import shown_url
from shadow.cli.check import command

CANDIDATE = {"name": "c", "backend": {"kind": "openai", "url": "http://127.0.0.1:1/v1", "model": "m"}}
BASELINE = {"url": "http://127.0.0.1:2/v1", "model": "prod", "rate": 0.5}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def check(*options: str, **sections: Any) -> Result:
    """Runs the command on a configuration."""
    Path("shadow.yaml").write_text(json.dumps({"candidates": [CANDIDATE], **sections}))
    return CliRunner().invoke(command, ["-c", "shadow.yaml", *options])


def gates(result: Result) -> dict[str, tuple[str, str | None]]:
    """State and reason of every gate in a JSON answer."""
    return {g["id"]: (g["state"], g["reason"]) for g in json.loads(result.output)["gates"]}


def test_gates_without_a_baseline_say_what_to_add(folder: Path) -> None:
    found = gates(check("--json"))

    assert found["failure"] == ("decidable", None)
    assert found["quality"][0] == "uncalibrated"
    assert found["p95"][0] == "not_evaluable"
    assert "add `baseline`" in (found["p95"][1] or "")


def test_with_a_baseline_every_gate_is_decidable(folder: Path) -> None:
    result = check("--json", baseline=BASELINE)

    assert {state for state, _ in gates(result).values()} == {"decidable"}
    assert result.exit_code == 0


def test_a_utility_without_prices_says_so(folder: Path) -> None:
    found = gates(check("--json", baseline=BASELINE, policy={"utility": {}}))

    assert found["utility"][0] == "not_evaluable"
    assert "price" in (found["utility"][1] or "")


def test_violation_scorers_that_nobody_hears_are_named(folder: Path) -> None:
    result = check()

    assert "policy.violation names toxicity, which no scorer hears" in result.output
    assert "no candidate can be promoted as long as these gates cannot be decided: quality, tail, p95" in result.output


def test_the_page_says_where_things_go(folder: Path) -> None:
    variant = {"system_prompt": "you are private", "sampling": {"temperature": 0.5, "top_p": None}}
    result = check(
        candidates=[{**CANDIDATE, "variant": variant, "drop": ["top_k"], "price": {"gpu_usd_per_hour": 2, "gpus": 2}}],
        sampling={"rate": 0.25, "strata": [{"when": {"route": "gold"}, "times": 4}]},
        ledger={"url": "sqlite:///x.db", "text": "redacted", "text_days": 3},
    )

    assert "25 % of sessions" in result.output
    assert "a call without a session key is a unit of its own" in result.output
    assert '4 times as many (100 %) where {"route": "gold"}' in result.output
    assert (
        "system prompt replaced by one of 15 characters, temperature 0.5, without top_p, never sends top_k"
        in result.output
    )
    assert "you are private" not in result.output
    assert "2 USD per GPU-hour x 2" in result.output
    assert "redacted, for 3 days" in result.output
    assert "to the file dead-letter.jsonl, without payload" in result.output
    assert "series in /metrics" in result.output


def test_nothing_secret_is_shown(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_ARM_KEY", "hunter2-key")
    Path("ca.pem").write_text("x")
    backend = {**CANDIDATE["backend"], "api_key_env": "TEST_ARM_KEY", "headers": {"x-key": "hunter2-header"}}  # type: ignore[dict-item]
    security = {
        "security_protocol": "SASL_SSL",
        "ssl_cafile": "ca.pem",
        "ssl_password": "hunter2-tls",
        "sasl_mechanism": "PLAIN",
        "sasl_plain_username": "shadow",
        "sasl_plain_password": "hunter2-kafka",
    }
    sections = {
        "candidates": [{**CANDIDATE, "backend": backend}],
        "source": {"kind": "kafka", "bootstrap_servers": "u:hunter2@h:1", "security": security},
        "ledger": {"url": "postgresql://u:hunter2-db@127.0.0.1:1/x?password=hunter2"},
    }
    for options in ([], ["--json"], ["--connect"], ["--connect", "--json"]):
        output = check(*options, **sections).output

        assert "hunter2" not in output
        assert "as shadow" in output


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:p@h:1/x?password=p", "postgresql://u@h:1/x"),
        ("sqlite:///a/b.db?x=1", "sqlite:///a/b.db"),
        ("https://u:p@h/v1?k=1#f", "https://h/v1"),
    ],
)
def test_a_url_is_shown_without_what_may_be_secret(url: str, shown: str) -> None:
    assert shown_url(url) == shown


def test_a_scorer_whose_extra_is_missing_has_to_be_fixed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding, "installed", lambda: False)

    result = check(scorers=[{"kind": "semantic"}, {"kind": "relevance"}])

    assert "FIX  scorer semantic: the extra `semantic` is not installed; `pip install" in result.output
    assert "NOTE relevance judges without similarity of meaning" in result.output
    assert result.exit_code == 2


def test_a_scorer_whose_key_is_not_set_has_to_be_fixed(folder: Path) -> None:
    judge = {"kind": "judge", "endpoint": "http://h/v1", "model": "j", "api_key_env": "SHADOW_TEST_NO_KEY"}

    result = check(scorers=[judge])

    assert "FIX  scorer judge: the environment variable SHADOW_TEST_NO_KEY is not set" in result.output
    assert result.exit_code == 2


def test_an_invalid_file_gives_its_problems_as_json(folder: Path) -> None:
    result = check("--json", replay={"retries": "x"})

    found = json.loads(result.output)
    assert found["valid"] is False
    assert found["problems"] == ["shadow.yaml:1: replay.retries: 'x' has to be a whole number"]
    assert result.exit_code == 2


def test_what_has_to_be_fixed_outside_leaves_with_3(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [Line(state="OK", subject="broker h:1", text="answers"), Line(state="FIX", subject="arm c", text="do this")]
    monkeypatch.setattr(connecting, "check_connections", lambda settings: lines)

    result = check("--connect")

    assert "OK   broker h:1: answers\nFIX  arm c: do this\n" in result.output
    assert result.exit_code == 3
    lines.pop()
    assert check("--connect").exit_code == 0


def test_a_check_that_hangs_is_left_and_one_that_breaks_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    from shadow.configuration import load

    release = threading.Event()

    def hang(*_: object) -> Any:
        release.wait(20)
        yield Line(state="OK", subject="ledger", text="late")

    def broken(*_: object) -> Any:
        raise RuntimeError("private text")
        yield

    monkeypatch.setattr("shadow.app.connecting_ledger.check_ledger", hang)
    monkeypatch.setattr("shadow.app.connecting_backend.check_backend", broken)
    Path("shadow.yaml").write_text(
        json.dumps({"candidates": [CANDIDATE], "source": {"kind": "jsonl", "path": "no.jsonl"}})
    )
    try:
        lines = connecting.check_connections(load("shadow.yaml"), seconds=0.5)
    finally:
        release.set()

    assert [(line.state, line.subject) for line in lines] == [("FIX", "source"), ("FIX", "arm c"), ("FIX", "ledger")]
    assert "there is no file no.jsonl" in lines[0].text
    assert "RuntimeError" in lines[1].text
    assert "private" not in lines[1].text
    assert "no answer within" in lines[2].text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "shadow.yaml:1: is empty"),
        ("candidates: [\n", "shadow.yaml:2: is not valid YAML"),
        ("candidates: []\n", "shadow.yaml:1: candidates: needs at least one entry"),
        (
            "candidates: [{name: c, backend: {kind: x}}]\n",
            "shadow.yaml:1: candidates[0].backend.kind: 'x' has to be one of",
        ),
    ],
)
def test_the_real_command_says_one_line_and_no_traceback(folder: Path, text: str, said: str) -> None:
    Path("shadow.yaml").write_text(text)

    done = subprocess.run(
        [sys.executable, "-m", "shadow", "check", "-c", "shadow.yaml"], capture_output=True, text=True, timeout=60
    )

    assert done.returncode == 2
    assert done.stderr.startswith(said)
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
