"""The demo from beginning to end: broker, models, traffic and the real sidecar, watched until every verdict has come."""

import contextlib
import os
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import msgspec

from shadow.demo.broker.thread import BrokerThread
from shadow.demo.configuration_file import TOPIC, Places, write
from shadow.demo.processes import Child, free_port, wait
from shadow.demo.roster import PARTS
from shadow.demo.screen import Screen
from shadow.demo.summary import Ending
from shadow.demo.telling import Moment, standings
from shadow.demo.traffic import Traffic
from shadow.errors import UnreachableError
from shadow.exporters.base import Snapshot

PARTITIONS: Final = 4
START_SECONDS: Final = 150.0
LOOK_SECONDS: Final = 1.0
CALM_SECONDS: Final = 8.0
"""Once every verdict has come the traffic goes on for so long: a verdict that does not stand is none."""
CATCH_UP_SECONDS: Final = 8.0
LONGEST_START_SECONDS: Final = 40.0
SHORTEST_TRAFFIC_SECONDS: Final = 30.0
_ASK_SECONDS: Final = 5.0
_RETENTION_BYTES: Final = 2**26
_SEED: Final = 11


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command was asked for. `port` 0: a free one. `keep`: a folder to leave everything in.

    `on_page` gets the page's address once there is something to see, `on_ending` the ending while the pages are still up.
    """

    traffic_seconds: float = 120.0
    keep: Path | None = None
    port: int = 0
    stay: bool = False
    seed: int = _SEED
    on_page: Callable[[str], None] = field(default=lambda _page: None)
    on_ending: Callable[[Ending], None] = field(default=lambda _ending: None)


def run(options: Options, screen: Screen) -> Ending:
    """Plays the whole story. Raises UnreachableError when a part of it does not start or ends by itself; whatever happens,
    no process and no thread of it is left."""
    started = time.monotonic()
    with ExitStack() as stack:
        folder = options.keep or Path(
            stack.enter_context(TemporaryDirectory(prefix="shadow-demo-", ignore_cleanup_errors=True))
        )
        _empty(folder)
        broker = stack.enter_context(BrokerThread(partitions=PARTITIONS, retention_bytes=_RETENTION_BYTES))
        broker.call("create", TOPIC, PARTITIONS)
        port, models_port = free_port(options.port), free_port()
        places = Places(
            folder=folder.resolve(),
            bootstrap=broker.bootstrap,
            models_url=f"http://127.0.0.1:{models_port}/v1",
            port=port,
        )
        write(places)
        screen.say(f"configuration: {places.config}")
        models = stack.enter_context(
            Child("the model server", "shadow.demo.serving", [str(models_port)], folder / "models.log", stop_seconds=5)
        )
        sidecar = stack.enter_context(
            Child(
                "shadow run",
                "shadow.demo.leash",
                ["run", "-c", str(places.config)],
                folder / "shadow.log",
                stop_seconds=40,
            )
        )
        ending = _Watch(options, screen, places, (models, sidecar), started).play()
        if options.stay:
            _stay(screen, places.page)
            return ending
    return replace(ending, wall_seconds=time.monotonic() - started)


def _empty(folder: Path) -> None:
    """A folder that can be used: there, writable, and without a ledger of an earlier demo."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.glob("shadow.db*")):
            raise UnreachableError(f"demo: {folder} holds a ledger already; name a folder that is empty")
        (folder / "shadow.log").touch()
    except OSError as error:
        raise UnreachableError(f"demo: {folder} cannot be used ({error.strerror or error})") from None


