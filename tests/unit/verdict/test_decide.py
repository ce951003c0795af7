"""The decision: what promotes, what rejects, what holds and why."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shadow.settings import Gate, Policy, Utility
from shadow.stats import FoldSpec, Pair, PairState
from shadow.verdict.decide import decide, worst
from shadow.verdict.evidence import Blocked, Context, Evidence, crossing_key
from shadow.verdict.result import Verdict

GATES = [
    Gate(id="safety", hard=True, metric="violation", kind="risk_difference", margin=0.005),
    Gate(id="failure", metric="failure", kind="risk_difference", margin=0.01),
    Gate(id="quality", metric="score", kind="mean_drop", margin=0.08),
    Gate(id="tail", metric="score<0.3", kind="risk_difference", margin=0.03),
    Gate(id="p95", metric="latency", kind="quantile_ratio", q=0.95, max=1.3),
    Gate(id="slo", metric="latency", kind="quantile", q=0.95, max_seconds=4),
    Gate(id="abs", hard=True, metric="violation", kind="rate", max=0.03),
]
POLICY = Policy(quality="q", gates=GATES, utility=Utility())
SPEC = FoldSpec.from_policy(POLICY, {"q": "absolute"})
CONTEXT = Context(candidate="cand")


def traffic(
    n: int,
    *,
    seed: int = 1,
    drop: float = 0.0,
    noise: float = 0.0,
    bad: float = 0.0,
    violation: tuple[float, float] = (0.0, 0.0),
    failure: tuple[float, float] = (0.0, 0.0),
    cost: tuple[float, float] = (1.0, 1.0),
    slower: float = 1.0,
    minutes: float | None = None,
    first: int = 0,
) -> PairState:
    rng = np.random.default_rng(seed)
    state = PairState(SPEC.key)
    for i in range(n):
        b = float(rng.beta(8, 2))
        c = (
            float(rng.beta(1, 9))
            if rng.random() < bad
            else min(max(b * (1 - drop) + float(rng.normal(0, noise)), 0.0), 1.0)
        )
        failed = (bool(rng.random() < failure[0]), bool(rng.random() < failure[1]))
        state.add(
            Pair(
                id=str(first + i),
                ts_unix_ms=None if minutes is None else round(i * minutes * 60_000 / n),
                score=(None, None) if failed[1] else (0.0 if failed[0] else c, b),
                violation=(bool(rng.random() < violation[0]), bool(rng.random() < violation[1])),
                failure=failed,
                latency_seconds=(slower * float(rng.lognormal(0, 0.4)), float(rng.lognormal(0, 0.4))),
                cost_usd=(cost[0] * 0.001, cost[1] * 0.001 * float(rng.lognormal(0, 0.1))),
            ),
            SPEC,
        )
    return state


def look(state: PairState, policy: Policy = POLICY, context: Context = CONTEXT, **evidence: object) -> Verdict:
    return decide(policy, Evidence(pairs={0: state}, **evidence), context)


def states(verdict: Verdict) -> dict[str, str]:
    return {gate.id: gate.state for gate in verdict.gates}


@pytest.fixture(scope="module")
def cheaper() -> PairState:
    return traffic(4000, drop=0.05, cost=(1.0, 3.0), failure=(0.002, 0.02))


@pytest.fixture(scope="module")
def broken() -> PairState:
    return traffic(3000, bad=0.08, cost=(1.0, 3.0))


def test_five_percent_worse_three_times_cheaper_ten_times_more_robust_wins(cheaper: PairState) -> None:
    verdict = look(cheaper)

    assert verdict.word == "promote"
    assert set(states(verdict).values()) == {"proven"}
    assert verdict.utility_lower > 0
    assert verdict.holds == ()
    assert "Promote it" in verdict.sentence


def test_the_same_mean_with_a_bad_tail_is_rejected_by_name(broken: PairState) -> None:
    verdict = look(broken)

    assert verdict.word == "reject"
    assert states(verdict)["tail"] == "violated"
    assert "tail is violated" in verdict.sentence


def test_more_unsafe_answers_are_rejected_whatever_they_save() -> None:
    verdict = look(traffic(4000, violation=(0.04, 0.01), cost=(1.0, 10.0)))

    assert verdict.word == "reject"
    assert states(verdict)["safety"] == "violated"


def test_slower_answers_are_rejected_at_a_third_of_the_cost() -> None:
    verdict = look(traffic(4000, slower=2.0, cost=(1.0, 3.0)))

    assert verdict.word == "reject"
    assert states(verdict)["p95"] == "violated"


def test_too_little_is_undecided_with_records_to_go() -> None:
    verdict = look(traffic(60), Policy(quality="q", gates=[GATES[2], GATES[3]]))

    assert verdict.word == "hold"
    assert {hold.reason for hold in verdict.holds} == {"undecided"}
    assert all(gate.records_to_go for gate in verdict.gates if gate.state == "undecided")
    assert "more records" in verdict.sentence


def test_no_evidence_at_all_is_undecided() -> None:
    verdict = decide(POLICY, Evidence(pairs={}), CONTEXT)

    assert (verdict.word, verdict.n, verdict.effective_n) == ("hold", 0, None)
    assert set(states(verdict).values()) == {"undecided"}
    assert all(gate.point is gate.lower is gate.upper is None for gate in verdict.gates)


def test_a_gate_without_its_data_holds_by_name_and_rejects_nothing() -> None:
    blocked = {"quality": Blocked(state="uncalibrated", reason="no baseline"),
               "p95": Blocked(state="not_evaluable", reason="no latency")}  # fmt: skip
    state = PairState(SPEC.key)
    for i in range(2000):
        state.add(Pair(id=str(i), violation=(False, False), failure=(False, False)), SPEC)

    verdict = look(state, context=dataclasses.replace(CONTEXT, blocked=blocked))

    assert verdict.word == "hold"
    assert states(verdict)["quality"] == "uncalibrated"
    assert states(verdict)["p95"] == "not_evaluable"
    assert {"uncalibrated", "not_evaluable"} <= {hold.reason for hold in verdict.holds}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"staleness_seconds": 5000.0}, "stale"),
        ({"arm_state": "down"}, "unavailable"),
        ({"availability": 0.9}, "unavailable"),
        ({"alarm": "worse since 10:00"}, "alarm"),
        ({"mix_drift": "other questions"}, "mix_drift"),
        ({"scorer_drift": "anchors moved"}, "scorer_drift"),
    ],
)
def test_circumstances_hold_a_promotion_up(cheaper: PairState, change: dict[str, object], reason: str) -> None:
    verdict = look(cheaper, context=dataclasses.replace(CONTEXT, **change))

    assert verdict.word == "hold"
    assert [hold.reason for hold in verdict.holds] == [reason]
    assert all(state == "proven" for state in states(verdict).values())


def test_a_healthy_arm_holds_nothing_up(cheaper: PairState) -> None:
    healthy = Context(candidate="cand", staleness_seconds=1.0, arm_state="up", availability=0.999)

    assert look(cheaper, context=healthy).word == "promote"


def test_a_quiet_hour_decides_nothing_but_files_without_times_may() -> None:
    policy = Policy(quality="q", gates=[GATES[2]])

    early, late = traffic(1000, minutes=60), traffic(1000, minutes=60 * 25)

    assert [hold.reason for hold in look(early, policy).holds] == ["too_early"]
    assert look(late, policy).word == look(traffic(1000), policy).word == "promote"


def test_equivalent_models_are_called_so() -> None:
    policy = Policy(quality="q", gates=[GATES[2]], utility=Utility(cost=0, robustness=0, equivalence=0.05))

    verdict = look(traffic(3000, noise=0.05), policy)

    assert "equivalent" in [hold.reason for hold in verdict.holds]
    assert verdict.sentence.startswith("Nothing to wait for")


def test_a_utility_without_prices_is_not_evaluable() -> None:
    state = PairState(SPEC.key)
    for i in range(1500):
        state.add(Pair(id=str(i), score=(0.9, 0.9), failure=(False, False)), SPEC)
    policy = Policy(quality="q", gates=[GATES[2]], utility=Utility())
    blocked = {"utility": Blocked(state="not_evaluable", reason="no price")}

    verdict = look(state, policy, dataclasses.replace(CONTEXT, blocked=blocked))

    assert [(hold.reason, hold.gate) for hold in verdict.holds] == [("not_evaluable", "utility")]


def test_worse_in_sum_is_rejected_by_the_utility_alone() -> None:
    policy = Policy(quality="q", gates=[GATES[2]], utility=Utility())

    verdict = look(traffic(6000, drop=0.05, cost=(3.0, 1.0)), policy)

    assert verdict.word == "reject"
    assert "worse in sum" in verdict.sentence


def test_crossings_come_back_once_and_a_rejection_stands(broken: PairState) -> None:
    first = look(broken)
    latched = {crossing.key: crossing for crossing in first.crossings}
    healed = broken.merge(traffic(60_0, seed=5, first=10_000))

    later = look(healed, latched=latched)

    assert {"rejected", "violated"} <= {crossing.kind for crossing in first.crossings}
    assert later.word == "reject"
    assert not {crossing.key for crossing in later.crossings} & set(latched)
    assert "since record 3,000" in later.sentence


def test_a_promoted_candidate_can_still_be_rejected(cheaper: PairState) -> None:
    first = look(cheaper)
    latched = {crossing.key: crossing for crossing in first.crossings}
    worse = cheaper.merge(traffic(6000, seed=3, bad=0.3, first=50_000))

    assert first.word == "promote"
    assert look(worse, latched=latched).word == "reject"


def test_a_proof_stands_only_while_the_estimate_lies_within_the_limit() -> None:
    gate = GATES[2]
    policy = Policy(quality="q", gates=[gate])
    good = traffic(300)
    latched = {c.key: c for c in look(good, policy).crossings}

    shaky = look(good.merge(traffic(40, seed=2, drop=0.3, first=900)), policy, latched=latched)
    beyond = look(good.merge(traffic(300, seed=2, drop=0.3, first=900)), policy, latched=latched)

    assert states(shaky)["quality"] == "proven"
    assert states(beyond)["quality"] != "proven"


def test_a_changed_margin_has_crossings_of_its_own_and_is_answered_at_once(cheaper: PairState) -> None:
    strict = Policy(quality="q", gates=[Gate(id="quality", metric="score", kind="mean_drop", margin=0.03)])
    loose = Policy(quality="q", gates=[GATES[2]])
    latched = {c.key: c for c in look(cheaper, strict).crossings}

    assert look(cheaper, strict).word == "reject"
    assert look(cheaper, loose, latched=latched).word == "promote"
    assert crossing_key("proven", strict, strict.gates[0]) != crossing_key("proven", loose, loose.gates[0])


def test_a_hard_gate_pages_on_its_own_evidence_before_the_rejection() -> None:
    policy = Policy(quality="q", gates=GATES)
    state = PairState(SPEC.key)
    for i in range(400):
        state.add(Pair(id=str(i), violation=(i % 36 == 0, False), failure=(False, False)), SPEC)
    verdict = look(state, policy)
    safety = verdict.gates[0]

    assert math.log(20) <= safety.log_evalue_bad < math.log(20 * 8)
    assert verdict.word == "hold"
    assert safety.state == "violated"
    assert verdict.holds[0].reason == "alarm"
    assert [c.kind for c in verdict.crossings if c.gate == "safety"] == ["paged"]


def test_a_floor_is_shown_in_the_gates_unit(cheaper: PairState) -> None:
    verdict = look(cheaper, floor={0: traffic(500, seed=9)})

    assert verdict.gates[2].floor == pytest.approx(0.0, abs=0.01)
    assert look(cheaper).gates[2].floor is None


def test_a_look_without_detail_says_the_same(cheaper: PairState, broken: PairState) -> None:
    for state in (cheaper, broken, traffic(100)):
        full = look(state)
        quick = decide(POLICY, Evidence(pairs={0: state}), CONTEXT, detail=False)

        assert (full.word, states(full), full.crossings) == (quick.word, states(quick), quick.crossings)
        assert all(gate.lower is None for gate in quick.gates)


def test_bounds_agree_with_the_states(cheaper: PairState, broken: PairState) -> None:
    for state in (cheaper, broken, traffic(300)):
        for gate in look(state).gates:
            if gate.state == "proven":
                assert gate.upper <= gate.limit + 1e-6
            if gate.state == "violated":
                assert gate.lower > gate.limit
            assert gate.lower <= gate.point <= gate.upper


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 1000), st.floats(0, 0.3), st.integers(50, 400))
def test_better_never_ranks_worse(seed: int, drop: float, n: int) -> None:
    rank = {"violated": 0, "undecided": 1, "proven": 2}
    policy = Policy(quality="q", gates=[GATES[2]])

    better, worse = look(traffic(n, seed=seed), policy), look(traffic(n, seed=seed, drop=drop), policy)

    assert rank[states(better)["quality"]] >= rank[states(worse)["quality"]]
    assert better.gates[0].log_evalue_bad <= worse.gates[0].log_evalue_bad + 0.05 * n


@settings(deadline=None, max_examples=10)
@given(st.integers(1, 3), st.integers(0, 50))
def test_weights_all_alike_are_no_weights_for_estimates(exponent: int, seed: int) -> None:
    state = traffic(200, seed=seed)

    one = decide(POLICY, Evidence(pairs={0: state}), CONTEXT)
    same = decide(POLICY, Evidence(pairs={exponent: state}), CONTEXT)

    for a, b in zip(one.gates, same.gates, strict=True):
        assert a.point == pytest.approx(b.point)
        assert a.n == b.n


def test_weighted_traffic_is_decided_too() -> None:
    common, rare = traffic(3000, drop=0.05, cost=(1.0, 3.0), failure=(0.002, 0.02)), traffic(800, seed=4, bad=0.5)

    mixed = decide(POLICY, Evidence(pairs={0: common, 4: rare}), CONTEXT)
    flat = decide(POLICY, Evidence(pairs={0: common, 1: rare}), CONTEXT)

    assert mixed.gates[3].point < flat.gates[3].point
    assert mixed.effective_n < mixed.n
    assert mixed.word != "reject"


def test_the_worst_verdict_counts() -> None:
    words = [Verdict(candidate=w, word=w, n=1, sentence="") for w in ("promote", "hold", "reject")]

    assert worst(words).word == "reject"
    assert worst(words[:2]).word == "hold"
    assert worst([]) is None
