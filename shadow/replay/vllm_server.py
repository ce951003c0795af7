"""Supervised engines: `vllm serve` started, watched, restarted and ended. Owned by the parent, so that engines outlive
the restarts of its children: loading takes minutes.

One thread for each engine. It never gives up a running engine without a reason: an engine is ended when it does not start
in time, when `/health` has not been answered for `WEDGED_SECONDS`, or when Shadow stops.
"""

import http.client
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable

from shadow.errors import ConfigurationError, UnreachableError
from shadow.replay.vllm_plan import EnginePlan, engine_plans
from shadow.replay.vllm_words import shown, why_it_ended
from shadow.settings import Settings

log = logging.getLogger(__name__)

POLL_SECONDS = 0.5
HEALTH_SECONDS = 5.0
"""How long one answer of /health may take."""
WEDGED_SECONDS = 30.0
PROGRESS_SECONDS = 30.0
STOP_SECONDS = 10.0
BACKOFF_FIRST_SECONDS, BACKOFF_MOST_SECONDS = 1.0, 60.0
HOUR_SECONDS = 3600.0
KEPT_LINES = 200


class Engines:
    """Every engine of a configuration. `start` once, `stop` once."""

    def __init__(self, plans: Iterable[EnginePlan], secrets: frozenset[str] = frozenset()) -> None:
        self._engines = [Engine(plan, secrets) for plan in plans]

    @classmethod
    def of(cls, settings: Settings) -> "Engines":
        """Those of the candidates with `kind: vllm`. The keys of other servers do not travel into their environment."""
        arms = [*(c.backend for c in settings.candidates), settings.baseline]
        keys = (getattr(arm, "api_key_env", None) for arm in arms)
        return cls(engine_plans(settings), frozenset(key for key in keys if key is not None))

    def start(self) -> None:
        """Begins to load all of them. Raises ConfigurationError or UnreachableError for what can be known at once."""
        for engine in self._engines:
            engine.prepare()
        for engine in self._engines:
            engine.start()

    def addresses(self) -> dict[str, str]:
        """Candidate to base URL; known from `start` on and kept over restarts."""
        return {name: engine.url for engine in self._engines for name in engine.plan.candidates}

    def stop(self) -> None:
        """Ends all of them, all at once; returns when every process is gone."""
        for engine in self._engines:
            engine.ask_to_stop()
        for engine in self._engines:
            engine.join()


