"""Writes heartbeat records into the mirrored topic. Opt-in: the only thing that Shadow ever writes where production writes."""

from typing import Any

from shadow.settings import KafkaSource
from shadow.sources.kafka_client import client_options

SEND_SECONDS = 10.0


class KafkaHeartbeats:
    """One producer, made when it is first needed. `send` is called from one thread at a time."""

    def __init__(self, source: KafkaSource) -> None:
        self._source = source
        self._producer: Any = None

    def send(self, value: bytes) -> None:
        """One record, to a partition of the client's choice. Blocks for about ten seconds at most; OSError when it was not taken."""
        from kafka import KafkaProducer
        from kafka.errors import KafkaError

        try:
            if self._producer is None:
                options = {**client_options(self._source), "client_id": "shadow-heartbeat"}
                self._producer = KafkaProducer(
                    **options, enable_idempotence=False, acks=1, linger_ms=0, max_block_ms=int(SEND_SECONDS * 1000)
                )
            self._producer.send(self._source.topic, value=value).get(timeout=SEND_SECONDS)
        except KafkaError as error:
            producer, self._producer = self._producer, None
            if producer is not None:
                producer.close(timeout=1)
            raise OSError(type(error).__name__) from None
