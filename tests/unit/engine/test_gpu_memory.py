"""NVML behind a fake library of the same names (a real one needs a GPU), and what is said when there is none."""

import logging
import sys
from types import ModuleType, SimpleNamespace

import pytest

from shadow.exporters.gpu import DeviceMemory, GpuMemory, used_by

GIB = 2**30


class NVMLError(Exception):
    pass


class FakeNvml(ModuleType):
    """The functions of pynvml that are used. `devices`: (used, total, {process: bytes or None}) or an error each."""

    NVMLError = NVMLError

    def __init__(self, devices, *, init=None):
        super().__init__("pynvml")
        self.devices, self._init, self.open = devices, init, False

    def nvmlInit(self):  # noqa: N802  # its name
        if self._init is not None:
            raise self._init
        self.open = True

    def nvmlShutdown(self):  # noqa: N802  # its name
        self.open = False

    def nvmlDeviceGetCount(self):  # noqa: N802  # its name
        return len(self.devices)

    def nvmlDeviceGetHandleByIndex(self, index):  # noqa: N802  # its name
        if isinstance(self.devices[index], Exception):
            raise self.devices[index]
        return index

    def nvmlDeviceGetMemoryInfo(self, handle):  # noqa: N802  # its name
        used, total, _ = self.devices[handle]
        return SimpleNamespace(used=used, total=total)

    def nvmlDeviceGetComputeRunningProcesses(self, handle):  # noqa: N802  # its name
        processes = self.devices[handle][2]
        if isinstance(processes, Exception):
            raise processes
        return [SimpleNamespace(pid=pid, usedGpuMemory=held) for pid, held in processes.items()]


@pytest.fixture
def opened(monkeypatch):
    def build(library):
        monkeypatch.setitem(sys.modules, "pynvml", library)
        return GpuMemory.open()

    return build


def test_devices_and_the_processes_on_them_are_read(opened):
    library = FakeNvml([(30 * GIB, 80 * GIB, {11: 20 * GIB, 12: 2 * GIB}), (5 * GIB, 80 * GIB, {12: GIB})])
    gpu = opened(library)
    devices = gpu.read()
    gpu.close()

    assert devices[0] == DeviceMemory(
        index=0, used_bytes=30 * GIB, total_bytes=80 * GIB, by_process={11: 20 * GIB, 12: 2 * GIB}
    )
    assert used_by(devices, frozenset({12, 99})) == 3 * GIB
    assert used_by(devices, frozenset({99})) is None
    assert not library.open
    assert gpu.read() == ()


def test_a_process_that_nvml_may_not_look_into_is_unknown_and_never_zero(opened):
    devices = opened(FakeNvml([(GIB, 80 * GIB, {11: None, 12: 2**64 - 1})])).read()

    assert devices[0].by_process == {}
    assert used_by(devices, frozenset({11, 12})) is None


def test_one_broken_gpu_hides_no_other_and_is_said_once(opened, caplog):
    gpu = opened(FakeNvml([NVMLError("GPU is lost"), (GIB, 80 * GIB, NVMLError("Not Supported"))]))
    first, second = gpu.read(), gpu.read()

    assert first == second == (DeviceMemory(index=1, used_bytes=GIB, total_bytes=80 * GIB),)
    assert sum("GPU 0 cannot be read (GPU is lost)" in r.message for r in caplog.records) == 1
    assert sum("processes of GPU 1" in r.message for r in caplog.records) == 1


def test_a_machine_without_a_driver_is_said_once_and_nothing_is_known(opened, caplog):
    with caplog.at_level(logging.INFO):
        gpu = opened(FakeNvml([], init=NVMLError("NVML Shared Library Not Found")))
        readings = [gpu.read(), gpu.read()]

    assert readings == [(), ()]
    assert sum("NVML cannot be used here" in r.message for r in caplog.records) == 1


def test_without_the_library_the_extra_is_named_once(monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    with caplog.at_level(logging.INFO):
        gpu = GpuMemory.open()

    assert gpu.read() == ()
    assert [r.message for r in caplog.records if "shadow-monitor[gpu]" in r.message]
