"""Budgets and governor through the whole sidecar, against simulators."""

import re
import threading
import time

import pytest
import sidecar as sc

from shadow.simulator.thread import SimulatorThread

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def simulator():
    with SimulatorThread(ttft_ms=2) as running:
        yield running


@pytest.fixture
def make(tmp_path):
    made = []

    def build(**sections):
        made.append(sc.Sidecar(tmp_path, **sections))
        return made[-1]

    yield build
    for one in made:
        one.close()


def series(url, name):
    found = re.search(rf"^{name} (\S+)$", sc.get(url + "metrics"), re.MULTILINE)
    return None if found is None else float(found[1])


class Stream:
    """A file that grows while the sidecar reads it."""

    def __init__(self, path, per_second=100):
        self.path, self.count = path, 0
        self._over = threading.Event()
        self._period = 1 / per_second
        self._thread = threading.Thread(target=self._write, daemon=True)

    def __enter__(self):
        self.path.write_text("")
        self._thread.start()
        return self

    def __exit__(self, *error):
        self._over.set()
        self._thread.join(5)

    def _write(self):
        import json

        while not self._over.wait(self._period):
            with self.path.open("a") as file:
                file.write(json.dumps(sc.envelope(self.count)) + "\n")
            self.count += 1


def test_the_incumbents_pressure_halves_sampling_and_overload_pauses_it(tmp_path, make, simulator):
    metrics = simulator.url.removesuffix("/v1") + "/metrics"
    with Stream(tmp_path / "mirror.jsonl") as stream:
        side = make(
            source={"kind": "jsonl", "path": str(stream.path)},
            candidates=[sc.candidate("a", simulator.url)],
            governor={"metrics_url": metrics, "recover_seconds": 3},
        )
        child = side.start()
        url = side.metrics_url()
        side.wait_until(lambda: simulator.stats.completions > 50)
        assert series(url, "shadow_governor_probability_ratio") == 1

        simulator.change(load={"waiting": 9})
        began = time.monotonic()
        side.wait_until(lambda: "sampling at 0.5 of the rate" in side.said(), 5)
        assert time.monotonic() - began < 2  # a poll of 0.5 s and the log's way through a file

        simulator.change(load={"waiting": 40})
        side.wait_until(lambda: "replaying pauses" in side.said(), 5)
        side.wait_until(lambda: series(url, "shadow_governor_probability_ratio") == 0, 5)
        side.wait_until(lambda: simulator.stats.inflight == 0, 5)
        asked = simulator.stats.completions
        time.sleep(1.5)
        assert simulator.stats.completions == asked

        simulator.change(load={"waiting": 0})
        side.wait_until(lambda: "replaying goes on" in side.said(), 15)
        side.wait_until(lambda: simulator.stats.completions > asked + 20, 15)
        child.terminate()
        assert side.finish(child) == 0
    coverage = side.coverage()
    assert coverage["residual"] == 0
    assert coverage["dispositions"]["paused"] > 50
    assert coverage["dispositions"]["not_sampled"] > 10


class Watch:
    """Every request's path by the monotonic time of its arrival, as the simulator noted it."""

    def __init__(self, simulator):
        self._recent, self._over = simulator.stats.recent, threading.Event()
        self.arrivals = {}
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self):
        self.began = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *error):
        self._over.set()
        self._thread.join(5)

    def _look(self):
        while not self._over.wait(0.05):
            self.arrivals.update((one.arrived, one.path) for one in self._recent.copy() if one.arrived >= self.began)


def test_within_a_second_of_the_breached_poll_not_one_more_call_is_begun(tmp_path, make, simulator):
    """In real time, with a backlog of calls that were chosen before: they may wait for the arm, and must not be asked."""
    simulator.change(ttft_ms=150)
    metrics = simulator.url.removesuffix("/v1") + "/metrics"
    with Stream(tmp_path / "mirror.jsonl", per_second=100) as stream:
        side = make(
            source={"kind": "jsonl", "path": str(stream.path)},
            candidates=[sc.candidate("a", simulator.url)],
            governor={"metrics_url": metrics},
            replay={"timeout_seconds": 5, "window_calls": 256, "concurrency": 4, "drain_seconds": 3},
        )
        child = side.start()
        side.wait_until(lambda: simulator.stats.completions > 100)
        simulator.change(load={"waiting": 40})
        with Watch(simulator) as watch:
            side.wait_until(lambda: "replaying pauses" in side.said(), 10)
            time.sleep(2.5)
        child.terminate()
        assert side.finish(child) == 0

    breached = min(at for at, path in watch.arrivals.items() if path == "/metrics")
    last = max(at for at, path in watch.arrivals.items() if path == "/v1/chat/completions")
    print(f"the last call came {last - breached:+.3f} s after the breached poll")
    assert last - breached < 1
    assert side.coverage()["residual"] == 0


def test_a_daily_budget_stops_the_arms_survives_a_restart_and_says_so(tmp_path, make, simulator):
    source = {"kind": "jsonl", "path": str(sc.write_jsonl(tmp_path / "mirror.jsonl", map(sc.envelope, range(1500))))}
    side = make(
        source=source,
        candidates=[sc.candidate("a", simulator.url)],
        budget={"tokens_per_day": 3000},
        replay={"timeout_seconds": 5, "window_calls": 16, "concurrency": 4, "drain_seconds": 3},
    )
    side.run()
    first = side.coverage()
    used = sum((r["input_tokens"] or 0) + (r["output_tokens"] or 0) for r in side.rows() if r["arm"] == "a")
    asked = simulator.stats.completions
    with open(source["path"], "a") as file:
        import json

        file.write("".join(json.dumps(sc.envelope(i)) + "\n" for i in range(1500, 1600)))
    side.run()

    assert used >= 3000
    assert first["dispositions"]["paused"] > 0
    assert "of 3000 tokens of today (UTC) are used; replaying stops" in side.said()
    assert side.coverage()["dispositions"]["paused"] == first["dispositions"]["paused"] + 100
    assert side.coverage()["residual"] == 0
    assert simulator.stats.completions - asked <= 2  # the warm-up of the second start
