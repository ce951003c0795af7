"""A real Prometheus and Alertmanager around a real `shadow run`, for tests of rules and dashboards and for the preview pictures."""

import contextlib
import json
import random
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import sidecar as sc

from shadow.demo.broker.thread import BrokerThread
from shadow.simulator.thread import SimulatorThread

ROOT = Path(__file__).parents[1]
RULES = ROOT / "grafana" / "rules.yml"
PROGRAMS = ("prometheus", "promtool", "prometheus-alertmanager", "amtool")


def missing(*programs: str) -> str | None:
    """Why a test that needs these programs cannot run here; None when it can."""
    absent = [name for name in programs if shutil.which(name) is None]
    return f"not installed: {', '.join(absent)} (scripts/install-services)" if absent else None


def free_port() -> int:
    """A port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Sink:
    """Stands for the pager: keeps what Alertmanager sends to its webhook, and when (`arrived`, by the clock)."""

    def __init__(self) -> None:
        self.alerts: list[dict[str, Any]] = []
        sink = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                arrived = time.time()
                sink.alerts += [{**alert, "arrived": arrived} for alert in json.loads(body)["alerts"]]
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"
        self._thread = threading.Thread(target=self._server.serve_forever, name="sink", daemon=True)
        self._thread.start()

    def named(self, name: str, status: str = "firing") -> list[dict[str, Any]]:
        """What arrived under one name."""
        return [a for a in list(self.alerts) if a["labels"]["alertname"] == name and a["status"] == status]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


def answers(base: str, path: str = "/-/ready", seconds: float = 30) -> None:
    """Waits until a server says that it is ready."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(OSError, urllib.error.URLError):
            if sc.status(base + path) == 200:
                return
        time.sleep(0.1)
    raise AssertionError(f"{base}{path} is not ready after {seconds} s")


class Programs:
    """Started programs and their end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self, *command: str) -> None:
        """Output goes to a file beside the data."""
        with (self.folder / f"{Path(command[0]).name}.log").open("ab") as log:
            self._running.append(subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL))

    def close(self) -> None:
        for child in self._running:
            child.terminate()
        for child in self._running:
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait(5)


def start_prometheus(
    programs: Programs,
    targets: dict[str, list[str]],
    *,
    rules: Path = RULES,
    alertmanager: str | None = None,
    scrape: str = "1s",
    honor_labels: bool = False,
    evaluation: str = "2s",
) -> str:
    """Prometheus over these targets (job to addresses); its address. With `honor_labels` targets name their own job."""
    folder, port = programs.folder, free_port()
    config = {
        "global": {"scrape_interval": scrape, "evaluation_interval": evaluation},
        "rule_files": [str(rules)],
        "scrape_configs": [
            {"job_name": job, "honor_labels": honor_labels, "static_configs": [{"targets": addresses}]}
            for job, addresses in targets.items()
        ],
    }
    if alertmanager is not None:
        config["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]}
    (folder / "prometheus.yml").write_text(json.dumps(config))
    programs.start(
        "prometheus",
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/tsdb",
        f"--web.listen-address=127.0.0.1:{port}",
        "--enable-feature=exemplar-storage",
        "--storage.tsdb.allow-overlapping-blocks",
    )
    base = f"http://127.0.0.1:{port}"
    answers(base)
    return base


def start_alertmanager(programs: Programs, hook: str) -> str:
    """Alertmanager with the committed example's routes and inhibitions, quick, into one webhook; host and port."""
    import yaml

    config = yaml.safe_load((ROOT / "deploy" / "prometheus" / "alertmanager.yml").read_text())
    for route in (config["route"], *config["route"].get("routes", [])):
        route.update(group_wait="1s", group_interval="2s")
    config["receivers"] = [
        {"name": r["name"], "webhook_configs": [{"url": hook, "send_resolved": True}]} for r in config["receivers"]
    ]
    (programs.folder / "alertmanager.yml").write_text(json.dumps(config))
    port = free_port()
    programs.start(
        "prometheus-alertmanager",
        f"--config.file={programs.folder}/alertmanager.yml",
        f"--storage.path={programs.folder}/alerts",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    )
    answers(f"http://127.0.0.1:{port}")
    return f"127.0.0.1:{port}"


def quick_rules(folder: Path) -> Path:
    """The committed rules with every waiting time cut to seconds: conditions, labels and texts stay as they are."""
    import yaml

    rules = yaml.safe_load(RULES.read_text())
    for group in rules["groups"]:
        group["interval"] = "2s"
        for rule in group["rules"]:
            if "for" in rule:
                rule["for"] = "2s"
    path = folder / "quick-rules.yml"
    path.write_text(json.dumps(rules))
    return path


ROUTES = ("support", "search", "code")
SECRET = "Sure. Write to anna.kowalczyk1987@gmail.com, her card is 4539 5787 6362 1486."


