"""`shadow ablate` on real vLLM servers (CPU build, `make engine`) with a small model of the demo. Minutes, 2 GB of memory."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from shadow.app.ablating import Asking, ablation_engine
from shadow.demo.corpus import questions
from shadow.replay.vllm_control import EngineControl
from shadow.replay.vllm_plan import served
from shadow.settings import Settings
from shadow.suites.ablate_cases import read_cases
from shadow.suites.ablate_effects import same_answer
from shadow.suites.ablate_state import FILE

ROOT = Path(__file__).resolve().parents[3]
PYTHON = Path(os.environ.get("SHADOW_ENGINE_PYTHON", ROOT / ".venv-engine/bin/python"))
MODEL = ROOT / "shadow/demo/models/incumbent"
ARGS = ["--max-model-len", "512", "--max-num-seqs", "16", "--dtype", "float32", "--kv-cache-memory-bytes", "67108864"]
ENVIRONMENT = {"HF_HUB_OFFLINE": "1", "VLLM_HOST_IP": "127.0.0.1"}
CASES, RUN_SECONDS = 120, 900
REDUNDANT = 1

pytestmark = [
    pytest.mark.engine,
    pytest.mark.timeout(2 * RUN_SECONDS),
    pytest.mark.skipif(not PYTHON.exists(), reason="no engine environment; make engine builds it"),
]


def configuration(model):
    backend = {"kind": "vllm", "model": str(model), "python": str(PYTHON), "args": ARGS, "env": ENVIRONMENT}
    return {
        "source": {"kind": "jsonl", "path": "none.jsonl"},
        "candidates": [{"name": "cand", "backend": {**backend, "start_timeout_seconds": 600}}],
        "scorers": [{"kind": "exact"}],
        "policy": {"quality": "exact"},
        "replay": {"concurrency": 8, "timeout_seconds": 60},
    }


def write_cases(path, count=CASES):
    asked = questions(11)
    rows = ({"id": f"c{i}", "messages": next(asked).messages, "max_tokens": 24} for i in range(count))
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


class Command:
    """`shadow ablate` in a folder of its own."""

    def __init__(self, folder, model):
        self.folder, self.out = folder, folder / "out"
        self._configuration = folder / "shadow.json"
        self._configuration.write_text(json.dumps(configuration(model)))
        self._cases = write_cases(folder / "cases.jsonl")

    def start(self, *arguments):
        words = ["--candidate", "cand", "--cases", self._cases, "--out", self.out, "-c", self._configuration, "--json"]
        return subprocess.Popen(
            [sys.executable, "-m", "shadow", "ablate", *map(str, words), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments):
        process = self.start(*arguments)
        try:
            said, words = process.communicate(timeout=RUN_SECONDS)
        finally:
            process.kill()
        print(words)
        return process.returncode, json.loads(said) if said else None, words

    def state(self):
        path = self.out / FILE
        return path.read_bytes() if path.exists() else b""


def found_of(report):
    return {row["name"]: row for row in report["ablations"]}


@pytest.fixture(scope="module")
def redundant(tmp_path_factory):
    """The model with one layer whose two last projections are zero, written with nothing of ours."""
    safetensors = pytest.importorskip("safetensors.torch")
    folder = tmp_path_factory.mktemp("redundant") / "model"
    folder.mkdir()
    for file in MODEL.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    tensors = safetensors.load_file(MODEL / "model.safetensors")
    for part in ("self_attn.o_proj", "mlp.down_proj"):
        tensors[f"model.layers.{REDUNDANT}.{part}.weight"].zero_()
    safetensors.save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def test_a_layer_that_matters_is_worse_and_a_redundant_one_is_not(tmp_path, redundant):
    code, report, words = Command(tmp_path, redundant).run("--layers", f"0,{REDUNDANT}", "--parts", "layer,mlp")
    found = found_of(report)

    assert code == 1, words
    assert found["0.layer"]["state"] == "worse"
    assert found["0.layer"]["effects"]["exact"]["upper"] < -report["margin"]
    for name in (f"{REDUNDANT}.layer", f"{REDUNDANT}.mlp"):
        assert (found[name]["state"], found[name]["changed"]) == ("not_worse", 0)
        assert found[name]["effects"]["exact"]["point"] == 0
    assert report["restored"]["answers_same"] == report["restored"]["answers"] == CASES
    assert report["restored"]["packed"] + report["restored"]["tensors"] > 0
    assert (tmp_path / "out/effects.svg").read_text().startswith("<svg")


def engine_processes(folder):
    """The processes of engines whose extension lies where this test's temporary files do."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            environment = (entry / "environ").read_bytes().split(b"\0")
            words = (entry / "cmdline").read_bytes().split(b"\0")
            zombie = (entry / "stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
        except OSError:
            continue
        if f"TMPDIR={folder}".encode() in environment and b"serve" in words and not zombie:
            found.append(int(entry.name))
    return found


def test_a_run_that_was_killed_goes_on_after_its_last_whole_ablation(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    command = Command(tmp_path, MODEL)
    wish = ("--layers", "0-3", "--parts", "mlp")
    first = command.start(*wish)
    try:
        end = time.monotonic() + RUN_SECONDS
        while command.state().count(b'{"done"') < 1:
            assert first.poll() is None, first.communicate()[1]
            assert time.monotonic() < end
            time.sleep(0.02)
        assert engine_processes(tmp_path)
    finally:
        first.send_signal(signal.SIGKILL)
        first.communicate(timeout=30)
    kept = command.state()
    kept = kept[: kept.rfind(b"\n") + 1]
    finished = [json.loads(line)["done"]["name"] for line in kept.splitlines() if b'{"done"' in line]
    end = time.monotonic() + 60
    while engine_processes(tmp_path):
        assert time.monotonic() < end, "an engine outlived the killed run"
        time.sleep(0.2)
    code, report, words = command.run(*wish)

    assert 1 <= len(finished) < 4
    assert code == 1, words
    assert list(found_of(report)) == [f"{i}.mlp" for i in range(4)]
    assert command.state().startswith(kept)
    assert not any(f"\n{name}:" in words for name in finished)
    assert words.count("answers changed") == 4 - len(finished)
    code, again, words = command.run(*wish)
    assert (code, again["ablations"], again["restored"]) == (1, report["ablations"], None)
    assert "loading" not in words


class Live:
    """One engine of the model with the extension, and its cases."""

    def __init__(self, folder, model, url):
        settings = Settings.model_validate(configuration(model))
        self.control = EngineControl(int(url.rsplit(":", 1)[1].split("/")[0]))
        self.cases = read_cases(str(write_cases(folder / "cases.jsonl")), max_output_tokens=24).cases
        self.asking = Asking(settings, served(settings.candidates[0], url))

    def answers(self):
        outcomes = self.asking(self.cases)
        assert all(outcome.failure is None for outcome in outcomes)
        return outcomes


def engine_of(model):
    settings = Settings.model_validate(configuration(model))
    return ablation_engine(settings, settings.candidates[0], print)


def same(one, other):
    return sum(map(same_answer, one, other))


def folder_digest(folder):
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in Path(folder).iterdir()}


@pytest.mark.parametrize(("layers", "scale"), [("1-2", 0.0), ("0", 0.5)])
def test_a_written_checkpoint_answers_as_the_live_ablation_and_the_engine_comes_back(tmp_path, layers, scale):
    first, last = (int(word) for word in (layers.split("-") * 2)[:2])
    targets = [(layer, part) for layer in range(first, last + 1) for part in ("attn", "mlp")]
    before_files = folder_digest(MODEL)
    with engine_of(MODEL) as url:
        live = Live(tmp_path, MODEL, url)
        untouched, fingerprint = live.answers(), live.control.fingerprint()
        live.control.ablate(targets, scale)
        ablated, while_ablated = live.answers(), live.control.fingerprint()
        calls = live.control.restore()
        restored, after = live.answers(), live.control.fingerprint()
    code, written, _ = Command(tmp_path, MODEL).run(
        "--layers", layers, "--parts", "layer", "--scale", str(scale), "--write-checkpoint", str(tmp_path / "copy")
    )
    with engine_of(tmp_path / "copy") as url:
        copied = Live(tmp_path, tmp_path / "copy", url).answers()

    assert all(calls[f"{layer}.{part}"] > 0 for layer, part in targets)
    assert same(untouched, ablated) < CASES - 20  # else the equalities below would say little
    assert while_ablated[0]["wiring"] != fingerprint[0]["wiring"]
    assert after == fingerprint
    assert same(untouched, restored) == CASES
    assert (code, written["changed"]) == (0, len(targets))
    assert same(ablated, copied) == CASES
    assert folder_digest(MODEL) == before_files
