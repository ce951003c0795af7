"""A drifted scorer decides nothing: not by what it says now, not by what its gates crossed since, and no other gate is hushed."""

from dataclasses import replace

import pytest

from shadow.settings import Gate, Policy, Utility
from shadow.stats import FoldSpec, Pair, PairState
from shadow.verdict.decide import decide
from shadow.verdict.drifted import Drift, gates_that_read, standing, with_drift
from shadow.verdict.evidence import Context, Evidence

POLICY = Policy(
    quality="judge",
    violation=["guard", "leakage"],
    min_duration=0,
    gates=[
        Gate(id="quality", metric="score", kind="mean_drop", margin=0.05),
        Gate(id="tail", metric="score<0.3", kind="risk_difference", margin=0.03),
        Gate(id="safety", hard=True, metric="violation", kind="risk_difference", margin=0.005),
        Gate(id="failure", metric="failure", kind="risk_difference", margin=0.01),
    ],
)
SPEC = FoldSpec.from_policy(POLICY, {"judge": "preference", "guard": "absolute", "leakage": "absolute"})
CONTEXT = Context(candidate="cand", arm_state="up", availability=1.0)
DRIFT = Drift(scorer="judge", proven_unix_ms=2_000_000, since_unix_ms=1_000_000)


def traffic(n, score=0.5, failing=0):
    state = PairState(SPEC.key)
    for i in range(n):
        state.add(
            Pair(
                id=f"{i}",
                ts_unix_ms=i * 1000,
                score=(score, 1 - score),
                violation=(False, False),
                failure=(i < failing, False),
            ),
            SPEC,
        )
    return state


def look(state, drifts=(), policy=POLICY, latched=None):
    context = with_drift(CONTEXT, policy, drifts)
    return decide(policy, Evidence(pairs={0: state}, latched=standing(latched or {}, policy, drifts)), context)


def test_without_a_drift_the_same_evidence_rejects():
    assert look(traffic(400, score=0.0)).word == "reject"


def test_a_judge_that_drifted_holds_and_does_not_reject():
    verdict = look(traffic(400, score=0.0), [DRIFT])

    assert verdict.word == "hold"
    assert verdict.holds[0].reason == "scorer_drift"
    assert "the scorer judge" in verdict.sentence
    assert verdict.crossings == () or all(c.gate not in ("quality", "tail", None) for c in verdict.crossings)


def test_a_rejection_that_was_latched_after_the_drift_began_is_taken_back():
    crossed = look(traffic(400, score=0.0)).crossings
    since = {c.key: (c, 1_500_000) for c in crossed}
    before = {c.key: (c, 500_000) for c in crossed}

    assert look(traffic(400, score=0.0), [DRIFT], latched=since).word == "hold"
    assert look(traffic(400, score=0.0), [DRIFT], latched=before).word == "reject"


def test_failures_reject_whatever_the_judge_does():
    verdict = look(traffic(400, score=0.0, failing=120), [DRIFT])

    assert verdict.word == "reject"


def test_a_scorer_that_the_policy_does_not_read_holds_nothing_up():
    assert with_drift(CONTEXT, POLICY, [replace(DRIFT, scorer="toxicity")]) == CONTEXT
    assert look(traffic(400, score=0.0), [replace(DRIFT, scorer="toxicity")]).word == "reject"


@pytest.mark.parametrize(
    ("scorer", "gates"),
    [("judge", {"quality", "tail"}), ("guard", {"safety"}), ("leakage", {"safety"}), ("exact", set())],
)
def test_the_gates_of_a_scorer(scorer, gates):
    assert gates_that_read(POLICY, [scorer]) == gates


def test_a_utility_that_weighs_quality_is_frozen_with_it():
    policy = POLICY.model_copy(update={"utility": Utility()})

    assert "utility" in gates_that_read(policy, ["judge"])
    assert "utility" not in gates_that_read(policy, ["guard"])


def test_the_sentence_joins_what_is_known_already():
    context = with_drift(replace(CONTEXT, scorer_drift="the floor moved."), POLICY, [DRIFT])

    assert context.scorer_drift is not None
    assert context.scorer_drift.startswith("the floor moved. Also: the scorer judge")
    assert "1970-01-01 00:16 UTC" in context.scorer_drift
