"""A mix that the policy fixes: what the traffic does between its segments changes no verdict."""

import math
from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from shadow.loops.monitor import _unfixed_drift
from shadow.settings import Gate, Policy, Utility
from shadow.stats import FoldSpec, Pair, PairState, means
from shadow.verdict.decide import decide
from shadow.verdict.evidence import Context, CrossingKeys, Evidence
from shadow.verdict.mixed import Mix, Strand, outside, span, unfixed
from shadow.verdict.policy import problems
from shadow.verdict.result import Verdict
from shadow.verdict.table import text

SHARES = {"route=a": 0.5, "route=b": 0.5}
POLICY = Policy(
    quality="q",
    gates=[
        Gate(id="quality", metric="score", kind="mean_drop", margin=0.05),
        Gate(id="tail", metric="score<0.3", kind="risk_difference", margin=0.1),
        Gate(id="abs", metric="failure", kind="rate", max=0.1),
    ],
    utility=Utility(kind="linear", score_usd=0.01, max_cost_usd=0.01),
    shares=SHARES,
)
FREE = POLICY.model_copy(update={"shares": {}})
SPEC = FoldSpec.from_policy(POLICY, {"q": "absolute"})
CONTEXT = Context(candidate="c")


def segment(n: int, drop: float, *, seed: int = 1, cost: float = 0.002) -> PairState:
    rng, state = np.random.default_rng(seed), PairState(SPEC.key)
    for i in range(n):
        b = float(rng.beta(20, 4))
        pair = Pair(id=f"{seed}/{i}", score=(max(b - drop, 0.0), b), failure=(False, False), cost_usd=(cost, 0.006))
        state.add(pair, SPEC)
    return state


def look(parts: dict[str, PairState], policy: Policy = POLICY, context: Context = CONTEXT, rest: int = 0) -> Verdict:
    whole = PairState(SPEC.key)
    for part in parts.values():
        whole.absorb(part)
    if rest:
        whole.absorb(segment(rest, 0.0, seed=99))
    return decide(policy, Evidence(pairs={0: whole}, parts={k: {0: p} for k, p in parts.items()}), context)


def states(verdict: Verdict) -> dict[str, str]:
    return {gate.id: gate.state for gate in verdict.gates}


@pytest.fixture(scope="module")
def good() -> dict[str, PairState]:
    return {"route=a": segment(1500, 0.0), "route=b": segment(800, 0.01, seed=2)}


def test_a_rare_route_counts_by_its_share_and_not_by_its_traffic() -> None:
    parts = {"route=a": segment(3000, 0.0), "route=b": segment(300, 0.25, seed=2)}

    free, fixed = look(parts, FREE), look(parts)

    assert (free.gates[0].state, free.gates[0].point) == ("proven", pytest.approx(0.025, abs=0.01))
    assert (fixed.gates[0].state, fixed.gates[0].point) == ("violated", pytest.approx(0.125, abs=0.01))
    assert fixed.word == "reject"


def test_all_gates_and_a_linear_utility_are_proven_over_the_mix(good: dict[str, PairState]) -> None:
    verdict = look(good)

    assert verdict.word == "promote"
    assert set(states(verdict).values()) == {"proven"}
    assert verdict.gates[0].point == pytest.approx(0.005, abs=0.002)
    assert verdict.utility_point == pytest.approx(0.5 * 0.004 + 0.5 * 0.0039, rel=0.05)
    assert sum(term.point or 0.0 for term in verdict.utility) == pytest.approx(verdict.utility_point, rel=0.02)
    assert "over the mix that the policy fixes: route=a 50 %, route=b 50 %" in text(verdict, POLICY)


def test_moving_traffic_within_the_mix_changes_bounds_but_no_estimate(good: dict[str, PairState]) -> None:
    moved = dict(good)
    moved["route=b"] = good["route=b"].merge(good["route=b"]).merge(good["route=b"])

    assert look(moved).gates[0].point == pytest.approx(look(good).gates[0].point)
    assert look(moved, FREE).gates[0].point != pytest.approx(look(good, FREE).gates[0].point, rel=0.1)


def test_a_segment_without_pairs_is_named(good: dict[str, PairState]) -> None:
    verdict = look({"route=a": good["route=a"]})

    assert verdict.word == "hold"
    assert set(states(verdict).values()) == {"undecided"}
    details = {h.gate: h.detail for h in verdict.holds}
    assert (
        "no pairs of route=b yet, whose share the policy fixes; is it spelled as in the traffic?" in details["quality"]
    )
    assert "no pairs of route=b" in details["utility"]


