"""What the two processes say about themselves, handed to the exporter about once a second."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from shadow.exporters.gpu import DeviceMemory
from shadow.exporters.peaks import ArmPeaks, Figures


@dataclass(frozen=True, slots=True, kw_only=True)
class ScorerView:
    """How a scorer does on known cases. `deviation` (mean, from its references) and `agreement` (with people) are shares."""

    scorer: str
    good_unix_ms: int  # when it last judged a known case as it should
    drifted: bool = False
    deviation: float | None = None
    agreement: float | None = None
    log_evalue: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeView:
    """Gauges as they stand now and totals since the process (or its parent) began. None or absent: unknown, no series.

    `loop_lag_seconds`, `heartbeats_unix_ms` and `restarts` go by process (`replayer`, `evaluator`), `in_flight` by arm,
    `held` is what the server of each arm holds now, `peaks` the most it held under each load,
    `dead_letters` by reason, `errors` by stage, `budgets` by kind (`usd`, `gpu_seconds`, `tokens`) as used share,
    `known_records_unix_ms` by path (`worker`, `topic`), the scorers' budgets by scorer and limit (`seconds`, `usd`).
    """

    loop_lag_seconds: dict[str, float] = field(default_factory=dict)
    heartbeats_unix_ms: dict[str, int] = field(default_factory=dict)
    restarts: dict[str, int] = field(default_factory=dict)
    window_calls: int | None = None
    window_calls_limit: int | None = None
    window_bytes: int | None = None
    window_bytes_limit: int | None = None
    uncommitted_records: int | None = None
    in_flight: dict[str, int] = field(default_factory=dict)
    probability: float | None = None
    budgets: dict[str, float] = field(default_factory=dict)
    dead_letters: dict[str, int] = field(default_factory=dict)
    fenced: int | None = None
    ledger_refusals: int | None = None
    errors: dict[str, int] = field(default_factory=dict)
    gpus: tuple[DeviceMemory, ...] = ()
    held: Mapping[str, Figures] = field(default_factory=dict)
    peaks: Mapping[str, ArmPeaks] = field(default_factory=dict)
    known_records_unix_ms: dict[str, int] = field(default_factory=dict)
    scorers: tuple[ScorerView, ...] = ()
    scorer_budgets: Mapping[tuple[str, ...], float] = field(default_factory=dict)
    scorer_skipped: Mapping[tuple[str, ...], int] = field(default_factory=dict)
