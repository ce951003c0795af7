"""The additive state of one arm alone: what it did, how long it took, what it cost. Descriptive, never evidence."""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field

from shadow.ledger.base import OutcomeRow
from shadow.stats.grid import EDGES_SECONDS, OVERFLOW, SCORE_BINS, edge_seconds, rounded_bin, uniform
from shadow.stats.state import NANO, Histogram, add_counts
from shadow.stats.wire import ArmWire, decode_arm, encode_arm

DURATIONS = ("latency", "ttft", "ttft_answer", "tpot", "queue")
SIZES = ("input_tokens", "output_tokens")
"""Token counts kept as histograms by bit length: bin b holds 2^(b-1) to 2^b - 1 tokens, bin 0 none."""

COUNTERS = (
    "input_tokens",
    "cached_input_tokens",
    "output_tokens",
    "reasoning_tokens",
    "tokens_unknown",
    "cost_nano_usd",
    "cost_known",
    "cost_unknown",
    "truncated",
    "retries",
    "client_saturated",
    "spells",
)


@dataclass(slots=True)
class ArmState:
    """Counts of one (epoch, arm, segment, bucket, weight class). Empty when just made."""

    outcomes: int = 0
    counters: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTERS, 0))
    failures: dict[str, int] = field(default_factory=dict)
    durations: dict[str, Histogram] = field(default_factory=lambda: {name: {} for name in DURATIONS})
    sizes: dict[str, Histogram] = field(default_factory=lambda: {name: {} for name in SIZES})
    scores: dict[str, Histogram] = field(default_factory=dict)
    findings: dict[str, int] = field(default_factory=dict)
    first_unix_ms: int | None = None
    last_unix_ms: int | None = None

    def add(self, row: OutcomeRow, seed: str | None = None) -> None:
        """Counts one outcome. Durations taken while our own loop lagged are counted as such and left out. `seed` is
        `identity(row)` where the caller has it."""
        self.outcomes += 1
        count = self.counters
        failure = row.failure
        if failure is not None:
            self.failures[failure] = self.failures.get(failure, 0) + 1
        self._add_usage(row)
        if row.truncated:
            count["truncated"] += 1
        if row.retries:
            count["retries"] += row.retries
        if row.client_saturated:
            count["client_saturated"] += 1
        elif failure is None:
            self._add_durations(row)
        if row.spell == "first":
            count["spells"] += 1
        if row.scores:
            self._add_scores(row, identity(row) if seed is None else seed)
        for scorer in (
            {str(finding["scorer"]) for finding in row.findings if "scorer" in finding} if row.findings else ()
        ):
            self.findings[scorer] = self.findings.get(scorer, 0) + 1
        if row.ts_unix_ms is not None:
            self._stretch(row.ts_unix_ms, row.ts_unix_ms)

    def absorb(self, other: "ArmState") -> None:
        """Adds `other` into this state."""
        self.outcomes += other.outcomes
        for mine, theirs in (
            (self.counters, other.counters),
            (self.failures, other.failures),
            (self.findings, other.findings),
        ):
            add_counts(mine, theirs)
        for nested, more in ((self.durations, other.durations), (self.sizes, other.sizes), (self.scores, other.scores)):
            for name, histogram in more.items():
                add_counts(nested.setdefault(name, {}), histogram)
        if other.first_unix_ms is not None and other.last_unix_ms is not None:
            self._stretch(other.first_unix_ms, other.last_unix_ms)

    def merge(self, other: "ArmState") -> "ArmState":
        """The sum as a new state; neither operand changes."""
        result = ArmState()
        result.absorb(self)
        result.absorb(other)
        return result

    def quantile(self, duration: str, q: float) -> float | None:
        """Upper edge in seconds of the bin that holds the q-quantile of a duration of `DURATIONS`; None without data."""
        return histogram_quantile(self.durations.get(duration, {}), q)

    def score_mean(self, scorer: str) -> float | None:
        """Mean value of a scorer in [0, 1]; None when it judged nothing."""
        histogram = self.scores.get(scorer, {})
        n = sum(histogram.values())
        return sum(i * c for i, c in histogram.items()) / (n * (SCORE_BINS - 1)) if n else None

    @property
    def cost_usd(self) -> float | None:
        """Sum of the known costs; None when no outcome has one."""
        return self.counters["cost_nano_usd"] / NANO if self.counters["cost_known"] else None

    @property
    def failed(self) -> int:
        """Failures that are evidence: without calls inside a spell."""
        return sum(self.failures.values()) - self.failures.get("unavailable", 0)

    def to_bytes(self) -> bytes:
        """Canonical MessagePack: equal states give equal bytes."""
        return encode_arm(
            ArmWire(
                outcomes=self.outcomes,
                counters=_filled(self.counters),
                failures=_filled(self.failures),
                durations={k: dict(sorted(v.items())) for k, v in sorted(self.durations.items()) if v},
                sizes={k: dict(sorted(v.items())) for k, v in sorted(self.sizes.items()) if v},
                scores={k: dict(sorted(v.items())) for k, v in sorted(self.scores.items()) if v},
                findings=_filled(self.findings),
                first_unix_ms=self.first_unix_ms,
                last_unix_ms=self.last_unix_ms,
            )
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> "ArmState":
        """Reads what `to_bytes` wrote. Raises LedgerError for anything else."""
        wire = decode_arm(data)
        state = cls(wire.outcomes, failures=wire.failures, scores=wire.scores, findings=wire.findings)
        state.counters.update(wire.counters)
        state.durations.update(wire.durations)
        state.sizes.update(wire.sizes)
        state.first_unix_ms, state.last_unix_ms = wire.first_unix_ms, wire.last_unix_ms
        return state

    def _add_durations(self, row: OutcomeRow) -> None:
        held = self.durations
        for seconds, histogram in (
            (row.latency_seconds, held["latency"]),
            (row.ttft_seconds, held["ttft"]),
            (row.ttft_answer_seconds, held["ttft_answer"]),
            (row.tpot_seconds, held["tpot"]),
            (row.queue_seconds, held["queue"]),
        ):
            if seconds is not None:
                index = bisect_left(EDGES_SECONDS, seconds)  # `log_bin` without its call
                histogram[index] = histogram.get(index, 0) + 1

    def _add_usage(self, row: OutcomeRow) -> None:
        count, sizes = self.counters, self.sizes
        tokens = row.input_tokens
        if tokens is not None:
            count["input_tokens"] += tokens
            histogram, bits = sizes["input_tokens"], tokens.bit_length()
            histogram[bits] = histogram.get(bits, 0) + 1
        tokens = row.output_tokens
        if tokens is not None:
            count["output_tokens"] += tokens
            histogram, bits = sizes["output_tokens"], tokens.bit_length()
            histogram[bits] = histogram.get(bits, 0) + 1
        else:
            count["tokens_unknown"] += 1
        if row.cached_input_tokens:
            count["cached_input_tokens"] += row.cached_input_tokens
        if row.reasoning_tokens:
            count["reasoning_tokens"] += row.reasoning_tokens
        if row.cost_usd is None:
            count["cost_unknown"] += 1
        else:
            count["cost_known"] += 1
            count["cost_nano_usd"] += round(row.cost_usd * NANO)

    def _add_scores(self, row: OutcomeRow, seed: str) -> None:
        for scorer, value in row.scores.items():
            if value is None:
                continue
            histogram = self.scores.get(scorer)
            if histogram is None:
                histogram = self.scores[scorer] = {}
            if value == 1.0 or value == 0.0:  # on the grid: nothing is rounded, whatever the random number
                index = int(value) * (SCORE_BINS - 1)
            else:
                index = rounded_bin(value, SCORE_BINS, uniform(f"{seed}/{row.arm}/{scorer}"))
            histogram[index] = histogram.get(index, 0) + 1

    def _stretch(self, first: int, last: int) -> None:
        if self.first_unix_ms is None or first < self.first_unix_ms:
            self.first_unix_ms = first
        if self.last_unix_ms is None or last > self.last_unix_ms:
            self.last_unix_ms = last


def identity(row: OutcomeRow) -> str:
    """The call's own identity, which seeds rounding: it stays when `shadow forget` erases ids."""
    return f"{row.topic}/{row.partition}/{row.offset}/{row.call}"


def histogram_quantile(histogram: Mapping[int, int], q: float) -> float | None:
    """Upper edge in seconds of the bin that holds the q-quantile (2 % wide); None without data, infinity for overflow."""
    n = sum(histogram.values())
    if not n:
        return None
    seen = 0
    for index in sorted(histogram):
        seen += histogram[index]
        if seen >= q * n:
            return edge_seconds(index)
    return edge_seconds(OVERFLOW)


def _filled(counts: Mapping[str, int]) -> dict[str, int]:
    return {k: counts[k] for k in sorted(counts) if counts[k]}
