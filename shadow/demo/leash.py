"""Keeps the demo's child processes from outliving it: they end when their standard input does.

`python -m shadow.demo.leash ARGS...` is `shadow ARGS...` on such a leash.
"""

import os
import runpy
import signal
import threading
import time
from collections.abc import Callable

_GRACE_SECONDS = 20.0


def on_parent_gone(stop: Callable[[], object]) -> None:
    """Calls `stop` in a thread once standard input ends; a process that is still there after that is ended hard."""

    def watch() -> None:
        while os.read(0, 4096):
            pass
        stop()
        time.sleep(_GRACE_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, name="leash", daemon=True).start()


def main() -> None:
    """Runs a command of `shadow`; the end of standard input is as good as SIGTERM."""
    on_parent_gone(lambda: os.kill(os.getpid(), signal.SIGTERM))
    runpy.run_module("shadow", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