class _Watch:
    """Looks at the sidecar once a second and tells what it sees."""

    def __init__(
        self, options: Options, screen: Screen, places: Places, children: tuple[Child, ...], started: float
    ) -> None:
        self._options, self._screen, self._places, self._children = options, screen, places, children
        self._started = started
        self._snapshot: Snapshot | None = None
        self._decided: dict[str, tuple[float, int]] = {}
        self._traffic = Traffic(
            models_url=places.models_url, bootstrap=places.bootstrap, seed=options.seed, read=self._read
        )

    def play(self) -> Ending:
        """Start, traffic, catching up; the ending."""
        with self._ended():
            self._until_ready()
            ready = time.monotonic()
            self._screen.say(f"pages:         {self._places.page}")
            self._options.on_page(self._places.page)
            self._traffic.start()
            self._until_settled(self._end_of_traffic(ready))
            flowed = time.monotonic() - ready
            self._traffic.stop()
            moment = self._catch_up()
        ending = Ending(
            moment=moment,
            start_seconds=ready - self._started,
            traffic_seconds=flowed,
            wall_seconds=time.monotonic() - self._started,
            decided=self._decided,
            folder=str(self._places.folder),
            kept=self._options.keep is not None,
        )
        self._options.on_ending(ending)
        return ending

    @contextlib.contextmanager
    def _ended(self) -> Iterator[None]:
        try:
            yield
        finally:
            self._traffic.stop()

    def _until_ready(self) -> None:
        """Until every arm is up; the model server and the sidecar load their models side by side."""
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            arms = () if self._snapshot is None else self._snapshot.arms
            replayed = [arm for arm in arms if arm.role != "incumbent"]
            up = sum(arm.state == "up" for arm in replayed)
            self._look(f"loading the models, {up} of {len(PARTS) + 1} arms are up")
            if replayed and up == len(replayed) and _get(f"{self._places.page}readyz"):
                return
            wait(0.5, end)
        raise UnreachableError(
            f"demo: the models were not ready within {START_SECONDS:.0f} s; is the machine very busy? "
            "See models.log and shadow.log with --keep DIR"
        )

    def _end_of_traffic(self, ready: float) -> float:
        """So long as was asked for; less where loading took very long, so that the whole story stays short."""
        wanted = self._options.traffic_seconds
        return min(
            ready + wanted, max(self._started + wanted + LONGEST_START_SECONDS, ready + SHORTEST_TRAFFIC_SECONDS)
        )

    def _until_settled(self, end: float) -> None:
        since: float | None = None
        while (now := time.monotonic()) < end:
            moment = self._look("traffic")
            if self._traffic.error is not None:
                raise UnreachableError(f"demo: the traffic ended ({type(self._traffic.error).__name__})")
            since = (since or now) if moment.settled else None
            if since is not None and now - since >= CALM_SECONDS:
                return
            wait(LOOK_SECONDS, end)

    def _catch_up(self) -> Moment:
        """What was asked is accounted for, within seconds."""
        end = time.monotonic() + CATCH_UP_SECONDS
        moment = self._look("the last records")
        while self._read() < self._traffic.sent and time.monotonic() < end:
            wait(0.5, end)
            moment = self._look("the last records")
        return moment

    def _read(self) -> int:
        return 0 if self._snapshot is None else self._snapshot.read

    def _look(self, phase: str) -> Moment:
        for child in self._children:
            child.check()
        seen = _get(f"{self._places.page}api/v1/snapshot")
        if seen is not None:
            self._snapshot = msgspec.json.decode(seen, type=Snapshot)
        moment = Moment(
            phase=phase,
            seconds=time.monotonic() - self._started,
            sent=self._traffic.sent,
            rate=self._traffic.pace.rate,
            snapshot=self._snapshot,
            standings=standings(PARTS, self._snapshot),
        )
        for standing in moment.standings:
            if standing.as_expected and standing.view is not None:
                self._decided.setdefault(standing.part.name, (moment.seconds, standing.view.verdict.n))
            elif standing.view is not None:
                self._decided.pop(standing.part.name, None)
        self._screen.show(moment)
        return moment


def _stay(screen: Screen, page: str) -> None:
    """The pages stay until Ctrl-C."""
    screen.say(f"the pages stay at {page} until Ctrl-C")
    with contextlib.suppress(KeyboardInterrupt):
        threading.Event().wait()


def _get(url: str) -> bytes | None:
    """What the sidecar answers; None while it does not, or says that it is not there yet."""
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=_ASK_SECONDS) as answer:
            body: bytes = answer.read()
            return body
    except OSError:  # urllib's own errors are some of these
        return None


def has_display() -> bool:
    """Whether a browser would have somewhere to open."""
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
