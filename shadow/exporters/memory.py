"""What servers hold and held, as series: a pure function from the runtime's view."""

from collections.abc import Iterator

from shadow.exporters.catalogue import processes as of_processes
from shadow.exporters.catalogue.metric import Metric
from shadow.exporters.peaks import Figures
from shadow.exporters.runtime import RuntimeView

Series = dict[tuple[str, ...], float]


def memory_series(view: RuntimeView) -> Iterator[tuple[Metric, Series]]:
    """Every metric of memory with its series; an unknown figure has none."""
    yield of_processes.GPU_USED, {(str(gpu.index),): float(gpu.used_bytes) for gpu in view.gpus}
    yield of_processes.GPU_TOTAL, {(str(gpu.index),): float(gpu.total_bytes) for gpu in view.gpus}
    yield (
        of_processes.ARM_MEMORY,
        {(arm, kind): value for arm, seen in view.held.items() for kind, value in _bytes(seen)},
    )
    peaks: Series = {}
    caches: Series = {}
    waiting: Series = {}
    calls: Series = {}
    for arm, kept in view.peaks.items():
        for load, one in kept.classes.items():
            calls[arm, load] = float(one.calls)
            peaks.update({(arm, kind, load): value for kind, value in _bytes(one.peak)})
            if one.peak.kv_cache_ratio is not None:
                caches[arm, load] = one.peak.kv_cache_ratio
            if one.peak.waiting is not None:
                waiting[arm, load] = one.peak.waiting
    yield of_processes.ARM_MEMORY_PEAK, peaks
    yield of_processes.ARM_CACHE_PEAK, caches
    yield of_processes.ARM_WAITING_PEAK, waiting
    yield of_processes.ARM_LOAD_CALLS, calls
    yield of_processes.ARM_PREEMPTIONS, {(arm,): kept.preemptions for arm, kept in view.peaks.items()}


def _bytes(seen: Figures) -> Iterator[tuple[str, float]]:
    if seen.gpu_bytes is not None:
        yield "gpu", seen.gpu_bytes
    if seen.host_bytes is not None:
        yield "host", seen.host_bytes
