"""Every wrong file gives one message that names the key with its line, the value and the remedy."""

import contextlib
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.app.checking import validated
from shadow.configuration import load
from shadow.errors import ConfigurationError

GOOD = 'candidates: [{name: c, backend: {kind: openai, url: "http://127.0.0.1:1/v1", model: m}}]\n'

# (file, what the message has to say)
WRONG = [
    ("", ["1", "is empty", "shadow init"]),
    ("- a\n- b\n", ["1", "key: value"]),
    ("candidates: [\n", ["not valid YAML", "a bracket or a brace is opened here"]),
    ("candidates:\n\t- name: c\n", ["2", "YAML", "spaces"]),
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
    (GOOD + "replay: {concurrency: many}\n", ["2", "replay.concurrency", "'many'", "whole number"]),
    (GOOD + "replay: {timeout_seconds: 60s}\n", ["2", "'60s'", "seconds, without a unit"]),
    (GOOD + "replay: {stream: maybe}\n", ["2", "replay.stream", "'maybe'", "true or false"]),
    (GOOD + "replay: 5\n", ["2", "replay", "'5'", "`key: value` lines", "concurrency"]),
    (GOOD + "replay:\n", ["2", "replay", "is empty", "or remove it"]),
    ("candidates:\n", ["1", "candidates", "is empty", "such as"]),
    ("candidates: {name: c}\n", ["1", "candidates", "has to be a list"]),
    ("candidates: [c]\n", ["1", "candidates[0]", "'c'", "backend"]),
    ("candidates: [{name: c}]\n", ["1", "candidates[0].backend", "is required", "kind: openai"]),
    (GOOD.replace("kind: openai, ", ""), ["candidates[0].backend.kind", "`kind: openai` or `kind: vllm`"]),
    (GOOD.replace("openai", "tgi"), ["candidates[0].backend.kind", "'tgi'", "openai, vllm"]),
    (GOOD.replace(", model: m", ""), ["candidates[0].backend.model", "is required", "lists its model"]),
    (GOOD.replace("name: c", "name: my model"), ["candidates[0].name", "'my model'", "letters, digits"]),
    (GOOD.replace("model: m", "model: m, api_key: sk-1234"), ["backend.api_key", "not a known key", "`api_key_env`"]),
    (GOOD.replace("127.0.0.1:1", "u:hunter2@h"), ["candidates[0].backend.url", "carries a user", "api_key_file"]),
    (GOOD.replace("127.0.0.1:1", "h:70000"), ["candidates[0].backend.url", "wrong port"]),
    (GOOD.replace("model: m", "model: m, api_key_env: SHADOW_TEST_NO_KEY"), ["SHADOW_TEST_NO_KEY", "export it"]),
    (GOOD.replace("name: c", "name: c, variant: {sampling: {model: x}}"), ["[0].variant", "may not set 'model'"]),
    (GOOD.replace("name: c", "name: c, drop: [messages]"), ["[0].drop", "is the prompt itself"]),
    (GOOD + "baseline: {url: 'http://h/v1'}\n", ["2", "baseline.model", "is required"]),
    (GOOD + "sampling: {unit: call}\n", ["2", "sampling.unit", "'call'", "has to be session"]),
    (GOOD + "sampling: {counted_turn: last}\n", ["2", "'last'", "geometric, first"]),
    (GOOD + "policy: {alpha: 0.05}\n", ["2", "policy.alpha", "'0.05'", "promote, reject"]),
    (GOOD + "policy: {alpha: {promote: 0.9}}\n", ["2", "policy.alpha.promote", "'0.9'", "less than 0.5"]),
    (GOOD + "policy: {violation: refusal}\n", ["2", "policy.violation", "'refusal'", "has to be a list"]),
    (GOOD + "policy: {violation: [refusl]}\n", ["2", "policy.violation", "'refusl'", "did you mean refusal"]),
    (GOOD + "policy: {quality: agreemnt}\n", ["2", "policy.quality", "'agreemnt'", "did you mean agreement"]),
    (
        GOOD + "policy:\n  gates:\n  - {id: a, metric: violations, kind: rate, max: 0.1}\n",
        ["4", "policy.gates[0].metric", "'violations'", "did you mean violation"],
    ),
    (
        GOOD + "policy:\n  gates:\n  - {id: a, metric: failure, kind: rate, max: 0.1, margin: 0.1}\n",
        ["4", "policy.gates[0].margin", "means nothing for kind rate", "remove it"],
    ),
    (
        GOOD + "policy:\n  gates:\n  - {id: a, metric: score, kind: rate, max: 0.1}\n",
        ["4", "policy.gates[0]", "cannot read 'score'", "mean_drop"],
    ),
    (
        GOOD + "policy:\n  gates:\n  - &g {id: a, metric: failure, kind: rate, max: 0.1}\n  - *g\n",
        ["policy.gates", "gate ids have to be unique"],
    ),
    (GOOD + "scorers: [{kind: relevance, flag: 3}]\n", ["2", "scorers[0].flag", "no option of the scorer relevance"]),
    (GOOD + "scorers: [{kind: regex}]\n", ["2", "scorers[0].pattern", "is required"]),
    (GOOD + "scorers: [{kind: regex, pattern: '('}]\n", ["2", "scorers[0].pattern", "'('", "no regular expression"]),
    (GOOD + "scorers: [{kind: entailment}]\n", ["2", "scorers[0]", "`path` or `endpoint`"]),
    (GOOD + "scorers: [relevance]\n", ["2", "scorers[0]", "'relevance'", "kind, name, rate"]),
    (GOOD + "source: {topic: t}\n", ["2", "source.kind", "is required", "`kind: kafka` or `kind: jsonl`"]),
    (GOOD + "source: {kind: kafka, topic: 'a b'}\n", ["2", "source.topic", "'a b'", "underscore"]),
    (
        GOOD + "source: {kind: kafka, security: {sasl_mechansim: PLAIN}}\n",
        ["2", "source.security.sasl_mechansim", "`sasl_mechanism`"],
    ),
    (
        GOOD + "source: {kind: kafka, security: {security_protocol: TLS}}\n",
        ["2", "source.security.security_protocol", "'TLS'", "SASL_SSL"],
    ),
    (
        GOOD + "source: {kind: kafka, security: {security_protocol: SSL, ssl_cafile: none.pem}}\n",
        ["2", "source.security.ssl_cafile", "none.pem", "check the path"],
    ),
    (
        GOOD + "source: {kind: kafka, security: {sasl_mechanism: PLAIN}}\n",
        ["2", "source.security.sasl_mechanism", "security_protocol: SASL_PLAINTEXT"],
    ),
    (GOOD + "ledger: {text: all}\n", ["2", "ledger.text", "'all'", "none, redacted, full"]),
    (GOOD + "ledger: {url: 'sqlite://'}\n", ["2", "ledger.url", "names no file"]),
    (GOOD + "incumbent: prod\n", ["2", "incumbent", "'prod'", "name, price"]),
    (
        GOOD + "incumbent: {price: {gpu_usd_per_hour: 1, output_usd_per_million: 3}}\n",
        ["2", "incumbent.price", "not both"],
    ),
    (GOOD + "web: {port: 99999}\n", ["2", "web.port", "'99999'", "at most 65535"]),
    (GOOD + "a: b: c\n", ["2", "second colon"]),
    (GOOD + "a: @x\n", ["2", "put it in quotes"]),
    (GOOD + "1: 2\n", ["2", "1: is not a known key", "candidates"]),
    (GOOD + "? [a]\n: b\n", ["2", "plain words"]),
]

