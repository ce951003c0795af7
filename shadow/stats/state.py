"""The additive state of one candidate against its reference: everything a verdict is computed from.

Counts only, on fixed grids, and integers only where numbers are summed: adding is commutative, associative and exact,
so that minutes, partitions and replicas merge to the same bits in any order.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from shadow.errors import LedgerError
from shadow.stats.grid import D_BINS, SCORE_BINS, log_bin, signed_bin, uniform, uniforms
from shadow.stats.spec import FoldSpec, Worth, slow_table, tail_table
from shadow.stats.wire import PairWire, decode_pair, encode_pair

_K = TypeVar("_K")

Histogram = dict[int, int]
"""Sparse counts by bin."""

Unknown = Literal[
    "uncalibrated",
    "unscored",
    "incumbent_failed",
    "not_comparable",
    "baseline_failed",
    "client_saturated",
    "cost_unknown",
    "violation_unknown",
    "beyond_max_cost",
]
"""Why a part of a pair is missing; counted, never silent."""

TABLE_CELLS = 6
"""n11, n10, n01, n00 (first index: candidate), then candidate 1 and 0 where the reference is unknown."""

MICRO = 10**6
NANO = 10**9
"""Scores are summed in millionths, money in billionths of a dollar: a small model's call costs less than a millionth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One unit: the candidate and its reference on the same request, candidate first. None is unknown.

    `score` is already a like-with-like pair (of a comparative scorer: candidate and baseline). `latency_seconds` is
    candidate against baseline, taken by the same client at the same moment; `recorded_seconds` is what production
    measured. An infinite latency is a timeout: longer than any edge.
    """

    id: str
    ts_unix_ms: int | None = None
    score: tuple[float | None, float | None] = (None, None)
    violation: tuple[bool | None, bool | None] = (None, None)
    failure: tuple[bool | None, bool | None] = (None, None)
    latency_seconds: tuple[float | None, float | None] = (None, None)
    recorded_seconds: float | None = None
    cost_usd: tuple[float | None, float | None] = (None, None)
    tokens: tuple[int | None, int | None] = (None, None)
    unknown: tuple[Unknown, ...] = ()


@dataclass(slots=True)
class Moments:
    """Integer sums of paired values c, b: n, sum c, sum b, sum cc, sum cb, sum bb. Exact at any size."""

    n: int = 0
    c: int = 0
    b: int = 0
    cc: int = 0
    cb: int = 0
    bb: int = 0

    def add(self, c: int, b: int) -> None:
        """Counts one pair."""
        self.n += 1
        self.c += c
        self.b += b
        self.cc += c * c
        self.cb += c * b
        self.bb += b * b

    def absorb(self, other: "Moments") -> None:
        """Adds the sums of `other`."""
        self.n += other.n
        self.c += other.c
        self.b += other.b
        self.cc += other.cc
        self.cb += other.cb
        self.bb += other.bb

    def as_list(self) -> list[int]:
        """The six sums in the order of the fields."""
        return [self.n, self.c, self.b, self.cc, self.cb, self.bb]


@dataclass(slots=True)
class PairState:
    """Additive evidence of one (epoch, candidate, segment, bucket, weight class). Empty when just made.

    `latency_*` hold the candidate's latencies in four disjoint parts, by whether the same call has a baseline (b) and
    a recorded (r) latency, so that every comparison can be made on exactly the calls that both sides have.
    `worth_difference` (on `SIGNED_VALUES`, in units of the range) and `worth` (billionths of a dollar) are empty unless
    the policy has a linear utility.
    """

    spec: str
    pairs: int = 0
    difference: Histogram = field(default_factory=dict)
    score_candidate: Histogram = field(default_factory=dict)
    score_reference: Histogram = field(default_factory=dict)
    tables: dict[str, list[int]] = field(default_factory=dict)
    latency_alone: Histogram = field(default_factory=dict)
    latency_b: Histogram = field(default_factory=dict)
    latency_r: Histogram = field(default_factory=dict)
    latency_br: Histogram = field(default_factory=dict)
    baseline: Histogram = field(default_factory=dict)
    recorded: Histogram = field(default_factory=dict)
    score: Moments = field(default_factory=Moments)
    cost: Moments = field(default_factory=Moments)
    tokens: Moments = field(default_factory=Moments)
    unknown: dict[str, int] = field(default_factory=dict)
    first_unix_ms: int | None = None
    last_unix_ms: int | None = None
    worth_difference: Histogram = field(default_factory=dict)
    worth: Moments = field(default_factory=Moments)

    def add(self, pair: Pair, spec: FoldSpec) -> None:
        """Counts one pair. `spec` has to be the one whose key this state carries."""
        self.count(
            spec,
            pair.id,
            pair.ts_unix_ms,
            *pair.score,
            *pair.violation,
            *pair.failure,
            *pair.latency_seconds,
            pair.recorded_seconds,
            *pair.cost_usd,
            *pair.tokens,
            pair.unknown,
        )

    def count(
        self,
        spec: FoldSpec,
        seed: str,
        ts_unix_ms: int | None,
        score_c: float | None,
        score_b: float | None,
        violated_c: bool | None,
        violated_b: bool | None,
        failed_c: bool | None,
        failed_b: bool | None,
        seconds_c: float | None,
        seconds_b: float | None,
        recorded: float | None,
        cost_c: float | None,
        cost_b: float | None,
        tokens_c: int | None,
        tokens_b: int | None,
        unknown: Iterable[Unknown],
    ) -> None:
        """As `add`, of the fields of a `Pair` (candidate c, reference b) in their order: making one takes as long as counting."""
        self.pairs += 1
        if score_c is not None and score_b is not None:
            self._add_score(score_c, score_b, seed, spec)
        if violated_c is not None:
            self._cells("violation")[_CELL[violated_c, violated_b]] += 1
        if failed_c is not None:
            self._cells("failure")[_CELL[failed_c, failed_b]] += 1
        if seconds_c is not None:
            self._add_latency(seconds_c, seconds_b, recorded, spec)
        if cost_c is not None and cost_b is not None:
            self.cost.add(round(cost_c * NANO), round(cost_b * NANO))
        if tokens_c is not None and tokens_b is not None:
            self.tokens.add(tokens_c, tokens_b)
        if spec.worth is not None:
            if cost_c is None and failed_c:
                cost_c = cost_b
            self._add_worth(score_c, score_b, violated_c, violated_b, cost_c, cost_b, seed, spec.worth)
        for reason in unknown:
            self.unknown[reason] = self.unknown.get(reason, 0) + 1
        if ts_unix_ms is not None:
            self._stretch(ts_unix_ms, ts_unix_ms)

    def absorb(self, other: "PairState") -> None:
        """Adds `other` into this state. Raises LedgerError when it counts by another specification."""
        if other.spec != self.spec:
            raise LedgerError(
                f"aggregates counted for different policies cannot be added ({self.spec} and {other.spec}); "
                "they have to be folded anew from the outcomes"
            )
        self.pairs += other.pairs
        for mine, theirs in zip(self._histograms(), other._histograms(), strict=True):
            add_counts(mine, theirs)
        for name, cells in other.tables.items():
            mine_cells = self.tables.get(name)
            self.tables[name] = (
                list(cells) if mine_cells is None else [a + b for a, b in zip(mine_cells, cells, strict=True)]
            )
        self.score.absorb(other.score)
        self.cost.absorb(other.cost)
        self.tokens.absorb(other.tokens)
        self.worth.absorb(other.worth)
        add_counts(self.unknown, other.unknown)
        if other.first_unix_ms is not None and other.last_unix_ms is not None:
            self._stretch(other.first_unix_ms, other.last_unix_ms)

    def merge(self, other: "PairState") -> "PairState":
        """The sum as a new state; neither operand changes."""
        total = PairState(self.spec)
        total.absorb(self)
        total.absorb(other)
        return total

    def table(self, name: str) -> tuple[int, int, int, int]:
        """Paired counts n11, n10, n01, n00 of a binary metric (first index: candidate); zeros when never counted."""
        cells = self.tables.get(name)
        return (cells[0], cells[1], cells[2], cells[3]) if cells is not None else (0, 0, 0, 0)

    def candidate_counts(self, name: str) -> tuple[int, int]:
        """(events, units) of the candidate alone, pairs with an unknown reference included."""
        cells = self.tables.get(name)
        if cells is None:
            return 0, 0
        events = cells[0] + cells[1] + cells[4]
        return events, sum(cells)

    def latency(self, against: Literal["alone", "baseline", "recorded"]) -> tuple[Histogram, Histogram]:
        """(candidate, reference) duration histograms on exactly the calls that both have; "alone": all of the candidate's."""
        parts = {
            "alone": (self.latency_alone, self.latency_b, self.latency_r, self.latency_br),
            "baseline": (self.latency_b, self.latency_br),
            "recorded": (self.latency_r, self.latency_br),
        }[against]
        candidate: Histogram = {}
        for part in parts:
            add_counts(candidate, part)
        return candidate, {"alone": {}, "baseline": self.baseline, "recorded": self.recorded}[against]

    def to_bytes(self) -> bytes:
        """Canonical MessagePack: equal states give equal bytes."""
        return encode_pair(
            PairWire(
                spec=self.spec,
                pairs=self.pairs,
                histograms=[dict(sorted(h.items())) for h in self._histograms()],
                tables={k: self.tables[k] for k in sorted(self.tables)},
                moments=[m.as_list() for m in (self.score, self.cost, self.tokens, self.worth)],
                unknown={k: self.unknown[k] for k in sorted(self.unknown)},
                first_unix_ms=self.first_unix_ms,
                last_unix_ms=self.last_unix_ms,
            )
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> "PairState":
        """Reads what `to_bytes` wrote. Raises LedgerError for anything else."""
        wire = decode_pair(data)
        state = cls(wire.spec, wire.pairs)
        for mine, theirs in zip(state._histograms(), wire.histograms, strict=True):
            mine.update(theirs)
        state.tables.update(wire.tables)
        state.score, state.cost, state.tokens, state.worth = (Moments(*sums) for sums in wire.moments)
        state.unknown.update(wire.unknown)
        state.first_unix_ms, state.last_unix_ms = wire.first_unix_ms, wire.last_unix_ms
        return state

    def _histograms(self) -> tuple[Histogram, ...]:
        return (
            self.difference,
            self.score_candidate,
            self.score_reference,
            self.latency_alone,
            self.latency_b,
            self.latency_r,
            self.latency_br,
            self.baseline,
            self.recorded,
            self.worth_difference,
        )

    def _add_score(self, c: float, b: float, seed: str, spec: FoldSpec) -> None:
        # `rounded_bin` three times, without its calls; where nothing is rounded the random numbers are not needed.
        of_d = min(max((c - b + 1.0) / 2.0, 0.0), 1.0) * (D_BINS - 1)
        of_c = min(max(c, 0.0), 1.0) * (SCORE_BINS - 1)
        of_b = min(max(b, 0.0), 1.0) * (SCORE_BINS - 1)
        bin_d, bin_c, bin_b = int(of_d), int(of_c), int(of_b)
        if bin_d != of_d or bin_c != of_c or bin_b != of_b:
            u, v, w = uniforms(seed)
            bin_d += u < of_d - bin_d
            bin_c += v < of_c - bin_c
            bin_b += w < of_b - bin_b
        _count(self.difference, bin_d)
        _count(self.score_candidate, bin_c)
        _count(self.score_reference, bin_b)
        self.score.add(round(c * MICRO), round(b * MICRO))
        for threshold in spec.tails:
            self._cells(tail_table(threshold))[_CELL[c < threshold, b < threshold]] += 1

    def _add_latency(self, c: float, b: float | None, r: float | None, spec: FoldSpec) -> None:
        if b is None:
            part = self.latency_alone if r is None else self.latency_r
        else:
            part = self.latency_b if r is None else self.latency_br
            _count(self.baseline, log_bin(b))
        _count(part, log_bin(c))
        if r is not None:
            _count(self.recorded, log_bin(r))
        for edge in spec.slow_seconds:
            self._cells(slow_table(edge))[_CELL[c > edge, None if b is None else b > edge]] += 1

    def _add_worth(
        self,
        score_c: float | None,
        score_b: float | None,
        violated_c: bool | None,
        violated_b: bool | None,
        cost_c: float | None,
        cost_b: float | None,
        seed: str,
        worth: Worth,
    ) -> None:
        """One stream of dollars. A failed call whose cost nobody knows is taken to cost what the reference's did, so that
        failing is never cheap; a cost beyond the declared range leaves no pair, counted."""
        if not worth.violation_usd:
            violated_c = violated_b = False
        if score_c is None or score_b is None or cost_c is None or cost_b is None:
            return
        if violated_c is None or violated_b is None:
            return
        if max(cost_c, cost_b) > worth.max_cost_usd:
            self.unknown["beyond_max_cost"] = self.unknown.get("beyond_max_cost", 0) + 1
            return
        c, b = worth.answer(score_c, violated_c, cost_c), worth.answer(score_b, violated_b, cost_b)
        _count(self.worth_difference, signed_bin((c - b) / worth.range_usd, uniform(seed)))
        self.worth.add(round(c * NANO), round(b * NANO))

    def _cells(self, name: str) -> list[int]:
        cells = self.tables.get(name)
        if cells is None:
            cells = self.tables[name] = [0] * TABLE_CELLS
        return cells

    def _stretch(self, first: int, last: int) -> None:
        if self.first_unix_ms is None or first < self.first_unix_ms:
            self.first_unix_ms = first
        if self.last_unix_ms is None or last > self.last_unix_ms:
            self.last_unix_ms = last


_CELL: dict[tuple[bool | None, bool | None], int] = {
    (True, True): 0,
    (True, False): 1,
    (False, True): 2,
    (False, False): 3,
    (True, None): 4,
    (False, None): 5,
}
"""Where a pair of (candidate, reference) is counted in a table."""


def add_counts(into: dict[_K, int], counts: Mapping[_K, int]) -> None:
    """Adds sparse counts in place."""
    for key, value in counts.items():
        into[key] = into.get(key, 0) + value


def total(states: Iterable[PairState], spec: str) -> PairState:
    """The sum of any number of states of one specification; an empty state when there are none."""
    result = PairState(spec)
    for state in states:
        result.absorb(state)
    return result


def _count(histogram: Histogram, index: int) -> None:
    histogram[index] = histogram.get(index, 0) + 1
