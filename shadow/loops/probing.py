"""Known cases through every live scorer at each heartbeat: is it well, and does it still say what it said?

Runs on the scoring thread, between batches of real answers, through the very scorers that judge them. What comes out is
kept in the ledger beside the evidence, never in it.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from shadow.allowance import Allowance, Used
from shadow.anchors.cases import Anchor, shipped_references
from shadow.anchors.watch import Kept, Look, Watch
from shadow.ledger.base import Ledger
from shadow.loops import handoff
from shadow.scoring import Entry, Scoring
from shadow.settings import Anchors

log = logging.getLogger(__name__)

DRIFT_NOTE = "scorer_drift"
DEAR_KINDS = ("judge", "guard", "entailment")
"""Scorers that ask a model elsewhere: one known case per `anchors.dear_every`, once their references are known."""


class Remembered(msgspec.Struct):
    """What a worker keeps between restarts: the watch of every scorer, and what its budget has used today."""

    watches: dict[str, Kept] = {}
    used: dict[str, Used] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """One heartbeat with what the scorers said; on its way to the ledger."""

    beat: handoff.Beat
    at_unix_ms: int
    looks: tuple[Look, ...] = ()
    state: bytes = b""


class Prober:
    """`run` belongs to the scoring thread, `keep` to the writer's."""

    def __init__(
        self,
        scoring: Scoring,
        anchors: Sequence[Anchor],
        settings: Anchors,
        *,
        instance: str,
        allowance: Allowance,
        remembered: Remembered,
        now_unix_ms: Callable[[], int],
    ) -> None:
        self._scoring, self._allowance, self._now = scoring, allowance, now_unix_ms
        self._cases, self._dear_every_ms = settings.cases, round(settings.dear_every * 1000)
        self._asked_unix_ms: dict[str, int] = {}
        self._state_key = state_key(instance)
        self._latched: set[str] = set()
        self._silent: set[str] = set()
        shipped = shipped_references() if settings.path is None else {}
        self._watches: dict[str, Watch] = {
            entry.label: Watch(
                label=entry.label,
                kind=entry.kind,
                sort=entry.scorer.kind,
                scorer=entry.description,
                anchors=anchors,
                shipped=shipped.get(f"{entry.kind}/{entry.scorer.version}"),
                tolerance=settings.tolerance,
                alpha=settings.alpha,
                kept=remembered.watches.get(entry.label),
            )
            for entry in scoring.entries
        }

    @property
    def watched(self) -> tuple[str, ...]:
        """Scorers that have something to judge in the known cases."""
        return tuple(label for label, watch in self._watches.items() if watch.watched)

    def run(self, beat: handoff.Beat) -> Probed:
        """Asks every scorer; never raises for what one of them does."""
        looks = tuple(look for entry in self._scoring.entries if (look := self._ask(entry)) is not None)
        kept = {label: watch.kept for label, watch in self._watches.items()}
        state = msgspec.msgpack.encode(Remembered(kept, dict(self._allowance.used)))
        return Probed(beat=beat, at_unix_ms=self._now(), looks=looks, state=state)

    def _ask(self, entry: Entry) -> Look | None:
        watch, now = self._watches[entry.label], self._now()
        dear = entry.kind in DEAR_KINDS
        if dear and not watch.learning and now - self._asked_unix_ms.get(entry.label, 0) < self._dear_every_ms:
            return None
        anchors = watch.next(1 if dear else self._cases)
        if not anchors:
            if entry.label not in self._silent:
                self._silent.add(entry.label)
                log.info(
                    "scorer %s has nothing to judge in the known cases: nobody can say when it drifts", entry.label
                )
            return None
        self._asked_unix_ms[entry.label] = now
        results = self._scoring.ask(entry, [anchor.case for anchor in anchors])
        return watch.see(anchors, results, now)

    def keep(self, ledger: Ledger, probed: Probed) -> None:
        """Writes what came out: the path has reached the ledger then. Raises what the ledger raises."""
        ledger.put_state(self._state_key, probed.state)
        for look in probed.looks:
            scorer = next(e.description for e in self._scoring.entries if e.label == look.label)
            if not look.drifted or scorer in self._latched:
                continue
            if ledger.put_note(DRIFT_NOTE, look.label, scorer, _fact(look), probed.at_unix_ms):
                log.error(
                    "scorer %s has drifted: it no longer says of known cases what it said; nothing is decided by it",
                    look.label,
                )
            self._latched.add(scorer)


def state_key(instance: str) -> str:
    """Where the ledger keeps what a worker remembers."""
    return f"anchors/{instance}"


def remembered(data: bytes | None) -> Remembered:
    """What a worker wrote before; nothing where it is unreadable, which costs a new beginning and no more."""
    if data is None:
        return Remembered()
    try:
        return msgspec.msgpack.decode(data, type=Remembered)
    except msgspec.MsgspecError:
        return Remembered()


def _fact(look: Look) -> dict[str, Any]:
    return {
        "since_unix_ms": look.since_unix_ms,
        "draws": look.draws,
        "deviation": look.deviation,
        "tolerated": look.tolerated,
    }
