"""Record batches as producers send them."""

import time
from collections.abc import Callable

import pytest
from kafka.record import MemoryRecordsBuilder


def batch(
    *values: bytes, producer_id: int = -1, epoch: int = -1, sequence: int = -1, transactional: bool = False, at: int = 0
) -> bytes:
    """One record batch, format v2; `at` is its timestamp in ms, 0 for now."""
    builder = MemoryRecordsBuilder(2, 0, 1 << 20, 0, transactional, producer_id, epoch, sequence)
    for value in values:
        builder.append(at or int(time.time() * 1000), None, value, [])
    builder.close()
    return bytes(builder.buffer())


@pytest.fixture
def make() -> Callable[..., bytes]:
    return batch
