"""Additive state: adding is exact in any order, and bytes are canonical."""

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shadow.errors import LedgerError
from shadow.stats import FoldSpec, Pair, PairState, merge_states, total
from shadow.stats.grid import D_BINS, EDGES_SECONDS, OVERFLOW, log_bin, rounded_bin, uniforms
from shadow.stats.wire import PairWire, encode_pair

SPEC = FoldSpec(quality="q", quality_kind="absolute", violations=("leakage",), tails=(0.3,), slow_seconds=(2.0,))

law = settings(deadline=None, max_examples=40)

_score = st.none() | st.floats(0, 1)
_flag = st.none() | st.booleans()
_seconds = st.none() | st.floats(0, 1e6) | st.just(math.inf)
_usd = st.none() | st.floats(0, 1e4)
pairs = st.builds(
    Pair,
    id=st.text(max_size=8),
    ts_unix_ms=st.none() | st.integers(0, 2**45),
    score=st.tuples(_score, _score),
    violation=st.tuples(_flag, _flag),
    failure=st.tuples(_flag, _flag),
    latency_seconds=st.tuples(_seconds, _seconds),
    recorded_seconds=_seconds,
    cost_usd=st.tuples(_usd, _usd),
    tokens=st.tuples(st.none() | st.integers(0, 10**9), st.none() | st.integers(0, 10**9)),
    unknown=st.sampled_from([(), ("unscored",), ("cost_unknown", "uncalibrated")]),
)


def folded(items: list[Pair]) -> PairState:
    state = PairState(SPEC.key)
    for item in items:
        state.add(item, SPEC)
    return state


@law
@given(st.lists(pairs, max_size=12), st.randoms())
def test_order_of_records_does_not_change_a_bit(items: list[Pair], random) -> None:
    shuffled = list(items)
    random.shuffle(shuffled)

    assert folded(items).to_bytes() == folded(shuffled).to_bytes()


@law
@given(st.lists(pairs, max_size=6), st.lists(pairs, max_size=6), st.lists(pairs, max_size=6))
def test_merging_is_commutative_associative_and_equals_the_whole(a: list[Pair], b: list[Pair], c: list[Pair]) -> None:
    one, two, three = folded(a).to_bytes(), folded(b).to_bytes(), folded(c).to_bytes()

    left = merge_states("pair", merge_states("pair", one, two), three)
    right = merge_states("pair", one, merge_states("pair", three, two))

    assert left == right == folded(a + b + c).to_bytes()


@law
@given(st.lists(pairs, max_size=8))
def test_bytes_come_back_as_they_were(items: list[Pair]) -> None:
    data = folded(items).to_bytes()

    assert PairState.from_bytes(data).to_bytes() == data


@law
@given(st.binary(max_size=40))
def test_foreign_bytes_are_refused_by_name(data: bytes) -> None:
    with pytest.raises(LedgerError):
        PairState.from_bytes(data)


def test_a_future_version_and_a_wrong_shape_are_refused() -> None:
    wire = PairWire(
        version=99, spec="x", pairs=0, histograms=[], tables={}, moments=[], unknown={},
        first_unix_ms=None, last_unix_ms=None,
    )  # fmt: skip
    with pytest.raises(LedgerError, match="version 99"):
        PairState.from_bytes(encode_pair(wire))
    wire.version = 1
    with pytest.raises(LedgerError, match="wrong shape"):
        PairState.from_bytes(encode_pair(wire))


def test_states_of_different_policies_are_never_added() -> None:
    other = PairState(replace(SPEC, tails=(0.5,)).key)

    with pytest.raises(LedgerError, match="folded anew"):
        folded([]).merge(other)


def test_an_unknown_kind_of_aggregate_is_refused() -> None:
    with pytest.raises(LedgerError, match="kind 'other'"):
        merge_states("other", b"", b"")


def test_sums_beyond_64_bits_survive() -> None:
    state = folded([Pair(id=str(i), cost_usd=(9e8, 9e8)) for i in range(40)])

    back = PairState.from_bytes(state.to_bytes())

    assert back.cost.cc == 40 * (9 * 10**17) ** 2 > 2**64


def test_a_minute_of_traffic_fits_in_two_kilobytes() -> None:
    state = folded([
        Pair(
            id=str(i), ts_unix_ms=i, score=(((i * 37) % 100) / 100, ((i * 53) % 100) / 100), violation=(False, False),
            failure=(False, False), latency_seconds=(0.2 + i / 50, 0.3 + i / 40), recorded_seconds=0.5 + i / 60,
            cost_usd=(0.001, 0.003), tokens=(100, 120),
        )
        for i in range(120)
    ])  # fmt: skip

    assert len(state.to_bytes()) < 2048


@law
@given(st.floats(0, 1), st.floats(0, 1, exclude_max=True))
def test_rounding_goes_to_a_neighbouring_bin(x: float, u: float) -> None:
    index = rounded_bin(x, D_BINS, u)

    assert 0 <= index < D_BINS
    assert abs(index - x * (D_BINS - 1)) <= 1.0


def test_rounding_is_unbiased_and_a_function_of_the_identity() -> None:
    bins = [rounded_bin(0.3301, D_BINS, uniforms(f"topic/0/{i}/0")[0]) for i in range(20_000)]

    assert sum(bins) / len(bins) / (D_BINS - 1) == pytest.approx(0.3301, abs=1e-4)
    assert uniforms("a") == uniforms("a") != uniforms("b")


@law
@given(st.floats(0, 1e7))
def test_counts_up_to_an_edge_are_exact(seconds: float) -> None:
    index = log_bin(seconds)

    assert index == OVERFLOW or seconds <= EDGES_SECONDS[index]
    assert index == 0 or seconds > EDGES_SECONDS[index - 1]


def test_latencies_are_compared_on_the_calls_that_both_sides_have() -> None:
    state = folded([
        Pair(id="1", latency_seconds=(1.0, 2.0), recorded_seconds=3.0),
        Pair(id="2", latency_seconds=(1.0, None), recorded_seconds=3.0),
        Pair(id="3", latency_seconds=(1.0, 2.0)),
        Pair(id="4", latency_seconds=(1.0, None)),
        Pair(id="5", latency_seconds=(None, 2.0), recorded_seconds=3.0),
    ])  # fmt: skip

    sizes = {
        against: [sum(h.values()) for h in state.latency(against)] for against in ("alone", "baseline", "recorded")
    }

    assert sizes == {"alone": [4, 0], "baseline": [2, 2], "recorded": [2, 2]}


def test_an_unknown_reference_counts_for_absolute_limits_only() -> None:
    state = folded([
        Pair(id="1", failure=(True, None)), Pair(id="2", failure=(False, None)), Pair(id="3", failure=(True, False)),
        Pair(id="4", failure=(None, True)),
    ])  # fmt: skip

    assert state.table("failure") == (0, 1, 0, 0)
    assert state.candidate_counts("failure") == (2, 3)


def test_nothing_counted_is_empty() -> None:
    state = total([], SPEC.key)

    assert state.pairs == 0
    assert state.table("violation") == (0, 0, 0, 0)
    assert state.candidate_counts("violation") == (0, 0)
    assert state.first_unix_ms is None


def test_a_specification_is_its_content() -> None:
    assert SPEC.key == replace(SPEC).key
    assert len({SPEC.key, replace(SPEC, tails=(0.31,)).key, replace(SPEC, quality="r").key}) == 3
