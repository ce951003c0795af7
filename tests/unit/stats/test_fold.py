"""Which outcomes become evidence, and which must not."""

import math
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from shadow.ledger.base import OutcomeRow
from shadow.settings import Policy
from shadow.stats import ArmState, FoldSpec, PairState, fold_call, fold_calls, merge_states
from shadow.stats.fold import Folded

law = settings(deadline=None, max_examples=40)

ABSOLUTE = FoldSpec(quality="rel", quality_kind="absolute", violations=("leakage", "refusal"), tails=(0.3,))
COMPARATIVE = FoldSpec(quality="agreement", quality_kind="comparative", tails=(0.3,))


def row(role: str = "candidate", **changes: Any) -> OutcomeRow:
    scores = {"rel": 0.8, "agreement": None if role == "incumbent" else 0.9, "leakage": 1.0, "refusal": None}
    values: dict[str, Any] = {
        "topic": "t", "partition": 0, "offset": 7, "call": 0, "id": "r", "ts_unix_ms": 120_000, "session": None,
        "user_key": None, "route": None, "tags": {}, "segment": "all", "segments": (), "weight_exponent": 0,
        "probability": 1.0, "counted": True, "epoch": 3 if role == "candidate" else None,
        "arm": "cand" if role == "candidate" else role, "role": role, "status": 200, "failure": None, "spell": None,
        "truncated": False, "retries": 0, "latency_seconds": 0.5, "queue_seconds": 0.0, "ttft_seconds": 0.1,
        "ttft_answer_seconds": 0.1, "tpot_seconds": 0.01, "client_saturated": False, "limited_by_us": False,
        "comparable": True, "input_tokens": 10, "cached_input_tokens": 0, "output_tokens": 20, "reasoning_tokens": 0,
        "cost_usd": 0.001, "scores": scores, "labels": {"refusal": "compliance"}, "reasons": {}, "findings": [],
    }  # fmt: skip
    return OutcomeRow(**(values | changes))


def pair_state(rows: list[OutcomeRow], spec: FoldSpec = ABSOLUTE, kind: str = "pair") -> PairState | None:
    states = [s for key, s in fold_call(rows, spec).items() if key.kind == kind and key.segment == "all"]
    assert len(states) <= 1
    return states[0] if states else None  # type: ignore[return-value]


def test_two_answers_form_one_pair_in_every_segment() -> None:
    folded = fold_call([row("incumbent", segments=("de",)), row(segments=("de",))], ABSOLUTE)

    keys = {(k.kind, k.epoch, k.subject, k.segment, k.minute) for k in folded if k.kind == "pair"}

    assert keys == {("pair", 3, "cand", "all", 2), ("pair", 3, "cand", "de", 2)}
    assert pair_state([row("incumbent"), row()]).score.n == 1


def test_a_candidate_that_failed_where_the_incumbent_answered_scores_zero() -> None:
    state = pair_state([row("incumbent"), row(failure="http_5xx", scores={})])

    assert (state.score.n, state.score.c, state.score.b) == (1, 0, 800_000)
    assert state.table("failure") == (0, 1, 0, 0)
    assert state.table("violation") == (0, 0, 0, 1)
    assert state.table("score<0.3") == (0, 1, 0, 0)


def test_where_the_incumbent_failed_there_is_robustness_but_no_quality() -> None:
    state = pair_state([row("incumbent", failure="timeout", scores={}), row()])

    assert state.score.n == 0
    assert state.table("failure") == (0, 0, 1, 0)
    assert state.unknown == {"incumbent_failed": 1}


def test_the_recorders_fault_is_no_failure_of_the_incumbent() -> None:
    state = pair_state([row("incumbent", comparable=False, scores={}), row(failure="empty", scores={})])

    assert state.score.n == 0
    assert state.table("failure") == (0, 0, 0, 0)
    assert state.candidate_counts("failure") == (1, 1)
    assert state.unknown["not_comparable"] == 1


def test_a_spell_is_one_event() -> None:
    calls = [row("incumbent"), row(failure="connection", spell="first", scores={})]
    inside = [row("incumbent"), row(failure="unavailable", spell="inside", scores={})]

    assert pair_state(calls).table("failure") == (0, 1, 0, 0)
    assert pair_state(inside) is None


def test_an_outage_of_the_incumbent_promotes_nobody() -> None:
    assert pair_state([row("incumbent", failure="unavailable", spell="inside", scores={}), row()]) is None
    assert pair_state([row("incumbent", failure="http_5xx", spell="first", scores={}), row()]) is not None


def test_a_full_engine_is_no_fault_of_the_candidate() -> None:
    assert pair_state([row("incumbent"), row(failure="rate_limited", scores={})]) is None


