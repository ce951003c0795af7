"""What changed since: a candidate that got worse, and traffic that is not what the evidence was gathered on.

Only the leading monitor watches; its detectors are kept in the ledger, so that a takeover goes on where it stood.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from shadow.errors import LedgerError
from shadow.ledger.reading import Reader
from shadow.records import INCUMBENT
from shadow.settings import segment_kind
from shadow.stats import ArmState, PairState, means
from shadow.stats.change import Detector
from shadow.stats.fold import OVERALL
from shadow.stats.grid import D_BINS
from shadow.stats.mix import CONFIDENCE, drift, length_parts

log = logging.getLogger(__name__)

PAST_UNITS = 300  # before a detector knows what is normal
RECENT_MINUTES = 360
RECENT_UNITS = 500
METRICS = ("score", "violation", "failure")

Histograms = dict[int, NDArray[np.int64]]

_Part = TypeVar("_Part", str, int)
_Halves = tuple[dict[_Part, int], dict[_Part, int]]
"""Counts by part of the past and of the last hours."""


class _Kept(msgspec.Struct):
    """A detector and the last bucket it has seen."""

    detector: bytes
    minute: int


@dataclass(slots=True)
class Changes:
    """What a look has to know: sentences for a person by candidate, and detector levels by (candidate, metric)."""

    alarms: dict[str, str] = field(default_factory=dict)
    levels: dict[tuple[str, str], float] = field(default_factory=dict)
    mix: str | None = None
    fixed_mix: str | None = None  # of the segments whose shares the policy fixes


class ChangeWatch:
    """Feeds closed minutes to one detector per candidate and metric. Owned by the monitor's thread."""

    def __init__(self, get: Callable[[str], bytes | None], put: Callable[[str, bytes], None]) -> None:
        self._get, self._put = get, put

    def look(self, reader: Reader, epochs: Mapping[str, int], spec: str, shares: Collection[str] = ()) -> Changes:
        """Brings every detector up to the watermark, compares the mix, says what stands."""
        mix, fixed_mix = mix_drift(reader, shares)
        changes = Changes(mix=mix, fixed_mix=fixed_mix)
        closed = watermark_minute(reader)
        if closed is None:
            return changes
        for candidate, epoch in epochs.items():
            minutes = {m: of[OVERALL] for m, of in by_minute(reader, epoch, candidate, spec).items()}
            for metric in METRICS:
                detector = self._advance(f"change/{candidate}/{epoch}/{spec}/{metric}", minutes, metric, closed)
                if detector is None:
                    continue
                changes.levels[candidate, metric] = detector.level
                if detector.active:
                    word = {"score": "quality", "violation": "safety", "failure": "failures"}[metric]
                    changes.alarms[candidate] = (
                        f"{word} became worse than it was in this epoch; look at the newest answers"
                    )
        return changes

    def _advance(
        self, name: str, minutes: Mapping[int, dict[int, PairState]], metric: str, closed: int
    ) -> Detector | None:
        stored = self._get(name)
        try:
            kept = None if stored is None else msgspec.msgpack.decode(stored, type=_Kept)
            detector = None if kept is None else Detector.from_bytes(kept.detector)
        except (msgspec.MsgspecError, LedgerError):
            kept = detector = None
        if kept is None or detector is None:
            done = [m for m in minutes if m < closed]
            past = _sum(histograms(minutes[m], metric) for m in done)
            if sum(int(h.sum()) for h in past.values()) < PAST_UNITS:
                return None
            detector = Detector.from_past(past)
            if detector is None:
                return None
            self._keep(name, detector, max(done))
            return detector
        fresh = sorted(m for m in minutes if kept.minute < m < closed)
        for minute in fresh:
            detector = detector.update(histograms(minutes[minute], metric))
        if fresh:
            self._keep(name, detector, fresh[-1])
        return detector

    def _keep(self, name: str, detector: Detector, minute: int) -> None:
        self._put(name, msgspec.msgpack.encode(_Kept(detector.to_bytes(), minute)))


