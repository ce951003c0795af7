"""`shadow ablate` before any engine starts: what cannot be asked is refused at once, by option and remedy."""

import json
import sys

import pytest
from click.testing import CliRunner

from shadow.cli.ablate import command
from shadow.errors import ConfigurationError

CASE = {"id": "1", "prompt": "Where is it?"}


@pytest.fixture
def ablate(tmp_path):
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text('{"num_hidden_layers": 4}')

    def run(*arguments, args=(), **changes):
        backend = {"kind": "vllm", "model": str(model), "python": sys.executable, "args": list(args)}
        hosted = {"kind": "openai", "url": "http://127.0.0.1:1/v1", "model": "m"}
        configuration = {
            "source": {"kind": "jsonl", "path": "none.jsonl"},
            "candidates": [{"name": "own", "backend": backend}, {"name": "hosted", "backend": hosted}],
            "scorers": [{"kind": "exact"}],
            "policy": {"quality": "exact"},
            **changes,
        }
        (tmp_path / "shadow.json").write_text(json.dumps(configuration))
        (tmp_path / "cases.jsonl").write_text(json.dumps(CASE) + "\n")
        words = ["-c", tmp_path / "shadow.json", "--cases", tmp_path / "cases.jsonl", "--out", tmp_path / "out"]
        return CliRunner().invoke(command, [*map(str, words), *arguments], catch_exceptions=False)

    return run


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ("--candidate", "none", "--layers", "0"),
            r"--candidate: there is no 'none'; the configuration has own, hosted",
        ),
        (("--candidate", "hosted", "--layers", "0"), r"somebody else runs \(kind: openai\)"),
        (("--candidate", "own", "--layers", "x"), r"--layers: 'x' is no layer; write all, or"),
        (("--candidate", "own", "--layers", "2-1"), r"--layers: '2-1' runs backwards; write 1-2"),
        (("--candidate", "own", "--layers", "0,4"), r"--layers: '4' is beyond the model; its layers are 0 to 3"),
        (("--candidate", "own", "--layers", "0", "--parts", "head"), r"--parts: 'head' is no part"),
        (("--candidate", "own", "--layers", "0", "--scale", "nan"), r"--scale: nan is no number"),
        (("--candidate", "own", "--layers", "0"), r"has no vLLM; set backend\.python"),
    ],
)
def test_what_cannot_be_asked_names_the_option_and_the_remedy(ablate, arguments, words):
    with pytest.raises(ConfigurationError, match=words):
        ablate(*arguments)


@pytest.mark.parametrize("argument", ["--no-enforce-eager", "--worker-extension-cls=mine.Own"])
def test_arguments_of_the_engine_that_an_ablation_needs_are_refused(ablate, argument):
    with pytest.raises(ConfigurationError, match=r"candidate own: backend\.args sets --.*, take it out"):
        ablate("--candidate", "own", "--layers", "0", args=[argument])


def test_cases_or_a_checkpoint_have_to_be_asked_for(tmp_path, ablate):
    ablate("--candidate", "own", "--layers", "0", "--help")
    words = ["-c", str(tmp_path / "shadow.json"), "--candidate", "own", "--layers", "0"]
    result = CliRunner().invoke(command, words)

    assert result.exit_code == 2
    assert "--cases FILE" in result.output


def test_the_help_documents_every_exit_code():
    said = CliRunner().invoke(command, ["--help"]).output

    assert all(f" {code} " in said for code in (0, 1, 2, 3))
