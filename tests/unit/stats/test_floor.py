"""The floor's own drift: quiet while it stands, noticed in both directions, over once newer answers have set a new floor."""

from random import Random

import pytest

from shadow.stats import floor
from shadow.stats.aa import dense
from shadow.stats.floor import REFERENCE, Moved

Hours = dict[int, dict[int, dict[int, int]]]


def floor_moved(found: Hours) -> Moved | None:
    return floor.floor_moved(sorted(found), dense(found))


def hours(mean: float, count: int, *, first: int = 0, per_hour: int = 30, seed: int = 1) -> Hours:
    rng = Random(seed)
    found: Hours = {}
    for hour in range(first, first + count):
        histogram = found.setdefault(hour, {}).setdefault(0, {})
        for _ in range(per_hour):
            index = round(min(max(rng.gauss(mean, 0.1), 0.0), 1.0) * 64)
            histogram[index] = histogram.get(index, 0) + 1
    return found


def test_a_floor_that_stands_raises_no_alarm_in_two_months() -> None:
    assert all(floor_moved(hours(0.8, 1440, seed=seed)) is None for seed in range(5))


def test_too_few_answers_say_nothing() -> None:
    assert floor_moved({}) is None
    assert floor_moved(hours(0.8, 3)) is None


@pytest.mark.parametrize(("after", "direction"), [(0.6, "lower"), (0.95, "higher")])
def test_a_move_is_noticed_within_hours_in_both_directions(after: float, direction: str) -> None:
    moved = floor_moved(hours(0.8, 20) | hours(after, 8, first=20))

    assert isinstance(moved, Moved)
    assert moved.direction == direction
    assert 20 <= moved.hour <= 27
    assert moved.before == pytest.approx(0.8, abs=0.03)


def test_an_hour_that_is_not_over_raises_it_too() -> None:
    moved = floor_moved(hours(0.9, 20) | hours(0.2, 1, first=20, per_hour=15))

    assert moved is not None
    assert (moved.hour, moved.since, moved.to_go) == (20, None, REFERENCE)


def test_newer_answers_thaw_it_and_set_the_new_floor() -> None:
    before = hours(0.8, 20)
    frozen = floor_moved(before | hours(0.6, 6, first=20))
    assert frozen is not None
    assert frozen.since == pytest.approx(0.6, abs=0.05)
    assert 0 < frozen.to_go < REFERENCE

    assert floor_moved(before | hours(0.6, 30, first=20)) is None
    assert floor_moved(before | hours(0.6, 30, first=20) | hours(0.85, 4, first=50)) is not None


def test_no_false_alarm_from_rare_bad_hours() -> None:
    calm = hours(0.8, 200)
    calm[150] = hours(0.75, 1, first=150)[150]

    assert floor_moved(calm) is None
