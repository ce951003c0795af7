from hypothesis import given
from hypothesis import strategies as st

from shadow.loops.prefix import Prefixes


def filled(order, first=10, epoch=1):
    p = Prefixes()
    p.lease("t", 0, epoch, first)
    for i in order:
        p.add("t", 0, epoch, i, first + i, f"r{i}")
    return p


@given(st.permutations(range(12)), st.integers(1, 12))
def test_whatever_the_order_of_completion_records_leave_in_the_order_of_delivery(order, limit):
    p, taken = filled(order), []
    while runs := p.take(limit):
        taken += runs[0].items
        p.advance(runs[0])

    assert taken == [f"r{i}" for i in range(12)]


def test_nothing_leaves_past_a_record_that_is_not_resolved():
    p = filled([0, 1, 3, 4])

    (run,) = p.take(100)

    assert run.items == ("r0", "r1")
    assert (run.expected_offset, run.next_offset) == (10, 12)


def test_gaps_between_offsets_are_counted_and_no_hole():
    p = Prefixes()
    p.lease("t", 0, 1, 10)
    p.add("t", 0, 1, 0, 12, "a")
    p.add("t", 0, 1, 1, 17, "b")

    (run,) = p.take(100)

    assert (run.next_offset, run.gaps) == (18, 6)


def test_a_run_stays_until_the_ledger_has_it():
    p = filled([0])

    assert p.take(9) == p.take(9)
    p.advance(p.take(9)[0])
    assert p.take(9) == []


def test_records_of_a_void_lease_are_refused():
    p = filled([0], epoch=1)
    p.lease("t", 0, 2, 30)

    assert not p.add("t", 0, 1, 1, 11, "old")
    assert p.add("t", 0, 2, 0, 30, "new")
    assert p.take(9)[0].items == ("new",)


def test_a_dropped_partition_forgets_what_waited():
    p = filled([0, 2])
    p.drop("t", 0)

    assert p.waiting() == 0
    assert p.take(9) == []
