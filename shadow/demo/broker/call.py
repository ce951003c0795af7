"""One request on its way through the broker."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from shadow.demo.broker.apis import RESPONSES
from shadow.demo.broker.coordinator import Coordinator
from shadow.demo.broker.topics import Topics
from shadow.demo.broker.transactions import Transactions


class Address(NamedTuple):
    """What clients are told to connect to."""

    host: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What handlers work on. Owned by the broker's loop."""

    topics: Topics
    coordinator: Coordinator
    transactions: Transactions
    address: Address
    auto_create: bool
    max_message_bytes: int
    min_session_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A decoded request. `refuse` is the error code of an injected fault that the handler answers instead of acting."""

    state: State
    request: Any
    version: int
    client: str
    refuse: int = 0


Handler = Callable[[Call], Awaitable[Any]]


def answer(api: str, call: Call, **fields: Any) -> Any:
    """A response in the version of the request."""
    return RESPONSES[api](version=call.version, throttle_time_ms=0, **fields)
