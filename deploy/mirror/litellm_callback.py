"""LiteLLM proxy: every finished call into Kafka, as Shadow's format `litellm`. Never makes the user wait, never raises.

In the proxy's configuration:  litellm_settings: {callbacks: litellm_callback.mirror}
Needs kafka-python >= 3.0.12 beside LiteLLM; KAFKA_BROKERS and SHADOW_TOPIC come from the environment.
"""

import json
import logging
import os
from typing import Any

from kafka import KafkaProducer
from litellm.integrations.custom_logger import CustomLogger

log = logging.getLogger(__name__)


class Mirror(CustomLogger):  # type: ignore[misc]
    """Sends the standard payload; its key is the session, so that a conversation stays in order."""

    def __init__(self, producer: Any, topic: str) -> None:
        super().__init__()
        self._producer, self._topic = producer, topic

    async def async_log_success_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
        self._send(kwargs)

    async def async_log_failure_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
        self._send(kwargs)

    def _send(self, kwargs: dict[str, Any]) -> None:
        try:
            payload = kwargs["standard_logging_object"]
            key = str(payload.get("session_id") or payload.get("id")).encode()
            self._producer.send(self._topic, json.dumps(payload, default=str).encode(), key=key)
        except Exception as error:  # production goes on without its mirror; the text of the error may quote a prompt
            log.warning("a call was not mirrored: %s", type(error).__name__)


def __getattr__(name: str) -> Mirror:
    """Builds the producer when the proxy asks for `mirror`, not when this file is imported."""
    if name != "mirror":
        raise AttributeError(name)
    brokers = os.environ.get("KAFKA_BROKERS", "localhost:9092").split(",")
    made = Mirror(
        KafkaProducer(bootstrap_servers=brokers, linger_ms=20, max_block_ms=1),
        os.environ.get("SHADOW_TOPIC", "llm.mirror"),
    )
    globals()["mirror"] = made
    return made
