"""Where a partition goes on is recorded, checked against the log, and never guessed."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from builders_ledger import a_batch, a_question, opened

from shadow.errors import LedgerError
from shadow.ledger.base import PositionAnswer
from shadow.ledger.sql import SqlLedger


def test_the_first_sight_of_a_partition_records_where_it_starts(ledger: SqlLedger) -> None:
    first = ledger.load_position(a_question(partition=1, start_offset=40), group="g")
    again = ledger.load_position(a_question(partition=1, start_offset=9000), group="g")

    assert first == again == PositionAnswer(next_offset=40)
    row = ledger.positions()[1]
    assert (row.partition, row.topic_id, row.first_offset, row.next_offset) == (1, "topic-id", 40, 40)


def test_a_partition_goes_on_where_the_ledger_stands(ledger: SqlLedger) -> None:
    ledger.commit(a_batch(0, 5))

    assert ledger.load_position(a_question(), group="g") == PositionAnswer(next_offset=5)


def test_what_retention_took_is_counted_once_and_skipped(ledger: SqlLedger) -> None:
    ledger.commit(a_batch(0, 5))

    answers = [ledger.load_position(a_question(begin_offset=30), group="g") for _ in range(2)]

    assert answers == [PositionAnswer(next_offset=30, lost=25), PositionAnswer(next_offset=30)]
    assert [(p.next_offset, p.lost) for p in ledger.positions()] == [(30, 25)]


def test_a_start_before_the_log_begins_is_no_loss(ledger: SqlLedger) -> None:
    answer = ledger.load_position(a_question(partition=1, begin_offset=7, start_offset=0), group="g")

    assert answer == PositionAnswer(next_offset=7)
    assert ledger.positions()[1].first_offset == 7


def test_a_log_that_ends_before_the_ledger_stops_the_reader(ledger: SqlLedger) -> None:
    ledger.commit(a_batch(0, 5))

    assert ledger.load_position(a_question(end_offset=5), group="g").next_offset == 5
    with pytest.raises(
        LedgerError, match=r"log was cut or is another cluster's; set a new ledger\.url and a new source\.group_id"
    ):
        ledger.load_position(a_question(end_offset=4), group="g")


@pytest.mark.parametrize("partition", [0, 5])
def test_a_topic_that_was_made_anew_is_refused_on_every_partition(ledger: SqlLedger, partition: int) -> None:
    with pytest.raises(LedgerError, match="deleted and made anew"):
        ledger.load_position(a_question(partition=partition, topic_id="other"), group="g")


@pytest.mark.parametrize("partition", [0, 5])
def test_another_group_on_the_same_ledger_is_refused(ledger: SqlLedger, partition: int) -> None:
    with pytest.raises(LedgerError, match="as group 'g', not 'h'"):
        ledger.load_position(a_question(partition=partition), group="h")


def test_another_topic_may_have_its_own_group(ledger: SqlLedger) -> None:
    assert ledger.load_position(a_question(topic="other", topic_id="x", start_offset=3), group="h").next_offset == 3


def test_workers_that_see_a_partition_at_the_same_time_agree(url: str) -> None:
    ledgers = [opened(url) for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        starts = [11, 22, 33, 44]
        questions = [a_question(start_offset=s) for s in starts]
        answers = list(
            threads.map(lambda pair: pair[0].load_position(pair[1], group="g"), zip(ledgers, questions, strict=True))
        )

    assert len({a.next_offset for a in answers}) == 1
    assert ledgers[0].positions()[0].first_offset == answers[0].next_offset
    for each in ledgers:
        each.close()
