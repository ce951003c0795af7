"""Faults, outages, retention and files, seen by real clients on the embedded broker."""

import contextlib
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.errors import KafkaError, MessageSizeTooLargeError

from shadow.demo.broker.thread import BrokerThread
from shadow.demo.broker.topics import Topics
from shadow.errors import UnreachableError


@pytest.fixture
def broker() -> Iterator[BrokerThread]:
    with BrokerThread(partitions=1) as b:
        yield b


@pytest.fixture
def producer(broker: BrokerThread) -> Iterator[Any]:
    p = KafkaProducer(bootstrap_servers=broker.bootstrap, enable_idempotence=False, acks="all", retries=0)
    yield p
    p.close(timeout=2)


def read(bootstrap: str, topic: str) -> list[bytes]:
    consumer, tp = KafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest"), TopicPartition(topic, 0)
    consumer.assign([tp])
    end, got, until = consumer.end_offsets([tp])[tp], [], time.monotonic() + 8
    while consumer.position(tp) < end and time.monotonic() < until:
        got += [r.value for records in consumer.poll(200).values() for r in records]
    consumer.close()
    return got


def test_a_refused_produce_is_not_stored(broker: BrokerThread, producer: Any) -> None:
    producer.send("t", b"first").get(10)
    broker.call("inject", "Produce", error=10)

    with pytest.raises(MessageSizeTooLargeError):
        producer.send("t", b"refused").get(10)
    producer.send("t", b"second").get(10)
    assert read(broker.bootstrap, "t") == [b"first", b"second"]


def test_a_lost_answer_leaves_the_record_stored(broker: BrokerThread, producer: Any) -> None:
    producer.send("t", b"first").get(10)
    broker.call("inject", "Produce", disconnect=True, after=True)

    with pytest.raises(KafkaError):
        producer.send("t", b"stored").get(10)
    assert read(broker.bootstrap, "t") == [b"first", b"stored"]


def test_a_fault_is_used_as_often_as_it_was_asked_for(broker: BrokerThread, producer: Any) -> None:
    producer.send("t", b"x").get(10)
    broker.call("inject", "Produce", error=10, count=2)
    refused = 0
    for _ in range(4):
        try:
            producer.send("t", b"x").get(10)
        except MessageSizeTooLargeError:
            refused += 1

    assert refused == 2


def test_a_fault_of_an_unknown_request_is_refused(broker: BrokerThread) -> None:
    with pytest.raises(ValueError, match="Prodcue"):
        broker.call("inject", "Prodcue", error=1)


def test_a_delay_holds_the_answer_back(broker: BrokerThread, producer: Any) -> None:
    producer.send("t", b"x").get(10)
    broker.call("inject", "Produce", delay=0.3)
    started = time.monotonic()
    producer.send("t", b"x").get(10)

    assert time.monotonic() - started >= 0.3


def test_requests_are_counted(broker: BrokerThread, producer: Any) -> None:
    producer.send("t", b"x").get(10)

    assert broker.broker.requests["Produce"] == 1


def test_a_broker_that_was_down_has_kept_everything(broker: BrokerThread, producer: Any) -> None:
    producer.send("t", b"x").get(10)
    broker.call("down")
    host, port = broker.bootstrap.split(":")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)), 2)
    broker.call("up")

    assert read(broker.bootstrap, "t") == [b"x"]


def test_memory_is_bounded_and_the_oldest_records_go_first() -> None:
    with BrokerThread(partitions=1, retention_bytes=2_000_000) as broker:
        producer = KafkaProducer(bootstrap_servers=broker.bootstrap, enable_idempotence=False, acks="all")
        small = producer.send("small", b"kept").get(10)
        for i in range(100):
            producer.send("large", b"%03d" % i + b"x" * 50_000).get(10)
        producer.close()
        values = read(broker.bootstrap, "large")
        topics = broker.broker.state.topics
        log = topics.log("large", 0)

        assert topics.bytes <= 2_000_000
        assert log is not None
        assert (log.start, log.end) == (100 - len(values), 100)
        assert [v[:3] for v in values] == [b"%03d" % i for i in range(100 - len(values), 100)]
        assert len(values) >= 30
        assert (small.offset, read(broker.bootstrap, "small")) == (0, [b"kept"])


@pytest.mark.parametrize(
    "frame", [b"\x00\x00\x00\x04abcd", struct.pack(">i", 2**31 - 1), b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 64]
)
def test_what_is_not_the_protocol_ends_its_connection_only(broker: BrokerThread, producer: Any, frame: bytes) -> None:
    host, port = broker.bootstrap.split(":")
    with socket.create_connection((host, int(port)), 5) as s:
        s.sendall(frame)
        s.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            assert s.recv(100) == b""

    assert producer.send("t", b"x").get(10).offset == 0


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a b", "x" * 250])
def test_names_that_are_no_topics_are_refused(name: str) -> None:
    topics = Topics(1, 1 << 20, None)

    assert topics.create(name) is False
    assert topics.names == []


def test_a_folder_serves_one_broker(tmp_path: Path) -> None:
    with BrokerThread(data_dir=tmp_path), pytest.raises(UnreachableError, match="in use"):
        BrokerThread(data_dir=tmp_path).start()
    with BrokerThread(data_dir=tmp_path) as again:
        assert again.bootstrap


def test_a_taken_port_is_unreachable(broker: BrokerThread) -> None:
    port = int(broker.bootstrap.rpartition(":")[2])

    with pytest.raises(UnreachableError, match=str(port)):
        BrokerThread(port=port).start()


def start(*arguments: str) -> tuple[subprocess.Popen[str], str]:
    child = subprocess.Popen(
        [sys.executable, "-m", "shadow", "broker", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert child.stdout is not None
    return child, child.stdout.readline().strip()


def end(child: subprocess.Popen[str], number: int) -> int:
    os.kill(child.pid, number)
    code = child.wait(10)
    assert child.stdout is not None
    child.stdout.close()
    return code


def test_records_and_offsets_survive_a_kill(tmp_path: Path) -> None:
    child, address = start("--data-dir", str(tmp_path), "--topic", "kept:2")
    tp = TopicPartition("kept", 0)
    try:
        producer = KafkaProducer(bootstrap_servers=address)
        for i in range(50):
            producer.send("kept", b"%d" % i, partition=0).get(10)
        producer.close()
        consumer = KafkaConsumer(bootstrap_servers=address, group_id="g", enable_auto_commit=False)
        consumer.assign([tp])
        consumer.commit({tp: OffsetAndMetadata(7, "m", -1)})
        consumer.close()
    finally:
        end(child, signal.SIGKILL)
    child, address = start("--data-dir", str(tmp_path))
    try:
        values = read(address, "kept")
        consumer = KafkaConsumer(bootstrap_servers=address, group_id="g", enable_auto_commit=False)
        committed, partitions = consumer.committed(tp), consumer.partitions_for_topic("kept")
        consumer.close()
    finally:
        code = end(child, signal.SIGTERM)

    assert values == [b"%d" % i for i in range(50)]
    assert (committed, partitions, code) == (7, {0, 1}, 0)
