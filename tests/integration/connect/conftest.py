"""One real Kafka for all tests of this folder."""

from collections.abc import Iterator

import pytest
from secure_kafka import Secure, running


@pytest.fixture(scope="session")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secure]:
    """A broker with every kind of listener, whose user `shadow` has no right but what a test grants."""
    with running(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker
