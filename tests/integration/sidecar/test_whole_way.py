"""The main job for real: processes, pipe, ledger, pages."""

import json
import os
import signal
import time

import pytest
import sidecar as sc

from shadow.demo.broker.thread import BrokerThread
from shadow.simulator.thread import SimulatorThread

pytestmark = pytest.mark.timeout(180)


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


def from_file(tmp_path, records):
    return {"kind": "jsonl", "path": str(sc.write_jsonl(tmp_path / "mirror.jsonl", records))}


def test_a_file_goes_through_once_and_a_second_run_adds_nothing(tmp_path, make, simulator):
    records = [sc.envelope(i) for i in range(40)]
    side = make(source=from_file(tmp_path, records), candidates=[sc.candidate("a", simulator.url)])
    side.run()
    side.run()

    sc.exact(side.rows(), ("incumbent", "a"), 40)
    assert side.coverage()["residual"] == 0
    assert side.coverage()["read"] == 40
    assert side.command("verify").returncode == 0


def test_a_file_that_grows_is_followed(tmp_path, make, simulator):
    source = from_file(tmp_path, [sc.envelope(i) for i in range(5)])
    side = make(source=source, candidates=[sc.candidate("a", simulator.url)])
    side.run()
    with open(source["path"], "a") as file:
        file.write("".join(json.dumps(sc.envelope(i)) + "\n" for i in range(5, 9)))
    side.run()

    sc.exact(side.rows(), ("a",), 9)


def test_every_record_has_one_disposition_and_dead_letters_have_a_place(tmp_path, make, simulator):
    lines = [json.dumps(sc.envelope(0)), "not json {", json.dumps(sc.envelope(0)), '{"request": {"messages": []}}', ""]
    (tmp_path / "mirror.jsonl").write_text("\n".join(lines) + "\n")
    source = {"kind": "jsonl", "path": str(tmp_path / "mirror.jsonl"), "max_record_bytes": 2000}
    with open(source["path"], "a") as file:
        file.write(json.dumps(sc.envelope(7, tags={"x": "y" * 4000})) + "\n")
    side = make(source=source, candidates=[sc.candidate("a", simulator.url)])
    side.run()

    coverage = side.coverage()
    assert coverage["residual"] == 0
    wanted = {"scored": 1, "filtered": 1, "oversized": 1, "not_replayable": 1, "invalid": 2}
    assert {k: v for k, v in coverage["dispositions"].items() if v} == wanted
    dead = [json.loads(line) for line in (tmp_path / "dead-letter.jsonl").read_text().splitlines()]
    assert {(d["offset"], d["disposition"]) for d in dead} == {
        (1, "invalid"),
        (3, "not_replayable"),
        (4, "invalid"),
        (5, "oversized"),
    }
    assert all("payload_base64" not in d for d in dead)


def test_pages_metrics_and_health_are_served_while_it_runs(tmp_path, make, simulator):
    records = [sc.envelope(i) for i in range(20)]
    side = make(source=from_file(tmp_path, records), candidates=[sc.candidate("a", simulator.url)])
    child = side.start()
    url = side.metrics_url()
    side.wait_until(lambda: 'shadow_records_total{disposition="scored"} 20' in sc.get(f"{url}metrics"))

    assert json.loads(sc.get(f"{url}healthz"))["ok"]
    side.wait_until(lambda: sc.status(f"{url}readyz") == 200, 10)
    assert "a" in sc.get(url)
    os.killpg(child.pid, signal.SIGTERM)
    assert side.finish(child, 30) == 0


