"""What a look costs: `python bench/statistics_speed.py`."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from statistics_policy import POLICY, SPEC
from statistics_streams import paired

from shadow.stats import Pair, PairState, means, merge_states
from shadow.verdict.decide import decide
from shadow.verdict.evidence import Context, Evidence


def timed(what: str, run: Callable[[], object], repeats: int) -> None:
    """Prints CPU time of the fastest of five rounds: other programs on the machine do not count."""
    run()
    best = float("inf")
    for _ in range(5):
        started = time.process_time()
        for _ in range(repeats):
            run()
        best = min(best, (time.process_time() - started) / repeats)
    print(f"| {what} | {best * 1e6:,.0f} us |")


def main() -> None:
    rng = np.random.default_rng(1)
    c, b = paired(rng, 20_000)
    pairs = [
        Pair(
            id=str(i), score=(float(c[i]), float(b[i])), violation=(bool(rng.random() < 0.01), False), failure=(False, False),
            latency_seconds=(float(rng.lognormal(0, 0.4)), float(rng.lognormal(0, 0.4))), cost_usd=(0.001, 0.003),
        )
        for i in range(20_000)
    ]  # fmt: skip
    state, minute = PairState(SPEC.key), PairState(SPEC.key)
    for pair in pairs:
        state.add(pair, SPEC)
    for pair in pairs[:60]:
        minute.add(pair, SPEC)
    evidence, context = Evidence(pairs={0: state}), Context(candidate="c")
    streams = np.tile(means.dense(state.difference, 129), (240, 1))
    scratch = PairState(SPEC.key)
    whole, part = state.to_bytes(), minute.to_bytes()
    print("| operation | time |\n|---|---:|")
    timed("one pair into a state", lambda: scratch.add(pairs[7], SPEC), 2000)
    timed("a minute's state merged into an epoch's, as bytes", lambda: merge_states("pair", whole, part), 200)
    timed("a look: five gates and a utility", lambda: decide(POLICY, evidence, context, detail=False), 50)
    timed("a look with every interval and forecast", lambda: decide(POLICY, evidence, context), 5)
    timed("e-values of 240 streams at a fixed margin", lambda: means.log_e_less({0: streams}, 0.46), 200)
    print(f"\nbytes: minute of 60 pairs {len(part):,}, epoch of 20,000 pairs {len(whole):,}")


if __name__ == "__main__":
    main()
