"""The evidence over time is what each look would have shown, and ends in what the verdict shows now."""

import numpy as np

from shadow.settings import Gate, Policy
from shadow.stats import FoldSpec, Pair, PairState, total
from shadow.verdict.decide import decide
from shadow.verdict.evidence import Context, Evidence
from shadow.verdict.trail import trails

POLICY = Policy(
    quality="q",
    gates=[
        Gate(id="quality", metric="score", kind="mean_drop", margin=0.05),
        Gate(id="p95", metric="latency", kind="quantile_ratio", q=0.95, max=1.3),
    ],
)
SPEC = FoldSpec.from_policy(POLICY, {"q": "absolute"})


def minutes(count: int, each: int, seed: int = 1) -> list[dict[str, dict[int, PairState]]]:
    rng = np.random.default_rng(seed)
    found = []
    for minute in range(count):
        state = PairState(SPEC.key)
        for i in range(each):
            b = float(rng.beta(20, 2))
            c = b if rng.random() < 0.5 else float(rng.beta(20, 2))
            slow = (float(rng.lognormal(0, 0.4)), float(rng.lognormal(0, 0.4)))
            state.add(
                Pair(id=f"{minute}/{i}", ts_unix_ms=minute * 60_000 + i, score=(c, b), latency_seconds=slow), SPEC
            )
        found.append({"all": {0: state}})
    return found


def test_the_last_point_is_what_the_verdict_shows() -> None:
    buckets = minutes(120, 10)
    whole = PairState(SPEC.key)
    for bucket in buckets:
        whole.absorb(bucket["all"][0])
    verdict = decide(POLICY, Evidence(pairs={0: whole}), Context(candidate="c"))

    for trail, gate in zip(trails(POLICY, buckets, {}), verdict.gates, strict=True):
        newest = trail.points[-1]
        assert (newest.n, newest.lower, newest.point, newest.upper) == (1200, gate.lower, gate.point, gate.upper)
        assert (newest.log_evalue_ok, newest.log_evalue_bad) == (gate.log_evalue_ok, gate.log_evalue_bad)
        assert newest.at_unix_ms == whole.last_unix_ms


def test_points_are_few_ascend_and_change_no_bucket() -> None:
    buckets = minutes(200, 4)
    before = [bucket["all"][0].to_bytes() for bucket in buckets]
    points = trails(POLICY, buckets, {})[0].points

    assert len(points) == 40
    assert [p.n for p in points] == sorted({p.n for p in points})
    assert [bucket["all"][0].to_bytes() for bucket in buckets] == before


def test_without_pairs_there_are_no_points_and_a_gate_without_data_is_unknown() -> None:
    nothing = trails(POLICY, [], {})
    assert [trail.points for trail in nothing] == [(), ()]

    unscored = PairState(SPEC.key)
    unscored.add(Pair(id="1", failure=(False, False)), SPEC)
    (point,) = trails(POLICY, [{"all": {0: unscored}}], {})[0].points
    assert (point.lower, point.point, point.upper, point.log_evalue_ok) == (None, None, None, None)


def test_the_noise_floor_stands_beside_it() -> None:
    floor = minutes(1, 200, seed=9)[0]["all"]
    quality, _ = trails(POLICY, minutes(3, 30), floor)

    assert quality.floor is not None
    assert abs(quality.floor) < 0.05
    assert trails(POLICY, minutes(3, 30), {})[0].floor is None


def test_over_a_fixed_mix_the_last_point_is_what_the_verdict_shows_too() -> None:
    policy = POLICY.model_copy(update={"shares": {"route=a": 0.9, "route=b": 0.1}})
    a, b = minutes(20, 10, seed=1), minutes(20, 10, seed=2)
    buckets = [
        {"route=a": x["all"], "route=b": y["all"], "all": {0: x["all"][0].merge(y["all"][0])}}
        for x, y in zip(a, b, strict=True)
    ]
    whole = {name: {0: total((bucket[name][0] for bucket in buckets), SPEC.key)} for name in buckets[0]}
    verdict = decide(policy, Evidence(pairs=whole["all"], parts=whole), Context(candidate="c"))

    quality, _ = trails(policy, buckets, {})

    newest, gate = quality.points[-1], verdict.gates[0]
    assert (newest.lower, newest.point, newest.upper) == (gate.lower, gate.point, gate.upper)
    assert newest.point != decide(POLICY, Evidence(pairs=whole["all"]), Context(candidate="c")).gates[0].point
