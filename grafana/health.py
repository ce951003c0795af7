"""Monitor health: is Shadow itself well, and where does its time go?"""

from grafana_foundation_sdk.builders import dashboard as d

from grafana import boards, evaluator
from grafana.panels import JOB, figure, grid, limits, rate, series, share, stacked


def build() -> d.Dashboard:
    """The dashboard."""
    board = boards.board(
        "shadow-health",
        "Monitor health",
        "Is Shadow itself well? Left to right the way of a record: topic, intake, replay, scoring, ledger, monitor. "
        "Nothing here touches production.",
    )
    _life(board)
    _intake(board)
    _work(board)
    evaluator.scoring_row(board)
    evaluator.known_row(board)
    evaluator.trouble_row(board)
    return board


def _life(board: d.Dashboard) -> None:
    board.with_row(boards.row("Life"))
    board.with_panel(
        limits(
            series(
                "Heartbeat age",
                "s",
                "Each process gives a sign of life every second. One minute: ShadowHeartbeatLost; restart that instance.",
                (
                    f"time() - max by (instance, process) (shadow_heartbeat_timestamp_seconds{{{JOB}}})",
                    "{{instance}} {{process}}",
                ),
                span=6,
            ),
            (60, "red"),
        )
    )
    board.with_panel(
        limits(
            series(
                "Age of the last look",
                "s",
                "The monitor looks at the ledger every second. Two minutes: ShadowMonitorStale; look at the database.",
                (f"time() - max by (job) (shadow_snapshot_timestamp_seconds{{{JOB}}})", "last look"),
                (f"time() - max by (job) (shadow_last_commit_timestamp_seconds{{{JOB}}})", "last transaction"),
                (f"time() - max by (job) (shadow_last_scored_timestamp_seconds{{{JOB}}})", "newest score"),
                span=6,
            ),
            (120, "red"),
        )
    )
    board.with_panel(
        series(
            "Who decides",
            "none",
            "1 for the instance that holds the monitor's lease. Exactly one at a time: none is ShadowNobodyDecides, two is "
            "ShadowTwoLeaders.",
            (f"max by (instance) (shadow_leader{{{JOB}}})", "{{instance}}"),
            span=6,
        )
    )
    board.with_panel(
        grid(
            "Versions and configurations",
            "none",
            "What runs. Different hashes under one deployment: a rollout that stopped half-way, or two deployments in one job.",
            f"max by (instance, version, role, hash) (shadow_build_info{{{JOB}}} * on (instance, job) group_left (hash, role) "
            f"shadow_config_info{{{JOB}}})",
            {"instance": "Instance", "version": "Version", "role": "Role", "hash": "Configuration"},
            span=6,
        )
    )


