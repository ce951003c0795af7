"""The incumbent's bad five minutes beside a candidate that is 15 % worse: nothing may be promoted, at any look."""

import random
from collections.abc import Iterator
from typing import Any

import pytest
from builders_ledger import a_row

from shadow.ledger.base import OutcomeRow
from shadow.settings import Policy
from shadow.stats import FoldSpec, PairState, fold_call
from shadow.verdict.decide import decide
from shadow.verdict.evidence import Context, Evidence
from shadow.verdict.result import Crossing

POLICY = Policy()
KINDS: dict[str, Any] = {
    "agreement": "comparative",
    "refusal": "absolute",
    "leakage": "absolute",
    "injection": "absolute",
    "toxicity": "absolute",
}
SPEC = FoldSpec.from_policy(POLICY, KINDS)
CALLS, HOURS, EVERY = 4000, 30, 50
OUTAGE_AT, OUTAGE_CALLS = 100, 300
START_MS = 1_795_600_000_000


def judged(score: float) -> dict[str, Any]:
    scores = dict.fromkeys(KINDS, 1.0) | {"agreement": score}
    return {"scores": scores, "labels": {"agreement": "same", "refusal": "compliance"}, "reasons": {}}


def calls(worse: float, *, spells: bool) -> Iterator[list[OutcomeRow]]:
    """Incumbent, baseline and candidate on the same requests over 30 hours. In the outage (five minutes into which the
    clients' retries put 300 calls) incumbent and baseline fail and the candidate answers, `spells`: marked as one."""
    rng = random.Random(7)
    at = float(START_MS)
    for offset in range(CALLS):
        down = OUTAGE_AT <= offset < OUTAGE_AT + OUTAGE_CALLS
        at += 1000.0 if down else HOURS * 3_600_000 / CALLS
        good = rng.betavariate(20, 2)
        again = good if rng.random() < 0.5 else rng.betavariate(20, 2)
        spell = None if not down or not spells else ("first" if offset == OUTAGE_AT else "inside")
        failed: dict[str, Any] = {"failure": "http_5xx", "latency_seconds": None, "cost_usd": None, "spell": spell}
        failed |= {"scores": {}, "labels": {}, "reasons": {}}
        shared: dict[str, Any] = {"ts_unix_ms": round(at), "segments": (), "scores": {}}
        theirs = failed if down else judged(1.0) | {"latency_seconds": rng.lognormvariate(-0.6, 0.3)}
        second = failed if down else judged(good) | {"latency_seconds": rng.lognormvariate(-0.6, 0.3)}
        mine = judged(again * (1 - worse)) | {"latency_seconds": rng.lognormvariate(-1.4, 0.3), "cost_usd": 0.0003}
        yield [
            a_row(offset, "incumbent", **shared | theirs),
            a_row(offset, "baseline", role="baseline", epoch=None, **shared | second),
            a_row(offset, "cand", **shared | mine),
        ]


def every_look(worse: float, policy: Policy, *, spells: bool) -> list[str]:
    """The verdict's word after every 50 calls, first crossings kept as the monitor keeps them."""
    pairs, floor = PairState(SPEC.key), PairState(SPEC.key)
    latched: dict[str, Crossing] = {}
    words = []
    for n, rows in enumerate(calls(worse, spells=spells), start=1):
        for key, state in fold_call(rows, SPEC).items():
            if isinstance(state, PairState) and key.segment == "all":
                (floor if key.kind == "floor" else pairs).absorb(state)
        if n % EVERY == 0:
            evidence = Evidence(pairs={0: pairs}, floor={0: floor}, latched=latched)
            verdict = decide(policy, evidence, Context(candidate="cand"), detail=False)
            latched |= {crossing.key: crossing for crossing in verdict.crossings}
            words.append(verdict.word)
    return words


@pytest.mark.parametrize("spells", [True, False], ids=["marked as an outage", "counted call by call"])
@pytest.mark.parametrize("min_duration", [POLICY.min_duration, 0.0], ids=["default policy", "no minimum duration"])
def test_an_outage_of_the_incumbent_promotes_no_worse_candidate_at_any_look(spells: bool, min_duration: float) -> None:
    words = every_look(0.15, POLICY.model_copy(update={"min_duration": min_duration}), spells=spells)

    assert "promote" not in words
    assert words[-1] == "reject"


@pytest.mark.parametrize("spells", [True, False], ids=["marked as an outage", "counted call by call"])
def test_the_same_outage_keeps_no_equal_candidate_from_its_promotion(spells: bool) -> None:
    words = every_look(0.0, POLICY, spells=spells)

    assert "reject" not in words
    assert words[-1] == "promote"
