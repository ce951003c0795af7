"""Options of every Kafka client that Shadow builds, and what can be said when a broker does not answer."""

import importlib.util
import logging
from typing import Any

from shadow.settings import KafkaSource

log = logging.getLogger(__name__)

BOOTSTRAP_TIMEOUT_MS = 8_000
_SECRETS = ("password", "key", "token", "secret")


def client_options(settings: KafkaSource) -> dict[str, Any]:
    """Bootstrap servers, security and bounded timeouts, as keyword arguments for any client of kafka-python."""
    return {
        "bootstrap_servers": [s.strip() for s in settings.bootstrap_servers.split(",") if s.strip()],
        "client_id": "shadow",
        "bootstrap_timeout_ms": BOOTSTRAP_TIMEOUT_MS,
        "reconnect_backoff_max_ms": 2_000,
        "request_timeout_ms": 15_000,
        **settings.security,
    }


def warn_without_crc32c() -> bool:
    """Says loudly when the C checksum is missing: the client is 15 times slower then. True when it is missing."""
    if importlib.util.find_spec("crc32c") is not None:
        return False
    log.warning(
        "the package crc32c is not installed: the Kafka client computes checksums in Python and is about 15 times slower; "
        "run: pip install crc32c"
    )
    return True


def unreachable(settings: KafkaSource, error: BaseException) -> str:
    """One sentence with the likely causes: the client library says the same for all of them."""
    protocol = settings.security.get("security_protocol", "PLAINTEXT")
    parts = [
        f"no Kafka broker answers at {settings.bootstrap_servers} ({type(error).__name__})",
        f"protocol {protocol}",
    ]
    if "sasl_mechanism" in settings.security:
        user = settings.security.get("sasl_plain_username", "?")
        parts.append(f"mechanism {settings.security['sasl_mechanism']}, user {user}: a wrong password looks the same")
    if "SSL" in protocol:
        parts.append("a wrong CA file or a listener without TLS looks the same")
    else:
        parts.append("a listener that expects TLS or a login looks the same")
    return "; ".join(parts) + "; `shadow check --connect` tells them apart"


def shown_security(settings: KafkaSource) -> dict[str, Any]:
    """The security options with everything secret blanked, for messages."""
    return {k: "***" if any(s in k.lower() for s in _SECRETS) else v for k, v in settings.security.items()}


def finish_join(consumer: Any) -> None:
    """Call before every poll. Lets a member take the assignment that came after its last poll had ended.

    kafka-python (seen in 3.0.12): a leader joins again because partitions were added; the poll's time is over before the
    answer to SyncGroup is there; the next poll sees no reason to join (the assignment it made covers the new partitions)
    and never looks at the answer. The member then keeps its old partitions and sends no heartbeat until something else
    makes it join. `rejoining` is True from the begin of a join until its assignment is taken over.
    """
    coordinator = consumer._coordinator
    if coordinator.rejoining and not coordinator.need_rejoin():
        coordinator.request_rejoin()
