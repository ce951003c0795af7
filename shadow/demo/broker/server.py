"""The broker's sockets: frames in, handlers, frames out; faults on the way."""

import asyncio
import fcntl
import logging
import struct
from collections import Counter
from pathlib import Path
from typing import IO, Any, Final

from shadow.demo.broker import handle_data, handle_groups, handle_offsets, handle_topics, handle_transactions
from shadow.demo.broker.apis import NAMES, REQUESTS, SUPPORTED
from shadow.demo.broker.call import Address, Call, Handler, State
from shadow.demo.broker.codes import Code
from shadow.demo.broker.coordinator import Coordinator
from shadow.demo.broker.faults import Fault, Faults, set_error
from shadow.demo.broker.topics import Topics
from shadow.demo.broker.transactions import Transactions
from shadow.errors import UnreachableError

log = logging.getLogger(__name__)
_HANDLERS: Final[dict[str, Handler]] = {
    **handle_topics.HANDLERS,
    **handle_data.HANDLERS,
    **handle_groups.HANDLERS,
    **handle_offsets.HANDLERS,
    **handle_transactions.HANDLERS,
}
_MAX_FRAME_BYTES = 104_857_600  # socket.request.max.bytes
_BUFFER_BYTES = 1 << 20
_TICK_SECONDS = 0.1
DEFAULT_RETENTION_BYTES = 256 * 2**20


