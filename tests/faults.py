"""Real faults for the alert drill: each scenario runs the product, breaks something, and says what rang at the webhook.

`PYTHONPATH=tests:. python tests/faults.py --write` runs all of it (about eight minutes) and puts the table into
grafana/README.md. Rules and time are those of `drill`: compressed sixty times; ages keep their thresholds.
"""

import contextlib
import json
import os
import random
import signal
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import drill
import monitoring
import sidecar as sc

from grafana import live
from shadow.demo.broker.thread import BrokerThread
from shadow.simulator.thread import SimulatorThread

README = monitoring.ROOT / "grafana" / "README.md"
BESIDE = "rang beside the expected ones of such a run"
MARKS = ("<!-- drill: begin -->", "<!-- drill: end -->")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ring:
    """An alert of the running product at the webhook: by which fault, and how long after it."""

    alert: str
    fault: str
    seconds: float


class Watch:
    """Prometheus, Alertmanager and webhook around one running product."""

    def __init__(self, folder: Path, address: str) -> None:
        self.sink, self._programs = monitoring.Sink(), monitoring.Programs(folder)
        self.rings: list[Ring] = []
        manager = monitoring.start_alertmanager(self._programs, self.sink.url)
        self.manager = manager
        rules = drill.compressed(folder)
        targets = {"shadow": [address]}
        self.base = monitoring.start_prometheus(
            self._programs, targets, rules=rules, alertmanager=manager, evaluation="1s"
        )
        self.since = time.time()

    def expect(self, fault: str, *names: str, seconds: float, since: float | None = None) -> None:
        """Waits until all of them rang after the fault; adds them to `rings`. Raises AssertionError when one does not."""
        began = self.since if since is None else since
        left, end = set(names), time.monotonic() + seconds
        while left and time.monotonic() < end:
            for alert in list(self.sink.alerts):
                name = alert["labels"]["alertname"]
                if name in left and alert["status"] == "firing" and alert["arrived"] >= began:
                    left.discard(name)
                    self.rings.append(Ring(alert=name, fault=fault, seconds=alert["arrived"] - began))
            time.sleep(0.2)
        if left:
            heard = sorted({a["labels"]["alertname"] for a in self.sink.alerts})
            raise AssertionError(f"{fault}: {sorted(left)} did not ring within {seconds} s; rang: {heard}")

    def others(self, fault: str) -> None:
        """Adds what rang beside the expected, from the beginning on."""
        known = {ring.alert for ring in self.rings}
        for alert in list(self.sink.alerts):
            name = alert["labels"]["alertname"]
            if name not in known and alert["status"] == "firing":
                known.add(name)
                self.rings.append(Ring(alert=name, fault=fault, seconds=alert["arrived"] - self.since))

    def held(self) -> set[str]:
        """Alerts that Alertmanager has and holds back now, because a cause explains them."""
        alerts = json.loads(sc.get(f"http://{self.manager}/api/v2/alerts"))
        return {alert["labels"]["alertname"] for alert in alerts if alert["status"]["inhibitedBy"]}

    def lag(self) -> float:
        """Records that wait, as the product says; 0 where it does not know."""
        found = live.Prometheus(self.base).instant("sum(shadow_partition_lag_records)")
        return float(found[0]["value"][1]) if found else 0.0

    def close(self) -> None:
        self._programs.close()
        self.sink.close()


