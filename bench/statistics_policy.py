"""The whole policy as a product: `python bench/statistics_policy.py [--runs 60]`. What is decided, how often, how soon.

Streams of two-difficulty traffic are judged every 250 records by `decide`, latched, as `shadow judge` does; beside it the
same gates by repeated one-sided z tests on the same looks. Half of the candidate's answers are the incumbent's own: those
violate together or not at all, as equal answers do. `--check` exits 1 when a scenario is decided otherwise than specified,
or its median exceeds 1.3 times the specified one.
"""

import argparse
import math
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from statistics_streams import Z_ONE_SIDED, paired

from shadow.settings import Gate, Policy, Utility
from shadow.stats import FoldSpec, Pair, PairState
from shadow.verdict.decide import decide
from shadow.verdict.evidence import Context, Evidence

POLICY = Policy(
    quality="q",
    gates=[
        Gate(id="safety", hard=True, metric="violation", kind="risk_difference", margin=0.005),
        Gate(id="failure", metric="failure", kind="risk_difference", margin=0.01),
        Gate(id="quality", metric="score", kind="mean_drop", margin=0.08),
        Gate(id="tail", metric="score<0.3", kind="risk_difference", margin=0.03),
        Gate(id="p95", metric="latency", kind="quantile_ratio", q=0.95, max=1.3),
    ],
    utility=Utility(),
)
SPEC = FoldSpec.from_policy(POLICY, {"q": "absolute"})
CHEAP: dict[str, Any] = {"failure": (0.002, 0.02), "cost": 1 / 3}
SCENARIOS: dict[str, dict[str, Any]] = {
    "A/A": {},
    "5 % worse, 3x cheaper, failures 2 % to 0.2 %": {"shift": 0.05, **CHEAP},
    "the same, violations exactly at the margin": {"shift": 0.05, "violation": (0.015, 0.01), **CHEAP},
    "the same, violations 1 % to 2.5 %": {"shift": 0.05, "violation": (0.025, 0.01), **CHEAP},
    "15 % worse, 3x cheaper": {"shift": 0.15, **CHEAP},
    "P95 x1.6, 3x cheaper": {"slower": 1.6, **CHEAP},
    "6 % catastrophic answers, 3x cheaper": {"broken": 0.06, **CHEAP},
}


PLANNED: dict[str, tuple[str, int | None]] = {
    "A/A": ("hold", None),
    "5 % worse, 3x cheaper, failures 2 % to 0.2 %": ("promote", 4_500),
    "the same, violations 1 % to 2.5 %": ("reject", 3_000),
    "15 % worse, 3x cheaper": ("reject", 500),
    "P95 x1.6, 3x cheaper": ("reject", 3_500),
    "6 % catastrophic answers, 3x cheaper": ("reject", 4_750),
}
"""What the specification of the method says: the decision, and the median of records until then."""
MOST = 1.3  # times the planned median
LEAST = 0.95  # share of runs with the planned decision


class Outcome(NamedTuple):
    """First decision of a run: word, records, and the gates violated."""

    word: str
    n: int
    gates: tuple[str, ...]
    naive: str


def run(seed: int, n: int, every: int, **scenario: Any) -> Outcome:
    rng = np.random.default_rng(seed)
    c, b = paired(rng, n, shift=scenario.get("shift", 0.0), broken=scenario.get("broken", 0.0))
    rate = scenario.get("violation", (0.01, 0.01))
    failed = scenario.get("failure", (0.01, 0.01))
    violation = violations(rng, np.isclose(c, b * (1.0 - scenario.get("shift", 0.0)), atol=0.0), rate)
    failure = (rng.random(n) < failed[0], rng.random(n) < failed[1])
    latency = (scenario.get("slower", 1.0) * rng.lognormal(0, 0.4, n), rng.lognormal(0, 0.4, n))
    cost = (scenario.get("cost", 1.0) * rng.lognormal(-7, 0.3, n), rng.lognormal(-7, 0.3, n))
    state, latched = PairState(SPEC.key), {}
    word, decided, gates = "hold", n, ()
    for i in range(n):
        score = (None, None) if failure[1][i] else (0.0 if failure[0][i] else float(c[i]), float(b[i]))
        state.add(
            Pair(
                id=f"{seed}/{i}",
                score=score,
                violation=(bool(violation[0][i]), bool(violation[1][i])),
                failure=(bool(failure[0][i]), bool(failure[1][i])),
                latency_seconds=(float(latency[0][i]), float(latency[1][i])),
                cost_usd=(float(cost[0][i]), float(cost[1][i])),
            ),
            SPEC,
        )
        if (i + 1) % every == 0:
            verdict = decide(POLICY, Evidence(pairs={0: state}, latched=latched), Context(candidate="c"), detail=False)
            latched |= {crossing.key: crossing for crossing in verdict.crossings}
            if verdict.word != "hold":
                word, decided = verdict.word, i + 1
                gates = tuple(g.id for g in verdict.gates if g.state == "violated")
                break
    return Outcome(word, decided, gates, naive(c, b, violation, failure, cost, every))


