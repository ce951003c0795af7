"""A file of envelopes into a topic, as a gateway would mirror them: keyed, traced, paced, each acknowledged."""

import json
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from shadow.errors import ConfigurationError, UnreachableError
from shadow.settings import KafkaSource
from shadow.sources.kafka_client import client_options, unreachable
from shadow.sources.kafka_open import open_client

log = logging.getLogger(__name__)

DEFAULT_PARTITIONS = 4
_MAX_INFLIGHT_RECORDS = 2_000
_MAX_INFLIGHT_BYTES = 32 * 2**20
_DELIVERY_SECONDS = 30.0
_REPORT_SECONDS = 5.0
_SHOWN_REFUSALS = 5


class Envelope(NamedTuple):
    """One line on its way. `well_formed` is False for what is not a JSON object: sent all the same, for the dead letters."""

    line: int
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]
    well_formed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirrored:
    """What became of a file. `refused` are records that the broker did not take, such as too large ones."""

    sent: int
    malformed: int
    refused: int
    partitions: int
    seconds: float


class _Fields(msgspec.Struct):
    session: Any = None
    id: Any = None
    traceparent: Any = None


_decoder = msgspec.json.Decoder(_Fields)


def envelopes(lines: Iterable[bytes]) -> Iterator[Envelope]:
    """The records of a file, blank lines left out. Lines count from 0.

    The key is the session, else the id, else the line number, so that a session keeps its partition and its order.
    """
    for number, line in enumerate(lines):
        value = line.rstrip(b"\r\n")
        if value.strip():
            fields = _fields(value)
            named = next((n for n in (fields.session, fields.id) if _names(n)), number) if fields else number
            trace = fields.traceparent if fields else None
            headers = [("traceparent", trace.encode())] if isinstance(trace, str) and trace.isascii() else []
            yield Envelope(number, str(named).encode("utf-8", "replace"), value, headers, fields is not None)


def _fields(value: bytes) -> _Fields | None:
    try:
        return _decoder.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass
    try:  # what Python reads and msgspec refuses (lone surrogates, NaN) is a well-formed line all the same
        return msgspec.convert(json.loads(value), _Fields)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def _names(value: object) -> bool:
    """Whether a session or id can be a key."""
    return isinstance(value, str | int) and not isinstance(value, bool) and value != ""


def mirror(
    lines: Iterable[bytes],
    source: KafkaSource,
    *,
    partitions: int | None,
    rate: float | None,
    report: Callable[[str], None],
) -> Mirrored:
    """Sends every line and waits until the broker has them all.

    Blocks. Memory is bounded by the records in flight, whatever the file's size. `rate` is records per second, after
    an absolute schedule: a pause of the broker is caught up. Raises UnreachableError when the broker does not answer
    (within about 10 s at the start, 30 s later on).
    """
    from kafka.errors import KafkaConfigurationError, KafkaError

    started = time.monotonic()
    try:
        count = _ensure_topic(source, partitions, report)
        producer = _producer(source)
    except KafkaConfigurationError as error:
        raise ConfigurationError([f"source.security: {error}; it takes the options of kafka-python"]) from None
    except KafkaError as error:
        raise UnreachableError(unreachable(source, error)) from None
    sending = _Sending(producer, source, report)
    try:
        first = time.monotonic()
        for envelope in envelopes(lines):
            if rate is not None:
                sending.wait_until(first + sending.sent / rate)
            sending.send(envelope)
        sending.drain(0, 0)
    finally:
        try:
            producer.close(timeout=2)
        except KafkaError as error:  # after an outage; what went wrong is being raised already
            log.debug("the producer did not close cleanly (%s)", type(error).__name__)
    return Mirrored(
        sent=sending.sent,
        malformed=sending.malformed,
        refused=sending.refused,
        partitions=count,
        seconds=time.monotonic() - started,
    )


def _producer(source: KafkaSource) -> Any:
    """A producer that knows the topic, so that a schedule begins with the first record and not with a pause."""
    from kafka import KafkaProducer
    from kafka.errors import KafkaError

    producer = KafkaProducer(
        **client_options(source),
        enable_idempotence=False,  # the idempotent producer of this client may stall for ever after an outage
        acks="all",
        linger_ms=5,
        max_request_size=max(2**20, source.max_record_bytes) + 2**20,  # the broker decides what is too large
        max_block_ms=10_000,
        delivery_timeout_ms=int(_DELIVERY_SECONDS * 1000),
    )
    try:
        producer.partitions_for(source.topic)
    except KafkaError:
        producer.close(timeout=0)
        raise
    return producer


