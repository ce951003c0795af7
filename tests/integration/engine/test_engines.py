"""Supervision of engines, with a `vllm` that is the simulator."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import sidecar as sc
from fakes.vllm_package import starts, write_package

from shadow.errors import ConfigurationError, UnreachableError
from shadow.replay import vllm_server
from shadow.replay.vllm_server import Engines
from shadow.settings import Candidate, Settings, VllmBackend

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def environment(tmp_path):
    return write_package(tmp_path)


@pytest.fixture
def engines(environment, monkeypatch):
    monkeypatch.setattr(vllm_server, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(vllm_server, "BACKOFF_FIRST_SECONDS", 0.05)
    made = []

    def build(modes="serve", names=("a",), **backend):
        env = {**environment, "FAKE_MODES": modes}
        given = VllmBackend(**{"model": "org/m", "python": sys.executable, "env": env, **backend})
        made.append(Engines.of(Settings(candidates=[Candidate(name=n, backend=given) for n in names])))
        return made[-1]

    yield build
    for one in made:
        one.stop()


def wait_until(holds, seconds=20.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if holds():
            return
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s")


def answers(url):
    try:
        return sc.status(url + "/models") == 200
    except OSError:
        return False


def alive(pid):
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_an_engine_serves_for_all_that_share_it_and_leaves_nobody_behind(engines, tmp_path):
    running = engines(names=("a", "b"))
    running.start()
    url = running.addresses()["a"]
    wait_until(lambda: answers(url))
    (only,) = starts(tmp_path)
    running.stop()

    assert running.addresses() == {"a": url, "b": url}
    assert not alive(only[0])
    assert not alive(only[1])


def test_a_killed_engine_starts_again_on_its_address_and_its_workers_go_first(engines, tmp_path, caplog):
    running = engines()
    running.start()
    url = running.addresses()["a"]
    wait_until(lambda: answers(url))
    engine, worker = map(int, starts(tmp_path)[0][:2])
    os.kill(engine, signal.SIGKILL)
    wait_until(lambda: len(starts(tmp_path)) == 2 and answers(url))

    assert not alive(worker)
    assert running.addresses()["a"] == url
    assert "killed (SIGKILL" in caplog.text


def test_a_wedged_engine_is_ended_and_started_anew(engines, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(vllm_server, "WEDGED_SECONDS", 0.5)
    monkeypatch.setattr(vllm_server, "HEALTH_SECONDS", 0.2)
    running = engines()
    running.start()
    url = running.addresses()["a"]
    wait_until(lambda: answers(url))
    time.sleep(0.2)  # its keeper has to have seen it up
    os.kill(int(starts(tmp_path)[0][0]), signal.SIGSTOP)
    wait_until(lambda: len(starts(tmp_path)) == 2 and answers(url), 30)

    assert "has not answered for" in caplog.text


def test_a_crash_loop_ends_with_the_reason(engines, tmp_path, caplog):
    running = engines("oom,oom,oom,serve", max_restarts_per_hour=2)
    running.start()
    wait_until(lambda: "all it may have" in caplog.text)

    assert len(starts(tmp_path)) == 3
    assert "ran out of memory" in caplog.text
    assert "CUDA out of memory. Tried to allocate" in caplog.text


def test_an_engine_that_does_not_start_in_time_is_ended(engines, tmp_path, caplog):
    running = engines("slow", start_timeout_seconds=0.5, max_restarts_per_hour=0)
    running.start()
    wait_until(lambda: "was not ready after 0.5 s" in caplog.text)
    wait_until(lambda: not alive(starts(tmp_path)[0][0]))


def test_what_an_engine_says_of_its_traffic_does_not_reach_our_log(engines, caplog):
    running = engines("leak", max_restarts_per_hour=0)
    running.start()
    wait_until(lambda: "all it may have" in caplog.text)

    assert "SECRET" not in caplog.text


def test_a_python_without_vllm_is_refused_before_anything_starts(engines):
    with pytest.raises(ConfigurationError, match="has no vLLM; set backend"):
        engines(env={"PYTHONPATH": ""}).start()


def test_a_port_that_is_taken_is_refused_before_anything_starts(engines):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(UnreachableError, match="cannot be used"):
            engines(port=other.getsockname()[1]).start()


def test_a_killed_parent_leaves_no_engine(tmp_path, environment):
    code = (
        "import sys, time\n"
        "from shadow.replay.vllm_server import Engines\n"
        "from shadow.settings import *\n"
        f"b = VllmBackend(model='m', python=sys.executable, env={environment!r})\n"
        "e = Engines.of(Settings(candidates=[Candidate(name='a', backend=b)])); e.start(); time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code])
    wait_until(lambda: len(starts(tmp_path)) == 1 and len(starts(tmp_path)[0]) > 2)
    parent.kill()
    parent.wait(5)

    wait_until(lambda: not alive(starts(tmp_path)[0][0]) and not alive(starts(tmp_path)[0][1]))


def test_the_sidecar_starts_its_engine_asks_it_and_ends_it(tmp_path, environment):
    source = {"kind": "jsonl", "path": str(sc.write_jsonl(tmp_path / "mirror.jsonl", map(sc.envelope, range(40))))}
    backend = {"kind": "vllm", "model": "org/m", "python": sys.executable, "env": environment}
    side = sc.Sidecar(tmp_path, source=source, candidates=[{"name": "a", "backend": backend}])
    try:
        side.run()
    finally:
        side.close()

    sc.exact(side.rows(), ("incumbent", "a"), 40)
    assert all(r["failure"] is None for r in side.rows())
    assert "ready after" in side.said()
    assert not any(alive(pid) for pid in starts(tmp_path)[0][:2])


def test_an_engine_outlives_a_restart_of_the_children(tmp_path, environment):
    source = {"kind": "jsonl", "path": str(sc.write_jsonl(tmp_path / "mirror.jsonl", map(sc.envelope, range(10))))}
    backend = {"kind": "vllm", "model": "org/m", "python": sys.executable, "env": environment}
    side = sc.Sidecar(tmp_path, source=source, candidates=[{"name": "a", "backend": backend}])
    try:
        child = side.start()
        side.wait_until(lambda: "intake is open" in side.said())
        os.kill(side.processes(child)["replayer"], signal.SIGKILL)
        side.wait_until(lambda: side.said().count("intake is open") == 2)
        child.terminate()
        assert side.finish(child) == 0
    finally:
        side.close()

    assert len(starts(tmp_path)) == 1