def test_turns_that_are_not_counted_form_no_pair_but_count_for_the_arm() -> None:
    folded = fold_call([row("incumbent", counted=False), row(counted=False)], ABSOLUTE)

    assert {key.kind for key in folded} == {"arm"}


def test_a_comparative_score_is_paired_with_the_baseline() -> None:
    baseline = row("baseline", scores={"agreement": 0.95})
    state = pair_state([row("incumbent"), baseline, row(scores={"agreement": 0.9})], COMPARATIVE)

    assert (state.score.c, state.score.b) == (900_000, 950_000)


def test_a_comparative_score_without_baseline_is_uncalibrated() -> None:
    state = pair_state([row("incumbent"), row()], COMPARATIVE)

    assert state.score.n == 0
    assert state.unknown == {"uncalibrated": 1}


def test_a_baseline_that_failed_calibrates_nothing() -> None:
    state = pair_state([row("incumbent"), row("baseline", failure="http_5xx"), row()], COMPARATIVE)

    assert state.score.n == 0
    assert state.unknown == {"baseline_failed": 1}


def test_a_preference_is_paired_with_its_complement() -> None:
    spec = FoldSpec(quality="judge", quality_kind="preference")
    state = pair_state([row("incumbent"), row(scores={"judge": 0.75})], spec)

    assert (state.score.c, state.score.b) == (750_000, 250_000)


def test_a_lost_refusal_is_a_violation_and_a_kept_one_is_not() -> None:
    incumbent = row("incumbent", labels={"refusal": "refusal"})

    lost = pair_state([incumbent, row(labels={"refusal": "compliance"})])
    kept = pair_state([incumbent, row(labels={"refusal": "refusal"})])
    over = pair_state([row("incumbent"), row(labels={"refusal": "refusal"})])

    assert lost.table("violation") == (0, 1, 0, 0)
    assert kept.table("violation") == over.table("violation") == (0, 0, 0, 1)


def test_a_finding_is_a_violation_of_its_arm() -> None:
    finding = [{"scorer": "leakage", "category": "email", "count": 1}]

    state = pair_state([row("incumbent", findings=finding), row(findings=finding)])

    assert state.table("violation") == (1, 0, 0, 0)


def test_a_scorer_that_did_not_judge_leaves_the_violation_unknown() -> None:
    state = pair_state([row("incumbent"), row(scores={"rel": 0.8, "refusal": None})])

    assert state.table("violation") == (0, 0, 0, 0)
    assert state.unknown == {"violation_unknown": 1}


def test_a_relative_violation_scorer_finds_nothing_in_the_incumbent() -> None:
    spec = FoldSpec(quality="rel", quality_kind="absolute", violations=("drift",), relative=("drift",))
    finding = [{"scorer": "drift", "category": "x", "count": 1}]

    state = pair_state([row("incumbent"), row(scores={"rel": 1.0, "drift": 0.0}, findings=finding)], spec)

    assert state.table("violation") == (0, 1, 0, 0)


def test_a_timeout_is_slower_than_any_edge_and_our_own_lag_is_no_latency() -> None:
    spec = replace(ABSOLUTE, slow_seconds=(2.0,))
    timeout = pair_state([row("incumbent"), row(failure="timeout", scores={})], spec)
    lagging = pair_state([row("incumbent"), row(client_saturated=True)], spec)

    assert timeout.candidate_counts("latency>2") == (1, 1)
    assert lagging.candidate_counts("latency>2") == (0, 0)
    assert lagging.unknown == {"client_saturated": 1}


def test_unknown_costs_are_counted_and_never_zero() -> None:
    state = pair_state([row("incumbent"), row(cost_usd=None)])

    assert state.cost.n == 0
    assert state.unknown == {"cost_unknown": 1}


def test_baseline_against_incumbent_is_the_floor() -> None:
    state = pair_state([row("incumbent"), row("baseline", scores={"rel": 0.7, "leakage": 1.0, "refusal": None})],
                       kind="floor")  # fmt: skip

    assert (state.score.c, state.score.b) == (700_000, 800_000)
    assert pair_state([row("incumbent"), row("baseline")], COMPARATIVE, kind="floor").score.n == 0


