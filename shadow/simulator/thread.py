"""The simulator on a thread of its own: `with SimulatorThread(ttft_ms=5) as s: ask(s.url)`."""

import asyncio
import os
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import uvloop

from shadow.errors import UnreachableError
from shadow.simulator.answers import Answers
from shadow.simulator.behaviour import behaviour
from shadow.simulator.server import Simulator, Stats

_START_SECONDS = 10.0


class SimulatorThread:
    """For tests in the same process. `answers` is a mapping or a JSONL file; the rest are switches of `Behaviour`.

    `stats` may be read at any time; `change` alters switches while it runs; `stop` and `restart` (same port) play outages.
    """

    def __init__(
        self,
        *,
        answers: Mapping[str, str] | str | os.PathLike[str] | None = None,
        models: tuple[str, ...] = (),
        host: str = "127.0.0.1",
        port: int = 0,
        **switches: Any,
    ) -> None:
        recorded = Answers.read(answers) if isinstance(answers, str | os.PathLike) else Answers(answers)
        self._simulator = Simulator(behaviour(switches), recorded, models)
        self._host, self.port = host, port
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    @property
    def url(self) -> str:
        """The base URL, ending in /v1."""
        return f"http://{self._host}:{self.port}/v1"

    @property
    def stats(self) -> Stats:
        """What has been seen so far; kept over a restart."""
        return self._simulator.stats

    def start(self) -> None:
        """Starts serving. Raises UnreachableError when the address cannot be bound."""
        ready = threading.Event()
        self._error = None
        self._thread = threading.Thread(target=self._run, args=(ready,), name="simulator", daemon=True)
        self._thread.start()
        if not ready.wait(_START_SECONDS) or self._error is not None:
            raise UnreachableError(f"the simulator cannot listen on {self._host}:{self.port}: {self._error}")

    def stop(self) -> None:
        """Cuts every connection and stops listening; clients get 'connection refused' until `restart`."""
        if self._loop is not None and self._stopping is not None:
            self._loop.call_soon_threadsafe(self._stopping.set)
        if self._thread is not None:
            self._thread.join(_START_SECONDS)
        self._loop = self._stopping = self._thread = None

    def restart(self) -> None:
        """Serves again on the same port."""
        self.start()

    def change(self, **switches: Any) -> None:
        """Replaces some switches; requests that are under way keep theirs."""
        self._simulator.behaviour = self._simulator.behaviour.changed(switches)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self, ready: threading.Event) -> None:
        loop = uvloop.new_event_loop()
        try:
            loop.run_until_complete(self._serve(ready))
        except OSError as error:
            self._error = error
            ready.set()
        finally:
            loop.close()

    async def _serve(self, ready: threading.Event) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        self.port = await self._simulator.start(self._host, self.port)
        ready.set()
        await self._stopping.wait()
        await self._simulator.stop()
