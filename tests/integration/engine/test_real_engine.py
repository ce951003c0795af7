"""Real vLLM servers (CPU build, `make engine`) as incumbent and candidate of the whole sidecar. Minutes, 3 GB of memory."""

import itertools
import json
import os
import re
import signal
import socket
import threading
import time
import urllib.request
from pathlib import Path

import pytest
import sidecar as sc

from shadow.replay.vllm_server import Engines
from shadow.settings import Candidate, Settings, VllmBackend

ROOT = Path(__file__).resolve().parents[3]
PYTHON = Path(os.environ.get("SHADOW_ENGINE_PYTHON", ROOT / ".venv-engine/bin/python"))
MODELS = ROOT / "shadow/demo/models"
ARGS = [
    "--max-model-len",
    "512",
    "--max-num-seqs",
    "16",
    "--dtype",
    "float32",
    "--enforce-eager",
    "--kv-cache-memory-bytes",
    "67108864",
]
ENVIRONMENT = {"HF_HUB_OFFLINE": "1", "VLLM_HOST_IP": "127.0.0.1"}
START_SECONDS = 600

pytestmark = [
    pytest.mark.engine,
    pytest.mark.timeout(1500),
    pytest.mark.skipif(not PYTHON.exists(), reason="no engine environment; make engine builds it"),
]


def backend(model, **changes):
    return {"kind": "vllm", "model": str(model), "python": str(PYTHON), "args": ARGS, "env": ENVIRONMENT, **changes}


def engines_of(model, **changes):
    given = VllmBackend(**{**backend(model), "start_timeout_seconds": START_SECONDS, **changes})
    return Engines.of(Settings(candidates=[Candidate(name="engine", backend=given)]))


def wait_until(holds, seconds, what):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if holds():
            return
        time.sleep(0.5)
    raise AssertionError(f"{what} not within {seconds} s")


def answers(url):
    try:
        return sc.status(url + "/models") == 200
    except OSError:
        return False


@pytest.fixture(scope="module")
def incumbent():
    """The incumbent's server, for its recorded answers and as the baseline."""
    running = engines_of(MODELS / "incumbent")
    running.start()
    url = running.addresses()["engine"]
    try:
        wait_until(lambda: answers(url), START_SECONDS, "the incumbent's server")
        yield url
    finally:
        running.stop()


QUESTIONS = ("How do I return my tent?", "Where is my order?", "How can I pay?", "Can I change my address?")


def ask(url, question):
    messages = [{"role": "user", "content": question}]
    body = {"model": str(MODELS / "incumbent"), "messages": messages, "max_tokens": 24, "temperature": 0}
    request = urllib.request.Request(
        url + "/chat/completions", json.dumps(body).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return body, json.loads(answer.read())


def read(url, pattern):
    """The values of the series on our metrics page that the pattern finds."""
    return [float(found) for found in re.findall(pattern, sc.get(url + "metrics"))]


class Traffic:
    """Mirrored traffic that goes on while the sidecar runs: real questions with the incumbent's real answers."""

    def __init__(self, path, recorded, per_second):
        self.path, self._recorded, self._period = path, itertools.cycle(recorded), 1 / per_second
        self.count = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._write, daemon=True)

    def __enter__(self):
        self.path.write_text("")
        self._thread.start()
        return self

    def __exit__(self, *error):
        self._over.set()
        self._thread.join(5)

    def _write(self):
        while not self._over.wait(self._period):
            body, response = next(self._recorded)
            line = {"id": f"r{self.count}", "request": body, "response": response, "status": 200, "latency_ms": 50}
            with self.path.open("a") as file:
                file.write(json.dumps(line) + "\n")
            self.count += 1


def parent_of(process):
    """The parent's id, from /proc; None when the process is gone."""
    try:
        return int(Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[1])
    except OSError:
        return None


def engine_process(sidecar):
    """The first process of the engine that a running `shadow run` keeps: the child of its leash."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"vllm.entrypoints.cli.main" in words and b"shadow.replay.vllm_leash" not in words:
            leash = parent_of(entry.name)
            if leash is not None and parent_of(leash) == sidecar.pid:
                return int(entry.name)
    raise AssertionError("it keeps no engine")


def group_of(process):
    """The living processes of a group."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[2]) == process and fields[0] != "Z":
            found.append(int(entry.name))
    return found


