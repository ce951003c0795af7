"""What the two processes say about themselves, handed to the exporter about once a second."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeView:
    """Gauges as they stand now and totals since the process (or its parent) began. None or absent: unknown, no series.

    `loop_lag_seconds`, `heartbeats_unix_ms` and `restarts` go by process (`replayer`, `evaluator`), `in_flight` by arm,
    `dead_letters` by reason, `errors` by stage, `budgets` by kind (`usd`, `gpu_seconds`, `tokens`) as used share.
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