def _intake(board: d.Dashboard) -> None:
    board.with_row(boards.row("Topic and intake"))
    board.with_panel(
        series(
            "Lag per partition",
            "short",
            "Records that wait, from the ledger's position. Growing: ShadowLagGrowing. One partition alone: its worker.",
            (f"max by (topic, partition) (shadow_partition_lag_records{{{JOB}}})", "{{topic}}/{{partition}}"),
            span=5,
        )
    )
    board.with_panel(
        series(
            "Evidence behind production",
            "s",
            "Age of the newest record in the ledger where more wait. Evidence is taken in order: the slowest call holds its "
            "partition. Minutes: lower `replay.timeout_seconds` or `sampling.rate`; growing: ShadowLagGrowing.",
            (f"max by (topic, partition) (shadow_watermark_lag_seconds{{{JOB}}})", "{{topic}}/{{partition}}"),
            span=5,
        )
    )
    board.with_panel(
        series(
            "Position per partition",
            "cps",
            "Records a second by which the ledger's position moves. 0 beside a lag: ShadowIntakeStuck.",
            (
                f"max by (topic, partition) (deriv(shadow_partition_next_offset{{{JOB}}}[5m]))",
                "{{topic}}/{{partition}}",
            ),
            span=5,
        )
    )
    board.with_panel(
        stacked(
            "Dispositions",
            "reqps",
            "What became of the records, counted after the transaction. The largest one explains missing evidence.",
            (rate("shadow_records_total", "disposition"), "{{disposition}}"),
            span=5,
        )
    )
    board.with_panel(
        series(
            "Records in the ledger",
            "short",
            "All records since the ledger began, by disposition; together they are the records read.",
            (f"max by (disposition) (shadow_ledger_records{{{JOB}}})", "{{disposition}}"),
            (f"max by (job) (shadow_ledger_read_records{{{JOB}}})", "read"),
            span=4,
        )
    )
    board.with_panel(
        figure(
            "Unaccounted records",
            "short",
            "Anything but 0: ShadowRecordsUnaccounted.",
            (f"max by (job) (abs(shadow_ledger_residual_records{{{JOB}}}))", ""),
            ((None, "green"), (1, "red")),
        )
    )
    board.with_panel(
        figure(
            "Records lost to retention",
            "short",
            "Removed by the broker before Shadow read them (ShadowRecordsLost): raise the topic's retention.",
            (f"sum by (job) (max by (job, topic, partition) (shadow_partition_lost_records{{{JOB}}}))", ""),
            ((None, "green"), (1, "orange")),
        )
    )
    board.with_panel(
        figure(
            "Offsets without a record",
            "short",
            "Compaction and transactions leave gaps; they are counted and harmless.",
            (f"sum by (job) (max by (job, topic, partition) (shadow_partition_gap_records{{{JOB}}}))", ""),
        )
    )
    board.with_panel(
        series(
            "Sampling factor and budget used",
            "percentunit",
            "The factor falls while the governor spares production (ShadowShedding). A budget at 100 % stops the replay until "
            "midnight UTC (ShadowBudgetExhausted). No budget line: none is configured.",
            (f"max by (job) (shadow_governor_probability_ratio{{{JOB}}})", "sampling factor"),
            (f"max by (budget) (shadow_budget_used_ratio{{{JOB}}})", "budget {{budget}}"),
            span=12,
        ).height(5)
    )


def _work(board: d.Dashboard) -> None:
    board.with_row(boards.row("Replay and queues"))
    board.with_panel(
        series(
            "Calls between intake and ledger",
            "short",
            "At its limit the intake pauses: then arms, scoring or ledger are slow. Waiting for their prefix: one slow call "
            "holds finished ones behind it, bounded by the deadline.",
            (f"sum by (instance) (shadow_window_calls{{{JOB}}})", "{{instance}} in the window"),
            (f"sum by (instance) (shadow_window_calls_limit{{{JOB}}})", "{{instance}} limit"),
            (f"sum by (instance) (shadow_uncommitted_records{{{JOB}}})", "{{instance}} waiting for their prefix"),
        )
    )
    board.with_panel(
        series(
            "Bytes between intake and ledger",
            "bytes",
            "The same in memory; the limit keeps memory flat at any load.",
            (f"sum by (instance) (shadow_window_bytes{{{JOB}}})", "{{instance}} in the window"),
            (f"sum by (instance) (shadow_window_bytes_limit{{{JOB}}})", "{{instance}} limit"),
        )
    )
    board.with_panel(
        series(
            "Calls in flight per arm",
            "short",
            "At `replay.concurrency` for long: the arm is the bottleneck. 0 with a lag: it is down or paused.",
            (f"sum by (arm) (shadow_requests_in_flight{{{JOB}}})", "{{arm}}"),
        )
    )
    board.with_panel(
        limits(
            series(
                "Event loop lag",
                "s",
                "Largest delay of the loop that takes the timestamps. Above some milliseconds latencies are marked and do not "
                "count: give it a whole core (ShadowClientSaturated).",
                (f"max by (instance, process) (shadow_loop_lag_seconds{{{JOB}}})", "{{instance}} {{process}}"),
            ),
            (0.05, "orange"),
        )
    )
    board.with_panel(
        series(
            "Latencies we spoilt ourselves",
            "percentunit",
            "Share of latencies taken while our own loop lagged. Above 5 %: ShadowClientSaturated.",
            (
                share(
                    rate("shadow_client_saturated_total", "job, arm"),
                    rate("shadow_requests_total", "job, arm", f'{JOB}, outcome="ok"'),
                ),
                "{{arm}}",
            ),
        )
    )