def histograms(states: Mapping[int, PairState], metric: str) -> Histograms:
    """The paired difference of one bucket on [-1, 1], larger is better, by weight exponent."""
    found: Histograms = {}
    for exponent, state in states.items():
        if metric == "score":
            if state.difference:
                found[exponent] = means.dense(state.difference, D_BINS)
            continue
        n11, n10, n01, n00 = state.table(metric)
        if n11 + n10 + n01 + n00:
            found[exponent] = np.array([n10, n11 + n00, n01], dtype=np.int64)
    return found


def watermark_minute(reader: Reader) -> int | None:
    """The minute that every partition's newest record has reached: what lies before it is closed. None without timestamps."""
    stamps = [p.last_ts_unix_ms for p in reader.positions() if p.last_ts_unix_ms is not None]
    return min(stamps) // 60_000 if stamps else None


def mix_drift(reader: Reader, shares: Collection[str] = ()) -> tuple[str | None, str | None]:
    """(what moved, what moved between the segments of `shares`): sentences when routes or prompt lengths of the last hours
    are not those of the epoch's past. Where a policy fixes shares, lengths are compared within each of its segments: over
    all traffic they move with the mix."""
    routes: _Halves[str] = (defaultdict(int), defaultdict(int))
    lengths: dict[str, _Halves[int]] = {
        name: (defaultdict(int), defaultdict(int)) for name in (sorted(shares) or [OVERALL])
    }
    states = [(key, ArmState.from_bytes(data)) for key, data in reader.aggregates("arm", 0, INCUMBENT)]
    newest = max((key.minute for key, _ in states), default=0)
    for key, state in states:
        part = int(key.minute > newest - RECENT_MINUTES)
        if key.segment.startswith("route="):
            routes[part][key.segment] += state.outcomes
        if key.segment in lengths:
            for bits, count in state.sizes.get("input_tokens", {}).items():
                lengths[key.segment][part][bits] += count
    of_routes = _drifted("routes", routes[0], routes[1], CONFIDENCE)
    of_lengths = (
        _drifted(
            "prompt lengths" if name == OVERALL else f"prompt lengths within {name}",
            length_parts(halves[0]),
            length_parts(halves[1]),
            CONFIDENCE / len(lengths),
        )
        for name, halves in lengths.items()
    )
    within = next((sentence for sentence in of_lengths if sentence is not None), None)
    if {segment_kind(name) for name in shares} == {"route"}:
        return within, of_routes
    return of_routes or within, None


def _drifted(what: str, past: Mapping[str, int], recent: Mapping[str, int], confidence: float) -> str | None:
    if sum(past.values()) < RECENT_UNITS or sum(recent.values()) < RECENT_UNITS:
        return None
    moved = drift(past, recent, confidence=confidence)
    return moved.sentence(what) if moved is not None and moved.drifted else None


def by_minute(
    reader: Reader, epoch: int, candidate: str, spec: str, segments: Collection[str] = ()
) -> dict[int, dict[str, dict[int, PairState]]]:
    """A candidate's pairs over all traffic, and in some segments, by minute (hours that were rolled up stand at their first
    minute), segment and weight exponent; states that count for another policy are left out.
    Every minute has all traffic."""
    found: dict[int, dict[str, dict[int, PairState]]] = defaultdict(lambda: {OVERALL: {}})
    for key, data in reader.aggregates("pair", epoch, candidate):
        if key.segment != OVERALL and key.segment not in segments:
            continue
        state = PairState.from_bytes(data)
        if state.spec != spec:
            continue
        parts = found[key.minute].setdefault(key.segment, {})
        known = parts.get(key.weight_exponent)
        parts[key.weight_exponent] = state if known is None else known.merge(state)
    return dict(found)


def _sum(parts: Iterable[Histograms]) -> Histograms:
    total: Histograms = {}
    for part in parts:
        for exponent, histogram in part.items():
            total[exponent] = total[exponent] + histogram if exponent in total else histogram
    return total
