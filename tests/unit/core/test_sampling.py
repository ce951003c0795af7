from collections import Counter

import pytest
from builders import a_call
from hypothesis import given
from hypothesis import strategies as st

from shadow.records import Answer
from shadow.sampling import Facts, Sampler, unit_key
from shadow.settings import Sampling


def sampler(**settings):
    return Sampler(Sampling.model_validate(settings))


def decide(s, session, turn=1, **kw):
    return s.decide(a_call(session=session, turn=turn), f"s\x00{session}", **kw)


@given(st.text(max_size=40), st.integers(1, 200), st.floats(0.001, 1.0))
def test_two_replicas_decide_alike(session, turn, rate):
    assert decide(sampler(rate=rate), session, turn) == decide(sampler(rate=rate), session, turn)


@given(st.text(max_size=20), st.integers(1, 30), st.floats(0.01, 0.5))
def test_a_lower_rate_samples_a_subset_of_sessions(session, turn, rate):
    low, high = decide(sampler(rate=rate), session, turn), decide(sampler(rate=min(1.0, rate * 2)), session, turn)

    assert low.disposition == "not_sampled" or high.disposition != "not_sampled"


def test_the_share_of_sampled_sessions_is_the_rate():
    s = sampler(rate=0.3)
    chosen = sum(decide(s, f"conv-{i}").disposition != "not_sampled" for i in range(20_000))

    assert chosen / 20_000 == pytest.approx(0.3, abs=0.012)


def test_turn_j_is_the_counted_one_with_probability_two_to_the_minus_j():
    s = sampler()
    counted = Counter(next(t for t in range(1, 64) if decide(s, f"conv-{i}", t).counted) for i in range(8_000))

    for turn in (1, 2, 3):
        assert counted[turn] / 8_000 == pytest.approx(2.0**-turn, abs=0.02)


def test_at_most_one_turn_of_a_session_is_counted():
    s = sampler(replay_turns="all")
    for i in range(300):
        assert sum(decide(s, f"conv-{i}", t).counted for t in range(1, 70)) <= 1


def test_other_turns_are_replayed_uncounted_only_when_asked_for():
    counted_only, all_turns = sampler(), sampler(replay_turns="all")
    session = next(f"conv-{i}" for i in range(100) if not decide(counted_only, f"conv-{i}", 1).counted)

    assert decide(counted_only, session, 1).disposition == "other_turn"
    assert decide(all_turns, session, 1).disposition == "scored"
    assert not decide(all_turns, session, 1).counted


def test_first_counts_the_first_turn_of_every_session():
    s = sampler(counted_turn="first")

    assert all(decide(s, f"conv-{i}", 1).counted and not decide(s, f"conv-{i}", 2).counted for i in range(200))


def test_a_call_without_a_session_is_always_counted_and_its_own_unit():
    s = sampler()
    call = a_call(session=None, turn=5)

    assert s.decide(call, unit_key(call, "t", 0, 7)).counted
    assert unit_key(call, "t", 0, 7) != unit_key(call, "t", 0, 8)


def test_only_an_oversampled_stratum_has_a_smaller_weight_class():
    s = sampler(rate=0.1, strata=[{"when": {"tag": {"tier": "gold"}}, "times": 4}])
    gold, plain = a_call(session="a", tags={"tier": "gold"}), a_call(session="a")

    assert s.decide(gold, "a").weight_exponent == 2
    assert s.decide(gold, "a").probability == pytest.approx(0.4)
    assert s.decide(plain, "a").weight_exponent == 0
    assert s.decide(plain, "a").probability == pytest.approx(0.1)


def test_shedding_halves_every_probability_and_leaves_the_weight_classes():
    s = sampler(rate=0.2, strata=[{"when": {"route": "vip"}, "times": 2}])
    call = a_call(session="a", route="vip")

    assert s.decide(call, "a", shed_exponent=3).probability == pytest.approx(0.4 / 8)
    assert s.decide(call, "a", shed_exponent=3).weight_exponent == 1


@pytest.mark.parametrize(
    ("when", "call", "facts"),
    [
        ({"route": "vip"}, a_call(route="vip"), Facts()),
        ({"model": "m"}, a_call(model="m"), Facts()),
        ({"language": "de"}, a_call(), Facts(language="de")),
        ({"incumbent_failed": True}, a_call(answer=Answer(failure="timeout")), Facts()),
        ({"adversarial": True}, a_call(), Facts(adversarial=True)),
    ],
)
def test_each_condition_of_a_stratum_is_seen(when, call, facts):
    s = sampler(rate=0.1, strata=[{"when": when, "times": 2}])

    assert s.decide(call, "k", facts=facts).weight_exponent == 1
    assert s.decide(a_call(answer=Answer(text="x")), "k").weight_exponent == 0
