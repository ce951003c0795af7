"""Alert drill: every alert through a real Prometheus and Alertmanager to a webhook, with time compressed sixty times.

The rules are the committed ones: ranges, offsets, `for` and intervals are divided by FACTOR, nothing else changes. Ages
(`time() - timestamp > 900`) keep their thresholds; the endpoint below lets served timestamps age FACTOR times as fast.
The served series are those of grafana/tests, so that what promtool computes is shown to arrive in the same (scaled) time.
"""

import itertools
import json
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import monitoring
import yaml

FACTOR = 60
TESTS = monitoring.ROOT / "grafana" / "tests"
SERVED = ("blind_test", "monitor_test", "arms_test", "candidates_test", "windows_test", "texts_test")
"""Files whose series are served, all at once: of texts_test only the first test, as the others name the same job.

Those of hours with a step of 5 min (long_windows) stay promtool's."""

SLACK_SECONDS = 15.0
"""Room for a scrape, two evaluations (a recording rule, the alert), `group_wait` of 1 s, and a busy machine."""

_RANGE = re.compile(r"\[(\d+)([smhd])\]|\b(offset )(\d+)([smhd])\b")
_UNIT = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_SERIES = re.compile(r"(\w+)\{(.*)\}")
_RUN = re.compile(r"(_|-?[\d.]+)(?:([+-][\d.]+))?(?:x(\d+))?")


def seconds(text: str) -> float:
    """A duration of Prometheus (`90m`) in seconds."""
    return sum(int(number) * _UNIT[unit] for number, unit in re.findall(r"(\d+)([smhd])", text))


def shorter(text: str) -> str:
    """A duration divided by FACTOR, in whole milliseconds."""
    return f"{round(seconds(text) * 1000 / FACTOR)}ms"


def compressed(folder: Path) -> Path:
    """The committed rules in compressed time, as a file."""

    def one(match: re.Match[str]) -> str:
        if match[1]:
            return f"[{shorter(match[1] + match[2])}]"
        return match[3] + shorter(match[4] + match[5])

    rules = yaml.safe_load(monitoring.RULES.read_text(encoding="utf-8"))
    for group in rules["groups"]:
        group["interval"] = "1s"
        for rule in group["rules"]:
            rule["expr"] = _RANGE.sub(one, rule["expr"])
            if "for" in rule:
                rule["for"] = shorter(rule["for"])
    path = folder / "compressed.yml"
    path.write_text(json.dumps(rules), encoding="utf-8")
    return path


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One series of a promtool test: a value a step, None where there is none."""

    name: str
    labels: str
    values: tuple[float | None, ...]
    step: float  # seconds of the test's own time

    def at(self, age: float) -> float | None:
        """The value `age` seconds of test time after the start; None before, in gaps and after the end."""
        index = int(age // self.step)
        return self.values[index] if index < len(self.values) else None


def expanded(text: str) -> Iterator[float | None]:
    """promtool's notation: `0+5x3` is 0 5 10 15, `1x2` is 1 1 1, `_x2` are two gaps, `7` is 7."""
    for word in text.split():
        match = _RUN.fullmatch(word)
        if match is None:
            raise ValueError(f"values {word!r}: not in promtool's notation")
        start, change, times = match.groups()
        if start == "_":
            yield from itertools.repeat(None, int(times or 1))
            continue
        for i in range(int(times or 0) + 1):
            yield float(start) + i * float(change or 0)


