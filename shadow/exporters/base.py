"""What the monitor publishes at every look, and the port of whoever shows it."""

from dataclasses import dataclass, field
from typing import Protocol

from shadow.records import ArmState, Role
from shadow.stats.cvar import TailMean
from shadow.verdict.calibration import Calibration
from shadow.verdict.result import Verdict
from shadow.verdict.segments import SegmentResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantiles:
    """P50, P95 and P99 of a latency in seconds; None without data."""

    p50: float | None = None
    p95: float | None = None
    p99: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmView:
    """One arm in the current epoch, cumulative."""

    arm: str
    role: Role
    state: ArmState | None
    availability: float | None  # share of time up, 0..1
    outcomes: int = 0
    failures: dict[str, int] = field(default_factory=dict)  # by kind, `unavailable` beside the others
    latency: Quantiles = Quantiles()
    ttft: Quantiles = Quantiles()
    tpot: Quantiles = Quantiles()
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = None
    cost_usd_per_1k: float | None = None
    cost_usd_per_1k_acceptable: float | None = None  # neither failed nor a violation by the policy; None where unknown
    score_means: dict[str, float] = field(default_factory=dict)  # by scorer
    finding_counts: dict[str, int] = field(default_factory=dict)  # by scorer


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateView:
    """One candidate: its verdict and the evidence's surroundings."""

    verdict: Verdict
    epoch: int
    epoch_started_unix_ms: int
    since_unix_ms: int | None  # when the present verdict word came into force
    history: tuple[tuple[int, str, int], ...] = ()  # (unix ms, word, n), oldest first
    segments: tuple[Verdict, ...] = ()
    segment_results: tuple[SegmentResult, ...] = ()  # the same segments, corrected for their number; alarms first
    tail: TailMean | None = None  # mean of the lowest 5 % of scores; None without scores or with oversampled strata
    tail_reference: TailMean | None = None
    change_levels: dict[str, float] = field(default_factory=dict)  # by metric, share of the level that raises the alarm
    calibration: Calibration | None = None  # of a comparative quality that has a noise floor


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionView:
    """One partition's position."""

    topic: str
    partition: int
    first_offset: int
    next_offset: int
    end_offset: int | None
    gaps: int = 0
    lost: int = 0
    newest_unix_ms: int | None = None  # production time of the newest record in the ledger; None without timestamps


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Everything a page, an exporter or `shadow status` shows, computed once per look from the ledger."""

    at_unix_ms: int
    version: str
    role: str  # all, worker, monitor
    leads: bool  # holds the monitor's lease: only then verdicts and effects are exported
    incumbent: str
    read: int
    residual: int
    dispositions: dict[str, int]
    partitions: tuple[PartitionView, ...]
    last_scored_unix_ms: int | None
    arms: tuple[ArmView, ...]
    candidates: tuple[CandidateView, ...]
    needs_person: tuple[str, ...] = ()  # sentences: what somebody should look at
    notes: tuple[str, ...] = ()


class Exporter(Protocol):
    """Shows snapshots. `publish` may not block for long and never raises for what a snapshot contains."""

    def publish(self, snapshot: Snapshot) -> None: ...

    def close(self) -> None: ...