def test_a_text_that_ends_the_scoring_process_is_poison_after_its_third_death(tmp_path, make):
    (tmp_path / "deadly.py").write_text(
        "import os, signal\n"
        "def judge(case):\n"
        "    if 'deadly' in case.candidate.text:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return True\n"
    )
    answers = {f"say {i}": "a deadly answer" if i == 6 else f"answer {i}" for i in range(12)}
    with SimulatorThread(ttft_ms=5, answers=answers) as simulator:
        side = make(
            source=from_file(tmp_path, [sc.envelope(i) for i in range(12)]),
            candidates=[sc.candidate("a", simulator.url)],
            scorers=[{"kind": "assertions", "assertions": [{"type": "python", "value": "deadly:judge"}]}],
        )
        side.run(seconds=150, PYTHONPATH=f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")

    dispositions = {k: v for k, v in side.coverage()["dispositions"].items() if v}
    assert dispositions == {"scored": 11, "poison": 1}
    assert side.coverage()["residual"] == 0
    assert side.said().count("the evaluator process ended (signal SIGKILL)") == 3
    assert side.command("why", "r6").stdout.count("poison")


def test_killing_either_child_or_the_parent_loses_and_doubles_nothing(tmp_path, make):
    with SimulatorThread(ttft_ms=300) as simulator:
        records = [sc.envelope(i) for i in range(150)]
        side = make(source=from_file(tmp_path, records), candidates=[sc.candidate("a", simulator.url)])
        child = side.start("--until-idle", "1.5")
        for role in ("evaluator", "replayer"):
            side.wait_until(lambda: len(side.processes(child)) == 2)
            time.sleep(2.0)
            os.kill(side.processes(child)[role], signal.SIGKILL)
            time.sleep(0.5)
        side.wait_until(lambda: len(side.processes(child)) == 2)
        orphans = side.processes(child).values()
        os.kill(child.pid, signal.SIGKILL)
        child.wait(5)
        side.wait_until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in orphans), 5.5)
        side.run()

    sc.exact(side.rows(), ("incumbent", "a"), 150)
    assert side.coverage()["residual"] == 0
    assert side.command("verify").returncode == 0


def test_a_database_that_takes_nothing_holds_the_work_and_goes_on_without_loss(tmp_path, make):
    """A lock on the ledger stands for every reason why a transaction fails: full disk, lost server."""
    import sqlite3

    with SimulatorThread(ttft_ms=20) as simulator:
        side = make(
            source=from_file(tmp_path, [sc.envelope(i) for i in range(60)]),
            candidates=[sc.candidate("a", simulator.url)],
        )
        child = side.start("--until-idle", "1.5")
        side.wait_until(lambda: (tmp_path / "shadow.db").exists() and "pages and metrics" in side.said())
        with sqlite3.connect(tmp_path / "shadow.db", isolation_level=None) as lock:
            lock.execute("PRAGMA busy_timeout = 20000")
            lock.execute("BEGIN IMMEDIATE")
            time.sleep(4)
            lock.execute("ROLLBACK")
        assert side.finish(child) == 0

    sc.exact(side.rows(), ("a",), 60)


@pytest.fixture
def broker():
    with BrokerThread(partitions=4) as running:
        yield running


def from_topic(broker, name, **changes):
    return {
        "kind": "kafka",
        "bootstrap_servers": broker.bootstrap,
        "topic": name,
        "group_id": name,
        "start": "earliest",
        "session_timeout_seconds": 6,
        **changes,
    }


def test_a_second_worker_takes_partitions_over_and_back_without_loss_or_double(tmp_path, make, broker):
    with SimulatorThread(ttft_ms=300) as simulator:
        side = make(source=from_topic(broker, "rebalance"), candidates=[sc.candidate("a", simulator.url)])
        mirror = sc.write_jsonl(tmp_path / "m.jsonl", (sc.envelope(i) for i in range(600)))
        assert side.command("mirror", str(mirror), "--partitions", "4").returncode == 0
        first = side.start("--until-idle", "3")
        side.wait_until(lambda: "intake is open" in side.said())
        second = side.start()
        side.wait_until(lambda: side.said().count("consuming topic") == 2)
        time.sleep(4)
        os.killpg(second.pid, signal.SIGTERM)
        assert side.finish(second, 30) == 0
        assert side.finish(first, 90) == 0

    sc.exact(side.rows(), ("incumbent", "a"), 600)
    assert side.coverage()["residual"] == 0
    assert side.command("verify").returncode == 0