class Broker:
    """One node. Every method belongs to the loop that `start` ran in; from elsewhere use `BrokerThread.call`.

    `rtt` is added before every answer, in seconds; `requests` counts them by API name.
    """

    __slots__ = (
        "_advertised",
        "_auto_create",
        "_connections",
        "_faults",
        "_folder",
        "_host",
        "_lock",
        "_marker_delay",
        "_max_message_bytes",
        "_min_session_ms",
        "_partitions",
        "_port",
        "_rebalance_delay",
        "_retention",
        "_server",
        "_state",
        "_ticker",
        "requests",
        "rtt",
    )

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        advertised: tuple[str, int] | None = None,
        partitions: int = 4,
        auto_create: bool = True,
        rebalance_delay_seconds: float = 0.1,
        data_dir: str | Path | None = None,
        retention_bytes: int = DEFAULT_RETENTION_BYTES,
        max_message_bytes: int = 1_048_588,
        min_session_ms: int = 0,
    ) -> None:
        self._host, self._port, self._advertised = host, port, advertised
        self._partitions, self._auto_create = partitions, auto_create
        self._rebalance_delay, self._retention = rebalance_delay_seconds, retention_bytes
        self._folder = Path(data_dir) if data_dir is not None else None
        self._max_message_bytes, self._min_session_ms = max_message_bytes, min_session_ms
        # With files the markers of a transaction have to be on disk when EndTxn is answered.
        self._marker_delay = 0.0 if data_dir is not None else 0.02
        self._faults = Faults()
        self._connections: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._ticker: asyncio.Task[None] | None = None
        self._state: State | None = None
        self._lock: IO[str] | None = None
        self.requests: Counter[str] = Counter()
        self.rtt = 0.0

    @property
    def state(self) -> State:
        """What the handlers work on; there is none before `start`."""
        if self._state is None:
            raise RuntimeError("the broker was not started")
        return self._state

    @property
    def started(self) -> bool:
        """Whether it listens, or did before `down`."""
        return self._state is not None

    @property
    def bootstrap(self) -> str:
        """The address for clients, host:port."""
        return "{}:{}".format(*self.state.address)

    async def start(self) -> None:
        """Loads the files, if any, and listens. Raises UnreachableError when folder or address cannot be used."""
        if self._folder is not None:
            self._lock = _locked(self._folder)
        topics = Topics(self._partitions, self._retention, self._folder)
        coordinator = Coordinator(self._rebalance_delay, self._folder)
        server = await self._bind()
        shown = "127.0.0.1" if self._host in ("0.0.0.0", "::", "") else self._host  # noqa: S104 # compared, not bound
        self._state = State(
            topics=topics,
            coordinator=coordinator,
            transactions=Transactions(topics, coordinator, self._marker_delay),
            address=Address(*(self._advertised or (shown, self._port))),
            auto_create=self._auto_create,
            max_message_bytes=self._max_message_bytes,
            min_session_ms=self._min_session_ms,
        )
        await server.start_serving()
        self._ticker = asyncio.create_task(self._tick())

    async def stop(self) -> None:
        """Cuts every connection and closes the files."""
        if self._ticker is not None:
            self._ticker.cancel()
        self.down()
        await asyncio.sleep(0.01)  # transports report their end to the loop
        if self._state is not None:
            self._state.topics.close()
        if self._lock is not None:
            self._lock.close()

    def down(self) -> None:
        """Refuses connections until `up`; what is stored stays."""
        if self._server is not None:
            self._server.close()
        self.kill_connections()

    async def up(self) -> None:
        """Listens, on the same port as before."""
        server = await self._bind()
        await server.start_serving()

    async def _bind(self) -> asyncio.Server:
        try:
            self._server = server = await asyncio.start_server(
                self._serve, self._host, self._port, limit=_BUFFER_BYTES, start_serving=False
            )
        except OSError as error:
            raise UnreachableError(
                f"broker: cannot listen on {self._host}:{self._port} ({error.strerror or error}); "
                "choose another port, or 0 for a free one"
            ) from None
        self._port = server.sockets[0].getsockname()[1]
        return server

    def kill_connections(self) -> None:
        """Cuts every connection; clients may come back at once."""
        for writer in list(self._connections):
            writer.transport.abort()

    def create(self, name: str, partitions: int | None = None) -> bool:
        """Creates a topic, or grows it. False: the name is not legal."""
        return self.state.topics.create(name, partitions)

    def drop(self, name: str) -> bool:
        """Deletes a topic with its records and offsets. False: there is none."""
        self.state.coordinator.forget_topic(name)
        return self.state.topics.drop(name)

    def inject(
        self,
        api: str,
        error: int = 0,
        delay: float = 0.0,
        disconnect: bool = False,
        count: int = 1,
        after: bool = False,
    ) -> None:
        """The next `count` requests of `api` ("Produce", "Fetch", ...) wait `delay` seconds, then get `error` or no answer.

        A dropped request is not executed, a refused Produce, OffsetCommit, TxnOffsetCommit or EndTxn neither; any other
        one is executed and its error codes are replaced. With `after` the request is always executed and only the
        answer is lost or replaced.
        """
        if api not in SUPPORTED:
            raise ValueError(f"{api!r} is no request of this broker; known: {', '.join(SUPPORTED)}")
        self._faults.add(api, Fault(error=error, delay=delay, disconnect=disconnect, after=after), count)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            self.state.coordinator.expire()
            self.state.transactions.expire()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        try:
            while await self._exchange(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            log.debug("a client left")
        except Exception:  # a stage border: one broken request ends its connection, never the broker
            log.exception("a request could not be handled; its connection is closed")
        finally:
            self._connections.discard(writer)
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request and its answer. False: the connection ends."""
        (length,) = struct.unpack(">i", await reader.readexactly(4))
        if not 10 <= length <= _MAX_FRAME_BYTES:
            return False
        frame = memoryview(await reader.readexactly(length))
        key, version, correlation_id, client_length = struct.unpack_from(">hhih", frame)
        position = 10 + max(client_length, 0)
        name = NAMES.get(key)
        if name is None or position > length:
            log.warning("api key %d is not supported", key)
            return False
        self.requests[name] += 1
        low, high = SUPPORTED[name]
        if low <= version <= high:
            client = str(frame[10:position], "utf-8", "replace")
            answer, go_on = await self._answer(name, version, client, frame[position:])
        elif name == "ApiVersions":
            answer, go_on = handle_topics.api_versions(0, Code.UNSUPPORTED_VERSION), True
        else:
            log.warning("%s version %d is not supported", name, version)
            return False
        if go_on and answer is not None:  # a produce with acks=0 has no answer
            answer.with_header(correlation_id=correlation_id)
            writer.write(answer.encode(header=True, framed=True))
            await writer.drain()
        return go_on

    async def _answer(self, name: str, version: int, client: str, body: memoryview) -> tuple[Any, bool]:
        request_class = REQUESTS[name]
        if request_class.flexible_version_q(version):
            body = body[1:]  # the header's empty tagged fields
        request = request_class.decode(body, version=version)
        fault = self._faults.take(name)
        if fault.delay or self.rtt:
            await asyncio.sleep(fault.delay + self.rtt)
        if fault.disconnect and not fault.after:
            return None, False
        call = Call(state=self.state, request=request, version=version, client=client, refuse=fault.refuses)
        answer = await _HANDLERS[name](call)
        if fault.error and answer is not None:
            set_error(answer, fault.error)
        return answer, not fault.disconnect


def _locked(folder: Path) -> IO[str]:
    """Two brokers on one folder would write into each other's logs."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("a")
    except OSError as error:
        raise UnreachableError(f"broker: {folder} cannot be used ({error.strerror}); check owner and mode") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise UnreachableError(
            f"broker: {folder} is in use by another broker; stop it or choose another folder"
        ) from None
    return lock
