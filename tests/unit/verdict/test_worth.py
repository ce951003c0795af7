"""A linear utility: dollars a call as one bounded stream, counted once, summed exactly, proven at every look."""

import json
import math
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from shadow.settings import Gate, Policy, Utility
from shadow.stats import FoldSpec, Pair, PairState, means, merge_states
from shadow.stats.grid import SIGNED_VALUES, signed_bin
from shadow.stats.scored import without_scores
from shadow.verdict.decide import decide
from shadow.verdict.evidence import Context, CrossingKeys, Evidence
from shadow.verdict.lines import last_line
from shadow.verdict.policy import evaluable
from shadow.verdict.result import Verdict
from shadow.verdict.table import markdown

LINEAR = Utility(kind="linear", score_usd=0.01, violation_usd=0.05, max_cost_usd=0.02)
GATES = [Gate(id="quality", metric="score", kind="mean_drop", margin=0.3)]
POLICY = Policy(quality="q", violation=["leakage"], gates=GATES, utility=LINEAR)
KINDS = {"q": "absolute", "leakage": "absolute"}
SPEC = FoldSpec.from_policy(POLICY, KINDS)
PLAIN = FoldSpec.from_policy(Policy(quality="q", violation=["leakage"], gates=GATES), KINDS)

law = settings(deadline=None, max_examples=60)

_usd = st.none() | st.floats(0, 0.03)
_flag = st.none() | st.booleans()
_score = st.none() | st.floats(0, 1)
pairs = st.builds(
    Pair,
    id=st.text(max_size=6),
    score=st.tuples(_score, _score),
    violation=st.tuples(_flag, _flag),
    failure=st.tuples(_flag, _flag),
    cost_usd=st.tuples(_usd, _usd),
)


def folded(items: list[Pair], spec: FoldSpec = SPEC) -> PairState:
    state = PairState(spec.key)
    for item in items:
        state.add(item, spec)
    return state


