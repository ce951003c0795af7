"""`shadow trial` against a running sidecar: an incumbent that shares its capacity with the candidate, and one that does not."""

import http.client
import json
import signal
import subprocess
import sys
import threading
import time
from urllib.parse import urlsplit

import pytest
import sidecar as sc

pytestmark = pytest.mark.timeout(240)


class Server:
    """`shadow simulate` with the models prod and cand, in a process of its own."""

    def __init__(self, *options):
        models = ("--model", "prod", "--model", "cand")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "shadow", "simulate", "--port", "0", *models, *options],
            stdout=subprocess.PIPE,
            text=True,
        )
        self.url = self.process.stdout.readline().strip()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)
        self.process.stdout.close()


class Going:
    """Something done again and again in threads until the end."""

    def __init__(self, work, threads=1):
        self._work, self._over = work, threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(n,), daemon=True) for n in range(threads)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error):
        self._over.set()
        for thread in self._threads:
            thread.join(10)

    def _run(self, number):
        self._work(number, self._over)


def production(url):
    """Users of the incumbent: short requests to prod, about 20 a second from each thread."""
    place = urlsplit(url)

    def work(number, over):
        connection = http.client.HTTPConnection(place.hostname, place.port, timeout=10)
        count = 0
        while not over.wait(0.02):
            count += 1
            body = {"model": "prod", "messages": [{"role": "user", "content": f"{number}/{count}"}], "max_tokens": 4}
            connection.request("POST", "/v1/chat/completions", json.dumps(body))
            connection.getresponse().read()
        connection.close()

    return Going(work, threads=4)


def mirror(path):
    """A file that grows by 60 records a second."""

    def work(_, over):
        count = 0
        while not over.wait(0.1):
            with path.open("a") as file:
                file.writelines(json.dumps(sc.envelope(count + i)) + "\n" for i in range(6))
            count += 6

    path.write_text("")
    return Going(work)


def tried(tmp_path, server, *options):
    """What `shadow trial --json` says, and the sidecar it was tried on."""
    with production(server.url), mirror(tmp_path / "mirror.jsonl"):
        side = sc.Sidecar(
            tmp_path,
            source={"kind": "jsonl", "path": str(tmp_path / "mirror.jsonl")},
            baseline={"url": server.url, "model": "prod", "rate": 0.01},
            candidates=[{"name": "cand", "backend": {"kind": "openai", "url": server.url, "model": "cand"}}],
        )
        try:
            child = side.start()
            url = side.metrics_url()
            side.wait_until(lambda: 'arm="cand",route="none",outcome="ok"' in sc.get(url + "metrics"))
            time.sleep(1.5)  # the monitor's first word about its arms
            course = ["--minutes", "0.65", "--block-seconds", "3", "--settle-seconds", "1.5", "--seed", "7"]
            result = subprocess.run(
                [*sc.SHADOW, "trial", "-c", str(side.config), *course, "--json", *options],
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            time.sleep(1.5)
            child.terminate()
            assert side.finish(child) == 0
        finally:
            side.close()
    assert result.stdout, result.stderr
    return result.returncode, json.loads(result.stdout), side


def test_an_incumbent_that_shares_its_capacity_is_found_harmed(tmp_path):
    with Server("--ttft-ms", "40", "--load-ms", "12") as server:
        code, finding, side = tried(tmp_path, server)

    assert (code, finding["verdict"]) == (1, "harmful"), finding
    assert finding["change"]["lower"] > 0.1
    assert finding["change"]["pairs"] == 6
    on = [block for block in finding["blocks"] if block["on"]]
    off = [block for block in finding["blocks"] if not block["on"]]
    assert len(on) == len(off) == 6
    assert min(block["shadow_calls"] for block in on) > 30
    assert max(block["shadow_calls"] for block in off) < 15  # what was under way when the order came
    assert not any("held back" in note for note in finding["notes"])  # by nobody but the trial
    coverage = side.coverage()
    assert coverage["residual"] == 0
    assert coverage["dispositions"]["paused"] > 100
    assert "trial is over" in side.said()


def test_an_incumbent_with_capacity_of_its_own_is_found_unharmed_also_by_probes(tmp_path):
    with Server("--ttft-ms", "150") as server:
        code, finding, _ = tried(tmp_path, server, "--probe", "--probes-per-second", "20", "--limit-percent", "50")

    assert (code, finding["verdict"]) == (0, "harmless"), finding
    assert finding["change"]["upper"] <= 0.5
    assert finding["requests_with"] > 60


def test_without_a_running_shadow_or_a_long_enough_course_nothing_begins(tmp_path):
    side = sc.Sidecar(
        tmp_path, source={"kind": "jsonl", "path": "x"}, candidates=[sc.candidate("a", "http://127.0.0.1:9/v1")]
    )
    short = side.command("trial", "--minutes", "2")
    none = side.command("trial", "--minutes", "20", "--metrics-url", "http://127.0.0.1:9/metrics")

    assert short.returncode == 2
    assert "--minutes 6" in short.stderr
    assert none.returncode == 3
    assert "ledger" in none.stderr
