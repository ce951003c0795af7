"""The evidence over time, for whoever asks: read from the ledger's minutes and hours, kept for half a minute."""

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

from shadow.ledger.reading import Reader
from shadow.loops.changes import by_minute
from shadow.records import BASELINE
from shadow.settings import Policy
from shadow.stats import OVERALL, PairState
from shadow.verdict.trail import GateTrail, trails

KEEP_SECONDS = 30.0


class Trails:
    """Answers pages; blocks while it reads, about 0.1 s for an epoch. Threads wait for each other: one reads at a time."""

    def __init__(self, snapshot: Callable[[], AbstractContextManager[Reader]], policy: Policy, spec: str) -> None:
        self._snapshot, self._policy, self._spec = snapshot, policy, spec
        self._lock = threading.Lock()  # protects `_kept`
        self._kept: dict[str, tuple[float, tuple[GateTrail, ...]]] = {}

    def of(self, candidate: str) -> tuple[GateTrail, ...]:
        """Every gate of a candidate in its present epoch; empty without an epoch, without pairs, or while the ledger's
        sums are still being made anew for another policy. `candidate` has to be a configured one: answers are kept."""
        with self._lock:
            at, found = self._kept.get(candidate, (float("-inf"), ()))
            if time.monotonic() - at < KEEP_SECONDS:
                return found
            with self._snapshot() as reader:
                found = self._read(reader, candidate)
            self._kept[candidate] = (time.monotonic(), found)
            return found

    def _read(self, reader: Reader, candidate: str) -> tuple[GateTrail, ...]:
        epoch = next((e for e in reversed(reader.epochs(candidate)) if e.why_ended is None), None)
        if epoch is None:
            return ()
        minutes = by_minute(reader, epoch.id, candidate, self._spec, self._policy.shares)
        if not minutes:
            return ()
        return trails(self._policy, (minutes[m] for m in sorted(minutes)), self._floor(reader))

    def _floor(self, reader: Reader) -> Mapping[int, PairState]:
        total: dict[int, PairState] = {}
        for key, data in reader.aggregates("floor", 0, BASELINE):
            state = PairState.from_bytes(data)
            if key.segment == OVERALL and state.spec == self._spec:
                total.setdefault(key.weight_exponent, PairState(self._spec)).absorb(state)
        return total
