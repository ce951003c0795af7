"""Consuming and decoding beside a bare `poll` with a typed msgspec decoder (G9): the same topic, both from its beginning.

The broker is the embedded one in a process of its own. Our side is the Kafka source as the replayer uses it (thread,
leases, window, acknowledgements) and the decoder that finds the format and reads hostile records.
"""

import asyncio
import logging
import random
import subprocess
import time
from collections.abc import Iterator

import uvloop
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition

from bench.measure import Options, Row, cpu_seconds, interleave, load, pin, quiet_garbage
from bench.reference.pipeline import RECORD
from bench.running import SHADOW, die_with_parent, records
from shadow.settings import KafkaSource
from shadow.sources.decode import decode
from shadow.sources.kafka import KafkaRecords

TOPIC = "bench"
LINGER_MS = 20


def fill(bootstrap: str, count: int) -> list[bytes]:
    """A topic of one partition with so many records of 2 KB."""
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    admin.create_topics({TOPIC: {"num_partitions": 1, "replication_factor": 1}}, timeout_ms=5000)
    admin.close()
    values = records(0, count, random.Random(0))
    producer = KafkaProducer(bootstrap_servers=bootstrap, linger_ms=LINGER_MS, batch_size=64 * 1024)
    for value in values:
        producer.send(TOPIC, value, partition=0)
    producer.flush(60)
    producer.close()
    return values


def reference(bootstrap: str, count: int) -> float:
    """CPU us per record of poll and a typed decoder."""
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, max_partition_fetch_bytes=4 * 2**20)
    tp = TopicPartition(TOPIC, 0)
    consumer.assign([tp])
    consumer.seek(tp, 0)
    seen, before, end = 0, None, time.monotonic() + 60
    first = 0
    while seen < count:
        for batch in consumer.poll(200, max_records=64).values():
            for record in batch:
                RECORD.decode(record.value)
            seen += len(batch)
        if before is None and seen:
            before, first = cpu_seconds(), seen
        if time.monotonic() > end:
            raise SystemExit("the records did not come within a minute")
    used = cpu_seconds() - (before or 0.0)
    consumer.close()
    return used / (seen - first) * 1e6


def ours(bootstrap: str, count: int, group: str) -> float:
    """CPU us per record of the source and the decoder."""

    async def work() -> float:
        settings = KafkaSource.model_validate(
            {"bootstrap_servers": bootstrap, "topic": TOPIC, "group_id": group, "start": "earliest"}
        )
        source = KafkaRecords(
            settings, ask_position=lambda _: 0, ledger_id="bench", window_records=512, window_bytes=64 * 2**20
        )
        await source.start()
        seen, first, before = 0, 0, 0.0
        async with asyncio.timeout(60):
            async for batch in source:
                for one in batch:
                    decode(one.value, "auto", kafka_ts_unix_ms=one.ts_unix_ms)
                seen += len(batch)
                last = batch[-1]
                source.done(last.topic, last.partition, last.lease_epoch, last.offset + 1)
                if not first:
                    first, before = seen, cpu_seconds()
                if seen >= count:
                    break
        used = cpu_seconds() - before
        await source.stop()
        return used / (seen - first) * 1e6

    return uvloop.run(work())


def decode_only(values: list[bytes], repeats: int) -> tuple[float, float]:
    """CPU us per record of our decoder and of the typed one, the fastest of some rounds."""
    results = []
    for read in (lambda value: decode(value, "auto"), RECORD.decode):
        rounds = []
        for _ in range(repeats):
            before = time.thread_time()
            for value in values:
                read(value)
            rounds.append((time.thread_time() - before) / len(values) * 1e6)
        results.append(min(rounds))
    return results[0], results[1]


def run(options: Options) -> Iterator[Row]:
    """Every row of this bench."""
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    count = 3_000 if options.quick else 15_000
    with subprocess.Popen(
        [*SHADOW, "broker", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        preexec_fn=die_with_parent,
    ) as broker:
        try:
            line = broker.stdout.readline() if broker.stdout is not None else ""
            bootstrap = next(word for word in line.replace(",", " ").split() if ":" in word).removeprefix("kafka://")
            pin(broker.pid)
            values = fill(bootstrap, count)
            quiet_garbage()
            number = iter(range(1000))
            ratios = interleave(
                options.pairs,
                lambda: ours(bootstrap, count, f"bench-{next(number)}"),
                lambda: reference(bootstrap, count),
                "us/record",
            )
            mine, typed = decode_only(values[:2000], 5)
        finally:
            broker.terminate()
    yield Row(
        id="G9",
        what="Kafka consume + decode per record of 2 KB, of bare poll + typed msgspec",
        limit=1.3,
        values=tuple(ratios),
        note=f"decoding alone: {mine:.1f} us ({1e6 / mine:,.0f}/CPU-s), typed msgspec {typed:.1f} us",
        load=load(),
    )
