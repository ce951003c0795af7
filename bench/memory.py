"""Memory of the sidecar (G8): with ten times the records behind it, and while every candidate is down for a minute."""

import random
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.measure import Options, Row, load
from bench.running import Sidecar, Simulator, records

CHUNK = 2_000
WINDOW_BYTES = 64 * 2**20
OUTAGE_SECONDS = 60.0


def growth(options: Options) -> Row:
    """Resident memory of replayer + evaluator at N and at ten times N records, in the same run."""
    first = 1_000 if options.quick else 10_000
    pick = random.Random(0)
    with (
        tempfile.TemporaryDirectory(prefix="shadow-bench-") as name,
        Simulator() as simulator,
        Sidecar(Path(name), urls=[simulator.url], replay={"stream": False}) as sidecar,
    ):
        fed, seen = 0, []
        started = time.monotonic()
        for goal in (first, first * 10):
            while fed < goal:
                count = min(CHUNK, goal - fed)
                sidecar.feed(records(fed, count, pick))
                fed += count
                sidecar.wait_committed(fed - CHUNK)
            sidecar.wait_committed(fed)
            time.sleep(1.5)
            seen.append(sidecar.rss_bytes())
        rate = fed / (time.monotonic() - started)
    shown = "; ".join(f"{role} {seen[0][role] / 2**20:.1f} -> {seen[1][role] / 2**20:.1f} MiB" for role in seen[0])
    before, after = (at["replayer"] + at["evaluator"] for at in seen)
    return Row(
        id="G8",
        what=f"resident memory at {first * 10:,} records, of that at {first:,}",
        limit=1.03,
        values=(after / before,),
        note=f"{shown}; {rate:.0f} records/s of wall time",
        gated=False,
        load=load(),
    )


def outage(options: Options) -> Row:
    """Growth of the replayer and the evaluator while the only candidates hang, with records coming in all the time."""
    pick = random.Random(0)
    seconds = 10.0 if options.quick else OUTAGE_SECONDS
    replay = {"window_bytes": WINDOW_BYTES, "timeout_seconds": 5, "drain_seconds": 2}
    with (
        tempfile.TemporaryDirectory(prefix="shadow-bench-") as name,
        Simulator(ttft_ms=10) as simulator,
        Sidecar(Path(name), urls=[simulator.url] * 2, replay=replay) as sidecar,
    ):
        fed = 0

        def feed(count: int) -> None:
            nonlocal fed
            sidecar.feed(records(fed, count, pick))
            fed += count

        feed(1_000)
        sidecar.wait_committed(fed)
        before = peak = sum(sidecar.rss_bytes().values())
        simulator.signal(signal.SIGSTOP)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            feed(40)
            time.sleep(0.2)
            peak = max(peak, sum(sidecar.rss_bytes().values()))
        simulator.signal(signal.SIGCONT)
        sidecar.wait_committed(fed)
        said = sidecar.said()
    if "is down" not in said:
        raise SystemExit("the arms never went down")
    return Row(
        id="G8 outage",
        what=f"growth while both candidates hang for {seconds:.0f} s, of replay.window_bytes",
        limit=1.0,
        values=((peak - before) / WINDOW_BYTES,),
        note=f"{(peak - before) / 2**20:.1f} MiB of {WINDOW_BYTES / 2**20:.0f}; all {fed:,} records accounted for",
        gated=False,
        load=load(),
    )


def run(options: Options) -> Iterator[Row]:
    """Every row of this bench."""
    yield outage(options)
    yield growth(options)
