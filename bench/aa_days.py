"""Twenty days of A/A: `python -m bench.aa_days [--days 20] [--seed 1] [--quick]`. What would have rung?

Two candidates that are the incumbent itself (the same distributions; a later answer differs as a second answer does).
Events of so many days go through the product's own fold, transaction, monitor and exporter in accelerated time; its
exposition is read every two minutes of event time, and promtool evaluates rules.yml over it, `for` included.
Not as in production: the monitor decides every half hour instead of every second (between two looks its last snapshot
stands, dated anew), the processes' own figures (heartbeats, known records) are given, nothing is asked over a network.
Exit 1 when an alert about the monitor or an arm rang, or a candidate's alerts beyond the promised rate.
"""

import argparse
import math
import random
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

from prometheus_client import CollectorRegistry

from bench.statistics_fold import SCORERS, batch
from grafana import names
from shadow.app.parts import fold_of
from shadow.exporters.prometheus import PrometheusExporter
from shadow.exporters.runtime import RuntimeView
from shadow.ledger.base import OutcomeRow
from shadow.ledger.sql import SqlLedger
from shadow.loops import monitor as looking
from shadow.settings import Settings
from shadow.sources.base import PositionQuestion
from shadow.stats import FoldSpec, ScorerKind, merge_states

ARMS = ("incumbent", "cand-a", "cand-b")
START_MS = 1_795_600_020_000
STEP_SECONDS = 120
LOOK_EVERY = 15  # steps
DAY = 86_400
PER_MINUTE = 4.0  # calls, on average over a day; a quarter of it at night, 1.75 times by day
SERVER = {"kind": "openai", "url": "http://127.0.0.1:1/v1", "model": "m"}
PRICE = {"input_usd_per_million": 1.0, "output_usd_per_million": 3.0}
PROMISED = 0.05
"""Of the candidates' epochs: alpha of the default policy. `EvidenceMounting` says 10 to 1, hence 0.1 for each gate."""


class Virtual:
    """The clock of the accelerated days; stands for the module `time` in the monitor, and for the exporter's clock."""

    def __init__(self) -> None:
        self.now_ms = START_MS

    def time_ns(self) -> int:
        return self.now_ms * 1_000_000

    def monotonic(self) -> float:
        return self.now_ms / 1000

    def monotonic_ns(self) -> int:
        return self.time_ns()

    def wall_unix_ms(self) -> int:
        return self.now_ms


def settings(folder: Path) -> Settings:
    """The default policy, with a quality scorer that judges each answer by itself."""
    return Settings.model_validate(
        {
            "incumbent": {"name": "prod", "price": PRICE},
            "candidates": [{"name": name, "backend": SERVER, "price": PRICE} for name in ARMS[1:]],
            "scorers": [{"kind": kind} for kind in SCORERS],
            "policy": {"quality": "relevance", "violation": ["refusal", "leakage"]},
            "ledger": {"url": f"sqlite:///{folder}/aa.db", "text": "none"},
        }
    )


def call(offset: int, at_ms: int, pick: random.Random) -> list[OutcomeRow]:
    """One call and three answers to it that nobody could tell apart by their distribution."""
    hard, route = pick.random() < 0.3, f"route={offset % 3}"
    size, rows = pick.randrange(20, 2000), []
    first = pick.betavariate(4, 3) if hard else pick.betavariate(20, 2)
    for arm in ARMS:
        score = first if arm == "incumbent" or pick.random() < 0.5 else pick.betavariate(*((4, 3) if hard else (20, 2)))
        failed = pick.random() < 0.002
        refused, seconds = pick.random() < 0.01, pick.lognormvariate(-0.5, 0.5)
        rows.append(
            OutcomeRow(
                topic="t", partition=0, offset=offset, call=0, id=f"r{offset}", ts_unix_ms=at_ms, session=None,
                user_key=None, route=route, tags={}, segment=route, segments=(route,), weight_exponent=0,
                probability=1.0, counted=True, epoch=None if arm == "incumbent" else 1, arm=arm,
                role="incumbent" if arm == "incumbent" else "candidate", status=500 if failed else 200,
                failure="http_5xx" if failed else None, spell=None, truncated=False, retries=0,
                latency_seconds=seconds, queue_seconds=0.001, ttft_seconds=seconds / 5, ttft_answer_seconds=seconds / 5,
                tpot_seconds=seconds / 100, client_saturated=False, limited_by_us=False, comparable=True,
                input_tokens=size, cached_input_tokens=None, output_tokens=pick.randrange(5, 400), reasoning_tokens=None,
                cost_usd=size * 1e-6 + pick.randrange(5, 400) * 3e-6,
                scores={} if failed else {"relevance": score, "refusal": float(not refused), "leakage": 1.0},
                labels={}, reasons={}, findings=[],
            )
        )  # fmt: skip
    return rows


