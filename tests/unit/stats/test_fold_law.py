"""The fold that hurries equals the plain one, bit for bit, on any rows."""

from typing import Any

import plain_fold
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shadow.app.parts import fold_of
from shadow.ledger.base import OutcomeRow
from shadow.stats import FoldSpec
from shadow.stats.grid import uniform, uniforms
from shadow.stats.spec import Worth

WORTH = Worth(score_usd=0.01, violation_usd=0.05, max_cost_usd=0.02)
SHAPE: dict[str, Any] = {"violations": ("leakage", "refusal"), "tails": (0.3, 0.5), "slow_seconds": (2.0,)}
SPECS = (
    FoldSpec(quality="q", quality_kind="absolute", **SHAPE),
    FoldSpec(quality="q", quality_kind="absolute", worth=WORTH, **SHAPE),
    FoldSpec(quality="q", quality_kind="comparative", worth=WORTH, relative=("leakage",), **SHAPE),
    FoldSpec(quality="q", quality_kind="preference"),
)

_scores = st.dictionaries(
    st.sampled_from(["q", "leakage", "refusal"]), st.none() | st.sampled_from([0.0, 0.25, 1.0]) | st.floats(0, 1)
)
_seconds = st.none() | st.floats(0, 1e6)
_tokens = st.none() | st.integers(0, 5000)
_failure = st.none() | st.sampled_from(["timeout", "http_5xx", "rate_limited", "unavailable"])
_segments = st.lists(st.sampled_from(["all", "route=a", "route=b", "lang=en"]), max_size=4).map(tuple)


@st.composite
def calls(draw: st.DrawFn) -> list[OutcomeRow]:
    """One call: usually an incumbent, perhaps a baseline, two candidates."""
    roles = ["incumbent"] * draw(st.sampled_from([1, 1, 1, 0])) + ["baseline"] * draw(st.integers(0, 1))
    arms = [(role, role) for role in roles] + [("cand-a", "candidate"), ("cand-b", "candidate")]
    offset, segments = draw(st.integers(0, 9)), draw(_segments)
    return [
        OutcomeRow(
            topic="t", partition=0, offset=offset, call=0, id="r", session=None, user_key=None, route=None, tags={},
            ts_unix_ms=draw(st.none() | st.integers(0, 200_000)), segment="all", segments=segments,
            weight_exponent=draw(st.integers(0, 1)), probability=1.0, counted=draw(st.sampled_from([True, True, False])),
            epoch=3 if role == "candidate" else None, arm=arm, role=role, status=200, failure=draw(_failure),
            spell=draw(st.sampled_from([None, None, "first", "inside"])), truncated=draw(st.booleans()),
            retries=draw(st.integers(0, 2)), latency_seconds=draw(_seconds), queue_seconds=draw(_seconds),
            ttft_seconds=draw(_seconds), ttft_answer_seconds=draw(_seconds), tpot_seconds=draw(_seconds),
            client_saturated=draw(st.booleans()), limited_by_us=False, comparable=draw(st.sampled_from([True, True, False])),
            input_tokens=draw(_tokens), cached_input_tokens=draw(_tokens), output_tokens=draw(_tokens),
            reasoning_tokens=draw(_tokens), cost_usd=draw(st.none() | st.floats(0, 0.03)), scores=draw(_scores),
            labels=draw(st.dictionaries(st.just("refusal"), st.sampled_from(["refusal", "compliance"]))), reasons={},
            findings=draw(st.lists(st.just({"scorer": "leakage"}), max_size=2)),
        )
        for arm, role in arms
    ]  # fmt: skip


@pytest.mark.parametrize("spec", SPECS, ids=["absolute", "worth", "comparative", "preference"])
def test_whatever_the_rows_are_the_states_equal_those_of_the_plain_fold(spec: FoldSpec) -> None:
    @settings(deadline=None, max_examples=60)
    @given(st.lists(calls(), max_size=5))
    def law(batch: list[list[OutcomeRow]]) -> None:
        assert dict(fold_of(spec)(batch)) == plain_fold.folded(batch, spec)

    law()


@given(st.text(max_size=30))
def test_random_numbers_of_a_key_are_what_they_always_were(key: str) -> None:
    assert uniforms(key) == plain_fold.uniforms(key)
    assert uniform(key) == plain_fold.uniforms(key)[0]
