import os

from shadow.loops.suspects import Journal, Suspicion, accuse

A, B = ("t", 0, 1), ("t", 0, 2)


def test_what_was_being_scored_is_read_after_a_death():
    journal = Journal.create()
    try:
        journal.write([A, B])
        assert Journal(os.dup(journal.fd)).read() == [A, B]
        journal.write([])
        assert journal.read() == []
    finally:
        os.close(journal.fd)


def test_only_a_record_that_died_alone_twice_more_is_poison():
    known = accuse({}, [A, B])
    assert not any(s.proven for s in known.values())
    known = accuse(accuse(known, [A]), [A])

    assert known[A] == Suspicion(3, 2)
    assert known[A].proven
    assert not known[B].proven


def test_three_deaths_in_company_prove_nothing():
    known = {}
    for _ in range(3):
        known = accuse(known, [A, B])

    assert not known[A].proven