_LINE = re.compile(r"(\w+(?:\{.*\})?) (\S+)\n?")


class Recorder:
    """Every series that rules.yml names, step by step, in promtool's notation."""

    def __init__(self) -> None:
        self._wanted = {name for rule in names.rules() for name in names.metrics_in(rule["expr"])}
        self._series: dict[str, list[str]] = defaultdict(list)
        self._steps = 0

    def add(self, text: str) -> None:
        """One exposition; ages are kept, with the test's time 0 at the start."""
        for line in text.splitlines():
            name = re.match(r"\w+", line)
            if name is None or name[0] not in self._wanted:
                continue
            match = _LINE.fullmatch(line)
            assert match is not None, line
            key, value = match.groups()
            if value in ("+Inf", "-Inf"):  # promtool's notation has no infinity; nothing is compared with more
                value = value.replace("Inf", "1e300").removeprefix("+")
            if name[0].endswith("_timestamp_seconds"):
                value = f"{float(value) - START_MS / 1000:.3f}"
            values = self._series[key]
            values.extend(["_"] * (self._steps - len(values)))
            values.append(value)
        self._steps += 1

    def write(self, folder: Path) -> Path:
        """A promtool test that expects no alert at all: what it prints instead is what rang, and how often."""
        seconds = (self._steps - 1) * STEP_SECONDS
        lines = [f"rule_files: [{names.RULES}]", f"evaluation_interval: {STEP_SECONDS}s", "tests:"]
        lines += [f"- interval: {STEP_SECONDS}s", "  input_series:"]
        for key, values in self._series.items():
            named, _, labels = key.partition("{")
            labelled = f'{named}{{job="aa",instance="a",{labels}' if labels else f'{named}{{job="aa",instance="a"}}'
            values.extend(["_"] * (self._steps - len(values)))
            lines += [f"  - series: '{labelled}'", f"    values: '{' '.join(_runs(values))}'"]
        asked = f'count_over_time(ALERTS{{alertstate="firing"}}[{seconds}s])'
        lines += ["  promql_expr_test:", f"  - expr: {asked}", f"    eval_time: {seconds}s", "    exp_samples: []", ""]
        path = folder / "aa_test.yml"
        path.write_text("\n".join(lines), encoding="utf-8")
        return path


def _runs(values: list[str]) -> list[str]:
    """Equal values in a row as `1x99`, which stands for a hundred of them; gaps as `_x100`."""
    found: list[str] = []
    position = 0
    while position < len(values):
        value, count = values[position], 1
        while position + count < len(values) and values[position + count] == value:
            count += 1
        position += count
        found.append(value if count == 1 else f"{value}x{count if value == '_' else count - 1}")
    return found


