"""Rows of the dashboard Monitor health about the right-hand side: scoring, ledger, and what went wrong."""

from grafana_foundation_sdk.builders import dashboard as d

from grafana import boards
from grafana.panels import JOB, limits, rate, series


def scoring_row(board: d.Dashboard) -> None:
    """Where the time of the evaluator goes: scorers, ledger, memory."""
    board.with_row(boards.row("Scoring and ledger"))
    board.with_panel(
        series(
            "Scorer cost",
            "percentunit",
            "Share of one core that each scorer takes. The sum near 100 %: scoring is the bottleneck; give the dear one a "
            "`rate`, or add a worker.",
            (rate("shadow_scorer_duration_seconds_sum", "scorer"), "{{scorer}}"),
        )
    )
    board.with_panel(
        series(
            "Time per case (P95)",
            "s",
            "One case of one scorer. Rising alone: longer answers, or its server is slow.",
            (f"job_scorer:shadow_scorer_duration_seconds:p95_5m{{{JOB}}}", "{{scorer}}"),
        )
    )
    board.with_panel(
        series(
            "Ledger transaction",
            "s",
            "P99 above 2 s: ShadowLedgerSlow; look at the disk and at locks of the database.",
            (f"job:shadow_commit_duration_seconds:p50_5m{{{JOB}}}", "P50"),
            (f"job:shadow_commit_duration_seconds:p99_5m{{{JOB}}}", "P99"),
        )
    )
    board.with_panel(
        series(
            "Transactions",
            "cps",
            "Each moves a partition's position. 0 beside a lag: ShadowIntakeStuck.",
            (rate("shadow_commits_total", "instance"), "{{instance}}"),
        )
    )
    board.with_panel(
        series(
            "CPU of the evaluator",
            "percentunit",
            "Share of one core. At 100 % with a lag: scoring or scrapes are too dear for one process.",
            (rate("process_cpu_seconds_total", "instance"), "{{instance}}"),
        )
    )
    board.with_panel(
        series(
            "Memory of the evaluator",
            "bytes",
            "Flat at any load, models of scorers included. Rising without end: restart it and open a bug.",
            (f"max by (instance) (process_resident_memory_bytes{{{JOB}}})", "{{instance}}"),
        )
    )


def known_row(board: d.Dashboard) -> None:
    """Records and cases whose result is known beforehand: without them silence could be death."""
    board.with_row(boards.row("Known cases"))
    board.with_panel(
        limits(
            series(
                "Age of known records",
                "s",
                "A heartbeat goes from intake to ledger every minute; `topic`: out of the mirrored topic too, where that is "
                "configured. Five minutes: ShadowKnownRecordLost.",
                (
                    f"time() - max by (instance, path) (shadow_known_record_timestamp_seconds{{{JOB}}})",
                    "{{instance}} {{path}}",
                ),
            ),
            (300, "red"),
        )
    )
    board.with_panel(
        limits(
            series(
                "Age of known answers",
                "s",
                "When each scorer last judged a known case as it should. One hour: ShadowKnownAnswerLost; it fails, or "
                "something else answers.",
                (
                    f"time() - max by (instance, scorer) (shadow_known_answer_timestamp_seconds{{{JOB}}})",
                    "{{instance}} {{scorer}}",
                ),
            ),
            (3600, "red"),
        )
    )
    board.with_panel(
        series(
            "Deviation on known cases",
            "percentunit",
            "Mean distance from what the scorer said when it was well. Above `anchors.tolerance` and rising evidence beside it: "
            "ShadowScorerDrifted is near.",
            (f"max by (scorer) (shadow_scorer_deviation_ratio{{{JOB}}})", "{{scorer}}"),
        )
    )
    board.with_panel(
        series(
            "Evidence that a scorer drifted",
            "none",
            "Natural logarithm; log(1/`anchors.alpha`) decides, 6.9 for 0.001 (ShadowScorerDrifted). Sinks slowly while all is "
            "well.",
            (f"max by (scorer) (shadow_scorer_drift_log_evalue{{{JOB}}})", "{{scorer}}"),
        )
    )
    board.with_panel(
        series(
            "Agreement with people on known cases",
            "percentunit",
            "Share of labelled cases that each scorer judges as people did, since its process began. Lower after a change of "
            "the scorer: go back.",
            (f"min by (scorer) (shadow_scorer_human_agreement_ratio{{{JOB}}})", "{{scorer}}"),
        )
    )
    board.with_panel(
        limits(
            series(
                "Scorer budgets",
                "percentunit",
                "Used share of the day (UTC). At 100 % answers stay unscored (ShadowScorerBudgetUsed): lower the scorer's "
                "`rate`. No line: none is configured.",
                (
                    f"max by (scorer, limit) (shadow_scorer_budget_used_ratio{{{JOB}}})",
                    "{{scorer}} {{limit}}",
                ),
            ),
            (1, "orange"),
        )
    )


def trouble_row(board: d.Dashboard) -> None:
    """Counters that stand still while all is well."""
    board.with_row(boards.row("Trouble (no data is good here)"))
    board.with_panel(
        series(
            "Dead letters by reason",
            "cps",
            "Records that cannot be used, with their reason. Above 1 %: ShadowDeadLetters; `shadow decode` explains one.",
            (rate("shadow_dead_letters_total", "reason"), "{{reason}}"),
        )
    )
    board.with_panel(
        series(
            "Scorer errors",
            "cps",
            "By class of error. Above 1 %: ShadowScorerErrors; those answers are unscored, never guessed.",
            (rate("shadow_scorer_errors_total", "scorer, kind"), "{{scorer}} {{kind}}"),
        )
    )
    board.with_panel(
        series(
            "Internal errors",
            "cps",
            "Each is a bug of Shadow (ShadowInternalErrors): the log has the traceback, without any prompt or answer.",
            (rate("shadow_internal_errors_total", "stage"), "{{stage}}"),
        )
    )
    board.with_panel(
        series(
            "Restarts",
            "short",
            "Restarts of the two processes by their parent. More than two in half an hour: ShadowProcessRestarting.",
            (f"max by (instance, process) (shadow_process_restarts_total{{{JOB}}})", "{{instance}} {{process}}"),
        )
    )
    board.with_panel(
        series(
            "Fenced batches",
            "cps",
            "Dropped because another worker owns the partition; done again by it. Steadily: ShadowFencedBatches.",
            (rate("shadow_fenced_batches_total", "instance"), "{{instance}}"),
        )
    )
    board.with_panel(
        series(
            "Label overflow",
            "cps",
            "Label values beyond their bound, counted under `other`. Steadily: routes are not a closed set; map them in the mirror.",
            (rate("shadow_label_overflow_total", "instance"), "{{instance}}"),
        )
    )
