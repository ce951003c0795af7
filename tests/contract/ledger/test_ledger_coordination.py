"""Epochs, leases, notes and small states: what several processes agree on."""

from concurrent.futures import ThreadPoolExecutor

from builders_ledger import opened

from shadow.ledger.base import EpochRow
from shadow.ledger.sql import SqlLedger


def test_an_epoch_lasts_as_long_as_its_key(ledger: SqlLedger) -> None:
    one = ledger.open_epoch("cand", "k1", {"scorers": {"a": "1"}}, 100, "first start")
    same = ledger.open_epoch("cand", "k1", {"scorers": {"a": "1"}}, 200, "nothing")
    other = ledger.open_epoch("cand", "k2", {}, 300, "scorers changed")

    assert (
        one
        == same
        == EpochRow(id=one.id, candidate="cand", key="k1", description={"scorers": {"a": "1"}}, started_unix_ms=100)
    )
    assert one.id >= 1
    assert ledger.epochs("cand") == [
        EpochRow(
            id=one.id, candidate="cand", key="k1", description={"scorers": {"a": "1"}}, started_unix_ms=100,
            ended_unix_ms=300, why_ended="scorers changed",
        ),
        other,
    ]  # fmt: skip


def test_candidates_have_epochs_of_their_own(ledger: SqlLedger) -> None:
    a = ledger.open_epoch("a", "k", {}, 1, "")
    b = ledger.open_epoch("b", "k", {}, 1, "")

    assert a.id != b.id
    assert [e.candidate for e in ledger.epochs()] == ["a", "b"]


def test_a_key_that_returns_opens_a_new_epoch(ledger: SqlLedger) -> None:
    ids = [ledger.open_epoch("a", key, {}, 1, "back and forth").id for key in ("k1", "k2", "k1")]

    assert len(set(ids)) == 3


def test_workers_that_start_together_share_one_epoch(url: str) -> None:
    ledgers = [opened(url) for _ in range(6)]
    with ThreadPoolExecutor(6) as threads:
        first = list(threads.map(lambda each: each.open_epoch("a", "k1", {}, 1, "").id, ledgers))
        second = list(threads.map(lambda each: each.open_epoch("a", "k2", {}, 2, "changed").id, ledgers))

    assert len(set(first)) == len(set(second)) == 1
    assert len(ledgers[0].epochs("a")) == 2
    for each in ledgers:
        each.close()


def test_a_lease_has_one_holder_until_it_expires(ledger: SqlLedger) -> None:
    assert ledger.take_lease("monitor", "a", 1_000, 10)
    assert not ledger.take_lease("monitor", "b", 5_000, 10)
    assert ledger.take_lease("monitor", "a", 5_000, 10)  # renewed
    assert not ledger.take_lease("monitor", "b", 14_999, 10)
    assert ledger.take_lease("monitor", "b", 15_000, 10)
    assert not ledger.take_lease("monitor", "a", 15_001, 10)
    assert ledger.take_lease("other", "a", 15_001, 10)


def test_a_lease_is_released_by_its_holder_only(ledger: SqlLedger) -> None:
    ledger.take_lease("monitor", "a", 0, 10)
    ledger.release_lease("monitor", "b")
    assert not ledger.take_lease("monitor", "b", 1, 10)

    ledger.release_lease("monitor", "a")
    assert ledger.take_lease("monitor", "b", 1, 10)


def test_of_many_that_want_a_lease_one_gets_it(url: str) -> None:
    ledgers = [opened(url) for _ in range(6)]
    with ThreadPoolExecutor(6) as threads:
        got = list(threads.map(lambda pair: pair[1].take_lease("monitor", f"h{pair[0]}", 0, 10), enumerate(ledgers)))

    assert sum(got) == 1
    for each in ledgers:
        each.close()


def test_a_note_is_kept_once(ledger: SqlLedger) -> None:
    assert ledger.put_note("crossing", "cand/1", "tail", {"n": 7}, 10)
    assert not ledger.put_note("crossing", "cand/1", "tail", {"n": 8}, 20)
    assert ledger.put_note("crossing", "cand/2", "tail", {"n": 9}, 5)
    assert ledger.put_note("verdict", "cand/1", "tail", {}, 5)

    assert ledger.notes("crossing") == [("cand/1", "tail", {"n": 7}, 10), ("cand/2", "tail", {"n": 9}, 5)]
    assert ledger.notes("crossing", "cand/2") == [("cand/2", "tail", {"n": 9}, 5)]
    assert ledger.notes("verdict", "cand/1") == [("cand/1", "tail", {}, 5)]
    assert ledger.notes("nothing") == []


def test_the_last_state_wins(ledger: SqlLedger) -> None:
    assert ledger.get_state("drift") is None
    ledger.put_state("drift", b"\x00one")
    ledger.put_state("drift", b"two\xff")
    ledger.put_state("other", b"")

    assert (ledger.get_state("drift"), ledger.get_state("other")) == (b"two\xff", b"")


def test_the_ledger_has_one_id(url: str, ledger: SqlLedger) -> None:
    other = opened(url, read_only=True)

    assert other.ledger_id() == ledger.ledger_id()
    assert len(ledger.ledger_id()) == 32
    other.close()
