"""The same facts on the embedded broker (always) and on a real Kafka (`SHADOW_TEST_KAFKA=host:port`).

A real broker has to create topics automatically with num.partitions=4; its group.min.session.timeout.ms may be 6 s.
"""

import gc
import logging
import os
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition

from shadow.demo.broker.thread import BrokerThread

PARTITIONS = 4


class Cluster:
    """Clients of one broker; what a test forgets to close is closed after it."""

    def __init__(self, bootstrap: str, session_ms: int) -> None:
        self.bootstrap, self.session_ms = bootstrap, session_ms
        self._clients: list[Any] = []

    def name(self, prefix: str) -> str:
        """A topic or group nobody else uses."""
        return f"{prefix}-{uuid.uuid4().hex[:8]}"

    def producer(self, **options: Any) -> Any:
        return self._kept(KafkaProducer(bootstrap_servers=self.bootstrap, **options))

    def consumer(self, *topics: str, **options: Any) -> Any:
        options = {"auto_offset_reset": "earliest", "enable_auto_commit": False, **options}
        return self._kept(KafkaConsumer(*topics, bootstrap_servers=self.bootstrap, **options))

    def member(self, group: str, *topics: str, **options: Any) -> Any:
        """A consumer of a group."""
        session = {"session_timeout_ms": self.session_ms, "heartbeat_interval_ms": 300}
        return self.consumer(*topics, group_id=group, **session, **options)

    def admin(self) -> Any:
        return self._kept(KafkaAdminClient(bootstrap_servers=self.bootstrap))

    def topic(self, partitions: int = 1) -> str:
        """A new topic."""
        name = self.name("t")
        admin = self.admin()
        admin.create_topics({name: {"num_partitions": partitions, "replication_factor": 1}}, timeout_ms=5000)
        self.close(admin)
        return name

    def filled(self, values: list[bytes], partitions: int = 1) -> str:
        """A new topic with values in partition 0."""
        name = self.topic(partitions)
        producer = self.producer()
        for value in values:
            producer.send(name, value, partition=0).get(10)
        self.close(producer)
        return name

    def read(self, topic: str, partition: int = 0, **options: Any) -> list[bytes]:
        """Every value of a partition."""
        consumer, tp = self.consumer(**options), TopicPartition(topic, partition)
        consumer.assign([tp])
        end = consumer.end_offsets([tp])[tp]
        values, until = [], time.monotonic() + 8
        while consumer.position(tp) < end and time.monotonic() < until:
            values += [r.value for records in consumer.poll(200).values() for r in records]
        self.close(consumer)
        return values

    def close(self, client: Any, **options: Any) -> None:
        self._clients.remove(client)
        client.close(**options)

    def close_all(self) -> None:
        for client in list(self._clients):
            self.close(client)

    def _kept(self, client: Any) -> Any:
        self._clients.append(client)
        return client


def collect(consumer: Any, count: int, seconds: float = 15) -> list[Any]:
    """Polls until so many records are there or the time is over."""
    got: list[Any] = []
    end = time.monotonic() + seconds
    while len(got) < count and time.monotonic() < end:
        for records in consumer.poll(200).values():
            got += records
    return got


def wait_for(condition: Callable[[], bool], seconds: float = 15) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the condition did not come true"
        time.sleep(0.05)


REAL = os.environ.get("SHADOW_TEST_KAFKA")


@pytest.fixture(
    scope="session", params=["embedded", *([pytest.param("real", marks=pytest.mark.kafka)] if REAL else [])]
)
def _bootstrap(request: pytest.FixtureRequest) -> Iterator[tuple[str, int]]:
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    if request.param == "embedded":
        with BrokerThread(partitions=PARTITIONS) as broker:
            yield broker.bootstrap, 1500
        return
    yield str(REAL), 6000


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The client forgets a socket that is connected while it closes: that is its own, and no fact these tests are about."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"))


@pytest.fixture
def cluster(_bootstrap: tuple[str, int]) -> Iterator[Cluster]:
    cluster = Cluster(*_bootstrap)
    yield cluster
    cluster.close_all()
    gc.collect()  # while the filter above holds


@pytest.fixture
def collected() -> Callable[..., list[Any]]:
    return collect


@pytest.fixture
def until() -> Callable[..., None]:
    return wait_for
