"""Samples what the servers of the arms hold, about once a second, and keeps the peaks by load over restarts."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from urllib.parse import urlsplit

from shadow.errors import ShadowError
from shadow.exporters.gpu import DeviceMemory, GpuMemory, used_by
from shadow.exporters.peaks import ArmPeaks, Figures, Peaks, decode, encode
from shadow.exporters.processes import LocalServer, resident_bytes
from shadow.loops.load import PageReader
from shadow.records import ArmOutcome
from shadow.replay.engine_metrics import EngineFigures, Unreadable, read_figures

log = logging.getLogger(__name__)

SAMPLE_SECONDS = 1.0
PAGE_SECONDS = 1.0
"""How long one metrics page may take."""
REFUSALS = 3
REST_SECONDS = 300.0
"""A server that shows no engine's page `REFUSALS` times in a row is left alone for so long."""
SAVE_SECONDS = 5.0
STATE = "memory"
"""Name of the ledger's small state that holds the peaks."""
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One arm's server: its base URL, and what makes it itself (model and arguments)."""

    arm: str
    url: str
    identity: str

    @property
    def page(self) -> str | None:
        """Its metrics page; None for a server behind TLS, which is a hosted one and is asked for answers only."""
        parts = urlsplit(self.url)
        if parts.scheme != "http":
            return None
        return f"http://{parts.netloc}{parts.path.rstrip('/').removesuffix('/v1')}/metrics"

    @property
    def local_port(self) -> int | None:
        """Its port where it runs on this machine."""
        parts = urlsplit(self.url)
        return parts.port or 80 if parts.hostname in _LOOPBACK and parts.scheme == "http" else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Devices:
    """What metrics show besides the peaks: GPUs, and what each arm holds now."""

    gpus: tuple[DeviceMemory, ...] = ()
    arms: Mapping[str, Figures]


class _Server:
    """One target and how it is read."""

    def __init__(self, target: Target, reader: PageReader | None) -> None:
        self.target, self._reader = target, reader
        port = target.local_port
        self._local = None if port is None else LocalServer(port)
        self._refused = 0
        self._rests_until = 0.0

    async def engine(self) -> EngineFigures | None:
        """Its own figures; None when it shows none, or is left alone."""
        if self._reader is None or time.monotonic() < self._rests_until:
            return None
        try:
            async with asyncio.timeout(PAGE_SECONDS):
                figures = read_figures(await self._reader.page())
        except Unreadable:
            self._refused += 1
        except (OSError, TimeoutError):
            return None  # starting, or gone: the arm's own watch says so
        else:
            self._refused = 0
            return figures
        if self._refused >= REFUSALS:
            self._refused, self._rests_until = 0, time.monotonic() + REST_SECONDS
            log.debug("arm %s: its server shows no engine metrics", self.target.arm)
        return None

    def processes(self) -> frozenset[int]:
        """Its processes on this machine; blocks on /proc for milliseconds."""
        return frozenset() if self._local is None else self._local.processes()


class MemorySampler:
    """Owned by the evaluator's loop; `finished` and `devices` may be called from any thread."""

    def __init__(
        self,
        targets: Iterable[Target],
        *,
        gpu: Callable[[], GpuMemory],
        get_state: Callable[[str], bytes | None],
        put_state: Callable[[str, bytes], None],
        now_unix_ms: Callable[[], int],
    ) -> None:
        self._targets = tuple(targets)
        self.peaks = Peaks({t.arm: t.identity for t in self._targets})
        self._open_gpu, self._get, self._put, self._now = gpu, get_state, put_state, now_unix_ms
        self._gpus: tuple[DeviceMemory, ...] = ()

    async def run(self) -> None:
        """Until it is cancelled; what is not kept yet is kept then."""
        try:
            self.peaks.restore(await asyncio.to_thread(self._stored))
            gpu = await asyncio.to_thread(self._open_gpu)
            async with AsyncExitStack() as stack:
                stack.callback(gpu.close)
                servers = []
                for target in self._targets:
                    page = target.page
                    reader = None if page is None else await stack.enter_async_context(PageReader(page))
                    servers.append(_Server(target, reader))
                await self._sample_forever(servers, gpu)
        finally:
            self._save()

    def finished(self, outcomes: Iterable[ArmOutcome]) -> None:
        """Joins finished calls with what their servers held meanwhile."""
        for one in outcomes:
            if one.in_flight is not None and one.sent_unix_ms is not None:
                self.peaks.call(
                    one.arm,
                    in_flight=one.in_flight,
                    sent_unix_ms=one.sent_unix_ms,
                    seconds=one.latency_seconds,
                    out_of_memory=one.failure == "out_of_memory",
                )

    def devices(self) -> Devices:
        """The newest sample."""
        newest = {t.arm: self.peaks.now(t.arm) for t in self._targets}
        return Devices(gpus=self._gpus, arms={arm: seen for arm, seen in newest.items() if seen is not None})

    async def _sample_forever(self, servers: list[_Server], gpu: GpuMemory) -> None:
        loop = asyncio.get_running_loop()
        saved = loop.time()
        while True:
            began = loop.time()
            engines = await asyncio.gather(*(server.engine() for server in servers))
            at = self._now()
            self._gpus, held = await asyncio.to_thread(_look, servers, gpu)
            for server, engine, (host, card) in zip(servers, engines, held, strict=True):
                seen = Figures(
                    gpu_bytes=card,
                    host_bytes=host,
                    kv_cache_ratio=None if engine is None else engine.kv_cache_ratio,
                    waiting=None if engine is None else engine.waiting,
                )
                self.peaks.sample(server.target.arm, at, seen, None if engine is None else engine.preemptions)
            if loop.time() - saved >= SAVE_SECONDS:
                saved = loop.time()
                await asyncio.to_thread(self._save)
            await asyncio.sleep(max(0.05, SAMPLE_SECONDS - (loop.time() - began)))

    def _stored(self) -> dict[str, ArmPeaks]:
        try:
            return decode(self._get(STATE))
        except ShadowError as error:
            log.debug("peaks of memory were not found: %s", error)
            return {}

    def _save(self) -> None:
        """Peaks are facts about a server, not evidence: a ledger that is away costs a few of them, and no more."""
        try:
            table = self.peaks.unsaved(decode(self._get(STATE)))
            if table is not None:
                self._put(STATE, encode(table))
        except ShadowError as error:
            log.debug("peaks of memory were not kept: %s", error)


def _look(
    servers: list[_Server], gpu: GpuMemory
) -> tuple[tuple[DeviceMemory, ...], list[tuple[float | None, float | None]]]:
    """Devices, and (host bytes, GPU bytes) of every server."""
    devices = gpu.read()
    groups = [server.processes() for server in servers]
    return devices, [(resident_bytes(group), used_by(devices, group)) for group in groups]
