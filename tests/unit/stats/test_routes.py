"""Classes of routes: from A/A scores alone, with a minimum, and without flapping; the parts add up exactly."""

from random import Random

import numpy as np
from builders_calibration import SPEC, close, other, rows_of, same
from hypothesis import given, settings
from hypothesis import strategies as st

from shadow.stats import ArmState, PairState
from shadow.stats.aa import NO_ROUTE, HourOf, Hours, aa_scores, dense, total
from shadow.stats.fold import fold_calls
from shadow.stats.routes import MINIMUM, RouteClass
from shadow.stats.routes import classify as classified
from shadow.stats.scored import scores_alone, without_scores

law = settings(deadline=None, max_examples=40)
calls = st.lists(
    st.tuples(st.sampled_from(["a", "b", "c", None]), st.floats(0, 1), st.floats(0, 1), st.sampled_from([0, 1])),
    max_size=40,
)


def classify(found: Hours) -> RouteClass:
    return classified(dense(found))


def hours(values: list[float], *, per_hour: int = 50) -> dict[int, dict[int, dict[int, int]]]:
    found: dict[int, dict[int, dict[int, int]]] = {}
    for i, value in enumerate(values):
        histogram = found.setdefault(i // per_hour, {}).setdefault(0, {})
        histogram[round(value * 64)] = histogram.get(round(value * 64), 0) + 1
    return found


def drawn(draw, n: int, seed: int = 1) -> list[float]:
    rng = Random(seed)
    return [draw(rng) for _ in range(n)]


def test_the_class_is_that_of_the_incumbents_own_answers() -> None:
    assert classify(hours(drawn(same, 400))) == "deterministic"
    assert classify(hours(drawn(close, 400))) == "normal"
    assert classify(hours(drawn(other, 400))) == "open_ended"


def test_scores_that_are_low_without_a_flag_are_open_ended_too() -> None:
    assert classify(hours([0.55] * 200)) == "open_ended"


def test_below_the_minimum_nothing_is_known() -> None:
    assert classify({}) == "unknown"
    assert classify(hours([1.0] * (MINIMUM - 1))) == "unknown"
    assert (
        classify(hours([1.0] * MINIMUM)) == "normal"
    )  # it gates; that it is deterministic takes more answers to prove
    assert classify(hours([1.0] * 80)) == "deterministic"


def test_a_route_at_the_limit_stays_unknown_and_does_not_gate() -> None:
    values = [0.3 if i % 5 == 0 else 0.9 for i in range(5000)]

    assert classify(hours(values)) == "unknown"


def test_a_class_stands_until_the_opposite_is_proven() -> None:
    calm, wild = [0.9] * 300, [0.3 if i % 3 == 0 else 0.9 for i in range(300)]

    assert classify(hours(calm)) == "normal"
    assert classify(hours(calm + wild)) == "normal"  # 17 % in sum: not proven to be above 20 %
    assert classify(hours(wild)) == "open_ended"
    assert classify(hours(wild + calm)) == "open_ended"
    assert classify(hours(wild + calm * 10)) == "normal"


def test_no_class_is_wrong_at_any_of_many_looks() -> None:
    """Flag rates of 10 % and 30 % on either side of the limit, a look at every hour: a wrong class is an accident of 1 %."""
    rng, wrong = np.random.default_rng(3), 0
    for run in range(100):
        rate = 0.10 if run % 2 else 0.30
        values = list(np.where(rng.random(600) < rate, 0.3, 0.9))
        seen = {classify(hours(values[: 20 * (i + 1)], per_hour=20)) for i in range(30)}
        wrong += ("open_ended" if rate < 0.2 else "normal") in seen
    assert wrong <= 100 * (0.01 + 3 * 0.01)


def parts_of(given_calls: list, *, per_hour: int = 7):
    """(A/A states, pairs by segment) of calls."""
    rows = [
        row
        for offset, (route, c, b, k) in enumerate(given_calls)
        for row in rows_of(offset, route, (c, b), per_hour=per_hour, weight_exponent=k)
    ]
    folded = fold_calls(iter(rows), SPEC)
    arms = [
        (HourOf(key.segment, key.minute // 60, key.weight_exponent), state)
        for key, state in folded.items()
        if isinstance(state, ArmState) and key.subject == "baseline"
    ]
    pairs: dict[str, PairState] = {}
    for key, state in folded.items():
        if isinstance(state, PairState) and key.kind == "pair":
            pairs.setdefault(key.segment, PairState(SPEC.key)).absorb(state)
    return arms, pairs


@law
@given(calls)
def test_routes_and_the_rest_are_all_answers(found: list) -> None:
    arms, _ = parts_of(found)
    scores = aa_scores(arms, "agreement")

    for route in ("a", "b", "c", NO_ROUTE):
        of_route = [call for call in found if (call[0] or NO_ROUTE) == route]
        counted = {k: int(h.sum()) for k, h in total(dense(scores.get(route, {}))).items()}
        assert counted == {k: n for k in (0, 1) if (n := sum(call[3] == k for call in of_route))}


@law
@given(calls, st.sets(st.sampled_from(["a", "b", "c"])))
def test_what_is_left_is_bit_for_bit_the_sum_over_the_routes_that_stay(found: list, out: set[str]) -> None:
    """Rounding is drawn by the call, not by the segment: that is why taking out is exact."""
    _, pairs = parts_of(found)
    _, kept = parts_of([call if call[0] not in out else (call[0], None, None, call[3]) for call in found])
    if "all" not in pairs:
        return
    left = without_scores(pairs["all"], [pairs[f"route={r}"] for r in out if f"route={r}" in pairs])
    wanted = kept.get("all", PairState(SPEC.key))

    assert left.difference == wanted.difference
    assert left.score.as_list() == wanted.score.as_list()
    for name, cells in left.tables.items():
        if name.startswith("score<"):
            assert cells == wanted.tables.get(name, [0] * 6)
    assert (left.pairs, left.table("failure")) == (pairs["all"].pairs, pairs["all"].table("failure"))
    named = [pairs[f"route={r}"] for r in ("a", "b", "c") if f"route={r}" in pairs and r not in out]
    if all(call[0] is not None for call in found):
        assert scores_alone(pairs["all"], named).difference == left.difference


@law
@given(calls, st.randoms(use_true_random=False))
def test_the_order_of_sums_and_their_roll_up_change_no_class(found: list, rng: Random) -> None:
    arms, _ = parts_of(found * 8)
    shuffled = list(arms)
    rng.shuffle(shuffled)
    rolled: dict[HourOf, ArmState] = {}
    for place, state in arms:
        rolled[place] = rolled.get(place, ArmState()).merge(state)

    first, second, third = (aa_scores(s, "agreement") for s in (arms, shuffled, list(rolled.items())))

    assert first == second == third
    assert {r: classify(h) for r, h in first.items()} == {r: classify(h) for r, h in third.items()}
