"""The additive state of one arm alone: what it did, how long it took, what it cost. Descriptive, never evidence."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from shadow.ledger.base import OutcomeRow
from shadow.stats.grid import OVERFLOW, SCORE_BINS, edge_seconds, log_bin, rounded_bin, uniforms
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

    def add(self, row: OutcomeRow) -> None:
        """Counts one outcome. Durations taken while our own loop lagged are counted as such and left out."""
        self.outcomes += 1
        count = self.counters
        if row.failure is not None:
            self.failures[row.failure] = self.failures.get(row.failure, 0) + 1
        self._add_usage(row)
        count["truncated"] += row.truncated
        count["retries"] += row.retries
        count["client_saturated"] += row.client_saturated
        count["spells"] += row.spell == "first"
        if not row.client_saturated and row.failure is None:
            values = (
                row.latency_seconds,
                row.ttft_seconds,
                row.ttft_answer_seconds,
                row.tpot_seconds,
                row.queue_seconds,
            )
            for name, seconds in zip(DURATIONS, values, strict=True):
                if seconds is not None:
                    index = log_bin(seconds)
                    histogram = self.durations[name]
                    histogram[index] = histogram.get(index, 0) + 1
        self._add_scores(row)
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

    def _add_usage(self, row: OutcomeRow) -> None:
        count = self.counters
        count["input_tokens"] += row.input_tokens or 0
        count["cached_input_tokens"] += row.cached_input_tokens or 0
        count["output_tokens"] += row.output_tokens or 0
        count["reasoning_tokens"] += row.reasoning_tokens or 0
        for name, tokens in zip(SIZES, (row.input_tokens, row.output_tokens), strict=True):
            if tokens is not None:
                size = self.sizes[name]
                size[tokens.bit_length()] = size.get(tokens.bit_length(), 0) + 1
        count["tokens_unknown"] += row.output_tokens is None
        if row.cost_usd is None:
            count["cost_unknown"] += 1
        else:
            count["cost_known"] += 1
            count["cost_nano_usd"] += round(row.cost_usd * NANO)

    def _add_scores(self, row: OutcomeRow) -> None:
        for scorer, value in row.scores.items():
            if value is not None:
                u = uniforms(f"{identity(row)}/{row.arm}/{scorer}")[0]
                histogram = self.scores.setdefault(scorer, {})
                index = rounded_bin(value, SCORE_BINS, u)
                histogram[index] = histogram.get(index, 0) + 1
        for scorer in {str(finding["scorer"]) for finding in row.findings if "scorer" in finding}:
            self.findings[scorer] = self.findings.get(scorer, 0) + 1

    def _stretch(self, first: int, last: int) -> None:
        self.first_unix_ms = first if self.first_unix_ms is None else min(self.first_unix_ms, first)
        self.last_unix_ms = last if self.last_unix_ms is None else max(self.last_unix_ms, last)


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
