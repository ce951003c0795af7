"""Every wrong file gives one message that names the key with its line, the value and the remedy."""

import pytest

from shadow.app.checking import validated
from shadow.configuration import load
from shadow.errors import ConfigurationError

GOOD = 'candidates: [{name: c, backend: {kind: openai, url: "http://127.0.0.1:1/v1", model: m}}]\n'

# (file, what the message has to say)
WRONG = [
    ("", ["1", "is empty", "shadow init"]),
    ("- a\n- b\n", ["1", "key: value"]),
    ("candidates: [\n", ["not valid YAML", "check indentation"]),
    ("candidates:\n\t- name: c\n", ["2", "YAML"]),
    ("source: {kind: kafka}\n", ["candidates", "is required", "such as"]),
    ("candidates: []\n", ["1", "candidates", "at least one"]),
    (GOOD + "replay: {conccurency: 3}\n", ["2", "replay.conccurency", "not a known key", "`concurrency`"]),
    (GOOD + "replays: {}\n", ["2", "replays", "`replay`"]),
    (GOOD + "replay:\n  timeout_seconds: soon\n", ["3", "replay.timeout_seconds", "'soon'", "number"]),
    (GOOD + "replay:\n  timeout_seconds: -1\n", ["3", "'-1'", "greater than 0"]),
    (GOOD + "replay: {retries: 2}\nreplay: {retries: 3}\n", ["3", "replay", "twice"]),
    (GOOD + "sampling: {rate: 1.5}\n", ["2", "sampling.rate", "'1.5'", "at most 1"]),
    (GOOD + "sampling:\n  strata:\n  - {when: {route: x}, times: 3}\n", ["4", "power of two"]),
    (GOOD + "sampling: {rate: 0.5, strata: [{when: {route: x}, times: 4}]}\n", ["2", "sampling", "0.25"]),
    (GOOD + "source: {kind: kafak}\n", ["2", "source.kind", "'kafak'", "kafka, jsonl"]),
    (GOOD + "source: {kind: kafka, start: yesterday}\n", ["2", "latest", "earliest", "ISO 8601"]),
    (GOOD + "ledger: {url: mysql://x}\n", ["2", "ledger.url", "'mysql://x'", "sqlite:///"]),
    (GOOD + "policy: {min_duration: 2 weeks}\n", ["2", "policy.min_duration", "'2 weeks'", "24h"]),
    (GOOD + "policy:\n  gates:\n  - {id: a, metric: violation, kind: risk_difference}\n", ["4", "needs margin"]),
    (GOOD + "policy:\n  gates:\n  - {id: a, metric: failure, kind: risk}\n", ["4", "'risk'", "risk_difference"]),
    (GOOD + "web:\n  port: ${SHADOW_TEST_UNSET_PORT}\n", ["3", "web.port", "SHADOW_TEST_UNSET_PORT", "not set"]),
    (GOOD.replace("http:", "ftp:"), ["1", "candidates[0].backend.url", "http://127.0.0.1:8001/v1"]),
    (GOOD.replace("name: c", "name: incumbent"), ["incumbent", "is an arm already"]),
    (GOOD + "scorers: [{kind: agreeement}]\n", ["2", "scorers[0].kind", "'agreement'"]),
    (GOOD + "scorers: [{kind: relevance}, {kind: relevance}]\n", ["relevance", "twice", "name"]),
    (GOOD + "ledger: {url: 'sqlite:////no-such-folder-here/x.db'}\n", ["2", "ledger.url", "does not exist", "create"]),
    (GOOD + "web: {token_file: no-such-token}\n", ["2", "web.token_file", "no-such-token", "cannot be read"]),
]


@pytest.mark.parametrize(("text", "said"), WRONG, ids=[" ".join(said[:2])[:40] for _, said in WRONG])
def test_a_wrong_file_gives_one_message_that_teaches(tmp_path, monkeypatch, text, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shadow.yaml").write_text(text)

    with pytest.raises(ConfigurationError) as caught:
        validated("shadow.yaml")

    assert len(caught.value.problems) == 1, caught.value.problems
    message = caught.value.problems[0]
    assert message.startswith("shadow.yaml")
    assert "\n" not in message
    for word in said:
        assert word in message, message


def test_a_missing_file_says_how_to_make_one(tmp_path):
    with pytest.raises(ConfigurationError, match="shadow init"):
        load(tmp_path / "none.yaml")


def test_a_file_that_is_no_text_is_named_with_the_line(tmp_path):
    (tmp_path / "x.yaml").write_bytes(b"a: 1\nb: \xff\xfe\n")

    with pytest.raises(ConfigurationError, match=r"x\.yaml:2: is not UTF-8"):
        load(tmp_path / "x.yaml")


def test_the_environment_expands_and_its_values_never_show(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text(GOOD + "source: {kind: kafka, start: '${SECRET}', group_id: '${NAME:-fallback}'}\n")

    with pytest.raises(ConfigurationError) as caught:
        load(path, {"SECRET": "hunter2-hunter2"})

    assert "hunter2" not in str(caught.value)
    path.write_text(GOOD + "source: {kind: kafka, group_id: '${NAME:-fallback}'}\nweb: {port: '${PORT}'}\n")
    settings = load(path, {"PORT": "8080"})
    assert (settings.source.group_id, settings.web.port) == ("fallback", 8080)


def test_json_is_yaml(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text(
        '{"candidates": [{"name": "c", "backend": {"kind": "openai", "url": "http://h/v1", "model": "m"}}]}'
    )

    assert load(path).candidates[0].name == "c"


@pytest.mark.parametrize("example", ["kafka", "file", "hosted", "fleet"])
def test_every_shipped_example_is_valid(example, tmp_path, monkeypatch):
    from click.testing import CliRunner

    from shadow.cli.init import command

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOSTED_B_KEY", "x")
    result = CliRunner().invoke(command, ["--example", example])

    assert result.exit_code == 0
    assert validated("shadow.yaml").settings.candidates
