"""Is the database the limit, or the statistics? `python -m bench.statistics_fold [--outcomes 300000] [--quick]`.

Outcomes of an incumbent and two candidates go through the product's own fold and transaction into a SQLite file, in
batches as the writer makes them. CPU and wall time are split in three: folding (rows to encoded states), merging (states
added inside the transaction) and the rest of the transaction, which is the database. Exit 1 when statistics take longer
than the database, or the last tenth is 1.3 times as slow as the second: then ten million would be another story.
"""

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from shadow.app.parts import fold_of
from shadow.ledger.base import ArmTotals, OutcomeRow, PrefixBatch, RecordRow
from shadow.ledger.sql import SqlLedger
from shadow.settings import Policy
from shadow.sources.base import PositionQuestion
from shadow.stats import FoldSpec, merge_states

ARMS = ("incumbent", "cand-a", "cand-b")
BATCH = 200  # records in a transaction
PER_MINUTE = 600  # records of ten a second
START_MS = 1_795_600_000_000
SCORERS = ("relevance", "refusal", "leakage")
SPEC = FoldSpec.from_policy(Policy(quality="relevance"), dict.fromkeys(SCORERS, "absolute"))
MOST_GROWTH = 1.3


def outcome(offset: int, arm: str, pick: random.Random) -> OutcomeRow:
    """An answered call in three segments; numbers vary, as in production."""
    route = f"route={offset % 7}"
    return OutcomeRow(
        topic="t", partition=0, offset=offset, call=0, id=f"req-{offset}", ts_unix_ms=START_MS + offset * 60_000 // PER_MINUTE,
        session=None, user_key=None, route=route, tags={}, segment=route, segments=(route, "lang=en", "length=short"),
        weight_exponent=0, probability=1.0, counted=True, epoch=None if arm == "incumbent" else 1, arm=arm,
        role="incumbent" if arm == "incumbent" else "candidate", status=200, failure=None, spell=None, truncated=False,
        retries=0, latency_seconds=pick.lognormvariate(-1, 0.4), queue_seconds=0.001, ttft_seconds=0.05,
        ttft_answer_seconds=0.05, tpot_seconds=0.01, client_saturated=False, limited_by_us=False, comparable=True,
        input_tokens=pick.randrange(20, 2000), cached_input_tokens=None, output_tokens=pick.randrange(5, 400),
        reasoning_tokens=None, cost_usd=0.0004,
        scores={"relevance": pick.betavariate(20, 2), "refusal": None, "leakage": 1.0},
        labels={"refusal": "compliance"}, reasons={}, findings=[],
    )  # fmt: skip


class Clocks:
    """CPU seconds of this process and wall seconds by part."""

    def __init__(self) -> None:
        self.cpu: dict[str, float] = {}
        self.wall: dict[str, float] = {}

    def timed(self, part: str, work: Any, *arguments: Any) -> Any:
        """Runs `work` and counts what it took."""
        cpu, wall = time.process_time(), time.perf_counter()
        result = work(*arguments)
        self.cpu[part] = self.cpu.get(part, 0.0) + time.process_time() - cpu
        self.wall[part] = self.wall.get(part, 0.0) + time.perf_counter() - wall
        return result


def batch(first: int, calls: list[list[OutcomeRow]], aggregates: Any) -> PrefixBatch:
    """One transaction's prefix, without texts."""
    rows = tuple(row for call in calls for row in call)
    totals = {
        arm: ArmTotals(outcomes=len(calls), output_tokens=sum(r.output_tokens or 0 for r in rows)) for arm in ARMS
    }
    records = tuple(
        RecordRow(offset=c[0].offset, ids=(c[0].id,), disposition="scored", reason=None, ts_unix_ms=c[0].ts_unix_ms)
        for c in calls
    )
    return PrefixBatch(
        topic="t", partition=0, expected_offset=first, next_offset=first + len(calls), gaps=0,
        dispositions={"scored": len(calls)}, records=records, outcomes=rows, texts=(), arm_totals=totals,
        aggregates=aggregates, last_ts_unix_ms=calls[-1][0].ts_unix_ms,
    )  # fmt: skip


def run(outcomes: int, folder: Path) -> tuple[Clocks, list[float]]:
    """The clocks, and wall seconds of fold and transaction per tenth of the records."""
    clocks, pick, fold = Clocks(), random.Random(1), fold_of(SPEC)
    ledger = SqlLedger.open(
        f"sqlite:///{folder / 'bench.db'}",
        merge=lambda kind, one, other: clocks.timed("merge", merge_states, kind, one, other),
    )
    records = max(outcomes // len(ARMS), 10 * BATCH)
    question = PositionQuestion(
        topic="t", partition=0, topic_id="t", begin_offset=0, end_offset=records, start_offset=0
    )
    ledger.load_position(question, group="bench")
    for name in ARMS[1:]:
        ledger.open_epoch(name, name, {}, START_MS, "bench")
    tenths = [0.0] * 10
    minute = START_MS // 60_000
    for first in range(0, records - records % BATCH, BATCH):
        calls = [[outcome(offset, arm, pick) for arm in ARMS] for offset in range(first, first + BATCH)]
        started = time.perf_counter()
        aggregates = clocks.timed("fold", fold, calls)
        clocks.timed("commit", ledger.commit, batch(first, calls, aggregates))
        now = calls[-1][0].ts_unix_ms or 0
        if now // 60_000 >= minute + 10:  # the monitor's part: closed minutes into hours
            minute = now // 60_000
            clocks.timed("roll up", ledger.roll_up, minute - 10)
        tenths[min(first * 10 // records, 9)] += time.perf_counter() - started
    ledger.close()
    return clocks, tenths


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--outcomes", type=int, default=300_000)
    parser.add_argument("--quick", action="store_true", help="30,000 outcomes")
    options = parser.parse_args()
    outcomes = 30_000 if options.quick else options.outcomes
    with tempfile.TemporaryDirectory(prefix="shadow-bench-") as name:
        clocks, tenths = run(outcomes, Path(name))
        size = sum(path.stat().st_size for path in Path(name).iterdir())
    parts = {
        "statistics: fold into states": "fold",
        "statistics: merge in the transaction": "merge",
        "database: the rest of the transaction": "",
    }
    print("| part | CPU per outcome | wall per outcome | share of wall |\n|---|---:|---:|---:|")
    whole = clocks.wall["fold"] + clocks.wall["commit"]
    walls = {}
    for what, part in parts.items():
        cpu, wall = ((c[part] if part else c["commit"] - c["merge"]) for c in (clocks.cpu, clocks.wall))
        walls[part] = wall
        print(f"| {what} | {cpu / outcomes * 1e6:.0f} us | {wall / outcomes * 1e6:.0f} us | {wall / whole:.0%} |")
    rolled = clocks.wall.get("roll up", 0.0)
    rolled_cpu = clocks.cpu.get("roll up", 0.0) / outcomes * 1e6
    print(f"| monitor: minutes into hours | {rolled_cpu:.0f} us | {rolled / outcomes * 1e6:.0f} us | |")
    ratio = (walls["fold"] + walls["merge"]) / walls[""]
    growth = tenths[9] / tenths[1]
    print(
        f"\n{outcomes:,} outcomes, {whole + rolled:.0f} s, {outcomes / (whole + rolled):,.0f} per second, file {size / 1e6:,.0f} MB"
    )
    missed = ratio > 1 or growth > MOST_GROWTH
    print(
        f"statistics take {ratio:.2f} times the database (at most 1); last tenth {growth:.2f} times the second "
        f"(at most {MOST_GROWTH}): {'MISSED' if missed else 'met'}"
    )
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