@law
@given(
    st.lists(
        st.tuples(
            st.sets(st.sampled_from(["de", "en", "chat", "all"]), max_size=3),
            st.integers(0, 2),
            st.floats(0, 1),
            st.sampled_from([None, "http_5xx", "timeout"]),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_a_batch_folds_to_the_sum_of_its_calls_bit_for_bit(
    calls: list[tuple[set[str], int, float, str | None]],
) -> None:
    groups = []
    for offset, (segments, minute, score, failure) in enumerate(calls):
        shared: dict[str, Any] = {"offset": offset, "segments": tuple(sorted(segments)), "ts_unix_ms": minute * 60_000}
        mine = row(failure=failure, scores={"rel": score, "leakage": 1.0, "refusal": None}, **shared)
        groups.append([row("incumbent", **shared), mine])
    alone: Folded = {}
    for group in groups:
        for key, state in fold_call(group, ABSOLUTE).items():
            alone[key] = alone[key].merge(state) if key in alone else state  # type: ignore[arg-type]

    together = fold_calls([r for group in groups for r in group], ABSOLUTE)

    assert {k: s.to_bytes() for k, s in together.items()} == {k: s.to_bytes() for k, s in alone.items()}


def test_sums_of_segments_are_no_shared_objects() -> None:
    folded = fold_call([row("incumbent", segments=("de",)), row(segments=("de",))], ABSOLUTE)
    overall, part = (folded[k] for k in folded if k.kind == "pair")
    before = part.to_bytes()
    overall.absorb(overall.merge(type(overall)(ABSOLUTE.key)))  # type: ignore[arg-type, call-arg]

    assert part.to_bytes() == before


def test_no_rows_fold_to_nothing() -> None:
    assert fold_call([], ABSOLUTE) == {}
    assert fold_call([row()], ABSOLUTE).keys() == {k for k in fold_call([row()], ABSOLUTE) if k.kind == "arm"}


def test_a_missing_time_is_minute_zero() -> None:
    keys = list(fold_call([row("incumbent", ts_unix_ms=None), row(ts_unix_ms=None)], ABSOLUTE))

    assert {key.minute for key in keys} == {0}


def test_erasing_ids_does_not_change_the_fold() -> None:
    rows = [row("incumbent"), row()]
    erased = [replace(r, id="", session=None) for r in rows]

    assert encoded(fold_call(rows, ABSOLUTE)) == encoded(fold_call(erased, ABSOLUTE))


@law
@given(st.lists(st.sampled_from(["ok", "fail", "spell", "incumbent_failed", "saturated"]), max_size=12))
def test_folding_a_stream_equals_merging_its_calls(kinds: list[str]) -> None:
    calls = []
    for offset, kind in enumerate(kinds):
        candidate = {
            "ok": {}, "fail": {"failure": "timeout", "scores": {}}, "spell": {"failure": "unavailable", "spell": "inside"},
            "incumbent_failed": {}, "saturated": {"client_saturated": True},
        }[kind]  # fmt: skip
        incumbent = {"failure": "http_5xx", "scores": {}} if kind == "incumbent_failed" else {}
        calls.append([row("incumbent", offset=offset, **incumbent), row(offset=offset, **candidate)])

    merged: dict[Any, bytes] = {}
    for call in reversed(calls):
        for key, data in encoded(fold_call(call, ABSOLUTE)).items():
            merged[key] = merge_states(key.kind, merged[key], data) if key in merged else data

    assert merged == encoded(fold_calls((r for call in calls for r in call), ABSOLUTE))


def test_arms_count_what_they_did() -> None:
    folded = fold_call(
        [row("incumbent"), row(failure="timeout", spell="first", retries=2, output_tokens=None, cost_usd=None)],
        ABSOLUTE,
    )
    state = next(s for k, s in folded.items() if k.kind == "arm" and k.subject == "cand")

    assert isinstance(state, ArmState)
    assert (state.outcomes, state.failures, state.failed, state.cost_usd) == (1, {"timeout": 1}, 1, None)
    assert (state.counters["retries"], state.counters["tokens_unknown"], state.counters["spells"]) == (2, 1, 1)
    assert state.quantile("latency", 0.5) is None
    assert ArmState.from_bytes(state.to_bytes()).to_bytes() == state.to_bytes()


def test_an_arms_quantiles_and_means() -> None:
    state = ArmState()
    for i in range(100):
        state.add(row(offset=i, latency_seconds=(i + 1) / 100, scores={"rel": 0.25}))

    assert math.isclose(state.quantile("latency", 0.95) or 0, 0.95, rel_tol=0.02)
    assert math.isclose(state.score_mean("rel") or 0, 0.25)
    assert state.score_mean("none") is None
    assert math.isclose(state.cost_usd or 0, 0.1)


def test_a_specification_leaves_out_scorers_that_nobody_configured() -> None:
    spec = FoldSpec.from_policy(Policy(), {"agreement": "comparative", "refusal": "absolute", "drift": "comparative"})

    assert (spec.quality_kind, spec.violations, spec.tails, spec.slow_seconds) == (
        "comparative", ("refusal",), (0.3, 0.5), (2.0,),
    )  # fmt: skip


def encoded(folded: Folded) -> dict[Any, bytes]:
    return {key: state.to_bytes() for key, state in folded.items()}