def call(i: int, rng: random.Random) -> dict[str, Any]:
    """A mirrored call with what production knows of it."""
    seconds = rng.lognormvariate(-2.2, 0.4)
    return sc.envelope(
        i,
        session=f"s{i}",
        route=ROUTES[i % 3],
        request={"model": "prod", "messages": [{"role": "user", "content": f"say {i % 500}"}], "max_tokens": 32},
        response={
            "choices": [{"message": {"role": "assistant", "content": answer(i % 500)}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 12, "completion_tokens": 12},
        },
        latency_ms=1000 * seconds,
        ttft_ms=300 * seconds,
    )


def answer(i: int) -> str:
    """What the incumbent said to prompt number `i`."""
    return f"The answer to question {i} is {i * 7}, and the reason for it is easy to see."


class Story:
    """Traffic into a topic, an incumbent to ask again, three candidates: `good`, `slow` (fails, dear) and `leaky`."""

    def __init__(self, folder: Path, *, rate: float = 25, unreadable: float = 1 / 97) -> None:
        self._stack = contextlib.ExitStack()
        self._stop = threading.Event()
        self._rate, self._every = rate, round(1 / unreadable)
        self.folder = folder
        right = {f"say {i}": answer(i) for i in range(500)}
        wrong = {key: SECRET if i % 5 == 0 else text for i, (key, text) in enumerate(right.items())}
        enter = self._stack.enter_context
        self.broker = enter(BrokerThread(partitions=2))
        self.baseline = enter(SimulatorThread(answers=right, ttft_ms=40, latency_jitter=0.4, models=("prod",)))
        self.good = enter(SimulatorThread(answers=right, ttft_ms=20, itl_ms=1, latency_jitter=0.3))
        self.slow = enter(
            SimulatorThread(
                answers=right, ttft_ms=90, itl_ms=3, latency_jitter=0.5, faults={"empty": 0.2, "close_mid_stream": 0.1}
            )
        )
        self.leaky = enter(SimulatorThread(answers=wrong, ttft_ms=30, itl_ms=1, latency_jitter=0.3))
        self.engines = [self.good, self.slow, self.leaky]
        cheap, dear = ({"input_usd_per_million": usd, "output_usd_per_million": 3 * usd} for usd in (0.5, 6.0))
        self.side = sc.Sidecar(
            folder,
            source={
                "kind": "kafka",
                "bootstrap_servers": self.broker.bootstrap,
                "topic": "mirror",
                "group_id": "story",
                "start": "earliest",
                "session_timeout_seconds": 6,
            },
            incumbent={"name": "prod", "price": {"input_usd_per_million": 3.0, "output_usd_per_million": 9.0}},
            baseline={"url": self.baseline.url, "model": "prod", "rate": 0.5, "max_requests_per_second": 20},
            candidates=[
                {**sc.candidate("good", self.good.url), "price": cheap},
                {**sc.candidate("slow", self.slow.url), "price": dear},
                {**sc.candidate("leaky", self.leaky.url), "price": cheap},
            ],
            scorers=[
                {"kind": "exact"},
                {"kind": "refusal"},
                {"kind": "leakage", "budget": {"seconds_per_day": 3600}},
                {"kind": "structure"},
            ],
            budget={"tokens_per_day": 10**9},
            web={"port": free_port()},  # the same after a restart, so that Prometheus finds it again
            policy={
                "quality": "exact",
                "violation": ["refusal", "leakage"],
                "min_duration": "1s",
                "min_records": 50,
                "utility": {},
            },
        )
        self._stack.callback(self.side.close)

    def start(self) -> str:
        """Everything runs; host and port of the metrics."""
        rng = random.Random(7)
        head = [call(i, rng) for i in range(40)]
        first = sc.write_jsonl(self.folder / "head.jsonl", head)
        sent = self.side.command("mirror", str(first), "--partitions", "2")
        assert sent.returncode == 0, sent.stderr
        self.child = self.side.start()
        thread = threading.Thread(target=self._traffic, args=(rng,), name="traffic", daemon=True)
        thread.start()
        self._stack.callback(thread.join, 10)
        self._stack.callback(self._stop.set)
        return self.side.metrics_url(60).split("://")[1].strip("/")

    def _traffic(self, rng: random.Random) -> None:
        from kafka import KafkaProducer

        producer = KafkaProducer(bootstrap_servers=self.broker.bootstrap)
        number = 40
        while not self._stop.wait(1 / self._rate):
            item = call(number, rng)
            payload = b"not json {" if number % self._every == 0 else json.dumps(item).encode()
            producer.send("mirror", key=item["session"].encode(), value=payload)
            number += 1
        producer.close(5)

    def quiet(self) -> None:
        """Production falls silent: nothing is mirrored any more."""
        self._stop.set()

    def __enter__(self) -> "Story":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


@contextlib.contextmanager
def observed(folder: Path, *, rules: Path = RULES, seconds: float = 60) -> Iterator[tuple[Story, str]]:
    """A story that ran for so long, and the Prometheus that watched it. Engines are scraped as job `vllm`."""
    programs = Programs(folder)
    with Story(folder) as story:
        address = story.start()
        engines = [f"127.0.0.1:{engine.port}" for engine in story.engines]
        base = start_prometheus(programs, {"shadow": [address], "vllm": engines}, rules=rules)
        try:
            time.sleep(seconds)
            yield story, base
        finally:
            programs.close()
