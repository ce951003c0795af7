"""The worst answers of each candidate, kept as they are committed: bounded, no query over the whole ledger."""

import threading
from bisect import insort
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import get_args

from shadow.ledger.base import OutcomeRow
from shadow.web.state import CallKey, CallView, Show

TextsOf = Callable[[str, int, int, int], dict[str, str]]


@dataclass(slots=True)
class _Shelf:
    """The `most` lowest ranks; of equal ones the newest stay."""

    most: int
    entries: list[tuple[tuple[float, int], CallKey]] = field(default_factory=list)

    def put(self, rank: tuple[float, int], key: CallKey) -> CallKey | None:
        """Keeps `key`; returns what had to go."""
        if len(self.entries) >= self.most and rank >= self.entries[-1][0]:
            return key
        insort(self.entries, (rank, key), key=lambda entry: entry[0])
        return self.entries.pop()[1] if len(self.entries) > self.most else None


class WorstCalls:
    """Feeds `WebState.calls` and `WebState.call`. `observe` runs on the writer's thread after a commit, reads on others.

    `quality` is the scorer whose value ranks; `texts` is the ledger's, asked only for what is shown.
    """

    def __init__(self, *, quality: str, texts: TextsOf, keep: int = 60) -> None:
        self._quality = quality
        self._texts = texts
        self._keep = keep
        self._lock = threading.Lock()  # protects the shelves and the kept calls
        self._shelves: dict[tuple[str, Show], _Shelf] = {}
        self._calls: dict[CallKey, tuple[OutcomeRow, ...]] = {}
        self._held: dict[CallKey, int] = {}
        self._sequence = 0

    def observe(self, outcomes: Iterable[OutcomeRow]) -> None:
        """Takes committed outcomes, those of one call next to each other; a whole ledger may be streamed through it."""
        for place, group in groupby(outcomes, key=lambda row: (row.topic, row.partition, row.offset, row.call)):
            rows = tuple(group)
            with self._lock:
                self._take(CallKey(topic=place[0], partition=place[1], offset=place[2], call=place[3]), rows)

    def _take(self, key: CallKey, rows: tuple[OutcomeRow, ...]) -> None:
        if key in self._calls:
            return
        self._sequence += 1
        self._calls[key] = rows
        self._held[key] = 1  # our own hold, until every shelf was asked
        for row in rows:
            if row.role == "candidate":
                for show, badness in self._ranks(row):
                    self._held[key] += 1
                    shelf = self._shelves.setdefault((row.arm, show), _Shelf(self._keep))
                    self._drop(shelf.put((badness, -self._sequence), key))
        self._drop(key)

    def _ranks(self, row: OutcomeRow) -> Iterable[tuple[Show, float]]:
        score = row.scores.get(self._quality)
        if row.failure is None and score is not None:
            yield "worst", score
        if row.findings:
            yield "findings", 0.0
        if row.failure is not None and row.failure != "unavailable":
            yield "failures", 0.0

    def _drop(self, key: CallKey | None) -> None:
        if key is None:
            return
        self._held[key] -= 1
        if self._held[key] == 0:
            del self._held[key], self._calls[key]

    def calls(self, candidate: str, show: Show, most: int) -> Sequence[CallView]:
        """The worst first, with their texts. May block on the ledger."""
        with self._lock:
            shelf = self._shelves.get((candidate, show))
            keys = [key for _, key in shelf.entries[:most]] if shelf is not None else []
            found = [(key, self._calls[key]) for key in keys]
        return [self._view(key, rows) for key, rows in found]

    def call(self, key: CallKey) -> CallView | None:
        """One call: with outcomes where it is kept here, with texts where the ledger has them, None when neither."""
        with self._lock:
            rows = self._calls.get(key, ())
        view = self._view(key, rows)
        return view if view.outcomes or view.texts else None

    def _view(self, key: CallKey, rows: tuple[OutcomeRow, ...]) -> CallView:
        texts = self._texts(key.topic, key.partition, key.offset, key.call)
        return CallView(key=key, outcomes=rows, texts=texts)


SHOWS: tuple[Show, ...] = get_args(Show)