@contextlib.contextmanager
def traffic(broker: BrokerThread, payload: Callable[[int], bytes], *, rate: float = 25) -> Iterator[None]:
    """Sends `payload(0)`, `payload(1)`, ... to the topic `mirror` at so many a second."""
    from kafka import KafkaProducer

    stop = threading.Event()

    def send() -> None:
        producer, number = KafkaProducer(bootstrap_servers=broker.bootstrap), 0
        while not stop.wait(1 / rate):
            producer.send("mirror", key=str(number).encode(), value=payload(number))
            number += 1
        producer.close(5)

    thread = threading.Thread(target=send, name="traffic", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(10)


def calls() -> Callable[[int], bytes]:
    """Good traffic."""
    rng = random.Random(7)
    return lambda i: json.dumps(monitoring.call(i, rng)).encode()


@contextlib.contextmanager
def product(folder: Path, broker: BrokerThread, *arguments: str, **sections: Any) -> Iterator[tuple[sc.Sidecar, Watch]]:
    """`shadow run` on the topic `mirror` of a broker, watched."""
    source = {
        "kind": "kafka",
        "bootstrap_servers": broker.bootstrap,
        "topic": "mirror",
        "group_id": "drill",
        "start": "earliest",
        "session_timeout_seconds": 6,
    }
    side = sc.Sidecar(folder, source=source, **sections)
    try:
        side.start(*arguments)
        watch = Watch(folder, side.metrics_url(60).split("://")[1].strip("/"))
        try:
            yield side, watch
        finally:
            watch.close()
    finally:
        side.close()


def candidates(folder: Path) -> list[Ring]:
    """Three candidates, one of which leaks and one of which fails; then their server, the evaluator and the replayer go."""
    with monitoring.Story(folder, unreadable=0.04) as story:
        address = story.start()
        watch = Watch(folder, address)
        try:
            watch.expect(
                "one candidate's answers leak personal data, another fails 30 % of its calls and costs twice as much",
                "ShadowCandidateRejected",
                "ShadowCandidateSafetyViolated",
                seconds=120,
            )
            watch.expect("4 % of the mirrored records are not JSON", "ShadowDeadLetters", seconds=60)
            # A rejection says all that its gates and failures would say: these arrive at Alertmanager and go no further.
            quiet = {"ShadowCandidateGateViolated", "ShadowCandidateFailureBurn"}
            story.side.wait_until(lambda: quiet <= watch.held(), 90)
            assert not quiet & {alert["labels"]["alertname"] for alert in watch.sink.alerts}
            began = time.time()
            story.good.stop()
            watch.expect("the candidate's server is stopped", "ShadowArmDown", seconds=60, since=began)
            story.good.restart()
            watch.expect("the server is back after that outage", "ShadowArmUnavailable", seconds=120, since=began)
            began = time.time()
            for _ in range(3):
                children = story.side.processes(story.child)
                os.kill(children["evaluator"], signal.SIGKILL)
                killed = children["evaluator"]
                story.side.wait_until(
                    lambda killed=killed: story.side.processes(story.child).get("evaluator") not in (None, killed), 40
                )
            watch.expect("the evaluator is killed three times", "ShadowProcessRestarting", seconds=90, since=began)
            began = time.time()
            story.quiet()
            watch.expect("production mirrors nothing any more", "ShadowMirrorSilent", seconds=120, since=began)
            watch.others(BESIDE)
            began = time.time()
            story.side.close()
            watch.expect("all of Shadow is killed", "ShadowAbsent", seconds=60, since=began)
        finally:
            watch.close()
    return watch.rings


def nothing_up(folder: Path) -> list[Ring]:
    """The only candidate's server never comes; records wait."""
    backend = sc.candidate("b", f"http://127.0.0.1:{monitoring.free_port()}/v1")
    replay = {"timeout_seconds": 5, "retries": 0, "start_timeout_seconds": 600, "drain_seconds": 1}
    with (
        BrokerThread(partitions=2) as broker,
        traffic(broker, calls()),
        product(folder, broker, candidates=[backend], replay=replay) as (_, watch),
    ):
        fault = "the server of the only candidate never starts"
        watch.expect(fault, "ShadowArmNeverUp", "ShadowNothingScored", seconds=90)
        watch.others(fault)
    return watch.rings


def nobody(folder: Path) -> list[Ring]:
    """Only a worker runs."""
    with BrokerThread(partitions=2) as broker, SimulatorThread() as engine, traffic(broker, calls()):
        backend = sc.candidate("b", engine.url)
        with product(folder, broker, "--role", "worker", candidates=[backend]) as (_, watch):
            watch.expect("only workers run, no monitor", "ShadowNobodyDecides", seconds=60)
            watch.others("only workers run, no monitor")
    return watch.rings


def unreadable(folder: Path) -> list[Ring]:
    """The mirror sends what is no JSON."""
    fault = "nothing but garbage is mirrored"
    with (
        BrokerThread(partitions=2) as broker,
        SimulatorThread() as engine,
        traffic(broker, lambda i: b"not json {" + str(i).encode()),
        product(folder, broker, candidates=[sc.candidate("b", engine.url)]) as (side, watch),
    ):
        watch.expect(fault, "ShadowMirrorUnreadable", "ShadowNothingSampled", seconds=90)
        side.wait_until(lambda: "ShadowDeadLetters" in watch.held(), 60)
        watch.others(fault)
    return watch.rings


def limits(folder: Path) -> list[Ring]:
    """A server without room, a guard that is not there, a latency far off, and a budget that ends."""
    nowhere = f"http://127.0.0.1:{monitoring.free_port()}/v1"
    scorers = [{"kind": "exact"}, {"kind": "guard", "family": "llama_guard", "url": nowhere, "model": "g"}]
    with (
        BrokerThread(partitions=2) as broker,
        SimulatorThread(ttft_ms=900, faults={"http_429": 0.3}) as engine,
        traffic(broker, calls(), rate=15),
        product(
            folder,
            broker,
            candidates=[sc.candidate("b", engine.url)],
            scorers=scorers,
            budget={"tokens_per_day": 20_000},
        ) as (_, watch),
    ):
        watch.expect("the server answers 429 to 30 % of the calls", "ShadowCandidateRateLimited", seconds=90)
        watch.expect("the guard model's server is not there", "ShadowScorerErrors", seconds=90)
        watch.expect("the first token takes 0.9 s, production's 0.03 s", "ShadowCandidateLatencyRegression", seconds=90)
        watch.expect(
            "the daily budget of tokens runs out", "ShadowBudgetNearlyUsed", "ShadowBudgetExhausted", seconds=200
        )
        watch.others(BESIDE)
    return watch.rings


def stopped(folder: Path) -> list[Ring]:
    """The replayer hangs (SIGSTOP) for longer than a minute."""
    with (
        BrokerThread(partitions=2) as broker,
        SimulatorThread() as engine,
        traffic(broker, calls()),
        product(folder, broker, candidates=[sc.candidate("b", engine.url)]) as (side, watch),
    ):
        time.sleep(10)
        (child,) = side.children
        began, replayer = time.time(), side.processes(child)["replayer"]
        os.kill(replayer, signal.SIGSTOP)
        try:
            fault = "the replayer hangs (SIGSTOP)"
            watch.expect(fault, "ShadowHeartbeatLost", seconds=110, since=began)
            watch.others(fault)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(replayer, signal.SIGCONT)
    return watch.rings


def locked(folder: Path) -> list[Ring]:
    """Another process holds the ledger's file, for longer than the two minutes after which the monitor counts as stale."""
    with (
        BrokerThread(partitions=2) as broker,
        SimulatorThread(ttft_ms=300) as engine,
        traffic(broker, calls(), rate=60),
    ):
        replay = {"timeout_seconds": 5, "retries": 0, "concurrency": 4, "window_calls": 16, "drain_seconds": 1}
        with product(folder, broker, candidates=[sc.candidate("b", engine.url)], replay=replay) as (side, watch):
            side.wait_until(lambda: "ShadowIntakeStuck" not in watch.held() and watch.lag() > 0, 60)
            fault, began = "another process locks the ledger's file", time.time()
            holder = sqlite3.connect(folder / "shadow.db", timeout=30, isolation_level=None)
            try:
                holder.execute("BEGIN EXCLUSIVE")
                watch.expect(fault, "ShadowIntakeStuck", seconds=60, since=began)
                watch.expect(fault, "ShadowMonitorStale", seconds=170, since=began)
                watch.others(fault)
            finally:
                holder.close()
    return watch.rings


SCENARIOS = (candidates, nothing_up, nobody, unreadable, limits, stopped, locked)


def run(scenario: Callable[[Path], list[Ring]]) -> list[Ring]:
    """One scenario in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="drill-") as folder:
        return scenario(Path(folder))


def table(rings: list[Ring], served: list[drill.Rung]) -> str:
    """One line an alert: what made it ring, in how many seconds of the compressed time."""
    first: dict[str, Ring] = {}
    for ring in sorted(rings, key=lambda ring: ring.fault == BESIDE):
        first.setdefault(ring.alert, ring)
    lines = [
        "| alert | fault of the running product | rang after (s) | served series: has to ring within (s) | rang after (s) |",
        "|---|---|---|---|---|",
    ]
    for name in sorted({one.case.alert for one in served}):
        firing = [one for one in served if one.case.alert == name and one.case.fires]
        limit = max(one.within for one in firing)
        after = max((one.after if one.after is not None else float("inf")) for one in firing)
        real = first.get(name)
        by, took = (real.fault, f"{real.seconds:.0f}") if real else ("none: the served series only", "")
        lines.append(f"| {name} | {by} | {took} | {limit:.0f} | {after:.1f} |")
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """Runs everything; prints the table, with --write into grafana/README.md. 1 when an alert did not do what it has to."""
    with tempfile.TemporaryDirectory(prefix="drill-") as folder:
        served = drill.served(Path(folder))
    wrong = [one.line() for one in served if not one.right]
    rings: list[Ring] = []
    for scenario in SCENARIOS:
        try:
            rings += run(scenario)
        except (AssertionError, OSError) as error:
            wrong.append(f"{scenario.__name__}: {str(error)[:600]}")
        sys.stderr.write(f"{scenario.__name__}: {sorted({ring.alert for ring in rings})}\n")
    text = table(rings, served)
    sys.stdout.write(text + "\n" + "".join(f"wrong: {line}\n" for line in wrong))
    if "--write" in arguments and not wrong:
        page = README.read_text(encoding="utf-8")
        head, rest = page.split(MARKS[0])
        README.write_text(f"{head}{MARKS[0]}\n{text}\n{MARKS[1]}{rest.split(MARKS[1])[1]}", encoding="utf-8")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
