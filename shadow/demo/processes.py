"""The demo's child processes: started on a leash, watched, ended in order, and nothing left behind."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from shadow.errors import UnreachableError

_TAIL_BYTES = 4_096
_TAIL_LINES = 4
_IMPATIENT_SECONDS = 4.0
"""After Ctrl-C or a failure nobody waits for what is under way."""


class Child:
    """A Python module in a process of its own session (Ctrl-C in the terminal reaches the demo alone). Output goes to `log`."""

    def __init__(self, name: str, module: str, arguments: Sequence[str], log: Path, *, stop_seconds: float) -> None:
        self.name, self._log, self._stop_seconds = name, log, stop_seconds
        environment = {
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "TOKENIZERS_PARALLELISM": "false",
            "HF_HUB_OFFLINE": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "PYTHONUNBUFFERED": "1",
        }
        with log.open("ab") as out:
            command = [sys.executable, "-m", module, *arguments]  # our own interpreter and modules
            self._process = subprocess.Popen(  # noqa: S603
                command, stdin=subprocess.PIPE, stdout=out, stderr=out, env=environment, start_new_session=True
            )

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def check(self) -> None:
        """Raises UnreachableError with the end of its log when it has ended by itself."""
        code = self._process.poll()
        if code is not None:
            said = "\n".join(f"  {line}" for line in tail(self._log))
            raise UnreachableError(f"demo: {self.name} ended (exit {code}); the end of {self._log}:\n{said}")

    def stop(self, seconds: float | None = None) -> None:
        """Asks it to end, waits (its own time, or so many seconds), and ends it and its children hard when it does not listen."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(self._stop_seconds if seconds is None else seconds)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)  # it leads a session of its own
            self._process.wait(5)
        finally:
            if self._process.stdin is not None:
                with contextlib.suppress(OSError):
                    self._process.stdin.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop(None if kind is None else _IMPATIENT_SECONDS)


def tail(log: Path) -> list[str]:
    """The last lines of a log; none when it cannot be read."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return []
    return [line for line in text.splitlines() if line.strip()][-_TAIL_LINES:]


def free_port(wanted: int = 0) -> int:
    """A port of the loopback that can be bound now; UnreachableError when the wanted one is taken."""
    try:
        with socket.create_server(("127.0.0.1", wanted)) as listener:
            port: int = listener.getsockname()[1]
            return port
    except OSError as error:
        raise UnreachableError(
            f"demo: port {wanted} cannot be used ({error.strerror or error}); choose another --port, or leave it out for a free one"
        ) from None


def wait(seconds: float, until: float) -> None:
    """Sleeps, but not beyond a moment of the monotonic clock."""
    time.sleep(max(0.0, min(seconds, until - time.monotonic())))
