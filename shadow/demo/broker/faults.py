"""Faults that tests put in the way of requests."""

from collections import defaultdict, deque
from dataclasses import dataclass
from typing import Any

_INNER = (
    "topics",
    "partitions",
    "responses",
    "partition_responses",
    "results_by_topic_v3_and_below",
    "results_by_partition",
    "results",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What happens to one request: a delay in seconds, then an error code in the answer, or no answer at all."""

    error: int = 0
    delay: float = 0.0
    disconnect: bool = False
    after: bool = False

    @property
    def refuses(self) -> int:
        """The error code with which a handler refuses to act; 0 when it acts and only the answer is touched."""
        return 0 if self.after else self.error


_NO_FAULT = Fault()


class Faults:
    """Queues of faults by API name; each is used once."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[Fault]] = defaultdict(deque)

    def add(self, api: str, fault: Fault, count: int) -> None:
        """The next `count` requests of an API meet the fault."""
        self._waiting[api].extend([fault] * count)

    def take(self, api: str) -> Fault:
        """The fault of a request that has just come in."""
        waiting = self._waiting.get(api)
        return waiting.popleft() if waiting else _NO_FAULT


def set_error(answer: Any, error: int) -> None:
    """Replaces every error code in a response."""
    if isinstance(answer, list):
        for item in answer:
            set_error(item, error)
        return
    for name in ("error_code", "partition_error_code"):
        if hasattr(answer, name):
            setattr(answer, name, error)
    for name in _INNER:
        inner = getattr(answer, name, None)
        if isinstance(inner, list) and not (inner and isinstance(inner[0], int | str)):
            set_error(inner, error)
