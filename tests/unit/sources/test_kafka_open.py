"""Clients that leave nothing behind."""

import threading
import time
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaConsumer
from kafka.errors import KafkaError

from shadow.demo.broker.thread import BrokerThread
from shadow.sources.kafka_open import open_client


def io_threads() -> int:
    return sum(t.name.startswith("kafka-io") for t in threading.enumerate())


@pytest.mark.parametrize("kind", [KafkaConsumer, KafkaAdminClient])
def test_an_attempt_that_fails_leaves_no_thread(kind: Any) -> None:
    before = io_threads()
    for _ in range(3):
        with pytest.raises(KafkaError):
            open_client(kind, bootstrap_servers="127.0.0.1:9", bootstrap_timeout_ms=200)
    end = time.monotonic() + 5
    while io_threads() > before and time.monotonic() < end:
        time.sleep(0.02)

    assert io_threads() == before


def test_a_consumer_without_leave_to_make_topics_makes_none() -> None:
    with BrokerThread() as broker:
        consumer = open_client(
            KafkaConsumer, bootstrap_servers=broker.bootstrap, allow_auto_create_topics=False, client_id="test"
        )
        consumer.subscribe(["absent"])
        consumer.poll(500)
        consumer.close()

        assert broker.broker.state.topics.names == []


def test_a_client_that_opens_works_and_closes() -> None:
    before = io_threads()
    with BrokerThread() as broker:
        admin = open_client(KafkaAdminClient, bootstrap_servers=broker.bootstrap)
        admin.create_topics({"t": {"num_partitions": 2, "replication_factor": 1}})
        admin.close()

        assert [len(broker.broker.state.topics.logs("t"))] == [2]
    assert io_threads() == before
