import sys

from hypothesis import given
from hypothesis import strategies as st

from shadow.loops.duplicates import WAYS, FirstPlaces


def at(offset: int) -> tuple[str, int, int, int]:
    return ("topic", 0, offset, 0)


def test_the_second_place_of_an_id_is_a_duplicate_and_the_first_again_is_not() -> None:
    known = FirstPlaces(1000)
    assert known.is_first("a", at(1))
    assert not known.is_first("a", at(2))
    assert known.is_first("a", at(1))


@given(st.lists(st.integers(0, 40), max_size=200))
def test_while_there_is_room_it_says_what_a_dict_would_say(ids: list[int]) -> None:
    known, truth = FirstPlaces(64 * 1024), {}
    for offset, number in enumerate(ids):
        first = truth.setdefault(number, offset)
        assert known.is_first(f"id-{number}", at(offset)) == (first == offset)


def test_the_newest_ids_are_remembered_and_the_memory_never_grows() -> None:
    known = FirstPlaces(4096)
    before = sum(sys.getsizeof(part) for part in (known._ids, known._places))
    for offset in range(100_000):
        assert known.is_first(f"id-{offset}", at(offset))
    recent = range(100_000 - WAYS, 100_000)

    assert not any(known.is_first(f"id-{offset}", at(0)) for offset in recent)
    assert sum(sys.getsizeof(part) for part in (known._ids, known._places)) == before