def live_through(days: float, seed: int, folder: Path) -> tuple[Recorder, int, dict[str, str]]:
    """The days: what was exposed, the calls, and the last word on each candidate."""
    clock, pick, chosen, recorder = Virtual(), random.Random(seed), settings(folder), Recorder()
    kinds: dict[str, ScorerKind] = dict.fromkeys(SCORERS, "absolute")
    spec = FoldSpec.from_policy(chosen.policy, kinds)
    fold = fold_of(spec)
    ledger = SqlLedger.open(chosen.ledger.url, merge=merge_states, clock=clock)
    ledger.load_position(
        PositionQuestion(topic="t", partition=0, topic_id="t", begin_offset=0, end_offset=0, start_offset=0), group="g"
    )
    for name in ARMS[1:]:
        ledger.open_epoch(name, name, {}, START_MS, "bench")
    exporter = PrometheusExporter(chosen, CollectorRegistry(), version="aa", config_hash="aa", clock=clock)
    offset = 0

    def reported() -> dict[str, looking.Reported]:
        up = (clock.now_ms - START_MS) / 1000
        said = looking.Reported(state="up", up_seconds=up, observed_seconds=up, at_unix_ms=clock.now_ms)
        return dict.fromkeys(ARMS[1:], said)

    watch = looking.Monitor(
        ledger=ledger, settings=chosen, spec=spec, kinds=kinds, exporters=(exporter,), holder="aa", version="aa",
        role="all", circumstances=lambda: ({("t", 0): offset}, (), None), reported=reported, may_lead=True,
    )  # fmt: skip
    stand_in = SimpleNamespace(time_ns=clock.time_ns, monotonic=clock.monotonic)
    with patch.object(looking, "time", stand_in):
        for step in range(int(days * DAY / STEP_SECONDS)):
            hour = (clock.now_ms - START_MS) / 3_600_000 % 24
            rate = PER_MINUTE * (1 + 0.75 * math.sin(2 * math.pi * (hour - 9) / 24))
            expected = rate * STEP_SECONDS / 60
            count = max(1, round(pick.gauss(expected, math.sqrt(expected))))
            each = STEP_SECONDS * 1000 // count
            calls = [call(offset + i, clock.now_ms + i * each, pick) for i in range(count)]
            clock.now_ms += STEP_SECONDS * 1000
            made = batch(offset, calls, fold(calls))
            ledger.commit(made)
            offset += count
            exporter.observe_committed(made, commit_seconds=0.01)
            for scorer in SCORERS:
                exporter.observe_scoring(scorer, seconds=0.001 * count, cases=count)
            if step % LOOK_EVERY == 0:
                watch._look()
            elif watch.latest is not None:
                exporter.publish(replace(watch.latest, at_unix_ms=clock.now_ms, last_scored_unix_ms=clock.now_ms))
            heartbeats = dict.fromkeys(("replayer", "evaluator"), clock.now_ms)
            known = {"worker": clock.now_ms}
            exporter.publish_runtime(
                RuntimeView(heartbeats_unix_ms=heartbeats, known_records_unix_ms=known, probability=1.0)
            )
            recorder.add(exporter.board.render().decode())
    words: dict[str, str] = (
        {v.verdict.candidate: v.verdict.word for v in watch.latest.candidates} if watch.latest else {}
    )
    ledger.close()
    return recorder, offset, words


def rang(test: Path) -> dict[str, int]:
    """Alert (with its labels) to the number of evaluations at which it was firing, by promtool."""
    done = subprocess.run(["promtool", "test", "rules", str(test)], capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    if done.returncode == 0:
        return {}
    found = {
        labels: int(float(value)) for labels, value in re.findall(r"(\{alertname=[^}]*\}) (\S+?)(?:[\s,\]]|$)", said)
    }
    if not found:
        raise RuntimeError(f"promtool said what is not understood: {said[-500:]}")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=float, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="two days")
    options = parser.parse_args()
    days = 2 if options.quick else options.days
    with tempfile.TemporaryDirectory(prefix="shadow-bench-") as name:
        recorder, calls, words = live_through(days, options.seed, Path(name))
        alerts = rang(recorder.write(Path(name)))
    for labels, count in sorted(alerts.items()):
        print(f"{labels} firing for {count * STEP_SECONDS / 60:.0f} minutes")
    about = {labels for labels in alerts if "ShadowCandidate" in labels and "ShadowCandidatePromotable" not in labels}
    others = {labels for labels in alerts if "ShadowCandidate" not in labels}
    allowed = math.ceil(PROMISED * (len(ARMS) - 1) * 2)
    missed = bool(others) or len(about) > allowed
    said = ", ".join(f"{arm} {word}" for arm, word in words.items())
    print(
        f"{days:g} days of A/A, {calls:,} calls, {len(ARMS) - 1} candidates ({said}): {len(others)} alerts about monitor "
        f"and arms (at most 0), {len(about)} against candidates (at most {allowed}): {'MISSED' if missed else 'met'}"
    )
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
