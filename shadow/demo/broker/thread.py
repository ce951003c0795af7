"""The broker on a thread of its own: `with BrokerThread(partitions=4) as b: KafkaConsumer(bootstrap_servers=b.bootstrap)`."""

import asyncio
import inspect
import threading
from types import TracebackType
from typing import Any, Self

import uvloop

from shadow.demo.broker.server import Broker
from shadow.errors import ShadowError, UnreachableError

_SECONDS = 10.0


class BrokerThread:
    """For tests and the demo, in the same process. Takes the options of `Broker`.

    `call("inject", "Produce", error=6)`, `call("down")`, `call("up")`, `call("create", "topic", 4)` run on its loop.
    """

    def __init__(self, **options: Any) -> None:
        self.broker = Broker(**options)
        self.bootstrap = ""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._thread: threading.Thread | None = None
        self._ready = threading.Event()
        self._error: ShadowError | None = None

    def start(self) -> None:
        """Starts it and waits until it listens. Raises UnreachableError when it cannot."""
        self._thread = threading.Thread(target=self._run, name="broker", daemon=True)
        self._thread.start()
        if not self._ready.wait(_SECONDS):
            raise UnreachableError("the embedded broker did not start in time")
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        """Stops it; a broker that was stopped cannot be started again."""
        if self._loop is not None and self._stopping is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stopping.set)
        if self._thread is not None:
            self._thread.join(_SECONDS)

    def call(self, name: str, *arguments: Any, **options: Any) -> Any:
        """Calls a method of `Broker` on its loop and returns what it returned."""
        if self._loop is None:
            raise RuntimeError("the broker was not started")

        async def run() -> Any:
            result = getattr(self.broker, name)(*arguments, **options)
            return await result if inspect.isawaitable(result) else result

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(_SECONDS)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        try:
            await self.broker.start()
        except ShadowError as error:
            self._error = error
            await self.broker.stop()
            return
        finally:
            if self._error is None and self.broker.started:
                self.bootstrap = self.broker.bootstrap
            self._ready.set()
        await self._stopping.wait()
        await self.broker.stop()
