"""GPU memory from NVML (the library nvidia-ml-py, extra `gpu`). Without it, a driver or the right to ask, it is unknown.

NVML names processes by their id on the host: where Shadow and an engine have process ids of their own (containers that do
not share a process namespace), the memory of a device is known and that of an engine on it is not.
"""

import importlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

log = logging.getLogger(__name__)

_ABSENT = "GPU memory stays unknown: nvidia-ml-py is not installed (pip install 'shadow-monitor[gpu]')"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceMemory:
    """One GPU: bytes in use by everybody and bytes it has. `by_process`: process id to bytes, for those NVML tells."""

    index: int
    used_bytes: int
    total_bytes: int
    by_process: Mapping[int, int] = field(default_factory=dict)


class GpuMemory:
    """Reads every device. Owned by one thread at a time; a reading takes milliseconds and raises nothing."""

    def __init__(self, library: Any | None) -> None:
        """`library` is the module pynvml, initialised, or None: every reading is then empty."""
        self._nvml = library
        self._said: set[str] = set()

    @classmethod
    def open(cls, name: str = "pynvml") -> Self:
        """Loads library and driver; says once what is missing and goes on without."""
        try:
            library = importlib.import_module(name)
        except ImportError:
            log.info(_ABSENT)
            return cls(None)
        try:
            library.nvmlInit()
        except library.NVMLError as error:
            log.info("GPU memory stays unknown: NVML cannot be used here (%s)", error)
            return cls(None)
        return cls(library)

    def read(self) -> tuple[DeviceMemory, ...]:
        """Every device that answers; empty where nothing is known."""
        nvml = self._nvml
        if nvml is None:
            return ()
        try:
            count = int(nvml.nvmlDeviceGetCount())
        except nvml.NVMLError as error:
            self._say_once("the devices", error)
            return ()
        found = []
        for index in range(count):
            try:
                handle = nvml.nvmlDeviceGetHandleByIndex(index)
                memory = nvml.nvmlDeviceGetMemoryInfo(handle)
            except nvml.NVMLError as error:
                self._say_once(f"GPU {index}", error)
                continue
            found.append(
                DeviceMemory(
                    index=index,
                    used_bytes=int(memory.used),
                    total_bytes=int(memory.total),
                    by_process=self._processes(handle, index),
                )
            )
        return tuple(found)

    def close(self) -> None:
        """Lets go of the driver."""
        nvml, self._nvml = self._nvml, None
        if nvml is not None:
            try:
                nvml.nvmlShutdown()
            except nvml.NVMLError as error:
                log.debug("NVML did not close (%s)", error)

    def _processes(self, handle: Any, index: int) -> dict[int, int]:
        """Bytes by process. NVML gives None (or all bits set) for a process it may not look into: that one is left out."""
        nvml = self._nvml
        if nvml is None:
            return {}
        try:
            processes = nvml.nvmlDeviceGetComputeRunningProcesses(handle)
        except nvml.NVMLError as error:
            self._say_once(f"the processes of GPU {index}", error)
            return {}
        return {
            int(one.pid): int(one.usedGpuMemory)
            for one in processes
            if one.usedGpuMemory is not None and 0 <= one.usedGpuMemory < 2**63
        }

    def _say_once(self, what: str, error: Exception) -> None:
        if what not in self._said:
            self._said.add(what)
            log.warning("GPU memory: %s cannot be read (%s)", what, error)


def used_by(devices: tuple[DeviceMemory, ...], processes: frozenset[int]) -> int | None:
    """Bytes that these processes hold on all devices together; None where NVML names none of them."""
    known = [held for device in devices for process, held in device.by_process.items() if process in processes]
    return sum(known) if known else None
