"""A package `vllm` for tests: `vllm serve` that answers as the simulator does, and dies the ways an engine dies."""

from pathlib import Path

_MAIN = """
import os, pathlib, subprocess, sys, time
arguments = sys.argv[1:]
port = int(arguments[arguments.index("--port") + 1])
folder = pathlib.Path(os.environ["FAKE_FOLDER"])
starts = len(list(folder.glob("start-*")))
worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
(folder / f"start-{starts}").write_text(f"{os.getpid()} {worker.pid} {' '.join(arguments)}")
(folder / "environment").write_text("\\n".join(f"{k}={v}" for k, v in os.environ.items()))
print("INFO loading", flush=True)
mode = (os.environ.get("FAKE_MODES", "serve").split(",") + ["serve"] * 99)[starts]
if mode == "oom":
    print("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB", flush=True)
    sys.exit(1)
if mode == "model":
    print("OSError: my-model is not a local folder and is not a valid model identifier", flush=True)
    sys.exit(1)
if mode == "leak":
    print("ERROR dumping request: prompt='SECRET text'", flush=True)
    sys.exit(1)
if mode == "slow":
    time.sleep(600)
from shadow.simulator.thread import SimulatorThread
SimulatorThread(port=port, ttft_ms=2).start()
time.sleep(600)
"""


def write_package(folder: Path) -> dict[str, str]:
    """Writes it and gives the environment that makes a Python find it."""
    package = folder / "fake" / "vllm" / "entrypoints" / "cli"
    package.mkdir(parents=True)
    for place in (package, package.parent, package.parent.parent):
        (place / "__init__.py").write_text("")
    (package / "main.py").write_text(_MAIN)
    return {"PYTHONPATH": str(folder / "fake"), "FAKE_FOLDER": str(folder)}


def starts(folder: Path) -> list[list[str]]:
    """Of every start: process, its worker, arguments."""
    return [(folder / f"start-{i}").read_text().split() for i in range(len(list(folder.glob("start-*"))))]