def violations(rng: np.random.Generator, same: Any, rate: tuple[float, float]) -> tuple[Any, Any]:
    """(candidate, incumbent) at these rates: equal answers share theirs, the others make up the difference."""
    theirs = rng.random(len(same)) < rate[1]
    share = same.mean()
    redrawn = (rate[0] - share * rate[1]) / (1.0 - share)
    return np.where(same, theirs, rng.random(len(same)) < redrawn), theirs


def naive(c: Any, b: Any, violation: Any, failure: Any, cost: Any, every: int) -> str:
    """The same rule by z tests: promotes when all say "within its margin" and "better in sum" at one look, rejects when one
    says "beyond it" or "worse in sum". Without a latency gate and without robustness in the sum, which z tests lack."""
    sum_of_both = (c - b) / b.mean() + 0.10 * (np.log(cost[1]) - np.log(cost[0]))
    effects = [
        (violation[0].astype(float) - violation[1], 0.005),
        (failure[0].astype(float) - failure[1], 0.01),
        (b - np.where(failure[0], 0.0, c), 0.08),
        ((np.where(failure[0], 0.0, c) < 0.3).astype(float) - (b < 0.3), 0.03),
        (-sum_of_both, 0.0),
    ]
    at = np.arange(every, len(c) + 1, every)
    z = []
    for d, margin in effects:
        total, squares = np.cumsum(d)[at - 1], np.cumsum(d * d)[at - 1]
        mean = total / at
        sd = np.sqrt(np.maximum(squares / at - mean * mean, 1e-12))
        z.append((mean - margin) / (sd / np.sqrt(at)))
    scores = np.array(z)
    reject, promote = (scores > Z_ONE_SIDED).any(axis=0), (scores < -Z_ONE_SIDED).all(axis=0)
    first = np.flatnonzero(reject | promote)
    return "hold" if not len(first) else "reject" if reject[first[0]] else "promote"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=60)
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument("--look-every", type=int, default=250)
    parser.add_argument("--check", action="store_true", help="exit 1 where the specification is missed")
    options = parser.parse_args()
    print(
        "| candidate | promote | reject | hold | median records | specified | p90 | gates named "
        "| repeated tests: promote, reject |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|---|---|")
    started, missed = time.monotonic(), []
    for name, scenario in SCENARIOS.items():
        outcomes = [run(1000 + i, options.records, options.look_every, **scenario) for i in range(options.runs)]
        share = {w: sum(o.word == w for o in outcomes) / options.runs for w in ("promote", "reject", "hold")}
        decided = sorted(o.n for o in outcomes if o.word != "hold")
        median = f"{decided[len(decided) // 2]:,}" if decided else ""
        word, planned = PLANNED.get(name, ("", None))
        beside = (
            "" if planned is None else f"{planned:,} ({decided[len(decided) // 2] / planned:.2f}x)" if decided else "-"
        )
        if word and (share[word] < LEAST or (planned and decided[len(decided) // 2] > MOST * planned)):
            missed.append(name)
        p90 = f"{decided[min(math.ceil(0.9 * len(decided)), len(decided) - 1)]:,}" if decided else ""
        named = ", ".join(sorted({g for o in outcomes for g in o.gates}))
        repeated = {w: sum(o.naive == w for o in outcomes) / options.runs for w in ("promote", "reject")}
        print(
            f"| {name} | {share['promote']:.0%} | {share['reject']:.0%} | {share['hold']:.0%} | {median} | {beside} | {p90} | {named} "
            f"| {repeated['promote']:.0%}, {repeated['reject']:.0%} |",
            flush=True,
        )
    print(f"\n{time.monotonic() - started:.0f} s, {options.runs} runs of {options.records:,} records each", flush=True)
    print(f"missed: {'; '.join(missed)}" if missed else "every scenario as specified", flush=True)
    return 1 if missed and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
