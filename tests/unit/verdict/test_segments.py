"""Where is it worse: a weak segment is found while the whole looks flat, and nothing is found where there is nothing."""

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.settings import Gate, Policy
from shadow.stats import FoldSpec, Pair, PairState
from shadow.verdict.decide import decide
from shadow.verdict.evidence import Context, Evidence
from shadow.verdict.result import GateResult, Verdict
from shadow.verdict.segments import SegmentResult, Strongest, memory_key, remembered, segment_results, to_remember

POLICY = Policy(
    quality="q",
    gates=[
        Gate(id="safety", hard=True, metric="violation", kind="risk_difference", margin=0.01),
        Gate(id="quality", metric="score", kind="mean_drop", margin=0.05),
        Gate(id="slo", metric="latency", kind="quantile", q=0.95, max_seconds=1.0),
    ],
)
SPEC = FoldSpec.from_policy(POLICY, {"q": "absolute"})


def grow(state: PairState, rng: np.random.Generator, n: int, *, drop: float = 0.0, unsafe: float = 0.01) -> None:
    """Adds n pairs of equally good models, or a candidate that drops or violates more."""
    for _ in range(n):
        b = float(rng.beta(20, 2))
        c = max((b if rng.random() < 0.5 else float(rng.beta(20, 2))) - drop, 0.0)
        violation = (bool(rng.random() < unsafe), bool(rng.random() < 0.01))
        state.add(
            Pair(id=str(rng.integers(1 << 62)), score=(c, b), violation=violation, latency_seconds=(0.5, None)), SPEC
        )


def verdict(name: str, state: PairState) -> Verdict:
    return decide(POLICY, Evidence(pairs={0: state}), Context(candidate=name))


def results(states: dict[str, PairState], known: dict[str, Strongest] | None = None) -> dict[str, SegmentResult]:
    found = segment_results(POLICY, {name: verdict(name, state) for name, state in states.items()}, known or {})
    return {result.segment: result for result in found}


def evident(name: str, log_e: float | None, state: str = "undecided", kind: str = "mean_drop") -> Verdict:
    """A verdict with one gate of this evidence."""
    gate = GateResult(id="g", kind=kind, metric="score", hard=False, state=state, limit=0.05, log_evalue_bad=log_e)  # type: ignore[arg-type]
    return Verdict(candidate=name, word="hold", n=10, sentence="", gates=(gate,))


def test_a_weak_segment_is_found_while_the_whole_is_proven_flat() -> None:
    rng = np.random.default_rng(4)
    states = {f"route={i}": PairState(SPEC.key) for i in range(20)}
    for name, state in states.items():
        grow(state, rng, 400, drop=0.2 if name == "route=7" else 0.0)
    whole = PairState(SPEC.key)
    for state in states.values():
        whole.absorb(state)
    quality = next(g for g in verdict("all", whole).gates if g.id == "quality")
    assert quality.state == "proven"

    found = results(states)

    assert [name for name, r in found.items() if r.state == "worse"] == ["route=7"]
    assert next(iter(found)) == "route=7"
    assert found["route=7"].alarm
    assert found["route=7"].gate is not None
    assert found["route=7"].gate.id == "quality"


def test_a_segment_that_is_only_unsafe_is_found_by_that() -> None:
    rng = np.random.default_rng(5)
    states = {f"route={i}": PairState(SPEC.key) for i in range(5)}
    for name, state in states.items():
        grow(state, rng, 400, unsafe=0.12 if name == "route=2" else 0.01)

    found = results(states)

    assert [n for n, r in found.items() if r.state == "worse"] == ["route=2"]
    assert found["route=2"].gate is not None
    assert found["route=2"].gate.id == "safety"


def test_among_equal_models_no_segment_is_called_worse_at_any_look() -> None:
    """25 runs, 20 segments, 6 looks each. At a false discovery rate of 5 % (nothing is true, so it is the chance of any
    discovery at a look) more than 6 runs of 25 with one would need a rate far above it: P(X > 6) < 1e-4 at 5 %."""
    called = alarmed = 0
    for run in range(25):
        rng = np.random.default_rng(100 + run)
        states = {f"s{i}": PairState(SPEC.key) for i in range(20)}
        known: dict[str, Strongest] = {}
        worse = alarm = False
        for _ in range(6):
            for state in states.values():
                grow(state, rng, 25)
            found = segment_results(
                POLICY,
                {
                    n: decide(POLICY, Evidence(pairs={0: s}), Context(candidate=n), detail=False)
                    for n, s in states.items()
                },
                known,
            )
            known = {r.segment: r.strongest for r in found}
            worse |= any(r.state == "worse" for r in found)
            alarm |= any(r.alarm for r in found)
        called += worse
        alarmed += alarm

    assert called <= 6
    assert alarmed <= called  # every look counts against an alarm


def test_little_evidence_is_a_state_of_its_own_and_enough_of_it_is_not_worse() -> None:
    rng = np.random.default_rng(6)
    small, large = PairState(SPEC.key), PairState(SPEC.key)
    grow(small, rng, 20)
    grow(large, rng, 3000)

    found = results({"small": small, "large": large, "empty": PairState(SPEC.key)})

    assert {n: r.state for n, r in found.items()} == {
        "small": "insufficient",
        "large": "not_worse",
        "empty": "insufficient",
    }


def test_an_alarm_stands_when_the_evidence_fades_and_what_is_worse_now_does_not() -> None:
    first = segment_results(POLICY, {"a": evident("a", 30.0), "b": evident("b", 0.0)}, {})
    known = remembered(to_remember(first))
    later = {r.segment: r for r in segment_results(POLICY, {"a": evident("a", -4.0), "b": evident("b", 0.0)}, known)}

    assert (later["a"].state, later["a"].alarm) == ("insufficient", True)
    assert (later["b"].state, later["b"].alarm) == ("insufficient", False)


def test_an_alarm_asks_for_more_than_a_look_does() -> None:
    enough_now = math.log(1 / POLICY.alpha.reject) + 0.1
    (only,) = segment_results(POLICY, {"a": evident("a", enough_now)}, {})

    assert (only.state, only.alarm) == ("worse", False)


def test_an_absolute_limit_calls_no_segment_worse() -> None:
    (only,) = segment_results(POLICY, {"a": evident("a", 50.0, kind="quantile")}, {})

    assert (only.state, only.gate, only.alarm) == ("insufficient", None, False)


@given(st.lists(st.one_of(st.none(), st.floats(-50, 50)), max_size=12))
def test_more_segments_never_make_another_one_worse(evidence: list[float | None]) -> None:
    verdicts = {str(i): evident(str(i), e) for i, e in enumerate(evidence)}
    alone = {r.segment for r in segment_results(POLICY, verdicts, {}) if r.state == "worse"}
    more = {**verdicts, "new": evident("new", 0.0)}

    assert {r.segment for r in segment_results(POLICY, more, {}) if r.state == "worse"} <= alone


@pytest.mark.parametrize("data", [None, b"", b"\xc1", msgspec.msgpack.encode({"a": "x"})])
def test_maxima_that_cannot_be_read_are_forgotten(data: bytes | None) -> None:
    assert remembered(data) == {}


def test_another_margin_remembers_for_itself() -> None:
    other = POLICY.model_copy(
        update={"gates": [POLICY.gates[0].model_copy(update={"margin": 0.02}), *POLICY.gates[1:]]}
    )

    assert memory_key(POLICY, "c", 1) != memory_key(other, "c", 1)
    assert memory_key(POLICY, "c", 1) != memory_key(POLICY, "c", 2)
