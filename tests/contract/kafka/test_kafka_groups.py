"""What consumer groups rely on: resuming, rebalancing, static members, offsets."""

import threading
import time
from typing import Any

import pytest
from kafka import OffsetAndMetadata, TopicPartition
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.errors import KafkaTimeoutError, OffsetMetadataTooLargeError

from shadow.sources.kafka_client import finish_join


def test_a_group_resumes_where_it_committed(cluster: Any, collected: Any) -> None:
    topic, group = cluster.filled([b"%d" % i for i in range(20)]), cluster.name("g")
    consumer = cluster.member(group, topic)
    assert len(collected(consumer, 20)) == 20
    consumer.commit()
    cluster.close(consumer)
    producer = cluster.producer()
    for _ in range(3):
        producer.send(topic, b"new", partition=0).get(10)

    assert [r.value for r in collected(cluster.member(group, topic), 3)] == [b"new"] * 3


def test_the_metadata_of_a_commit_survives(cluster: Any) -> None:
    tp = TopicPartition(cluster.topic(), 0)
    consumer = cluster.consumer(group_id=cluster.name("g"))
    consumer.assign([tp])
    consumer.commit({tp: OffsetAndMetadata(3, "state:abc", -1)})
    committed = consumer.committed(tp, metadata=True)

    assert (committed.offset, committed.metadata) == (3, "state:abc")


def test_commits_that_kafka_refuses_are_refused(cluster: Any) -> None:
    known, unknown = TopicPartition(cluster.topic(), 0), TopicPartition(cluster.name("none"), 0)
    consumer = cluster.consumer(group_id=cluster.name("g"))
    consumer.assign([known])

    with pytest.raises(KafkaTimeoutError):  # error 3 is retriable: the client repeats it until its time is over
        consumer.commit({unknown: OffsetAndMetadata(1, "", -1)}, timeout_ms=700)
    with pytest.raises(OffsetMetadataTooLargeError):
        consumer.commit({known: OffsetAndMetadata(1, "x" * 4097, -1)})


class Member(threading.Thread):
    """A consumer that polls on its own thread until it is told to leave."""

    def __init__(self, cluster: Any, name: str, group: str, topic: str, assignor: Any, *, static: bool) -> None:
        super().__init__(name=f"member-{name}", daemon=True)
        self.owned = 0
        self._stop_now = threading.Event()
        fixed = {"group_instance_id": f"inst-{name}"} if static else {}
        self._consumer = cluster.member(group, partition_assignment_strategy=(assignor,), client_id=name, **fixed)
        self._consumer.subscribe([topic])
        self._cluster = cluster
        self.start()

    def run(self) -> None:
        while not self._stop_now.is_set():
            self._consumer.poll(100)
            self.owned = len(self._consumer.assignment())
        self._cluster.close(self._consumer)

    def leave(self) -> None:
        self._stop_now.set()
        self.join(10)
        self.owned = 0


@pytest.mark.parametrize(
    ("assignor", "static"),
    [(RangePartitionAssignor, False), (CooperativeStickyAssignor, False), (RangePartitionAssignor, True)],
    ids=["eager", "cooperative", "static"],
)
def test_partitions_are_shared_and_come_back(cluster: Any, until: Any, assignor: Any, static: bool) -> None:
    topic, group = cluster.topic(4), cluster.name("g")
    first = Member(cluster, "a", group, topic, assignor, static=static)
    until(lambda: first.owned == 4)
    second = Member(cluster, "b", group, topic, assignor, static=static)
    until(lambda: (first.owned, second.owned) == (2, 2))
    second.leave()
    until(lambda: first.owned == 4)
    first.leave()


def test_a_static_member_that_restarts_keeps_its_place(cluster: Any, until: Any) -> None:
    topic, group = cluster.topic(4), cluster.name("g")
    first = Member(cluster, "a", group, topic, RangePartitionAssignor, static=True)
    until(lambda: first.owned == 4)
    first.leave()
    again = Member(cluster, "a", group, topic, RangePartitionAssignor, static=True)
    started = time.monotonic()
    until(lambda: again.owned == 4)
    took = time.monotonic() - started
    again.leave()

    assert took < cluster.session_ms / 1000, "it waited for its own old session"


def test_partitions_added_at_run_time_are_seen(cluster: Any, until: Any) -> None:
    topic = cluster.topic(1)
    consumer = cluster.member(cluster.name("g"), topic, metadata_max_age_ms=500)
    until(lambda: consumer.poll(100) is not None and len(consumer.assignment()) == 1)
    cluster.admin().create_partitions({topic: 3})

    def polled() -> int:
        finish_join(consumer)
        consumer.poll(100)
        return len(consumer.assignment())

    until(lambda: polled() == 3)


def test_an_assignment_that_comes_between_two_polls_is_taken_over(cluster: Any, until: Any) -> None:
    topic = cluster.topic(1)
    consumer = cluster.member(cluster.name("g"), topic, metadata_max_age_ms=500)
    until(lambda: consumer.poll(100) is not None and len(consumer.assignment()) == 1)
    cluster.admin().create_partitions({topic: 3})
    until(lambda: len(consumer.partitions_for_topic(topic) or ()) == 3)
    coordinator = consumer._coordinator

    def late() -> bool:
        consumer.poll(0)  # begins to join, and is over before the broker can answer
        return coordinator.rejoining and not coordinator.need_rejoin()

    until(late)
    assert len(consumer.assignment()) == 1
    finish_join(consumer)
    until(lambda: consumer.poll(1000) is not None and len(consumer.assignment()) == 3)


def test_offsets_in_a_transaction_count_when_it_commits(cluster: Any, collected: Any) -> None:
    tp, out = TopicPartition(cluster.filled([b"%d" % i for i in range(5)]), 0), cluster.topic()
    # the answer to a commit may come before the offsets are visible: only read_committed waits for them
    consumer = cluster.member(cluster.name("g"), tp.topic, isolation_level="read_committed")
    producer = cluster.producer(transactional_id=cluster.name("tx"))
    producer.init_transactions()
    records = collected(consumer, 5)
    seen = []
    for offset, commit in ((records[-1].offset + 1, True), (99, False)):
        producer.begin_transaction()
        producer.send(out, b"x", partition=0).get(10)
        producer.send_offsets_to_transaction({tp: OffsetAndMetadata(offset, "", -1)}, consumer.group_metadata())
        producer.commit_transaction() if commit else producer.abort_transaction()
        seen.append(consumer.committed(tp))

    assert seen == [5, 5]


def test_a_topic_made_again_is_another_topic(cluster: Any, collected: Any, until: Any) -> None:
    topic, group, admin = cluster.filled([b"old"] * 5), cluster.name("g"), cluster.admin()
    tp = TopicPartition(topic, 0)
    consumer = cluster.member(group, topic)
    assert len(collected(consumer, 5)) == 5
    consumer.commit()
    cluster.close(consumer)
    first_id = admin.describe_topics([topic])[0]["topic_id"]
    admin.delete_topics([topic])
    until(lambda: topic not in admin.list_topics())
    admin.create_topics({topic: {"num_partitions": 1, "replication_factor": 1}})
    cluster.producer().send(topic, b"new", partition=0).get(20)
    consumer = cluster.member(group, topic)

    assert [(r.offset, r.value) for r in collected(consumer, 1)] == [(0, b"new")]
    assert consumer.committed(tp) is None
    assert admin.describe_topics([topic])[0]["topic_id"] != first_id