def test_a_worker_frozen_past_its_session_is_fenced_when_it_wakes(tmp_path, make, broker):
    with SimulatorThread(ttft_ms=200) as simulator:
        side = make(source=from_topic(broker, "frozen"), candidates=[sc.candidate("a", simulator.url)])
        mirror = sc.write_jsonl(tmp_path / "m.jsonl", (sc.envelope(i) for i in range(500)))
        assert side.command("mirror", str(mirror), "--partitions", "4").returncode == 0
        frozen = side.start()
        side.wait_until(lambda: (seen := side.command("coverage", "--json").stdout) and json.loads(seen)["read"] > 40)
        os.killpg(frozen.pid, signal.SIGSTOP)
        healthy = side.start("--until-idle", "3")
        time.sleep(9)
        os.killpg(frozen.pid, signal.SIGCONT)
        assert side.finish(healthy, 120) == 0
        os.killpg(frozen.pid, signal.SIGTERM)
        assert side.finish(frozen, 30) == 0

    sc.exact(side.rows(), ("incumbent", "a"), 500)
    assert side.command("verify").returncode == 0


@pytest.mark.parametrize("seconds", [8, pytest.param(30, marks=pytest.mark.slow)])
def test_a_broker_that_is_away_for_a_while_is_waited_for(tmp_path, make, broker, seconds):
    with SimulatorThread(ttft_ms=20) as simulator:
        side = make(source=from_topic(broker, f"away-{seconds}"), candidates=[sc.candidate("a", simulator.url)])
        before = sc.write_jsonl(tmp_path / "before.jsonl", (sc.envelope(i) for i in range(100)))
        after = sc.write_jsonl(tmp_path / "after.jsonl", (sc.envelope(i) for i in range(100, 200)))
        assert side.command("mirror", str(before), "--partitions", "2").returncode == 0
        child = side.start()
        side.wait_until(lambda: "intake is open" in side.said())
        broker.call("down")
        time.sleep(seconds)
        assert child.poll() is None, side.said()
        broker.call("up")
        assert side.command("mirror", str(after)).returncode == 0
        side.wait_until(lambda: len(side.rows()) >= 400, 60)
        child.send_signal(signal.SIGTERM)
        assert side.finish(child, 60) == 0

    sc.exact(side.rows(), ("incumbent", "a"), 200)
    assert side.coverage()["residual"] == 0


def test_a_topic_that_was_made_anew_is_refused_with_the_remedy(tmp_path, make, broker, simulator):
    side = make(source=from_topic(broker, "anew"), candidates=[sc.candidate("a", simulator.url)])
    mirror = sc.write_jsonl(tmp_path / "m.jsonl", (sc.envelope(i) for i in range(10)))
    assert side.command("mirror", str(mirror), "--partitions", "1").returncode == 0
    side.run()
    from kafka import KafkaAdminClient

    admin = KafkaAdminClient(bootstrap_servers=broker.bootstrap)
    admin.delete_topics(["anew"])
    admin.close()
    time.sleep(1)
    assert side.command("mirror", str(mirror), "--partitions", "1").returncode == 0

    assert side.finish(side.start("--until-idle", "3"), 60) == 3
    assert "made anew" in side.said()
    assert "Traceback" not in side.said()


def test_another_policy_is_answered_from_the_same_evidence(tmp_path, make, simulator):
    """It counts another scorer and another tail: the outcomes are folded anew, nothing is run again."""
    records = [sc.envelope(i, ts=f"2026-11-23T10:{i // 60:02d}:{i % 60:02d}Z") for i in range(120)]
    side = make(
        source=from_file(tmp_path, records),
        candidates=[sc.candidate("a", simulator.url)],
        scorers=[{"kind": "refusal"}],
        policy={
            "min_duration": "0s",
            "gates": [{"id": "f", "metric": "failure", "kind": "risk_difference", "margin": 0.1}],
        },
    )
    side.run()
    gates = [{"id": "tail", "metric": "score<0.7", "kind": "risk_difference", "margin": 0.2}]
    other = tmp_path / "other.yaml"
    other.write_text(json.dumps({"policy": {"quality": "refusal", "min_duration": "0s", "gates": gates}}))

    result = side.command("verdict", "--policy", str(other), "--json")
    line = json.loads(result.stdout)

    assert line["gates"][0]["n"] == 120
    assert line["gates"][0]["state"] == "proven"
    assert side.command("verify").returncode == 0