def test_incumbent_and_candidate_are_real_engines_and_faults_heal(tmp_path, incumbent):
    recorded = [ask(incumbent, question) for question in QUESTIONS]
    small = MODELS / "small"
    with Traffic(tmp_path / "mirror.jsonl", recorded, per_second=4) as traffic:
        side = sc.Sidecar(
            tmp_path,
            source={"kind": "jsonl", "path": str(traffic.path)},
            baseline={"url": incumbent, "model": str(MODELS / "incumbent"), "rate": 0.5, "max_requests_per_second": 5},
            candidates=[{"name": "small", "backend": backend(small)}],
            governor={},
            replay={"timeout_seconds": 20, "retries": 0, "drain_seconds": 5, "concurrency": 8},
        )
        try:
            child = side.start()
            side.wait_until(lambda: "intake is open" in side.said(), START_SECONDS)
            url = side.metrics_url()
            done = 'shadow_requests_total{arm="small",route="none",outcome="ok"}'

            def answered():
                found = [
                    line.rsplit(" ", 1)[1] for line in sc.get(url + "metrics").splitlines() if line.startswith(done)
                ]
                return float(found[0]) if found else 0.0

            side.wait_until(lambda: answered() > 20, 120)

            held = r'shadow_arm_memory_bytes{arm="small",memory="host"} (\S+)'
            side.wait_until(lambda: read(url, held), 30)
            print(f"resident memory of the engine's processes: {read(url, held)[0] / 2**30:.2f} GiB")
            assert read(url, held)[0] > 200 * 2**20  # torch alone is more
            peaks = r'shadow_arm_memory_peak_bytes{arm="small",memory="host",load="[^"]+"} (\S+)'
            side.wait_until(lambda: read(url, peaks), 30)
            side.wait_until(lambda: read(url, r'shadow_arm_kv_cache_peak_ratio{arm="small",load="[^"]+"} (\S+)'), 30)

            engine = engine_process(child)
            group = group_of(engine)
            assert len(group) > 1  # the engine is more than its first process
            os.kill(engine, signal.SIGKILL)
            side.wait_until(lambda: "it was killed (SIGKILL" in side.said(), 30)
            side.wait_until(lambda: side.said().count("ready after") == 2, START_SECONDS)
            assert not set(group) & set(group_of(engine))
            side.wait_until(lambda: side.said().count("arm small is up") == 2, 60)
            before = answered()
            side.wait_until(lambda: answered() > before + 10, 120)

            engine = engine_process(child)
            os.kill(engine, signal.SIGSTOP)
            side.wait_until(lambda: "has not answered for" in side.said(), 120)
            side.wait_until(lambda: side.said().count("ready after") == 3, START_SECONDS)
            side.wait_until(lambda: side.said().count("arm small is up") == 3, 60)
            before = answered()
            side.wait_until(lambda: answered() > before + 10, 120)
            last = engine_process(child)
            child.terminate()
            assert side.finish(child) == 0
            (tmp_path / "log").write_text(side.said())
        finally:
            side.close()
    print(side.said())
    assert not group_of(last)
    rows = side.rows()
    small_rows = [r for r in rows if r["arm"] == "small"]
    kinds = {r["failure"] for r in small_rows} - {None}
    assert kinds <= {"connection", "incomplete", "timeout", "unavailable"}
    assert "unavailable" in kinds
    evidence = [r for r in small_rows if r["failure"] not in (None, "unavailable")]
    assert 1 <= len(evidence) <= 2 + 8  # two outages, and at most what was in flight
    baseline = [r for r in rows if r["arm"] == "baseline" and r["failure"] is None]
    assert baseline
    assert all(r["output_tokens"] for r in small_rows + baseline if r["failure"] is None)
    assert sum(r["scores"]["exact"] == 1 for r in baseline) == len(baseline)  # greedy, float32: the same words again
    assert side.coverage()["residual"] == 0


@pytest.mark.parametrize(
    ("model", "changes", "words"),
    [
        ("no-such-org/no-such-model", {}, "cannot load the model"),
        (MODELS / "small", {"args": [*ARGS, "--no-such-argument"]}, "does not know an argument"),
        (MODELS / "small", {"args": [*ARGS[:-1], "100000"]}, "ran out of memory"),
    ],
)
def test_what_a_real_engine_dies_of_is_said_in_words(model, changes, words, caplog):
    running = engines_of(model, max_restarts_per_hour=0, **changes)
    try:
        running.start()
        wait_until(lambda: "all it may have" in caplog.text, START_SECONDS, "the end of the engine")
    finally:
        running.stop()

    assert words in caplog.text


def test_a_port_that_somebody_takes_while_the_engine_starts_is_said_in_words(caplog):
    running = engines_of(MODELS / "small", max_restarts_per_hour=0)
    for engine in running._engines:
        engine.prepare()
    with socket.socket() as other:
        other.bind(("127.0.0.1", int(running.addresses()["engine"].rsplit(":", 1)[1].split("/")[0])))
        other.listen()
        try:
            for engine in running._engines:
                engine.start()
            wait_until(lambda: "all it may have" in caplog.text, START_SECONDS, "the end of the engine")
        finally:
            running.stop()

    assert "its port is taken" in caplog.text