def _tests(stem: str) -> list[dict[str, Any]]:
    """The tests of one file that are served."""
    found: list[dict[str, Any]] = yaml.safe_load((TESTS / f"{stem}.yml").read_text(encoding="utf-8"))["tests"]
    return found[:1] if stem == "texts_test" else found


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What a promtool test expects of one alert under one job (a pattern) at a time of the test."""

    alert: str
    job: str
    fires: bool
    by: float  # seconds of the test's own time
    long: str = ""  # the pair of windows, where the alert has several


def cases() -> list[Case]:
    """Every firing and quiet case of the served tests that names an alert and a job."""
    found = []
    for stem in SERVED:
        for test in _tests(stem):
            for item in test.get("promql_expr_test", []):
                name = re.search(r'alertname="(\w+)"', item["expr"])
                if name is None:
                    continue
                job = re.search(r'job=~"([^"]+)"', item["expr"])
                long = re.search(r'long="(\w+)"', item["expr"])
                found.append(
                    Case(
                        alert=name[1],
                        job=job[1] if job else "j",
                        fires=bool(item["exp_samples"]),
                        by=seconds(str(item["eval_time"])),
                        long=long[1] if long else "",
                    )
                )
            for item in test.get("alert_rule_test", []):
                for expected in item["exp_alerts"]:
                    if "job" in expected["exp_labels"]:
                        job_name = re.escape(expected["exp_labels"]["job"])
                        found.append(
                            Case(alert=item["alertname"], job=job_name, fires=True, by=seconds(str(item["eval_time"])))
                        )
    return found


def series() -> list[Series]:
    """Every series of the served tests."""
    found = []
    for stem in SERVED:
        for test in _tests(stem):
            for item in test["input_series"]:
                match = _SERIES.fullmatch(item["series"])
                assert match is not None, item
                values = tuple(expanded(str(item["values"])))
                found.append(Series(name=match[1], labels=match[2], values=values, step=seconds(str(test["interval"]))))
    return found


class Exposition:
    """A real `/metrics` that lets the series of the tests pass in compressed time. Started by `begin`."""

    def __init__(self) -> None:
        self._series = series()
        self._began: float | None = None
        source = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = source.text().encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, name="exposition", daemon=True)
        self._thread.start()

    def begin(self) -> float:
        """The tests' time starts now; the time by the clock."""
        self._began = time.time()
        return self._began

    def text(self) -> str:
        """The exposition at this moment; empty before the start. Timestamps are as old as they would be in the test."""
        if self._began is None:
            return ""
        now = time.time()
        age = (now - self._began) * FACTOR
        lines = []
        for item in self._series:
            value = item.at(age)
            if value is None:
                continue
            if item.name.endswith("_timestamp_seconds"):
                value = now - (age - value)
            lines.append(f"{item.name}{{{item.labels}}} {value!r}\n")
        return "".join(lines)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """A case and what the webhook heard of it, in seconds by the clock from the start of the series."""

    case: Case
    within: float  # the test's own time divided by FACTOR, and SLACK_SECONDS
    after: float | None  # the first ring; None when there was none
    rings: bool  # whether it was ringing at the time of a quiet case, and went on for longer than SLACK_SECONDS

    @property
    def right(self) -> bool:
        """A firing case arrived in time; a quiet one was quiet at its time (promtool's meaning: not "never before")."""
        if self.case.fires:
            return self.after is not None and self.after <= self.within
        return not self.rings

    def line(self) -> str:
        """For a person."""
        arrived = "not at all" if self.after is None else f"after {self.after:.1f} s"
        word = "has to ring within" if self.case.fires else "has to be quiet at"
        at = self.case.by / FACTOR
        limit = self.within if self.case.fires else at
        return f"{self.case.alert} {self.case.long} ({self.case.job}) {word} {limit:.0f} s: rang {arrived}"


def served(folder: Path) -> list[Rung]:
    """Lets all series pass once; what arrived at the webhook and when. Takes about three minutes."""
    wanted = cases()
    sink, programs, endpoint = monitoring.Sink(), monitoring.Programs(folder), Exposition()
    try:
        manager = monitoring.start_alertmanager(programs, sink.url)
        targets = {"served": [endpoint.address]}
        monitoring.start_prometheus(
            programs, targets, rules=compressed(folder), alertmanager=manager, honor_labels=True, evaluation="1s"
        )
        began = endpoint.begin()
        last = max(case.by for case in wanted) / FACTOR + SLACK_SECONDS
        while time.time() < began + last:
            time.sleep(0.5)
        rings = list(sink.alerts)
    finally:
        programs.close()
        endpoint.close()
        sink.close()
    return [_rung(case, rings, began) for case in wanted]


def _rung(case: Case, rings: list[dict[str, Any]], began: float) -> Rung:
    """One case against all that the webhook heard."""
    at, first, state = case.by / FACTOR, None, {}
    for ring in rings:
        labels, when = ring["labels"], ring["arrived"] - began
        if labels["alertname"] != case.alert or not re.fullmatch(case.job, labels.get("job", "")):
            continue
        if case.long and labels.get("long") != case.long:
            continue
        firing = ring["status"] == "firing"
        if firing and first is None:
            first = when
        if when <= at or (not firing and when <= at + SLACK_SECONDS):
            state[ring["fingerprint"]] = firing
    return Rung(case=case, within=at + SLACK_SECONDS, after=first, rings=any(state.values()))
