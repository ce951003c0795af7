"""Workers that fight for the same partitions and are killed in the middle: every total is exact."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from builders_ledger import number, opened

from shadow.ledger.coverage import coverage

TESTS = Path(__file__).parents[2]
PARTITIONS = 3
RECORDS = 400
KILLING_SECONDS = 4.0


def start(url: str, seed: int) -> subprocess.Popen[bytes]:
    arguments = [sys.executable, str(TESTS / "ledger_worker.py"), url, str(PARTITIONS), str(RECORDS), str(seed)]
    paths = os.pathsep.join([str(TESTS), str(TESTS.parent)])
    return subprocess.Popen(arguments, env={**os.environ, "PYTHONPATH": paths}, stdin=subprocess.DEVNULL)


@pytest.mark.timeout(180)
def test_killed_and_frozen_workers_lose_nothing_and_count_nothing_twice(url: str) -> None:
    dice = random.Random(11)
    opened(url).close()
    workers = [start(url, seed) for seed in range(3)]
    kills, seed = 0, 3
    try:
        end = time.monotonic() + KILLING_SECONDS
        while time.monotonic() < end:
            time.sleep(dice.uniform(0.3, 0.8))
            victim = dice.choice(workers)
            if victim.poll() is not None:
                continue
            if dice.random() < 0.25:
                victim.send_signal(signal.SIGSTOP)
                time.sleep(0.3)
                victim.send_signal(signal.SIGCONT)
                continue
            victim.kill()
            victim.wait(10)
            kills += 1
            seed += 1
            workers.remove(victim)
            workers.append(start(url, seed))
        for worker in workers:
            assert worker.wait(90) == 0
    finally:
        for worker in workers:
            if worker.poll() is None:
                worker.kill()
                worker.wait(10)

    ledger = opened(url)
    rows = Counter((r.partition, r.offset, r.arm) for r in ledger.outcomes())
    assert kills >= 3
    assert set(rows.values()) == {1}
    assert len(rows) == PARTITIONS * RECORDS * 2
    assert {p.next_offset for p in ledger.positions()} == {RECORDS}
    assert ledger.dispositions() == {"scored": PARTITIONS * RECORDS}
    assert ledger.arm_totals() == ledger.raw_counts().arms
    assert sum(number(v) for _, v in ledger.all_aggregates()) == PARTITIONS * sum(range(RECORDS))
    ledger.close()


@pytest.mark.timeout(120)
def test_whoever_looks_while_workers_write_sees_counts_that_add_up(url: str) -> None:
    ledger = opened(url)
    workers = [start(url, seed) for seed in range(2)]
    looks = 0
    try:
        while any(worker.poll() is None for worker in workers):
            with ledger.snapshot() as snapshot:
                found = coverage(snapshot, ["later"])
                rows = sum(1 for _ in snapshot.outcomes())
            assert found.residual == 0
            assert rows == sum(totals.outcomes for totals in found.arms.values()) == 2 * found.read
            looks += 1
            if looks % 5 == 0:
                ledger.forget(session=f"conv-{looks}")
        assert [worker.wait(60) for worker in workers] == [0, 0]
    finally:
        for worker in workers:
            if worker.poll() is None:
                worker.kill()
                worker.wait(10)
    ledger.close()

    assert looks > 3
