"""The minimal parent: starts replayer and evaluator with one pipe between them, and both again when either dies.

The parent computes nothing and reads no traffic, so that it survives what kills a child. Children read their settings
from standard input and end when it closes: a dead parent leaves nobody behind.
"""

import contextlib
import ctypes
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import FrameType

import msgspec

from shadow.loops.suspects import Journal, Place, Suspicion, accuse

log = logging.getLogger(__name__)

EXIT_CLEAN = 0
EXIT_FATAL = 3
"""A child's word that starting again would not help; it has said why."""

POLL_SECONDS = 0.05
BACKOFF_FIRST_SECONDS = 0.5
BACKOFF_MOST_SECONDS = 15.0
CALM_SECONDS = 60.0
_KILL_SECONDS = 3.0
_PR_SET_PDEATHSIG = 1


@dataclass(slots=True)
class _Generation:
    """One pair of children and when it started."""

    replayer: subprocess.Popen[bytes] | None
    evaluator: subprocess.Popen[bytes]
    started: float = field(default_factory=time.monotonic)

    def children(self) -> list[subprocess.Popen[bytes]]:
        return [c for c in (self.evaluator, self.replayer) if c is not None]


class Supervisor:
    """Runs children until one says the job is done, or a signal asks for an end."""

    def __init__(
        self,
        *,
        settings_json: bytes,
        options: Mapping[str, object],
        with_replayer: bool,
        drain_seconds: float,
        command: Callable[[str, list[int]], list[str]] | None = None,
    ) -> None:
        self._settings = settings_json
        self._options = dict(options)
        self._with_replayer = with_replayer
        self._drain_seconds = drain_seconds
        self._command = command or _child_command
        self._suspicions: dict[Place, Suspicion] = {}
        self._asked_to_stop = False
        self._restarts = 0
        self._evaluator_died_first = False

    def run(self) -> int:
        """The exit code of the job: 0 after a clean stop, 3 when a child said that nothing would help."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        backoff = BACKOFF_FIRST_SECONDS
        while True:
            journal = Journal.create()
            generation = self._start(journal)
            code = self._watch(generation)
            if code is not None:
                return code
            self._accuse(journal)
            os.close(journal.fd)
            lived = time.monotonic() - generation.started
            backoff = BACKOFF_FIRST_SECONDS if lived > CALM_SECONDS else min(backoff * 2, BACKOFF_MOST_SECONDS)
            self._restarts += 1
            log.warning("both processes start again in %.1f s (restart %d)", backoff, self._restarts)
            if self._pause(backoff):
                return EXIT_CLEAN

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._asked_to_stop = True

    def _start(self, journal: Journal) -> _Generation:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            extra = {
                **self._options,
                "restarts": self._restarts,
                "suspects": [[place, s.deaths, s.alone] for place, s in self._suspicions.items()],
            }
            evaluator = self._spawn("evaluator", [ours.fileno(), journal.fd], extra)
            replayer = self._spawn("replayer", [theirs.fileno()], extra) if self._with_replayer else None
        return _Generation(replayer, evaluator)

    def _spawn(self, role: str, fds: list[int], options: Mapping[str, object]) -> subprocess.Popen[bytes]:
        command = self._command(role, fds)  # our own interpreter and module: nothing of the configuration stands in it
        child = subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=fds, preexec_fn=_die_with_parent)  # noqa: S603
        if child.stdin is not None:
            head = msgspec.json.encode({"settings": msgspec.Raw(self._settings), "options": options, "fds": fds})
            with contextlib.suppress(BrokenPipeError):
                child.stdin.write(head + b"\n")
                child.stdin.flush()
        return child

    def _watch(self, generation: _Generation) -> int | None:
        """Until a child ends. An exit code when the job is over, None when the children have to start again."""
        told = 0.0
        while True:
            if self._asked_to_stop and not told:
                told = time.monotonic()
                _tell(generation.evaluator, b"stop\n")
            for child in generation.children():
                if child.poll() is not None:
                    return self._after_death(generation, child)
            if told and time.monotonic() - told > self._drain_seconds + 20:
                log.error("the children did not stop in time; they are ended, the ledger stays exact")
                _end(generation.children())
                return EXIT_CLEAN
            time.sleep(POLL_SECONDS)

    def _after_death(self, generation: _Generation, first: subprocess.Popen[bytes]) -> int | None:
        name = "evaluator" if first is generation.evaluator else "replayer"
        code = first.returncode
        if name == "evaluator" and code in (EXIT_CLEAN, EXIT_FATAL):
            _end(generation.children())
            return code
        if name == "replayer" and code == EXIT_CLEAN:
            # The replayer ends by itself only when its pipe did: the evaluator's own end says what it means.
            with contextlib.suppress(subprocess.TimeoutExpired):
                generation.evaluator.wait(self._drain_seconds + 20)
                if generation.evaluator.returncode in (EXIT_CLEAN, EXIT_FATAL):
                    return generation.evaluator.returncode
        self._evaluator_died_first = name == "evaluator"
        log.error("the %s process ended (%s)", name, _how(code))
        _end(generation.children())
        return EXIT_CLEAN if self._asked_to_stop else None

    def _accuse(self, journal: Journal) -> None:
        """Counts the death of an evaluator against what it was scoring."""
        places = journal.read() if self._evaluator_died_first else []
        if places:
            self._suspicions = accuse(self._suspicions, places)
            log.warning("%d records were being scored; they are scored one at a time now", len(places))

    def _pause(self, seconds: float) -> bool:
        """Waits; True when an end was asked for meanwhile."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self._asked_to_stop:
            time.sleep(POLL_SECONDS)
        return self._asked_to_stop


def _child_command(role: str, fds: list[int]) -> list[str]:
    return [sys.executable, "-m", "shadow.app", role]


def _die_with_parent() -> None:
    """In the child before it starts: Linux ends it when its parent dies, even while it still imports."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _tell(child: subprocess.Popen[bytes], line: bytes) -> None:
    if child.stdin is not None:
        with contextlib.suppress(BrokenPipeError, OSError):
            child.stdin.write(line)
            child.stdin.flush()


def _end(children: list[subprocess.Popen[bytes]]) -> None:
    """Closes their input (they leave by themselves), and kills what stays."""
    for child in children:
        if child.stdin is not None:
            with contextlib.suppress(BrokenPipeError, OSError):
                child.stdin.close()
    end = time.monotonic() + _KILL_SECONDS
    for child in children:
        try:
            child.wait(max(0.05, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait(5)


def _how(code: int | None) -> str:
    if code is not None and code < 0:
        with contextlib.suppress(ValueError):
            return f"signal {signal.Signals(-code).name}"
    return f"exit {code}"
