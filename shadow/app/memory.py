"""The sampler of the servers' memory, built from settings."""

import hashlib
import json
from collections.abc import Iterator, Mapping

from shadow.clock import SystemClock
from shadow.exporters.gpu import GpuMemory
from shadow.ledger.sql import SqlLedger
from shadow.loops.memory import MemorySampler, Target
from shadow.records import BASELINE
from shadow.settings import Settings, VllmBackend


def memory_sampler(settings: Settings, engines: Mapping[str, str], ledger: SqlLedger) -> MemorySampler:
    """For every arm that has a server. `engines`: base URLs of the engines that Shadow started, by candidate."""
    return MemorySampler(
        targets(settings, engines),
        gpu=GpuMemory.open,
        get_state=ledger.get_state,
        put_state=ledger.put_state,
        now_unix_ms=SystemClock().wall_unix_ms,
    )


def targets(settings: Settings, engines: Mapping[str, str]) -> Iterator[Target]:
    """Candidates first, then the baseline. An engine that was not started is no target."""
    for candidate in settings.candidates:
        backend = candidate.backend
        if isinstance(backend, VllmBackend):
            url = engines.get(candidate.name)
            what: list[object] = [backend.model, backend.args, backend.gpu_memory_share]
        else:
            url, what = backend.url, [backend.model]
        if url is not None:
            yield Target(arm=candidate.name, url=url, identity=_hash(what))
    if settings.baseline is not None:
        yield Target(arm=BASELINE, url=settings.baseline.url, identity=_hash([settings.baseline.model]))


def _hash(what: list[object]) -> str:
    return hashlib.blake2b(json.dumps(what).encode(), digest_size=8).hexdigest()
