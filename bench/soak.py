"""Memory over minutes: `python -m bench.soak [--seconds 300] [--rate 20] [--times 10]`.

Two sidecars run side by side for so long, one fed `rate` records per second, the other `times` as many; after the first
fifth (start-up: imports, caches, pages of the database) the peak of replayer + evaluator is compared. Goal: at ten times
the load at most 1.1 times the memory. Both have to keep up: the records that the ledger had at the end are printed too.
"""

import argparse
import random
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from bench.measure import load
from bench.running import Sidecar, Simulator, records

SAMPLE_SECONDS = 1.0
GOAL = 1.1


def main() -> None:
    """Exit 0 when the goal is met, 1 when it is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--rate", type=float, default=20, help="records per second of the lesser load")
    parser.add_argument("--times", type=int, default=10, help="how many times as much the other one gets")
    options = parser.parse_args()
    pick = random.Random(0)
    rates = (options.rate, options.rate * options.times)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="shadow-soak-")))
        simulator = stack.enter_context(Simulator(ttft_ms=30))
        sides = [stack.enter_context(Sidecar(folder / f"{rate:g}", urls=[simulator.url])) for rate in rates]
        fed, peaks = [0, 0], [{"replayer": 0, "evaluator": 0} for _ in sides]
        started = time.monotonic()
        while (now := time.monotonic() - started) < options.seconds:
            for side, rate, index in zip(sides, rates, range(2), strict=True):
                due = int(now * rate) - fed[index]
                side.feed(records(fed[index], due, pick))
                fed[index] += due
                for role, value in side.rss_bytes().items():
                    if role in peaks[index] and now > options.seconds / 5:
                        peaks[index][role] = max(peaks[index][role], value)
            time.sleep(SAMPLE_SECONDS)
        kept = [side.committed() for side in sides]
    for rate, peak, sent, done in zip(rates, peaks, fed, kept, strict=True):
        shown = ", ".join(f"{role} {value / 2**20:.1f} MiB" for role, value in peak.items())
        print(f"{rate:g} records/s: {sent} fed, {done} in the ledger at the end; peak {shown}")
    ratio = sum(peaks[1].values()) / sum(peaks[0].values())
    word = "met" if ratio <= GOAL else "MISSED"
    print(
        f"{options.times}x the load, {options.seconds:.0f} s: {ratio:.3f}x the memory, goal {GOAL}; load {load():.1f}: {word}"
    )
    raise SystemExit(0 if ratio <= GOAL else 1)


if __name__ == "__main__":
    main()