# Wrong files with something secret in them, which no message may show.
SECRETS = [
    GOOD + "ledger: {url: 'mysql://u:hunter2@h/x'}\n",
    GOOD + "ledger: {url: 'postgres://hunter2@h/x'}\n",
    GOOD + "source: {kind: kafka, security: hunter2}\n",
    GOOD + "source: {kind: kafka, security: {sasl_plain_passwort: hunter2}}\n",
    GOOD.replace("model: m", "model: m, headers: hunter2"),
    GOOD.replace("model: m", "model: m, api_key: hunter2"),
    GOOD.replace("127.0.0.1:1/v1", "u:hunter2@h:x/v1"),
    GOOD + "baseline: {url: 'http://u:hunter2@h/v1', model: m}\n",
    GOOD + "web: {token_file: sk-hunter2hunter2hunter2}\n",
    GOOD + "ledger: {url: *hunter2}\n",
    GOOD + "ledger: {url: 'postgresql://u:${SHADOW_TEST_UNSET}hunter2@h'}\n",
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


@pytest.mark.parametrize("text", SECRETS)
def test_no_message_shows_a_secret(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shadow.yaml").write_text(text)

    with pytest.raises(ConfigurationError) as caught:
        validated("shadow.yaml")

    assert "hunter2" not in str(caught.value)


def test_every_problem_is_said_at_once(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text(GOOD + "replay: {retries: -1, stream: 7}\nweb: {port: x}\n")

    with pytest.raises(ConfigurationError) as caught:
        load(path)

    assert len(caught.value.problems) == 3


@given(st.text(max_size=200))
def test_no_text_makes_anything_but_settings_or_messages(text):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.yaml"
        path.write_text(text, encoding="utf-8", errors="replace")
        with contextlib.suppress(ConfigurationError):
            load(path, {})


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
