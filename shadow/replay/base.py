"""The port of a model server that a request can be replayed to."""

from typing import Any, Protocol

from shadow.records import ArmOutcome, Call


class Backend(Protocol):
    """One arm's server. Owned by one asyncio loop."""

    async def ask(self, call: Call, body: dict[str, Any], deadline_ns: int) -> ArmOutcome:
        """Sends `body`, streams the answer, retries within the deadline. Every failure is a value; only cancellation raises."""
        ...

    async def probe(self) -> bool:
        """True when the server is ready to answer (models listed, health fine). Bounded by a few seconds, never raises."""
        ...

    async def close(self) -> None:
        """Closes connections. Called once, by whoever built it."""
        ...
