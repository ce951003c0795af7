"""Memory of real servers in their own processes, sampled by the whole sidecar and joined with the load of each call."""

import json
import re
import signal
import subprocess
import sys
import urllib.request

import pytest
import sidecar as sc

from shadow.exporters.processes import descendants, resident_bytes

pytestmark = pytest.mark.timeout(120)


class Server:
    """`shadow simulate` in a process of its own, so that its memory is its own too."""

    def __init__(self, *options):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "shadow", "simulate", "--port", "0", *options], stdout=subprocess.PIPE, text=True
        )
        self.url = self.process.stdout.readline().strip()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)
        self.process.stdout.close()

    def control(self, **changes):
        request = urllib.request.Request(
            self.url.removesuffix("/v1") + "/control", json.dumps(changes).encode(), method="POST"
        )
        with urllib.request.urlopen(request, timeout=5):
            pass


def series(page, name):
    found = {}
    for labels, value in re.findall(rf"^{name}{{(.*?)}} (\S+)$", page, re.MULTILINE):
        found[tuple(re.findall(r'="(.*?)"', labels))] = float(value)
    return found


def status(side):
    result = side.command("status", "--json")
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)["memory"]


def test_peaks_follow_the_load_at_the_time_of_each_call_and_outlive_a_restart(tmp_path):
    """A hundred calls come at once: 24 are in flight while the cache is full; one by one they find it nearly empty."""
    with Server("--ttft-ms", "300", "--max-inflight", "4") as server:
        server.control(load={"kv_cache_usage_ratio": 0.875, "waiting": 3})
        path = sc.write_jsonl(tmp_path / "mirror.jsonl", map(sc.envelope, range(100)))
        side = sc.Sidecar(
            tmp_path,
            source={"kind": "jsonl", "path": str(path)},
            candidates=[sc.candidate("a", server.url)],
            replay={"timeout_seconds": 20, "concurrency": 24, "drain_seconds": 5},
        )
        try:
            child = side.start()
            url = side.metrics_url()
            side.wait_until(lambda: sum(series(sc.get(url + "metrics"), "shadow_arm_load_calls").values()) == 100)
            page = sc.get(url + "metrics")
            now = series(page, "shadow_arm_memory_bytes")
            measured = resident_bytes(descendants(server.process.pid))
            child.terminate()
            assert side.finish(child) == 0
            first = status(side)["a"]["classes"]

            server.control(load={"kv_cache_usage_ratio": 0.125})
            config = json.loads(side.config.read_text())
            config["replay"]["concurrency"] = 1
            side.config.write_text(json.dumps(config))
            with path.open("a") as file:
                file.writelines(json.dumps(sc.envelope(i)) + "\n" for i in range(100, 106))
            side.run(idle="6.5")
        finally:
            side.close()
        second = status(side)["a"]["classes"]

    assert now["a", "host"] == pytest.approx(measured, rel=0.1)
    assert ("a", "gpu") not in now or now["a", "gpu"] > 0
    assert series(page, "shadow_arm_kv_cache_peak_ratio")["a", "17-32"] == pytest.approx(0.875, abs=0.01)
    assert series(page, "shadow_arm_waiting_peak_requests")["a", "17-32"] >= 3 + 10
    assert first["17-32"]["calls"] >= 60
    assert second["17-32"] == first["17-32"]
    alone = second["1-2"]["calls"] - first.get("1-2", {"calls": 0})["calls"]
    assert alone == 6
    if "1-2" not in first:
        assert second["1-2"]["peak"]["kv_cache_ratio"] == pytest.approx(0.125, abs=0.01)
    assert second["1-2"]["peak"]["host_bytes"] > 20e6


def test_a_server_that_runs_out_of_memory_is_a_failure_of_that_kind_under_its_load(tmp_path):
    with Server("--ttft-ms", "50", "--fault", "out_of_memory:0.5") as server:
        path = sc.write_jsonl(tmp_path / "mirror.jsonl", map(sc.envelope, range(40)))
        side = sc.Sidecar(
            tmp_path, source={"kind": "jsonl", "path": str(path)}, candidates=[sc.candidate("a", server.url)]
        )
        try:
            side.run(idle="6.5")
            rows = [row for row in side.rows() if row["arm"] == "a"]
            table = status(side)["a"]["classes"]
            shown = side.command("status").stdout
        finally:
            side.close()

    failed = [row for row in rows if row["failure"] == "out_of_memory"]
    assert failed
    assert sum(one["out_of_memory"] for one in table.values()) == len(failed)
    assert "Memory under load" in shown
    assert "in flight ended out of memory" in shown


def test_a_server_without_engine_metrics_leaves_its_figures_unknown(tmp_path):
    """A candidate whose page holds no engine figures: its memory on this machine is known, its cache is not."""
    from fakes.json_server import Canned, chat, serving

    answer = {**chat("same"), "usage": {"prompt_tokens": 1, "completion_tokens": 1}}
    with serving(Canned(reply=answer)) as url:
        path = sc.write_jsonl(tmp_path / "mirror.jsonl", map(sc.envelope, range(4)))
        side = sc.Sidecar(
            tmp_path,
            source={"kind": "jsonl", "path": str(path)},
            candidates=[sc.candidate("a", url + "/v1")],
            replay={"stream": False, "timeout_seconds": 5, "start_timeout_seconds": 3, "warmup_calls": 0},
        )
        try:
            child = side.start()
            page_url = side.metrics_url()
            side.wait_until(lambda: ("a", "host") in series(sc.get(page_url + "metrics"), "shadow_arm_memory_bytes"))
            page = sc.get(page_url + "metrics")
            child.terminate()
            side.finish(child)
        finally:
            side.close()

    assert series(page, "shadow_arm_kv_cache_peak_ratio") == {}
    assert series(page, "shadow_arm_waiting_peak_requests") == {}
