"""What the admin client and the checks before a start rely on."""

from typing import Any

import pytest
from kafka import OffsetAndMetadata, TopicPartition
from kafka.errors import InvalidReplicationFactorError, TopicAlreadyExistsError


def test_a_created_topic_has_its_partitions(cluster: Any) -> None:
    topic = cluster.topic(3)

    assert len(cluster.consumer().partitions_for_topic(topic)) == 3
    assert topic in cluster.admin().list_topics()


def test_creating_refuses_what_cannot_be(cluster: Any) -> None:
    topic, admin = cluster.topic(), cluster.admin()

    with pytest.raises(TopicAlreadyExistsError):
        admin.create_topics({topic: {"num_partitions": 1, "replication_factor": 1}})
    with pytest.raises(InvalidReplicationFactorError):
        admin.create_topics({cluster.name("t"): {"num_partitions": 1, "replication_factor": 2}})


def test_asking_for_a_topic_without_leave_to_make_it_does_not_make_it(cluster: Any) -> None:
    topic = cluster.name("absent")
    consumer = cluster.consumer()
    # kafka-python 3.0.12 drops its own option `allow_auto_create_topics` on the way to the request
    consumer._cluster.config["allow_auto_create_topics"] = False
    consumer.subscribe([topic])
    consumer.poll(500)

    assert topic not in cluster.admin().list_topics()


def test_committed_offsets_of_a_group_are_listed(cluster: Any) -> None:
    tp, group = TopicPartition(cluster.topic(), 0), cluster.name("g")
    consumer = cluster.consumer(group_id=group)
    consumer.assign([tp])
    consumer.commit({tp: OffsetAndMetadata(7, "", -1)})
    admin = cluster.admin()

    assert admin.list_group_offsets({group: [tp]})[group][tp].offset == 7
    assert group in str(admin.list_groups())


def test_groups_are_described_and_unknown_ones_are_dead(cluster: Any, collected: Any) -> None:
    topic, group, unknown = cluster.filled([b"x"]), cluster.name("g"), cluster.name("none")
    consumer = cluster.member(group, topic)
    collected(consumer, 1)
    consumer.commit()
    cluster.close(consumer)
    described = cluster.admin().describe_groups([group, unknown])

    assert {g: v["group_state"] for g, v in described.items()} == {group: "Empty", unknown: "Dead"}
