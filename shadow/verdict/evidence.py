"""What a verdict is computed from: additive states, what crossed before, and the circumstances at this look."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec
import numpy as np
from numpy.typing import NDArray

from shadow.records import ArmState
from shadow.settings import Gate, Policy
from shadow.stats import means
from shadow.stats.grid import D_BINS
from shadow.stats.state import Moments, PairState
from shadow.verdict.result import Crossing, CrossingKind, GateState

Pairs = Mapping[int, PairState]
"""Cumulative states of one candidate and segment in one epoch, by weight exponent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One candidate's evidence. `floor` is baseline against incumbent (the A/A noise), `latched` the stored crossings by key,
    `parts` the states of the segments of `policy.shares`."""

    pairs: Pairs
    parts: Mapping[str, Pairs] = field(default_factory=dict)
    floor: Pairs = field(default_factory=dict)
    latched: Mapping[str, Crossing] = field(default_factory=dict)

    @property
    def n(self) -> int:
        """Paired units so far, whatever their weight."""
        return sum(state.pairs for state in self.pairs.values())

    @property
    def first_unix_ms(self) -> int | None:
        """Event time of the first pair; None without timestamps."""
        return min((s.first_unix_ms for s in self.pairs.values() if s.first_unix_ms is not None), default=None)

    @property
    def last_unix_ms(self) -> int | None:
        """Event time of the last pair; None without timestamps."""
        return max((s.last_unix_ms for s in self.pairs.values() if s.last_unix_ms is not None), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocked:
    """Why a gate cannot be decided with this configuration, in words that say what to change."""

    state: GateState
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The circumstances of a look. None is unknown and then holds nothing up.

    `blocked` is `policy.evaluable(...)` by gate id ("utility" for the utility); it applies while a gate has no data.
    `alarm`, `mix_drift` and `scorer_drift` are sentences for a person, None while there is no such thing.
    `frozen` are ids of gates ("utility" too) whose evidence may cross nothing at this look, because what they measure
    against is moving; what they crossed before stands. `uncounted` are segments whose scores never count (open-ended routes).
    """

    candidate: str
    staleness_seconds: float | None = None
    arm_state: ArmState | None = None
    availability: float | None = None
    alarm: str | None = None
    mix_drift: str | None = None
    scorer_drift: str | None = None
    records_per_day: float | None = None
    blocked: Mapping[str, Blocked] = field(default_factory=dict)
    frozen: frozenset[str] = frozenset()
    uncounted: frozenset[str] = frozenset()


def parts_of(policy: Policy, by_segment: Mapping[str, Pairs]) -> dict[str, Pairs]:
    """The states of the segments whose shares the policy fixes."""
    return {name: by_segment[name] for name in policy.shares if name in by_segment}


def differences(pairs: Pairs) -> dict[int, NDArray[np.int64]]:
    """Histograms of the paired score difference on x = (D + 1) / 2, by weight exponent; empty without score pairs."""
    return {k: means.dense(s.difference, D_BINS) for k, s in pairs.items() if s.difference}


def paired_events(pairs: Pairs, table: str) -> dict[int, NDArray[np.int64]]:
    """Counts of d = candidate - reference in {-1, 0, 1} of a binary metric, by weight exponent; empty without pairs."""
    counts = {}
    for k, state in pairs.items():
        n11, n10, n01, n00 = state.table(table)
        if n11 + n10 + n01 + n00:
            counts[k] = np.array([n01, n11 + n00, n10], dtype=np.int64)
    return counts


def events(pairs: Pairs, table: str) -> dict[int, NDArray[np.int64]]:
    """(non-events, events) of the candidate alone, by weight exponent; empty without units."""
    counts = {}
    for k, state in pairs.items():
        hits, units = state.candidate_counts(table)
        if units:
            counts[k] = np.array([units - hits, hits], dtype=np.int64)
    return counts


def size(counts: means.Counts) -> int:
    """Units in a set of histograms."""
    return int(sum(histogram.sum() for histogram in counts.values()))


def worths(pairs: Pairs) -> dict[int, NDArray[np.int64]]:
    """Histograms of the difference in worth on the signed grid, by weight exponent; empty without pairs."""
    return {k: means.dense(s.worth_difference, means.SIGNED_BINS) for k, s in pairs.items() if s.worth_difference}


def moments(pairs: Pairs, name: str) -> dict[int, Moments]:
    """The paired sums "score", "cost", "tokens" or "worth" by weight exponent; empty without pairs."""
    found: dict[int, Moments] = {k: getattr(state, name) for k, state in pairs.items()}
    return {k: m for k, m in found.items() if m.n}


class CrossingKeys:
    """Keys of crossings: kind, gate, and a hash of what the crossing means (limits, error rates, scorers, stated routes, fixed shares)."""

    def __init__(self, policy: Policy) -> None:
        stated: list[object] = [sorted(policy.routes.items())] if policy.routes else []
        stated += [["shares", sorted(policy.shares.items())]] if policy.shares else []
        self._shared = msgspec.json.encode(
            [policy.quality, sorted(policy.violation), policy.alpha.promote, policy.alpha.reject, *stated]
        )
        utility = b"" if policy.utility is None else policy.utility.meaning
        self._gates = {gate.id: gate.model_dump_json().encode() for gate in policy.gates}
        self._whole = b"\n".join((*self._gates.values(), utility))

    def key(self, kind: CrossingKind, gate: Gate | None) -> str:
        """Proofs and pages depend on their gate; violations and rejections, which are averaged, on the whole policy."""
        name = gate.id if gate is not None else ""
        meaning = self._whole if kind in ("violated", "rejected") else self._gates[name]
        return f"{kind}:{name}:{hashlib.blake2b(self._shared + meaning, digest_size=6).hexdigest()}"


def crossing_key(kind: CrossingKind, policy: Policy, gate: Gate | None) -> str:
    """The key of one crossing of a policy; `gate` is None for a rejection."""
    return CrossingKeys(policy).key(kind, gate)
