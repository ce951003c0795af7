"""Where records go that cannot be replayed: a file beside the ledger, or a Kafka topic. Reason and place, no content.

Written before the transaction that counts them, so that none is ever missing; after a crash one may stand there twice.
"""

import base64
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shadow.errors import UnreachableError
from shadow.records import FinishedRecord

log = logging.getLogger(__name__)

SEND_SECONDS = 10.0


def line_of(record: FinishedRecord) -> bytes:
    """One JSON line; the payload in base64 only where the operator keeps payloads."""
    entry: dict[str, Any] = {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "disposition": record.disposition,
        "reason": record.reason,
        "size_bytes": record.size_bytes,
    }
    if record.payload is not None:
        entry["payload_base64"] = base64.b64encode(record.payload).decode()
    return json.dumps(entry).encode()


class FileDeadLetters:
    """Appends to a file. Raises OSError when the disk does not take it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, records: Sequence[FinishedRecord]) -> None:
        """Appends one line per record and hands them to the system."""
        with self._path.open("ab") as file:
            file.write(b"".join(line_of(r) + b"\n" for r in records))

    def close(self) -> None:
        """Nothing is held open."""


class KafkaDeadLetters:
    """Sends to a topic and waits for the broker's word. Raises UnreachableError when it does not come in time."""

    def __init__(self, options: dict[str, Any], topic: str) -> None:
        self._options = options
        self._topic = topic
        self._producer: Any = None

    def write(self, records: Sequence[FinishedRecord]) -> None:
        """One record per dead letter, keyed by its place, so that a repeated one is recognised."""
        from kafka import KafkaProducer
        from kafka.errors import KafkaError

        try:
            if self._producer is None:
                # The idempotent producer of this client may stall for ever after an outage: at least once is enough here.
                self._producer = KafkaProducer(**self._options, enable_idempotence=False, acks="all", linger_ms=5)
            futures = [
                self._producer.send(self._topic, key=f"{r.topic}/{r.partition}/{r.offset}".encode(), value=line_of(r))
                for r in records
            ]
            for future in futures:
                future.get(timeout=SEND_SECONDS)
        except KafkaError as error:
            self.close()
            raise UnreachableError(
                f"dead letters cannot be sent to topic {self._topic} ({type(error).__name__})"
            ) from None

    def close(self) -> None:
        """Drops the producer; the next write makes a new one."""
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.close(timeout=2)
