"""Holds an engine on a leash: `python -m shadow.replay.vllm_leash STOP_SECONDS COMMAND...`.

An engine is several processes. When its first one dies the others may stay and keep the GPU's memory, and when Shadow is
killed nobody would end any of them. The leash starts the engine as a process group of its own and ends the whole group
when the engine's first process ends, or when its own standard input does: that is its parent's death, or its wish.
"""

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time

POLL_SECONDS = 0.1
GONE_SECONDS = 10.0
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def main(arguments: list[str]) -> int:
    """The engine's exit code, as a shell gives it: 128 + n after signal n."""
    stop_seconds, command = float(arguments[0]), arguments[1:]
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)  # a terminal's ^C is for the parent, who closes our input in its own time
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)  # orphaned workers become ours, so that their end can be waited for
    engine = subprocess.Popen(  # noqa: S603  # the operator's own command, never a shell
        command, stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=_in_the_engine
    )
    while engine.poll() is None:
        readable, _, _ = select.select([0], [], [], POLL_SECONDS)
        if readable and not os.read(0, 4096):
            _signal(engine.pid, signal.SIGCONT)
            _signal(engine.pid, signal.SIGTERM)
            end = time.monotonic() + stop_seconds
            while engine.poll() is None and time.monotonic() < end:
                time.sleep(POLL_SECONDS)
            break
    _signal(engine.pid, signal.SIGKILL)
    code = engine.wait()
    _wait_for_group(engine.pid)
    return code if code >= 0 else 128 - code


def _in_the_engine() -> None:
    """Before the engine starts: signals as a fresh process has them, and an end with the leash."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _wait_for_group(group: int) -> None:
    """Until the killed workers are gone: only then is the GPU's memory free for the next start."""
    end = time.monotonic() + GONE_SECONDS
    while time.monotonic() < end:
        try:
            if os.waitpid(-group, os.WNOHANG) == (0, 0):
                time.sleep(POLL_SECONDS)
        except ChildProcessError:
            return


def _prctl(option: int, value: int) -> None:
    """Linux only; elsewhere the group is ended all the same, only not waited for."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(option, value)


def _signal(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
