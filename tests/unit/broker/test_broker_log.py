"""The log of one partition, without a socket."""

import random
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka.record import MemoryRecords

from shadow.demo.broker.codes import Code
from shadow.demo.broker.files import LogFile
from shadow.demo.broker.log import BATCH_OVERHEAD_BYTES, PartitionLog, split

Make = Callable[..., bytes]


def values(log: PartitionLog, offset: int = 0, *, committed: bool = False) -> list[tuple[int, bytes]]:
    data = log.read(offset, 1 << 20, committed=committed)
    return [(r.offset, r.value) for b in MemoryRecords(data) if not b.is_control_batch for r in b]


def test_batches_get_the_next_offsets_and_come_back(make: Make) -> None:
    log = PartitionLog()

    assert [log.append(make(b"a", b"b")), log.append(make(b"c"))] == [(Code.NONE, 0), (Code.NONE, 2)]
    assert values(log) == [(0, b"a"), (1, b"b"), (2, b"c")]
    assert (log.start, log.end) == (0, 3)


def test_a_read_gives_whole_batches_at_least_one_and_more_as_they_fit(make: Make) -> None:
    log, one = PartitionLog(), make(b"x" * 100)
    for _ in range(5):
        log.append(one)

    assert len(log.read(0, 1, committed=False)) == len(one)
    assert len(log.read(0, 3 * len(one), committed=False)) == 3 * len(one)
    assert log.read(5, 1000, committed=False) == b""


@pytest.mark.parametrize("damage", [lambda b: b[:60], lambda b: b[:-1], lambda b: b + b"x", lambda b: b""])
def test_what_is_no_whole_batch_is_refused(make: Make, damage: Callable[[bytes], bytes]) -> None:
    log = PartitionLog()

    assert log.append(damage(make(b"a"))) == (Code.INVALID_RECORD, -1)
    assert log.end == 0


def test_an_older_record_format_is_refused(make: Make) -> None:
    old = bytearray(make(b"a"))
    old[16] = 1

    assert PartitionLog().append(bytes(old))[0] == Code.INVALID_RECORD


@given(st.binary(max_size=200))
def test_any_bytes_are_split_or_refused(data: bytes) -> None:
    batches = split(data)

    assert batches is None or b"".join(batches) == data


def test_a_repeated_batch_is_answered_as_before_and_not_stored_twice(make: Make) -> None:
    log = PartitionLog()
    first = make(b"a", b"b", producer_id=7, epoch=0, sequence=0)
    log.append(first)
    log.append(make(b"c", producer_id=7, epoch=0, sequence=2))

    assert log.append(first) == (Code.NONE, 0)
    assert log.end == 3


def test_a_gap_in_the_sequence_and_an_old_epoch_are_refused(make: Make) -> None:
    log = PartitionLog()
    log.append(make(b"a", producer_id=7, epoch=1, sequence=0))

    assert log.append(make(b"c", producer_id=7, epoch=1, sequence=5))[0] == Code.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert log.append(make(b"c", producer_id=7, epoch=0, sequence=1))[0] == Code.INVALID_PRODUCER_EPOCH
    assert log.append(make(b"c", producer_id=7, epoch=2, sequence=3))[0] == Code.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert log.append(make(b"c", producer_id=8, epoch=0, sequence=9))[0] == Code.NONE


def test_an_open_transaction_holds_committed_readers_back(make: Make) -> None:
    log = PartitionLog()
    log.append(make(b"plain"))
    log.append(make(b"tx", producer_id=7, epoch=0, sequence=0, transactional=True))
    assert values(log, committed=True) == [(0, b"plain")]
    assert log.stable_end == 1

    log.control(7, 0, commit=False)
    assert log.stable_end == 3
    assert [(a.producer_id, a.first, a.last) for a in log.aborted] == [(7, 1, 2)]


def test_release_drops_oldest_batches_and_moves_the_start(make: Make) -> None:
    log, one = PartitionLog(), make(b"x" * 100)
    for _ in range(10):
        log.append(one)
    cost = len(one) + BATCH_OVERHEAD_BYTES
    freed = log.release(int(2.5 * cost))

    assert (freed, log.start, log.end, log.bytes) == (3 * cost, 3, 10, 7 * cost)
    assert values(log, 3)[0][0] == 3