def test_an_open_route_leaves_the_mix_of_what_reads_the_score_and_of_nothing_else(good: dict[str, PairState]) -> None:
    bad = {**good, "route=b": segment(800, 0.3, seed=2)}

    verdict = look(bad, context=replace(CONTEXT, uncounted=frozenset({"route=b"})))

    assert verdict.gates[0].point == pytest.approx(0.0, abs=1e-3)
    assert verdict.gates[2].n == 2300
    assert states(verdict)["quality"] == "proven"


def test_much_traffic_outside_the_mix_holds_the_verdict(good: dict[str, PairState]) -> None:
    verdict = look(good, rest=1000)

    assert [h.reason for h in verdict.holds] == ["mix_drift"]
    assert "30% of the pairs lie in no segment of policy.shares" in verdict.holds[0].detail
    assert look(good, rest=100).word == "promote"
    assert outside(Mix(SHARES, {}), 0) == 0.0


def test_records_to_go_are_forecast_over_the_mix() -> None:
    gate = look({"route=a": segment(60, 0.0), "route=b": segment(30, 0.02, seed=2)}).gates[0]

    assert gate.state == "undecided"
    assert 10 < (gate.records_to_go or 0) < 100_000


def test_what_moved_holds_up_only_what_is_not_over_the_mix() -> None:
    slo = Gate(id="slo", metric="latency", kind="quantile", q=0.95, max_seconds=2)
    with_latency = POLICY.model_copy(update={"gates": [*POLICY.gates, slo], "utility": Utility()})

    assert unfixed(with_latency) == ("slo", "utility")
    assert unfixed(POLICY) == ()
    assert _unfixed_drift(POLICY, "traffic moved") is None
    assert _unfixed_drift(with_latency, None) is None
    assert "fixes no mix for slo and utility" in (_unfixed_drift(with_latency, "traffic moved") or "")


def test_fixed_shares_are_part_of_what_a_crossing_means() -> None:
    gate = POLICY.gates[0]
    keys = {CrossingKeys(p).key("proven", gate) for p in (POLICY, FREE)}

    assert len(keys) == 2


@pytest.mark.parametrize(
    ("shares", "said"),
    [
        ({"route=a": 0.5, "route=b": 0.4}, "add up to 1, and add up to 0.9"),
        ({"route=a": 0.5, "lang=en": 0.5}, "these are of lang and route"),
        ({"route=a": 1.0}, "a mix has 2 to 12"),
        ({"route=a": 1.5, "route=b": -0.5}, "has to lie between 0 and 1"),
        ({f"route={i}": 1 / 13 for i in range(13)}, "names 13 segments"),
    ],
)
def test_shares_that_are_no_mix_are_explained(shares: dict[str, float], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Policy(shares=shares)


@pytest.mark.parametrize(
    ("shares", "said"),
    [
        ({"support": 0.5, "sales": 0.5}, "(route=support?)"),
        ({"length=tiny": 0.5, "length=long": 0.5}, "lengths are short, medium and long"),
        ({"tag:=x": 0.5, "tag:=y": 0.5}, "no segment is called"),
    ],
)
def test_segments_that_the_sidecar_never_makes_are_explained(shares: dict[str, float], said: str) -> None:
    policy = POLICY.model_copy(update={"shares": shares})

    assert said in problems(policy, {"q": "absolute"})[0]
    assert problems(policy) == []


def test_a_drop_exactly_at_its_margin_is_hardly_ever_proven_while_the_traffic_moves_to_the_better_half() -> None:
    """Half of the mix is as good, half drops by twice the margin; the traffic leaves the worse half."""
    rng = np.random.default_rng(11)
    runs, n, margin = 100, 3000, 0.05
    worse_share = np.linspace(0.5, 0.05, n)
    wrong = naive = 0
    for _ in range(runs):
        worse = rng.random(n) < worse_share
        d = np.where(worse, -2 * margin, 0.0) + rng.normal(0, 0.1, n)
        y = (d.clip(-1, 1) + 1) / 2 * 128
        bins = (np.floor(y) + (rng.random(n) < y - np.floor(y))).astype(int)
        ours = theirs = False
        for at in range(100, n + 1, 100):
            strands = [
                Strand(0.5, {0: np.bincount(bins[:at][chosen[:at]], minlength=129)}, -2.0, 1.0)
                for chosen in (worse, ~worse)
            ]
            whole = {0: np.bincount(bins[:at], minlength=129)}
            ours = ours or span(strands, 0.05)[1] < margin
            theirs = theirs or float(means.log_e_greater(whole, (1 - margin) / 2)) >= math.log(20)
        wrong += ours
        naive += theirs

    assert wrong / runs <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / runs)
    assert naive / runs > 0.5