def _ensure_topic(source: KafkaSource, partitions: int | None, report: Callable[[str], None]) -> int:
    """The partition count of the topic, which is made when it is not there."""
    from kafka import KafkaAdminClient
    from kafka.errors import TopicAlreadyExistsError

    admin = open_client(KafkaAdminClient, **client_options(source))
    try:
        present = _partition_count(admin, source.topic)
        if present:
            if partitions is not None and partitions != present:
                report(f"mirror: topic {source.topic} exists with {present} partitions and keeps them")
            return present
        wanted = partitions or DEFAULT_PARTITIONS
        new = {source.topic: {"num_partitions": wanted, "replication_factor": -1}}
        try:
            admin.create_topics(new, timeout_ms=10_000)
        except TopicAlreadyExistsError:  # somebody was quicker
            return _partition_count(admin, source.topic) or wanted
        report(f"mirror: topic {source.topic} created with {wanted} partitions")
        return wanted
    finally:
        admin.close()


def _partition_count(admin: Any, topic: str) -> int:
    found = admin.describe_topics([topic])
    return len(found[0]["partitions"]) if found and not found[0]["error_code"] else 0


class _Sending:
    """The records between us and the broker: bounded in number and bytes, counted when they are acknowledged."""

    def __init__(self, producer: Any, source: KafkaSource, report: Callable[[str], None]) -> None:
        self._producer, self._source, self._report = producer, source, report
        self._inflight: deque[tuple[int, int, Any]] = deque()  # line, bytes, future
        self._bytes = 0
        self._started = self._reported = time.monotonic()
        self.sent = self.malformed = self.refused = 0

    def send(self, envelope: Envelope) -> None:
        from kafka.errors import KafkaError

        size = len(envelope.value)
        self.drain(_MAX_INFLIGHT_RECORDS - 1, max(0, _MAX_INFLIGHT_BYTES - size))
        try:
            future = self._producer.send(
                self._source.topic, key=envelope.key, value=envelope.value, headers=envelope.headers
            )
        except KafkaError as error:
            self._failed(envelope.line, error)
        else:
            self._inflight.append((envelope.line, size, future))
            self._bytes += size
        self.sent += 1
        self.malformed += not envelope.well_formed
        self._progress()

    def drain(self, records: int, size: int) -> None:
        """Waits until no more than so many records and bytes are in flight."""
        from kafka.errors import KafkaError

        while self._inflight and (len(self._inflight) > records or self._bytes > size or self._inflight[0][2].is_done):
            line, length, future = self._inflight.popleft()
            self._bytes -= length
            try:
                future.get(timeout=_DELIVERY_SECONDS + 5)
            except KafkaError as error:
                self._failed(line, error)

    def _failed(self, line: int, error: Any) -> None:
        """A record that the broker judged is counted; anything else means that the broker is not there."""
        from kafka.errors import AuthorizationError, BrokerResponseError, MessageSizeTooLargeError

        if isinstance(error, AuthorizationError):
            raise UnreachableError(
                f"mirror: the broker does not let us write to topic {self._source.topic} ({type(error).__name__}); "
                "grant Write on it to the user of `source.security`"
            ) from None
        judged = isinstance(error, MessageSizeTooLargeError | BrokerResponseError) and not error.retriable
        if not judged:
            raise UnreachableError(unreachable(self._source, error)) from None
        self.refused += 1
        if self.refused <= _SHOWN_REFUSALS:
            self._report(f"mirror: line {line} was refused by the broker ({type(error).__name__})")

    def wait_until(self, due: float) -> None:
        """Waits for the moment of the schedule; acknowledgements are taken meanwhile by the client's own thread."""
        while (left := due - time.monotonic()) > 0:
            self._progress()
            time.sleep(min(left, 1.0))

    def _progress(self) -> None:
        now = time.monotonic()
        if now - self._reported >= _REPORT_SECONDS:
            self._reported = now
            self._report(f"mirror: {self.sent} records, {self.sent / (now - self._started):.0f} a second")