def test_many_small_batches_count_with_what_their_objects_take(make: Make) -> None:
    log = PartitionLog()
    tracemalloc.start()
    for i in range(2000):
        log.append(make(b"%d" % i))
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert log.bytes > 0.8 * taken


def test_release_keeps_the_newest_batch_and_what_an_open_transaction_needs(make: Make) -> None:
    log = PartitionLog()
    log.append(make(b"a"))
    log.append(make(b"tx", producer_id=7, epoch=0, sequence=0, transactional=True))
    log.append(make(b"b"))
    log.release(1 << 20)
    assert log.start == 1

    log.control(7, 0, commit=True)
    log.release(1 << 20)
    assert (log.start, log.end) == (3, 4)


def test_offsets_by_time_are_never_below_the_start(make: Make) -> None:
    log = PartitionLog()
    for at in (1000, 2000, 3000):
        log.append(make(b"x", at=at))
    log.trim(1)

    assert [log.by_time(t) for t in (0, 2500, 9000)] == [(1, 2000), (2, 3000), (-1, -1)]


def test_a_log_file_is_read_back_with_start_and_sequences(tmp_path: Path, make: Make) -> None:
    log = PartitionLog(LogFile(tmp_path / "0.log"))
    for i in range(4):
        log.append(make(b"%d" % i, producer_id=7, epoch=0, sequence=i))
    log.trim(2)
    log.close()
    again = PartitionLog(LogFile(tmp_path / "0.log"))

    assert (again.start, again.end) == (2, 4)
    assert values(again, 2) == [(2, b"2"), (3, b"3")]
    assert again.append(make(b"3", producer_id=7, epoch=0, sequence=3)) == (Code.NONE, 3)
    again.close()


def test_a_torn_write_is_cut_off_wherever_it_broke(tmp_path: Path, make: Make) -> None:
    path = tmp_path / "0.log"
    log = PartitionLog(LogFile(path))
    log.append(make(b"whole"))
    whole = path.stat().st_size
    log.append(make(b"torn"))
    log.close()
    raw = path.read_bytes()
    for cut in random.Random(1).sample(range(whole, len(raw)), 20):
        path.write_bytes(raw[:cut])
        again = PartitionLog(LogFile(path))
        assert values(again) == [(0, b"whole")]
        assert again.append(make(b"next")) == (Code.NONE, 1)
        again.close()


def test_the_end_is_known_after_everything_was_deleted(tmp_path: Path, make: Make) -> None:
    log = PartitionLog(LogFile(tmp_path / "0.log"))
    for _ in range(3):
        log.append(make(b"x"))
    log.trim(3)
    log.close()
    again = PartitionLog(LogFile(tmp_path / "0.log"))

    assert (again.start, again.end, values(again, 3)) == (3, 3, [])
    again.close()


def test_a_file_does_not_outgrow_what_it_keeps(tmp_path: Path, make: Make) -> None:
    path = tmp_path / "0.log"
    log = PartitionLog(LogFile(path))
    for _ in range(100):
        log.append(make(b"x" * 100_000))
        if log.bytes > 1_000_000:
            log.release(500_000)
    log.append(make(b"last"))
    end = log.end
    log.close()

    assert path.stat().st_size < 4_000_000
    again = PartitionLog(LogFile(path))
    assert (again.end, values(again, end - 1)) == (end, [(end - 1, b"last")])
    again.close()


def test_a_transaction_that_was_open_at_the_end_is_aborted(tmp_path: Path, make: Make) -> None:
    log = PartitionLog(LogFile(tmp_path / "0.log"))
    log.append(make(b"tx", producer_id=7, epoch=0, sequence=0, transactional=True))
    log.close()
    again = PartitionLog(LogFile(tmp_path / "0.log"))

    assert (again.open, again.stable_end, len(again.aborted)) == ({}, 2, 1)
    again.close()
