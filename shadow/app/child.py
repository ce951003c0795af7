"""What both children share: settings from standard input, no signals of their own, an end when the parent is gone."""

import gc
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from shadow.settings import Settings

ORPHAN_SECONDS = 3.0
LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What the parent hands over."""

    settings: Settings
    options: dict[str, Any]
    fds: list[int] = field(default_factory=list)


def read_head() -> Head:
    """The first line of standard input. Children leave signals to their parent, who tells them what to do."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    start_logging()
    raw = msgspec.json.decode(next(_lines()))
    return Head(settings=Settings.model_validate(raw["settings"]), options=raw["options"], fds=raw["fds"])


def start_logging(level: int = logging.INFO) -> None:
    """One line per event on standard error; libraries only when they warn. The Kafka client repeats itself: errors only."""
    logging.basicConfig(level=logging.WARNING, format=LOG_FORMAT, stream=sys.stderr, force=True)
    logging.getLogger("shadow").setLevel(level)
    logging.getLogger("kafka").setLevel(logging.CRITICAL)


def watch_parent(on_stop: Callable[[], None]) -> None:
    """Reads further lines in a thread: `stop` asks for an orderly end; the end of input means that the parent is gone.

    Nothing may keep an orphan alive: it gets a moment to close, then ends, whatever its other threads do.
    """

    def watch() -> None:
        for line in _lines():
            if line == b"stop":
                on_stop()
        time.sleep(ORPHAN_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()


def _lines() -> Iterator[bytes]:
    """Lines of standard input, read from the descriptor: a thread that waits in a buffered reader breaks the interpreter's exit."""
    pending = b""
    while chunk := os.read(0, 1 << 16):
        pending += chunk
        while b"\n" in pending:
            line, pending = pending.split(b"\n", 1)
            yield line


def freeze_garbage() -> None:
    """After start-up: a full collection over what imports left costs up to 200 ms, once it is frozen none."""
    gc.collect()
    gc.freeze()
