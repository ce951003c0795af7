"""kill -9 at random moments: nothing is lost, nothing counted twice, no process stays behind, whatever the broker."""

import os
import random
import signal
import socket
import subprocess
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import sidecar as sc

from shadow.demo.broker.thread import BrokerThread
from shadow.simulator.thread import SimulatorThread

ARMS = ("one", "two")
RUN_KAFKA = Path(__file__).resolve().parents[2].parent / "shared" / "kafka" / "run-kafka"
REAL = os.environ.get("SHADOW_TEST_KAFKA")


@pytest.fixture
def embedded() -> Iterator[str]:
    with BrokerThread(partitions=4) as broker:
        yield broker.bootstrap


@pytest.fixture
def real(tmp_path: Path) -> Iterator[str]:
    """The broker that SHADOW_TEST_KAFKA names, else one that is started here where its jars lie beside the project."""
    if REAL:
        yield REAL
        return
    if not RUN_KAFKA.exists():
        pytest.skip("no real Kafka: set SHADOW_TEST_KAFKA=host:port")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (tmp_path / "kafka.log").open("wb") as log:
        broker = subprocess.Popen([str(RUN_KAFKA), str(port), str(tmp_path / "kafka")], stdout=log, stderr=log)
    try:
        end = time.monotonic() + 60
        while True:
            assert broker.poll() is None, (tmp_path / "kafka.log").read_text()[-500:]
            assert time.monotonic() < end, "Kafka did not start in time"
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.3)
        yield f"127.0.0.1:{port}"
    finally:
        broker.terminate()
        broker.wait(20)


@pytest.mark.timeout(240)
def test_killed_processes_and_groups_lose_and_double_nothing(tmp_path, embedded):
    chaos(tmp_path, embedded, records=240, kills=3, workers=1, every=(2.5, 4.5), ttft_ms=400)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("workers", [1, 2])
def test_many_kills_on_the_embedded_broker(tmp_path, embedded, workers):
    chaos(tmp_path, embedded, records=2000, kills=10, workers=workers, every=(5, 12), ttft_ms=800)


@pytest.mark.slow
@pytest.mark.kafka
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("workers", [1, 2])
def test_many_kills_on_a_real_broker(tmp_path, real, workers):
    chaos(tmp_path, real, records=2000, kills=10, workers=workers, every=(5, 12), ttft_ms=800)


def chaos(
    folder: Path, bootstrap: str, *, records: int, kills: int, workers: int, every: tuple[float, float], ttft_ms: float
) -> None:
    """Kills one process or a whole group at random moments, then runs to the end and counts everything again."""
    dice = random.Random(records + workers)
    topic = f"chaos-{uuid.uuid4().hex[:8]}"
    source = {
        "kind": "kafka",
        "bootstrap_servers": bootstrap,
        "topic": topic,
        "group_id": topic,
        "start": "earliest",
        "session_timeout_seconds": 6,
    }
    with SimulatorThread(ttft_ms=ttft_ms) as one, SimulatorThread(ttft_ms=ttft_ms) as two:
        candidates = [sc.candidate(name, server.url) for name, server in zip(ARMS, (one, two), strict=True)]
        replay = {"timeout_seconds": 10, "retries": 1, "concurrency": 16, "drain_seconds": 3}
        side = sc.Sidecar(folder, source=source, candidates=candidates, replay=replay)
        mirror = sc.write_jsonl(folder / "mirror.jsonl", (sc.envelope(i) for i in range(records)))
        assert side.command("mirror", str(mirror), "--partitions", "4").returncode == 0
        try:
            hit = kill_at_random(side, dice, kills=kills, workers=workers, every=every)
            side.run(seconds=600, idle="3")
            end = time.monotonic() + 6
            while left := [pid for child in side.children for pid in group(child.pid)]:
                assert time.monotonic() < end, f"left behind: {left}"
                time.sleep(0.1)
        finally:
            side.close()

    assert hit == kills
    rows = side.rows()
    sc.exact(rows, ("incumbent", *ARMS), records)
    coverage = side.coverage()
    assert (coverage["read"], coverage["residual"]) == (records, 0)
    outcomes: Counter[str] = Counter(r["arm"] for r in rows)
    failures: Counter[str] = Counter(r["arm"] for r in rows if r["failure"] not in (None, "unavailable"))
    tokens: Counter[str] = Counter()
    for row in rows:
        tokens[row["arm"]] += row["output_tokens"] or 0
    for arm in ARMS:
        recount = {"outcomes": outcomes[arm], "failures": failures[arm], "output_tokens": tokens[arm]}
        assert {name: coverage["arms"][arm][name] for name in recount} == recount
    assert side.command("verify").returncode == 0


def kill_at_random(
    side: sc.Sidecar, dice: random.Random, *, kills: int, workers: int, every: tuple[float, float]
) -> int:
    """Keeps `workers` sidecars running while it kills; how often it did. A worker that ends by itself fails the test."""
    running: list[subprocess.Popen[bytes]] = []
    hit: set[int] = set()
    done = 0
    while done < kills:
        for child in running:
            if child.poll() is not None:
                assert child.pid in hit, f"a worker ended by itself ({child.returncode}):\n{side.said()[-2000:]}"
        running = [child for child in running if child.poll() is None]
        while len(running) < workers:
            running.append(side.start())
        time.sleep(dice.uniform(*every))
        victim = dice.choice(running)
        found = group(victim.pid)
        if not found:
            continue
        hit.add(victim.pid)
        done += 1
        if done % 2:
            os.kill(dice.choice(found), signal.SIGKILL)  # one of its processes: the rest must notice
        else:
            os.killpg(victim.pid, signal.SIGKILL)
            victim.wait(10)
    for child in running:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGTERM)
    for child in running:
        side.finish(child, 60)
    return done


def group(leader: int) -> list[int]:
    """Living processes of a group."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            state, _, number = (entry / "stat").read_text().rsplit(")", 1)[1].split()[:3]
        except (OSError, ValueError):
            continue
        if int(number) == leader and state != "Z":
            found.append(int(entry.name))
    return found
