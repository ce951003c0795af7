"""What the pages ask the evaluator for: plain callables, so that a page needs no ledger and a test no process."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from shadow.exporters.base import Snapshot
from shadow.ledger.base import OutcomeRow
from shadow.settings import Policy
from shadow.verdict.trail import GateTrail

Show = Literal["worst", "findings", "failures"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallKey:
    """The address of one call."""

    topic: str
    partition: int
    offset: int
    call: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CallView:
    """One call with every arm's outcome and whatever text the ledger keeps of it (already redacted; "" is the request)."""

    key: CallKey
    outcomes: tuple[OutcomeRow, ...]
    texts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebState:
    """The ports of the pages.

    `snapshot`, `health` and `ready` return at once. `metrics` (the Accept header in, body and content type out), `calls`,
    `call` and `trails` (the evidence over time of a configured candidate) may block: they run in threads.
    `health` and `ready` answer a mapping with `ok` and, when not, `reasons`.
    `token` guards pages and API where set; `allowed_hosts` are the accepted Host headers, none of them accepts all.
    """

    snapshot: Callable[[], Snapshot | None]
    metrics: Callable[[str], tuple[bytes, str]]
    health: Callable[[], Mapping[str, Any]]
    ready: Callable[[], Mapping[str, Any]]
    calls: Callable[[str, Show, int], Sequence[CallView]]
    call: Callable[[CallKey], CallView | None]
    trails: Callable[[str], Sequence[GateTrail]]
    policy: Policy
    about: Mapping[str, str] = field(default_factory=dict)
    token: str | None = None
    allowed_hosts: tuple[str, ...] = ()


def loopback_hosts(host: str) -> tuple[str, ...]:
    """The Host headers to accept for a bind address: loopback names where it is one (a page elsewhere could otherwise point
    its own name at this machine and read), all names where it is not."""
    names = ("localhost", "127.0.0.1", "[::1]")
    return names if host in ("localhost", "::1") or host.startswith("127.") else ()
