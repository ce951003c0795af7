"""What producers and plain consumers rely on."""

import time
from typing import Any

import pytest
from kafka import TopicPartition
from kafka.errors import InvalidTimestampError, KafkaError, MessageSizeTooLargeError, OffsetOutOfRangeError


def test_a_topic_is_made_on_first_use_with_the_default_partitions(cluster: Any) -> None:
    producer, topic = cluster.producer(), cluster.name("auto")
    places = [producer.send(topic, b"v", key=b"k%d" % i).get(10).partition for i in range(20)]

    assert len(producer.partitions_for(topic)) == 4
    assert set(places) == {0, 1, 2, 3}


@pytest.mark.parametrize("codec", [None, "gzip", "snappy", "lz4", "zstd"])
def test_every_codec_survives(cluster: Any, codec: str | None) -> None:
    topic, producer = cluster.topic(), cluster.producer(compression_type=codec, linger_ms=20)
    for future in [producer.send(topic, b"x" * 500, partition=0) for _ in range(50)]:
        future.get(10)

    assert cluster.read(topic) == [b"x" * 500] * 50


def test_key_headers_and_timestamp_survive(cluster: Any, collected: Any) -> None:
    topic, stamp = cluster.topic(), int(time.time() * 1000) - 60_000
    headers = [("h", b"x"), ("traceparent", b"00-aa")]
    cluster.producer().send(topic, b"v", key=b"k", headers=headers, timestamp_ms=stamp).get(10)
    (record,) = collected(cluster.consumer(topic), 1)

    assert (record.key, record.value, record.timestamp, record.timestamp_type) == (b"k", b"v", stamp, 0)
    assert list(record.headers) == headers


def test_pause_resume_and_seek(cluster: Any) -> None:
    tp = TopicPartition(cluster.filled([b"0", b"1", b"2"]), 0)
    consumer = cluster.consumer()
    consumer.assign([tp])
    consumer.seek(tp, 1)
    first = consumer.poll(3000, max_records=1)[tp][0].offset
    consumer.pause(tp)
    paused = consumer.poll(400)
    consumer.resume(tp)

    assert (first, paused, consumer.poll(3000, max_records=1)[tp][0].offset) == (1, {}, 2)


def test_offsets_are_found_by_time(cluster: Any) -> None:
    tp, start = TopicPartition(cluster.topic(), 0), int(time.time() * 1000) - 60_000
    producer, consumer = cluster.producer(), cluster.consumer()
    for i in range(5):
        producer.send(tp.topic, b"v", partition=0, timestamp_ms=start + i * 1000).get(10)
    consumer.assign([tp])

    assert consumer.offsets_for_times({tp: start + 2500})[tp].offset == 3
    assert consumer.offsets_for_times({tp: start + 9000})[tp] is None
    assert (consumer.beginning_offsets([tp])[tp], consumer.end_offsets([tp])[tp]) == (0, 5)


def test_large_records_are_kept_and_too_large_ones_refused(cluster: Any) -> None:
    tp, producer = TopicPartition(cluster.topic(), 0), cluster.producer(max_request_size=3_000_000)
    for _ in range(3):
        producer.send(tp.topic, b"x" * 900_000, partition=0).get(10)
    assert [len(v) for v in cluster.read(tp.topic)] == [900_000] * 3

    refused = producer.send(tp.topic, b"x" * 1_100_000, partition=0)
    with pytest.raises(MessageSizeTooLargeError):
        refused.get(10)


def test_a_timestamp_far_ahead_is_refused(cluster: Any) -> None:
    future = cluster.producer().send(
        cluster.topic(), b"x", partition=0, timestamp_ms=int(time.time() * 1000) + 7_200_000
    )

    with pytest.raises(InvalidTimestampError):
        future.get(10)


def test_deleted_records_move_the_log_start(cluster: Any, collected: Any) -> None:
    tp = TopicPartition(cluster.filled([b"%d" % i for i in range(10)]), 0)
    admin = cluster.admin()
    admin.delete_records({tp: 6})
    with pytest.raises(OffsetOutOfRangeError):
        admin.delete_records({tp: 11})

    consumer = cluster.consumer()
    consumer.assign([tp])
    assert (consumer.beginning_offsets([tp])[tp], consumer.end_offsets([tp])[tp]) == (6, 10)
    assert consumer.offsets_for_times({tp: 0})[tp].offset == 6
    consumer.seek(tp, 2)
    assert [r.offset for r in collected(consumer, 4)] == [6, 7, 8, 9]

    strict = cluster.consumer(auto_offset_reset="none")
    strict.assign([tp])
    strict.seek(tp, 2)
    with pytest.raises(OffsetOutOfRangeError):
        collected(strict, 1, 8)


@pytest.mark.parametrize("check_crcs", [True, False])
def test_committed_readers_see_only_what_was_committed(cluster: Any, check_crcs: bool) -> None:
    topic, producer = cluster.topic(), cluster.producer(transactional_id=cluster.name("tx"))
    producer.init_transactions()
    for values, commit in (([b"c1", b"c2"], True), ([b"aborted"], False), ([b"c3"], True)):
        producer.begin_transaction()
        for future in [producer.send(topic, v, partition=0) for v in values]:
            future.get(10)
        producer.commit_transaction() if commit else producer.abort_transaction()
    marker = cluster.producer()
    marker.send(topic, b"end", partition=0).get(10)

    committed = cluster.read(topic, isolation_level="read_committed", check_crcs=check_crcs)
    everything = cluster.read(topic, isolation_level="read_uncommitted", check_crcs=check_crcs)
    assert committed == [b"c1", b"c2", b"c3", b"end"]
    assert everything == [b"c1", b"c2", b"aborted", b"c3", b"end"]


def test_a_second_producer_of_a_transactional_id_fences_the_first(cluster: Any) -> None:
    topic, identity = cluster.topic(), cluster.name("fence")
    first = cluster.producer(transactional_id=identity)
    first.init_transactions()
    first.begin_transaction()
    first.send(topic, b"1", partition=0).get(10)
    second = cluster.producer(transactional_id=identity)
    second.init_transactions()

    with pytest.raises(KafkaError):
        first.commit_transaction()
    cluster.close(first, timeout=2)


def test_the_producer_sees_the_protocol_version(cluster: Any) -> None:
    assert cluster.producer().config["api_version"] >= (2, 3)