def a_pair(number: int = 0, **changes: object) -> Pair:
    plain = Pair(
        id=str(number), score=(0.8, 0.8), violation=(False, False), failure=(False, False), cost_usd=(0.001, 0.003)
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def traffic(n: int, *, drop: float = 0.0, cost: tuple[float, float] = (0.001, 0.001), bad: float = 0.0) -> PairState:
    rng = np.random.default_rng(1)
    return folded(
        [
            a_pair(
                i,
                score=(min(max(b - drop + float(rng.normal(0, 0.05)), 0.0), 1.0), b),
                violation=(bool(rng.random() < bad), False),
                cost_usd=(cost[0] * float(rng.lognormal(0, 0.1)), cost[1]),
            )
            for i, b in enumerate(rng.beta(8, 2, n).tolist())
        ]
    )


def look(state: PairState, policy: Policy = POLICY) -> Verdict:
    return decide(policy, Evidence(pairs={0: state}), Context(candidate="cand"))


@law
@given(st.floats(-1, 1))
@example(0.0)
@example(1.0)
@example(-1.0)
@example(1e-9)
def test_rounding_to_the_signed_grid_is_unbiased_and_fine_where_values_are_small(y: float) -> None:
    ends = SIGNED_VALUES[signed_bin(y, 0.0)], SIGNED_VALUES[signed_bin(y, 1.0)]
    outer, inner = max(ends, key=abs), min(ends, key=abs)

    assert abs(inner) <= abs(y) <= abs(outer)
    assert abs(outer) - abs(inner) <= max(abs(y) / 8, 2.0**-20)
    up = sum(signed_bin(y, (i + 0.5) / 1000) == SIGNED_VALUES.index(outer) for i in range(1000)) / 1000
    assert inner + up * (outer - inner) == pytest.approx(y, abs=abs(outer - inner) / 900)


@law
@given(st.lists(pairs, max_size=6), st.lists(pairs, max_size=6), st.lists(pairs, max_size=6))
def test_the_stream_adds_up_in_any_order_and_comes_back_from_its_bytes(
    a: list[Pair], b: list[Pair], c: list[Pair]
) -> None:
    one, two, three = folded(a).to_bytes(), folded(b).to_bytes(), folded(c).to_bytes()

    merged = merge_states("pair", merge_states("pair", three, one), two)

    assert merged == folded(a + b + c).to_bytes() == folded((a + b + c)[::-1]).to_bytes()
    assert PairState.from_bytes(merged).to_bytes() == merged


@law
@given(st.lists(pairs, max_size=8), st.lists(pairs, max_size=8))
def test_a_route_that_does_not_count_takes_its_worth_with_it(kept: list[Pair], out: list[Pair]) -> None:
    rest = without_scores(folded(kept + out), [folded(out)])

    assert rest.worth_difference == folded(kept).worth_difference
    assert rest.worth == folded(kept).worth


def test_without_a_linear_utility_keys_and_bytes_are_what_they_always_were() -> None:
    policy = Policy(utility=Utility(cost=0.3))
    spec = FoldSpec.from_policy(Policy(utility=Utility()), {"agreement": "comparative", "leakage": "absolute"})
    fields = msgspec.msgpack.decode(folded([a_pair()], PLAIN).to_bytes(), strict=False)

    assert spec.key == "ba1c50a084ea68ad"
    assert CrossingKeys(policy).key("rejected", None) == "rejected::b14fe5d5a2b9"
    assert (len(fields[3]), len(fields[5])) == (9, 3)
    assert SPEC.key != PLAIN.key


def test_an_answer_is_worth_its_score_less_its_cost_and_its_violation() -> None:
    state = folded([a_pair(score=(0.9, 0.5), violation=(True, False), cost_usd=(0.001, 0.003))])

    assert (state.worth.n, state.worth.c, state.worth.b) == (1, 9_000_000 - 1_000_000 - 50_000_000, 2_000_000)
    (index,) = state.worth_difference
    assert SIGNED_VALUES[index] == pytest.approx((-0.042 - 0.002) / 0.08, rel=1 / 8)


def test_failing_is_not_cheap() -> None:
    failed = a_pair(score=(0.0, 0.8), failure=(True, False), cost_usd=(None, 0.003))

    assert folded([failed]).worth.c == -3_000_000
    assert folded([replace(failed, failure=(False, False))]).worth.n == 0


def test_cheaper_at_the_same_quality_is_promoted_and_shown_in_dollars() -> None:
    verdict = look(traffic(1200, cost=(0.001, 0.004)))
    line = last_line(verdict, None)

    assert verdict.word == "promote"
    assert verdict.utility_point == pytest.approx(0.003, rel=0.05)
    assert sum(term.point or 0.0 for term in verdict.utility) == pytest.approx(verdict.utility_point, rel=0.01)
    assert "utility is at least +$" in verdict.sentence
    assert "per 1,000 calls" in markdown(verdict, POLICY)
    assert (line["utility"]["kind"], set(line["utility"]["terms"])) == ("linear", {"candidate", "incumbent"})
    json.dumps(line)


def test_violations_eat_what_is_saved_and_reject() -> None:
    verdict = look(traffic(4000, cost=(0.001, 0.002), bad=0.1))

    assert verdict.word == "reject"
    assert "worse in sum (at most -$" in verdict.sentence


def test_what_is_undecided_says_how_many_records_are_missing() -> None:
    verdict = look(traffic(200, cost=(0.0008, 0.001)))

    assert verdict.word == "hold"
    assert "more records" in next(h.detail for h in verdict.holds if h.gate == "utility")


def test_equivalent_models_are_named_where_the_policy_says_what_is_equal() -> None:
    same = traffic(6000)
    policy = POLICY.model_copy(update={"utility": LINEAR.model_copy(update={"equivalence_usd": 0.001})})

    assert {h.reason for h in look(same, policy).holds} == {"equivalent"}
    assert {h.reason for h in look(same).holds} == {"undecided"}


def test_one_call_beyond_the_declared_cost_speaks_neither_for_nor_against() -> None:
    saved = traffic(1200, cost=(0.001, 0.004))
    saved.absorb(folded([a_pair(9999, cost_usd=(0.5, 0.003))]))

    verdict = look(saved)

    assert verdict.word == "hold"
    assert [(h.reason, h.gate) for h in verdict.holds] == [("not_evaluable", "utility")]
    assert "1 call costs more than utility.max_cost_usd (0.02); raise it" in verdict.holds[0].detail


def test_what_it_needs_is_said_beforehand() -> None:
    prices = {"has_baseline": True, "has_prices": True}

    assert evaluable(POLICY, KINDS, **prices) == {}
    assert "price" in evaluable(POLICY, KINDS, has_baseline=True, has_prices=False)["utility"].reason
    assert "violation_usd" in evaluable(POLICY, {"q": "absolute"}, **prices)["utility"].reason


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"kind": "linear", "score_usd": 1}, "needs max_cost_usd"),
        ({"kind": "linear", "score_usd": 1, "max_cost_usd": 1, "cost": 0.2}, "cost: means nothing for kind linear"),
        ({"max_cost_usd": 1}, "max_cost_usd: means nothing for kind log"),
        ({"kind": "linear", "score_usd": math.inf, "max_cost_usd": 1}, "score_usd"),
    ],
)
def test_a_utility_that_cannot_be_meant_is_explained(fields: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Utility.model_validate(fields)


def test_a_utility_of_exactly_nothing_is_hardly_ever_called_better() -> None:
    """A better score pays for more violations; the naive test falls for the time before the first of them."""
    rng = np.random.default_rng(7)
    runs, n = 120, 4000
    violations = (rng.random((runs, n)) < 0.004).astype(float) - (rng.random((runs, n)) < 0.002)
    y = (rng.normal(0.0001, 0.0005, (runs, n)).clip(-0.02, 0.02) - 0.05 * violations) / LINEAR_RANGE
    u = rng.random((runs, n))
    table = means.log_factors(means.SIGNED_BINS, 0.5, "greater", 0)
    looks = np.arange(50, n + 1, 50) - 1
    wrong = naive = 0
    for row, of_row in zip(y, u, strict=True):
        bins = [signed_bin(a, b) for a, b in zip(row.tolist(), of_row.tolist(), strict=True)]
        wealth = np.add.accumulate(table[bins], axis=0)[looks]
        wrong += bool(np.log(np.exp(wealth).mean(axis=1)).max() >= math.log(1 / 0.05))
        mean = np.cumsum(row)[looks] / (looks + 1)
        sd = np.sqrt(np.cumsum(row * row)[looks] / (looks + 1) - mean**2)
        naive += bool((mean / sd * np.sqrt(looks + 1) > 1.645).any())

    assert wrong / runs <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / runs)
    assert naive / runs > 0.5


LINEAR_RANGE = 0.01 + 0.05 + 0.02
