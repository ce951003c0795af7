"""Mirrored records from a Kafka topic: one thread owns the consumer, batches cross to asyncio.

The ledger holds the position; group offsets are committed afterwards only so that lag tools show the truth, with the
ledger's id as metadata. `auto_offset_reset` is never relied on: Kafka would jump without a word.
"""

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from kafka import AsyncConsumerRebalanceListener, KafkaAdminClient, KafkaConsumer, OffsetAndMetadata
from kafka import TopicPartition as KafkaPartition
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.errors import KafkaError

from shadow.errors import LedgerError, ShadowError
from shadow.settings import KafkaSource
from shadow.sources.base import AskPosition, Delivered, PositionQuestion
from shadow.sources.kafka_client import client_options, finish_join, unreachable, warn_without_crc32c
from shadow.sources.kafka_open import open_client
from shadow.sources.tracking import Leases

log = logging.getLogger(__name__)

POLL_MS = 100
POLL_RECORDS = 64
COMMIT_SECONDS = 1.0
ENDS_SECONDS = 1.0
TOPIC_CHECK_SECONDS = 15.0
RETRY_SECONDS = 2.0
METADATA_MAX_AGE_MS = 5_000
STOP_SECONDS = 8.0


class KafkaRecords:
    """The Kafka source. `window_records` and `window_bytes` bound what is delivered and not yet in the ledger."""

    def __init__(
        self,
        settings: KafkaSource,
        *,
        ask_position: AskPosition,
        ledger_id: str,
        window_records: int,
        window_bytes: int,
    ) -> None:
        self._settings = settings
        self._ask = ask_position
        self._ledger_id = ledger_id
        self._window_records, self._window_bytes = window_records, window_bytes
        self._leases = Leases()
        self._stopping = threading.Event()
        self._paused = False
        self._ends: dict[tuple[str, int], int] | None = None
        self._topic_id: str | None = None
        self._failure: BaseException | None = None
        self._reloaded = False
        self._last_commit = self._last_ends = self._last_topic_check = 0.0

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[list[Delivered] | None] = asyncio.Queue()
        self._exited = asyncio.Event()
        warn_without_crc32c()
        self._thread = threading.Thread(target=self._run, name="kafka", daemon=True)
        self._thread.start()

    async def __aiter__(self) -> AsyncIterator[list[Delivered]]:
        while (batch := await self._queue.get()) is not None:
            yield batch
        if self._failure is not None:
            raise self._failure

    def is_current(self, topic: str, partition: int, lease_epoch: int) -> bool:
        return self._leases.current((topic, partition), lease_epoch)

    def done(self, topic: str, partition: int, lease_epoch: int, next_offset: int) -> None:
        self._leases.done((topic, partition), lease_epoch, next_offset)

    def reload(self, topic: str, partition: int, lease_epoch: int) -> None:
        if self._leases.reload((topic, partition), lease_epoch):
            self._reloaded = True

    def outstanding(self) -> tuple[int, int]:
        """(records, bytes) delivered and not yet in the ledger."""
        return self._leases.records, self._leases.bytes

    def ends(self) -> dict[tuple[str, int], int] | None:
        return self._ends

    async def stop(self) -> None:
        self._stopping.set()
        try:
            await asyncio.wait_for(self._exited.wait(), STOP_SECONDS)
        except TimeoutError:
            log.warning("the Kafka client did not close within %.0f s; leaving without it", STOP_SECONDS)

    # ---- the Kafka thread ----

    def _run(self) -> None:
        consumer: Any = None
        try:
            consumer = self._connect()
            if consumer is not None:
                self._poll_until_stopped(consumer)
        except ShadowError as error:
            self._failure = error
        except Exception as error:  # the border of the thread: whatever it is ends the source, visibly
            log.exception("the Kafka thread ended")
            self._failure = error
        finally:
            if consumer is not None:
                self._leave(consumer)
            self._loop.call_soon_threadsafe(self._queue.put_nowait, None)
            self._loop.call_soon_threadsafe(self._exited.set)

    def _connect(self) -> Any:
        """A consumer that is subscribed to an existing topic; None when stopped before."""
        said = ""
        while not self._stopping.is_set():
            problem = ""
            consumer: Any = None
            try:
                consumer = open_client(
                    KafkaConsumer,
                    **{
                        **client_options(self._settings),
                        "group_id": self._settings.group_id,
                        "group_instance_id": self._settings.instance_id,
                        "partition_assignment_strategy": [CooperativeStickyAssignor()],
                        "enable_auto_commit": False,
                        "auto_offset_reset": "earliest",
                        "allow_auto_create_topics": False,
                        "metadata_max_age_ms": METADATA_MAX_AGE_MS,
                        "session_timeout_ms": int(self._settings.session_timeout_seconds * 1000),
                        "heartbeat_interval_ms": int(self._settings.session_timeout_seconds * 1000 / 4),
                        "max_partition_fetch_bytes": 4 * 2**20,
                    },
                )
                self._topic_id = self._describe()
                if self._topic_id is not None:
                    consumer.subscribe([self._settings.topic], listener=self._listener(consumer))
                    log.info("consuming topic %s as group %s", self._settings.topic, self._settings.group_id)
                    return consumer
                problem = f"topic {self._settings.topic} does not exist yet; looking again every {RETRY_SECONDS:.0f} s"
            except KafkaError as error:
                problem = unreachable(self._settings, error)
            if consumer is not None:
                consumer.close(autocommit=False, timeout_ms=2000)
            if problem != said:
                log.warning("%s", problem)
                said = problem
            self._stopping.wait(RETRY_SECONDS)
        return None

    def _describe(self) -> str | None:
        """The topic's id, None when there is no such topic."""
        admin = open_client(KafkaAdminClient, **client_options(self._settings))
        try:
            found = admin.describe_topics([self._settings.topic])
            topic = found[0] if found else {}
            if topic.get("error_code", 0) != 0 or not topic.get("partitions"):
                return None
            return str(topic.get("topic_id") or "")
        finally:
            admin.close()

    def _poll_until_stopped(self, consumer: Any) -> None:
        while not self._stopping.is_set():
            try:
                self._balance(consumer)
                if self._reloaded:
                    self._reloaded = False
                    consumer.pause(*[KafkaPartition(*tp) for tp in self._leases.to_restore()])
                self._restore(consumer)
                batch = self._poll(consumer)
                if batch:
                    self._loop.call_soon_threadsafe(self._queue.put_nowait, batch)
                self._housekeeping(consumer)
            except KafkaError as error:
                if not getattr(error, "retriable", False):
                    raise
                log.warning("Kafka: %s; going on", type(error).__name__)
                self._stopping.wait(0.5)
            except ValueError:  # "Unassigned partition": revoked between two of our calls
                continue

    def _balance(self, consumer: Any) -> None:
        """Back-pressure: a full window pauses every partition, half of it resumes them."""
        leases = self._leases
        full = leases.records >= self._window_records or leases.bytes >= self._window_bytes
        if not self._paused and full:
            consumer.pause(*consumer.assignment())
            self._paused = True
        elif self._paused and leases.records <= self._window_records // 2 and leases.bytes <= self._window_bytes // 2:
            self._paused = False
            restoring = {KafkaPartition(*tp) for tp in leases.to_restore()}
            consumer.resume(*(set(consumer.paused()) - restoring))

    def _restore(self, consumer: Any) -> None:
        """Puts newly leased partitions where the ledger says."""
        for tp, epoch in self._leases.to_restore().items():
            kp = KafkaPartition(*tp)
            begin = consumer.beginning_offsets([kp])[kp]
            end = consumer.end_offsets([kp])[kp]
            self._refuse_foreign_group(consumer, kp)
            question = PositionQuestion(
                topic=tp[0],
                partition=tp[1],
                topic_id=self._topic_id or "",
                begin_offset=begin,
                end_offset=end,
                lease_epoch=epoch,
                start_offset=self._start_offset(consumer, kp, begin, end),
            )
            position = self._ask(question)
            if not self._leases.current(tp, epoch):
                continue
            consumer.seek(kp, position)
            if self._leases.restored(tp, epoch, position) and not self._paused:
                consumer.resume(kp)

    def _refuse_foreign_group(self, consumer: Any, kp: Any) -> None:
        committed = consumer.committed(kp, metadata=True)
        owner = getattr(committed, "metadata", "") or ""
        if owner.startswith("shadow:") and owner != f"shadow:{self._ledger_id}":
            raise LedgerError(
                f"the consumer group {self._settings.group_id} belongs to another ledger; "
                "set source.group_id to a name of its own for this ledger, or point ledger.url at the other one"
            )

    def _start_offset(self, consumer: Any, kp: Any, begin: int, end: int) -> int:
        """Where a partition that the ledger has never seen begins."""
        if self._settings.start == "earliest":
            return begin
        if self._settings.start == "latest":
            return end
        when = datetime.fromisoformat(self._settings.start)
        when = when if when.tzinfo else when.replace(tzinfo=UTC)
        found = consumer.offsets_for_times({kp: int(when.timestamp() * 1000)})[kp]
        return end if found is None else max(begin, found.offset)

    def _poll(self, consumer: Any) -> list[Delivered]:
        """Polls also when everything is paused: that keeps the membership alive."""
        batch: list[Delivered] = []
        limit = self._settings.max_record_bytes
        finish_join(consumer)
        for kp, records in consumer.poll(timeout_ms=POLL_MS, max_records=POLL_RECORDS).items():
            tp = (kp.topic, kp.partition)
            floor = self._leases.floor(tp)
            fresh = [r for r in records if floor is None or r.offset >= floor]
            lease = self._leases.deliver(tp, [(r.offset, len(r.value or b"")) for r in fresh])
            if lease is None:
                continue
            epoch, first = lease
            for sequence, record in enumerate(fresh, first):
                large = record.value is not None and len(record.value) > limit
                batch.append(
                    Delivered(
                        topic=tp[0],
                        partition=tp[1],
                        offset=record.offset,
                        lease_epoch=epoch,
                        sequence=sequence,
                        value=None if large else record.value,
                        key=record.key,
                        headers=tuple((k, v) for k, v in record.headers or () if isinstance(v, bytes)),
                        ts_unix_ms=record.timestamp if record.timestamp is not None and record.timestamp >= 0 else None,
                        oversized=large,
                    )
                )
        return batch

    def _housekeeping(self, consumer: Any) -> None:
        now = time.monotonic()
        if now - self._last_commit >= COMMIT_SECONDS:
            self._last_commit = now
            moved = self._leases.to_commit()
            if moved:
                consumer.commit_async(self._offsets(moved), callback=self._committed)
        if now - self._last_ends >= ENDS_SECONDS:
            self._last_ends = now
            self._look_at_ends(consumer)
        if now - self._last_topic_check >= TOPIC_CHECK_SECONDS:
            self._last_topic_check = now
            self._check_topic()

    def _look_at_ends(self, consumer: Any) -> None:
        partitions = consumer.partitions_for_topic(self._settings.topic)
        if not partitions:
            return
        kps = [KafkaPartition(self._settings.topic, p) for p in sorted(partitions)]
        ends = consumer.end_offsets(kps)
        assigned = consumer.assignment()
        result = {}
        for kp in kps:
            end = ends[kp]
            idle_at = self._leases.idle((kp.topic, kp.partition))
            # Markers of transactions at the end are never delivered: the client's position has passed them.
            if idle_at is not None and kp in assigned and consumer.position(kp) >= end:
                end = idle_at
            result[kp.topic, kp.partition] = end
        self._ends = result

    def _check_topic(self) -> None:
        """A topic that was deleted and made anew would silently skip its first records."""
        topic_id = self._describe()
        if topic_id is not None and topic_id != self._topic_id:
            raise LedgerError(
                f"topic {self._settings.topic} was deleted and made anew while it was consumed; "
                "use a new ledger (ledger.url) and a new source.group_id for the new topic"
            )

    def _offsets(self, positions: dict[tuple[str, int], int]) -> dict[Any, Any]:
        metadata = f"shadow:{self._ledger_id}"
        return {KafkaPartition(*tp): OffsetAndMetadata(offset, metadata, -1) for tp, offset in positions.items()}

    def _committed(self, offsets: dict[Any, Any], response: Any) -> None:
        if isinstance(response, Exception):
            log.info("group offsets were not committed (%s); the ledger has them", type(response).__name__)
            self._leases.commit_failed([(kp.topic, kp.partition) for kp in offsets])

    def _leave(self, consumer: Any) -> None:
        try:
            moved = self._leases.to_commit()
            if moved:
                consumer.commit(self._offsets(moved), timeout_ms=2000)
        except (KafkaError, ValueError) as error:
            log.info("last group commit: %s; the ledger has the position", type(error).__name__)
        try:
            consumer.close(autocommit=False, timeout_ms=3000)
        except KafkaError as error:
            log.info("closing the Kafka client: %s", type(error).__name__)

    def _listener(self, consumer: Any) -> Any:
        source = self

        class Listener(AsyncConsumerRebalanceListener):  # type: ignore[misc]
            """Runs on kafka-python's own I/O thread: nothing here may block."""

            async def on_partitions_revoked(self, revoked: Any) -> None:
                tps = [(kp.topic, kp.partition) for kp in revoked]
                moved = source._leases.to_commit(tps)
                source._leases.revoke(tps)
                if moved:
                    try:
                        await consumer.commit_async(source._offsets(moved))
                    except KafkaError as error:
                        log.info("commit on revoke: %s; the ledger has the position", type(error).__name__)

            async def on_partitions_lost(self, lost: Any) -> None:
                source._leases.revoke([(kp.topic, kp.partition) for kp in lost])

            async def on_partitions_assigned(self, assigned: Any) -> None:
                tps = [(kp.topic, kp.partition) for kp in assigned]
                source._leases.assign(tps)
                if assigned:
                    consumer.pause(*assigned)  # a new assignment starts unpaused; it is resumed when restored

        return Listener()
