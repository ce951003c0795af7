"""Known cases in a real run: a judge whose model is exchanged, heartbeats out of the topic, a budget that is used up."""

import json
import threading
import time
import urllib.request

import pytest
import sidecar as sc
from fakes.json_server import Canned, chat, serving

from shadow.demo.broker.thread import BrokerThread
from shadow.simulator.thread import SimulatorThread

pytestmark = pytest.mark.timeout(240)

HEARTBEATS = {"every": 0.5}


@pytest.fixture
def simulator():
    with SimulatorThread(ttft_ms=5) as running:
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


class Umpire:
    """A judge's server: calls any two answers equivalent, until its model is exchanged for one that favours the incumbent.

    Neither text says whose it is; the order does: of the two questions about a request the first has the incumbent as A.
    """

    def __init__(self):
        self.exchanged = threading.Event()
        self._asked_once = set()

    def __call__(self, body):
        verdict = "equivalent"
        if self.exchanged.is_set():
            request = body["messages"][1]["content"].split(">>>\n", 1)[1].split("\n<<<end", 1)[0]
            verdict = "b_better" if request in self._asked_once else "a_better"
            self._asked_once ^= {request}
        return chat(json.dumps({"reasoning": "as I see it", "verdict": verdict, "differences": []}))


def a_judge(url):
    return {"kind": "judge", "endpoint": f"{url}/v1", "model": "umpire"}


def metrics(url):
    with urllib.request.urlopen(url + "metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines if not line.startswith("#")}


def verdict(side):
    result = side.command("verdict", "--json", "--candidate", "a")
    return json.loads(result.stdout.splitlines()[-1]) if result.stdout else {}


def test_a_judge_that_is_exchanged_mid_run_holds_the_verdict_and_rejects_nobody(tmp_path, make, simulator):
    umpire = Umpire()
    with serving(Canned(umpire)) as url:
        path = sc.write_jsonl(tmp_path / "mirror.jsonl", [sc.envelope(i) for i in range(60)])
        side = make(
            source={"kind": "jsonl", "path": str(path)},
            candidates=[sc.candidate("a", simulator.url)],
            scorers=[a_judge(url)],
            policy={
                "quality": "judge",
                "violation": [],
                "min_duration": 0,
                "gates": [{"id": "quality", "metric": "score", "kind": "mean_drop", "margin": 0.05}],
            },
            heartbeat=HEARTBEATS,
            anchors={"dear_every": 0},
        )
        side.start()
        pages = side.metrics_url()
        side.wait_until(lambda: metrics(pages).get('shadow_scorer_drift_log_evalue{scorer="judge"}') is not None, 120)
        assert metrics(pages)['shadow_scorer_drift{scorer="judge"}'] == 0
        umpire.exchanged.set()
        with path.open("a") as file:  # evidence enough for a rejection before a drift can be proven
            file.write("".join(json.dumps(sc.envelope(i)) + "\n" for i in range(60, 400)))
        side.wait_until(lambda: metrics(pages)['shadow_scorer_drift{scorer="judge"}'] == 1, 60)
        side.wait_until(lambda: side.coverage()["dispositions"]["scored"] == 400, 90)

        losses = sum(row["labels"].get("judge") == "loss" for row in side.rows() if row["arm"] == "a")
        said = verdict(side)

    assert losses >= 300, "the evidence itself says that the candidate is worse"
    assert said["verdict"] == "hold"
    assert "scorer_drift" in said["hold"]
    assert side.coverage()["read"] == 400
    assert side.coverage()["residual"] == 0


def test_the_same_losses_from_a_judge_that_never_changed_are_a_rejection(tmp_path, make, simulator):
    umpire = Umpire()
    umpire.exchanged.set()
    with serving(Canned(umpire)) as url:
        path = sc.write_jsonl(tmp_path / "mirror.jsonl", [sc.envelope(i) for i in range(300)])
        side = make(
            source={"kind": "jsonl", "path": str(path)},
            candidates=[sc.candidate("a", simulator.url)],
            scorers=[a_judge(url)],
            policy={
                "quality": "judge",
                "violation": [],
                "min_duration": 0,
                "gates": [{"id": "quality", "metric": "score", "kind": "mean_drop", "margin": 0.05}],
            },
        )
        side.run(seconds=120)

    assert verdict(side)["verdict"] == "reject"


def test_heartbeats_that_are_written_into_the_topic_come_back_as_heartbeats(tmp_path, make, simulator):
    with BrokerThread(partitions=2) as broker:
        side = make(
            source={"kind": "kafka", "bootstrap_servers": broker.bootstrap, "topic": "llm.mirror", "start": "earliest"},
            candidates=[sc.candidate("a", simulator.url)],
            heartbeat={**HEARTBEATS, "produce": True},
        )
        sent = side.command("mirror", str(sc.write_jsonl(tmp_path / "m.jsonl", [sc.envelope(i) for i in range(10)])))
        assert sent.returncode == 0, sent.stderr
        child = side.start()
        pages = side.metrics_url()
        before = time.time()
        side.wait_until(lambda: side.coverage()["dispositions"]["heartbeat"] >= 3, 60)
        side.wait_until(lambda: metrics(pages)['shadow_known_record_timestamp_seconds{path="topic"}'] > before, 30)
        child.terminate()
        assert side.finish(child) == 0

        coverage = side.coverage()

    assert coverage["residual"] == 0
    assert coverage["dispositions"]["scored"] == 10
    assert coverage["arms"]["a"]["outcomes"] == 10, "no arm was asked about a heartbeat"
    assert coverage["arms"]["incumbent"]["outcomes"] == 10
    assert side.command("verify").returncode == 0
    assert "ERROR" not in side.said()


def test_a_used_up_budget_is_shown_and_counted_and_survives_a_restart(tmp_path, make, simulator):
    canned = Canned(Umpire())
    with serving(canned) as url:
        judge = {**a_judge(url), "budget": {"usd_per_day": 0.8, "usd_per_case": 0.01}}
        path = sc.write_jsonl(tmp_path / "mirror.jsonl", [sc.envelope(i) for i in range(150)])
        side = make(
            source={"kind": "jsonl", "path": str(path)},
            candidates=[sc.candidate("a", simulator.url)],
            scorers=[judge],
            heartbeat={"every": 2},  # known cases are paid from the same budget
        )
        child = side.start()
        pages = side.metrics_url()
        key = '{scorer="judge",limit="usd"}'
        side.wait_until(lambda: side.coverage()["dispositions"]["scored"] == 150, 60)
        side.wait_until(lambda: metrics(pages).get(f"shadow_scorer_skipped_total{key}", 0) > 0, 30)
        assert metrics(pages)[f"shadow_scorer_budget_used_ratio{key}"] >= 1
        known = 'shadow_known_record_timestamp_seconds{path="worker"}'
        before = time.time()
        side.wait_until(lambda: metrics(pages)[known] > before + 2, 60)  # a heartbeat keeps what was used
        child.terminate()
        assert side.finish(child) == 0
        judged = sum(row["scores"].get("judge") is not None for row in side.rows())
        with path.open("a") as file:
            file.write("".join(json.dumps(sc.envelope(i)) + "\n" for i in range(150, 200)))
        side.run()

    assert 0 < judged < 150
    assert sum(row["scores"].get("judge") is not None for row in side.rows()) == judged
    assert side.coverage()["dispositions"]["scored"] == 200
