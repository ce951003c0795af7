"""Clients of kafka-python, built so that a failed attempt leaves nothing behind and no topic is made by asking for it."""

from typing import Any


def open_client(kind: Any, **options: Any) -> Any:
    """A `KafkaConsumer` or `KafkaAdminClient`. Raises what its constructor raises.

    Two defects of kafka-python 3.0.12 are met here. A constructor that cannot reach the broker leaves its I/O thread
    running for ever, which tries on: in a loop that waits for a broker they pile up. And `allow_auto_create_topics` of a
    consumer never reaches its metadata requests: a consumer of a deleted topic would make it again.
    """
    from kafka.net.compat import KafkaNetClient

    built: list[Any] = []

    def build(**configs: Any) -> Any:
        client = KafkaNetClient(**configs)
        if "allow_auto_create_topics" in configs:
            client.cluster.config["allow_auto_create_topics"] = configs["allow_auto_create_topics"]
        built.append(client)
        return client

    try:
        return kind(**options, kafka_client=build)
    except BaseException:
        for client in built:
            client.close()
        raise
