"""Memory under load: the most that an arm's server held while so many calls were in flight. Pure.

A sampler adds what it sees about once a second; a finished call is joined with the samples of the time it was in flight,
and raises the peaks of the load class that held when it was sent. What rises and falls between two samples is not seen.
"""

import threading
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

LOAD_CLASSES = ("1-2", "3-4", "5-8", "9-16", "17-32", "33-64", "65-128", "above")
"""Calls of one worker in flight with the arm, the one that is sent included."""
NEAR_MS = 1500
"""A call shorter than the time between two samples takes the nearest one within this."""
KEPT_SAMPLES = 900


def load_class(in_flight: int) -> str:
    """The class of a number of calls in flight, 1 or more."""
    for name in LOAD_CLASSES[:-1]:
        if in_flight <= int(name.rpartition("-")[2]):
            return name
    return LOAD_CLASSES[-1]


class Figures(msgspec.Struct, frozen=True):
    """What a server holds at a moment, or held at most. Bytes; the cache 0..1; waiting requests. None is unknown."""

    gpu_bytes: float | None = None
    host_bytes: float | None = None
    kv_cache_ratio: float | None = None
    waiting: float | None = None

    def raised(self, other: "Figures") -> "Figures":
        """Of each figure the larger one that is known."""
        return Figures(*(_larger(getattr(self, name), getattr(other, name)) for name in self.__struct_fields__))


class LoadPeak(msgspec.Struct, frozen=True):
    """One load class: calls that were sent under it, how many of them the server answered with "out of memory", peaks."""

    calls: int = 0
    out_of_memory: int = 0
    peak: Figures = Figures()


class ArmPeaks(msgspec.Struct, frozen=True):
    """One arm. `identity` is its server's: peaks of another model are not this one's."""

    identity: str
    classes: dict[str, LoadPeak] = {}
    preemptions: float = 0.0


@dataclass(slots=True)
class _Arm:
    identity: str
    classes: dict[str, LoadPeak] = field(default_factory=dict)
    preemptions: float = 0.0
    unsaved: dict[str, LoadPeak] = field(default_factory=dict)
    unsaved_preemptions: float = 0.0
    times: deque[int] = field(default_factory=lambda: deque(maxlen=KEPT_SAMPLES))
    samples: deque[Figures] = field(default_factory=lambda: deque(maxlen=KEPT_SAMPLES))
    last_preemptions: float | None = None


class Peaks:
    """The table of all arms. Any thread may call; the lock protects everything."""

    def __init__(self, identities: Mapping[str, str]) -> None:
        self._arms = {arm: _Arm(identity) for arm, identity in identities.items()}
        self._lock = threading.Lock()

    def sample(self, arm: str, at_unix_ms: int, seen: Figures, preemptions: float | None = None) -> None:
        """One look at an arm's server. `preemptions` is the engine's own counter, which begins anew with the engine."""
        with self._lock:
            kept = self._arms[arm]
            kept.times.append(at_unix_ms)
            kept.samples.append(seen)
            if preemptions is not None:
                last = kept.last_preemptions
                risen = 0.0 if last is None else preemptions - last if preemptions >= last else preemptions
                kept.preemptions += risen
                kept.unsaved_preemptions += risen
                kept.last_preemptions = preemptions

    def now(self, arm: str) -> Figures | None:
        """The newest sample of an arm."""
        with self._lock:
            samples = self._arms[arm].samples
            return samples[-1] if samples else None

    def call(
        self, arm: str, *, in_flight: int, sent_unix_ms: int, seconds: float | None, out_of_memory: bool = False
    ) -> None:
        """One finished call. `seconds` from its sending to its end, None when that was not measured."""
        with self._lock:
            kept = self._arms.get(arm)
            if kept is None:
                return
            peak = _within(kept, sent_unix_ms, sent_unix_ms + round(1000 * (seconds or 0.0)))
            one = LoadPeak(calls=1, out_of_memory=int(out_of_memory), peak=peak)
            name = load_class(in_flight)
            for table in (kept.classes, kept.unsaved):
                table[name] = _joined(table.get(name, LoadPeak()), one)

    def table(self) -> dict[str, ArmPeaks]:
        """Every arm as it stands."""
        with self._lock:
            return {
                arm: ArmPeaks(kept.identity, dict(kept.classes), kept.preemptions) for arm, kept in self._arms.items()
            }

    def restore(self, stored: Mapping[str, ArmPeaks]) -> None:
        """Adds what was kept before a restart, for arms whose server is still the same."""
        with self._lock:
            for arm, kept in self._arms.items():
                before = stored.get(arm)
                if before is not None and before.identity == kept.identity:
                    kept.classes = _merged(kept.classes, before.classes)
                    kept.preemptions += before.preemptions

    def unsaved(self, stored: Mapping[str, ArmPeaks]) -> dict[str, ArmPeaks] | None:
        """`stored` with what came since the last time, to be stored instead of it; None when nothing came."""
        with self._lock:
            if not any(kept.unsaved or kept.unsaved_preemptions for kept in self._arms.values()):
                return None
            found = dict(stored)
            for arm, kept in self._arms.items():
                before = stored.get(arm)
                if before is None or before.identity != kept.identity:
                    before = ArmPeaks(kept.identity)
                found[arm] = ArmPeaks(
                    kept.identity,
                    _merged(before.classes, kept.unsaved),
                    before.preemptions + kept.unsaved_preemptions,
                )
                kept.unsaved, kept.unsaved_preemptions = {}, 0.0
            return found


def ordered(classes: Mapping[str, LoadPeak]) -> Iterable[tuple[str, LoadPeak]]:
    """The classes that were seen, from the least load to the most."""
    return ((name, classes[name]) for name in LOAD_CLASSES if name in classes)


def encode(table: Mapping[str, ArmPeaks]) -> bytes:
    """For the ledger's small states."""
    return msgspec.msgpack.encode(dict(table))


def decode(data: bytes | None) -> dict[str, ArmPeaks]:
    """What `encode` wrote; nothing for what another version wrote."""
    if data is None:
        return {}
    try:
        return msgspec.msgpack.decode(data, type=dict[str, ArmPeaks])
    except msgspec.MsgspecError:
        return {}


def _within(kept: _Arm, begin: int, end: int) -> Figures:
    """The most that the samples from `begin` to `end` show; without one among them the nearest, else nothing."""
    times = kept.times
    first, last = bisect_left(times, begin), bisect_right(times, end)
    if first < last:
        found = Figures()
        for index in range(first, last):
            found = found.raised(kept.samples[index])
        return found
    near = [i for i in (first - 1, first) if 0 <= i < len(times) and begin - NEAR_MS <= times[i] <= end + NEAR_MS]
    if not near:
        return Figures()
    return kept.samples[min(near, key=lambda i: abs(times[i] - begin))]


def _joined(one: LoadPeak, other: LoadPeak) -> LoadPeak:
    return LoadPeak(
        calls=one.calls + other.calls,
        out_of_memory=one.out_of_memory + other.out_of_memory,
        peak=one.peak.raised(other.peak),
    )


def _merged(one: Mapping[str, LoadPeak], other: Mapping[str, LoadPeak]) -> dict[str, LoadPeak]:
    return {name: _joined(one.get(name, LoadPeak()), other.get(name, LoadPeak())) for name in {*one, *other}}


def _larger(one: float | None, other: float | None) -> float | None:
    known = [value for value in (one, other) if value is not None]
    return max(known) if known else None