class Engine:
    """One engine and the thread that keeps it."""

    def __init__(self, plan: EnginePlan, secrets: frozenset[str]) -> None:
        self.plan = plan
        self._environment = plan.environment(os.environ, secrets)
        self._python = plan.backend.python or sys.executable
        self._port = plan.backend.port
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._keep, name=f"engine {plan.name}", daemon=True)
        self._process: subprocess.Popen[bytes] | None = None
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._reader: threading.Thread | None = None
        self.given_up: str | None = None  # why it will not be started again

    @property
    def url(self) -> str:
        """Its base URL."""
        return f"http://127.0.0.1:{self._port}/v1"

    def prepare(self) -> None:
        """What can be known before a start: a Python with vLLM, a free port."""
        question = "import importlib.util, sys; sys.exit(importlib.util.find_spec('vllm') is None)"
        try:
            found = subprocess.run(  # noqa: S603  # the operator's own interpreter
                [self._python, "-c", question], env=self._environment, capture_output=True, timeout=60, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ConfigurationError(
                [
                    f"engine of {self.plan.name}: {self._python} does not run ({type(error).__name__}); correct backend.python"
                ]
            ) from None
        if found.returncode:
            raise ConfigurationError(
                [
                    f"engine of {self.plan.name}: {self._python} has no vLLM; set backend.python to the Python of an "
                    "environment where `pip install vllm` was done"
                ]
            )
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", self._port))
            except OSError as error:
                raise UnreachableError(
                    f"engine of {self.plan.name}: port {self._port} cannot be used ({error.strerror}); free it, or set "
                    "backend.port to 0 for a free one"
                ) from None
            self._port = probe.getsockname()[1]

    def start(self) -> None:
        """Starts the thread, which starts the engine."""
        self._thread.start()

    def ask_to_stop(self) -> None:
        """Begins its end."""
        self._stopping.set()

    def join(self) -> None:
        """Waits for its end."""
        if self._thread.ident is not None:
            self._thread.join(STOP_SECONDS + 25)

    # ---- the thread ----

    def _keep(self) -> None:
        backoff = BACKOFF_FIRST_SECONDS
        starts: deque[float] = deque()  # of restarts within the last hour
        limit = self.plan.backend.max_restarts_per_hour
        try:
            while not self._stopping.is_set():
                self._launch()
                why, was_up = self._watch()
                self._end()
                if self._stopping.is_set():
                    return
                log.error("engine of %s: %s. Its last lines:\n%s", self.plan.name, why, shown(self._lines))
                now = time.monotonic()
                while starts and now - starts[0] > HOUR_SECONDS:
                    starts.popleft()
                if len(starts) >= limit:
                    self.given_up = why
                    log.error(
                        "engine of %s: %d restarts within an hour are all it may have (max_restarts_per_hour); it stays "
                        "down until `shadow run` starts again. The reason: %s",
                        self.plan.name,
                        limit,
                        why,
                    )
                    return
                starts.append(now)
                backoff = BACKOFF_FIRST_SECONDS if was_up else min(backoff * 2, BACKOFF_MOST_SECONDS)
                log.warning(
                    "engine of %s starts again in %.0f s (%d of %d restarts)",
                    self.plan.name,
                    backoff,
                    len(starts),
                    limit,
                )
                self._stopping.wait(backoff)
        except Exception as error:  # the border of a thread: the other arms go on without this engine
            self.given_up = type(error).__name__
            log.exception("engine of %s: its supervision broke; it stays down", self.plan.name)
        finally:
            self._end()

    def _launch(self) -> None:
        lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._lines = lines
        engine = [self._python, "-m", "vllm.entrypoints.cli.main", "serve", *self.plan.arguments(self._port)]
        leash = [sys.executable, "-m", "shadow.replay.vllm_leash", f"{STOP_SECONDS:g}"]
        log.info("engine of %s: loading %s on port %d", self.plan.name, self.plan.backend.model, self._port)
        self._process = process = subprocess.Popen(  # noqa: S603  # the operator's own command, never a shell
            [*leash, *engine],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self._environment,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=_read_lines, args=(process, lines), daemon=True)
        self._reader.start()

    def _watch(self) -> tuple[str, bool]:
        """Until it ends or has to: (why, whether it had come up). At once when a stop is asked for."""
        started = last_answer = told = time.monotonic()
        up = False
        limit = self.plan.backend.start_timeout_seconds
        while not self._stopping.wait(POLL_SECONDS):
            process = self._process
            if process is None or process.poll() is not None:
                if self._reader is not None:
                    self._reader.join(2)  # its last words
                return why_it_ended(None if process is None else process.returncode, self._lines), up
            answered = self._answers()
            now = time.monotonic()
            if answered:
                last_answer = now
                if not up:
                    log.info("engine of %s: ready after %.0f s", self.plan.name, now - started)
                up = True
            elif up and now - last_answer > WEDGED_SECONDS:
                return f"it runs but has not answered for {now - last_answer:.0f} s; it is ended and started anew", True
            elif not up and now - started > limit:
                return f"it was not ready after {limit:g} s (start_timeout_seconds)", False
            elif not up and now - told >= PROGRESS_SECONDS:
                told = now
                line = shown(list(self._lines)[-1:]).strip()
                log.info("engine of %s: still loading after %.0f s %s", self.plan.name, now - started, line)
        return "a stop was asked for", up

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=HEALTH_SECONDS)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _end(self) -> None:
        """Closes the leash's input: it ends the whole group, gently first."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            process.wait(STOP_SECONDS + 15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)
        if self._reader is not None:
            self._reader.join(2)
        if process.stdout is not None and (self._reader is None or not self._reader.is_alive()):
            process.stdout.close()


def _read_lines(process: "subprocess.Popen[bytes]", lines: deque[str]) -> None:
    """Takes everything the engine says, so that it never waits for us; the last lines are kept."""
    if process.stdout is None:
        return
    while line := process.stdout.readline(4096):
        text = line.decode("utf-8", "replace").rstrip()
        if text:
            lines.append(text)
