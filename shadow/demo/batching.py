"""Continuous batching: one thread decodes for every model in turn; requests join and leave between two tokens."""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from shadow.demo.engine import Decoder, Generation

log = logging.getLogger(__name__)

_IDLE_SECONDS = 1.0
_STOP_SECONDS = 5.0

Advanced = Callable[[Generation, int, str | None], None]
"""(request, tokens so far, finish reason): called in the loop's thread after every token."""


@dataclass(slots=True, kw_only=True, eq=False)
class _Lane:
    """One model: its decoder and who waits for a row."""

    decoder: Decoder
    waiting: deque[Generation]


class Batcher:
    """Takes requests in the loop's thread, decodes in its own. What it knows of a request comes back through `advanced`."""

    def __init__(
        self,
        decoders: Mapping[str, Decoder],
        loop: asyncio.AbstractEventLoop,
        advanced: Advanced,
        *,
        max_waiting: int = 256,
    ) -> None:
        self._lanes = {name: _Lane(decoder=decoder, waiting=deque()) for name, decoder in decoders.items()}
        self._loop, self._advanced, self._max_waiting = loop, advanced, max_waiting
        self._changed = threading.Condition()  # guards `waiting` of every lane, `_left` and `_stopping`
        self._left: list[tuple[str, Generation]] = []
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="decode", daemon=True)
        self.error: BaseException | None = None

    def start(self) -> None:
        """Begins to decode."""
        self._thread.start()

    def stop(self) -> None:
        """Ends after the token under way; open requests get no more."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join(_STOP_SECONDS)

    def submit(self, model: str, generation: Generation) -> bool:
        """False when too many wait already: the caller answers 503."""
        with self._changed:
            lane = self._lanes[model]
            if len(lane.waiting) >= self._max_waiting or self._stopping:
                return False
            lane.waiting.append(generation)
            self._changed.notify()
            return True

    def leave(self, model: str, generation: Generation) -> None:
        """The client has gone: nothing more is computed for it."""
        with self._changed:
            self._left.append((model, generation))
            self._changed.notify()

    def _run(self) -> None:
        try:
            while self._wait():
                for lane in self._lanes.values():
                    self._turn(lane)
        except Exception as error:  # the border of the thread: the server says that it is broken and stops
            log.exception("decoding failed")
            self.error = error

    def _wait(self) -> bool:
        """Until there is work; False when it is time to end."""
        with self._changed:
            while not self._stopping:
                for name, generation in self._left:
                    self._forget(self._lanes[name], generation)
                self._left.clear()
                if any(lane.waiting or lane.decoder.busy for lane in self._lanes.values()):
                    return True
                self._changed.wait(_IDLE_SECONDS)
        return False

    @staticmethod
    def _forget(lane: _Lane, generation: Generation) -> None:
        if generation in lane.waiting:
            lane.waiting.remove(generation)
        lane.decoder.drop(generation)

    def _turn(self, lane: _Lane) -> None:
        """One token for everybody in a lane, newcomers first."""
        with self._changed:
            news = [lane.waiting.popleft() for _ in range(min(lane.decoder.free, len(lane.waiting)))]
        advanced: list[Generation] = []
        if lane.decoder.busy:
            advanced += lane.decoder.step()
        if news:
            advanced += lane.decoder.admit(news)
        if advanced:
            told = [(g, len(g.out), g.finish) for g in advanced]
            self._loop.call_soon_threadsafe(self._tell, told)

    def _tell(self, told: Sequence[tuple[Generation, int, str | None]]) -> None:
        for generation, tokens, finish in told:
            self._advanced(generation, tokens, finish)
