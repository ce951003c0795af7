"""Overview: what a person on call looks at first. Is the monitor itself well, what is wrong, since when?"""

from grafana_foundation_sdk.builders import dashboard as d

from grafana import boards
from grafana.panels import (
    ARM_STATES,
    JOB,
    LOWER_IS_FINE,
    VERDICTS,
    figure,
    grid,
    limits,
    one_of,
    rate,
    series,
    stacked,
    states,
)

VERDICT_NOW = one_of("shadow_verdict", JOB, "verdict", "job, candidate", ("hold", "promote", "reject"))
ARM_NOW = one_of("shadow_arm_state", JOB, "state", "job, arm", ("up", "warming", "paused", "stopped", "down"))
FIRING = 'sum by (alertname, severity, candidate, job) (ALERTS{alertname=~"Shadow.+", alertstate="firing"})'


def build() -> d.Dashboard:
    """The dashboard."""
    board = boards.board(
        "shadow-overview",
        "Overview",
        "For on-call. Users never see a candidate and never wait for one: nothing here is about users being hurt. "
        "Top to bottom: what is firing, what is decided, is the monitor itself well, what became of the traffic.",
    )
    _decided(board)
    _well(board)
    _coverage(board)
    return board


def _decided(board: d.Dashboard) -> None:
    verdict = figure(
        "Verdict",
        "none",
        "The word in force per candidate. Reject: take the candidate out (runbook ShadowCandidateRejected). Hold: see why "
        "it is held. No data: nobody decides (ShadowNobodyDecides) or the monitor is gone (ShadowAbsent).",
        (VERDICT_NOW, "{{candidate}}"),
        words=VERDICTS,
        span=8,
    )
    page = d.DashboardLink("Open the candidate").url(
        "/d/shadow-candidate?var-candidate=${__field.labels.candidate}&var-job=${__field.labels.job}&${__url_time_range}"
    )
    board.with_row(boards.row("What is wrong, what is decided, since when"))
    board.with_panel(
        grid(
            "Firing alerts",
            "none",
            "Shadow's alerts that fire now. Critical ones first: they mean blindness, so nothing below can be trusted until "
            "they are gone. Each alert links its runbook.",
            FIRING,
            {"severity": "Severity", "alertname": "Alert", "candidate": "Candidate", "job": "Deployment"},
            span=10,
            no_value="none",
        ).height(5)
    )
    board.with_panel(verdict.data_links([page]))
    board.with_panel(
        figure(
            "In force since",
            "dateTimeFromNow",
            "When the present verdict came into force. A recent change: look at the annotation on the panels below.",
            (f"1000 * max by (job, candidate) (shadow_verdict_since_timestamp_seconds{{{JOB}}})", "{{candidate}}"),
            span=6,
        )
    )
    board.with_panel(
        states(
            "Verdicts over time",
            "Evidence latches: a rejection stands for its epoch. Going to and fro comes from circumstances "
            "(ShadowCandidateFlapping), not from evidence.",
            (VERDICT_NOW, "{{candidate}}"),
            VERDICTS,
        )
    )
    board.with_panel(
        grid(
            "Why it is held",
            "none",
            "Reasons that stand between a candidate and a promotion. undecided: wait, see records to go. stale or "
            "unavailable: operations. uncalibrated or not_evaluable: the configuration (shadow check). alarm: look now.",
            f"max by (candidate, hold) (shadow_hold{{{JOB}}}) == 1",
            {"candidate": "Candidate", "hold": "Reason"},
            no_value="nothing is held",
        )
    )


def _well(board: d.Dashboard) -> None:
    board.with_row(boards.row("Is the monitor itself well"))
    age, red = "s", ((None, "green"), (300, "orange"), (900, "red"))
    board.with_panel(
        figure(
            "Age of the newest score",
            age,
            "Over 15 minutes: every verdict is old (ShadowNothingScored). Look at lag and at what became of the records.",
            (f"time() - max by (job) (shadow_last_scored_timestamp_seconds{{{JOB}}})", ""),
            red,
        )
    )
    board.with_panel(
        figure(
            "Age of the last look",
            age,
            "The monitor looks every second. Over two minutes: all gauges of the ledger are frozen (ShadowMonitorStale).",
            (f"time() - max by (job) (shadow_snapshot_timestamp_seconds{{{JOB}}})", ""),
            ((None, "green"), (30, "orange"), (120, "red")),
        )
    )
    board.with_panel(
        figure(
            "Who decides",
            "none",
            "Processes that hold the monitor's lease: exactly one per deployment. 0: ShadowNobodyDecides.",
            (f"sum by (job) (shadow_leader{{{JOB}}})", ""),
            ((None, "red"), (1, "green"), (2, "orange")),
        )
    )
    board.with_panel(
        figure(
            "Unaccounted records",
            "short",
            "Read minus the sum of dispositions. Anything but 0: trust no verdict (ShadowRecordsUnaccounted).",
            (f"max by (job) (abs(shadow_ledger_residual_records{{{JOB}}}))", ""),
            LOWER_IS_FINE,
        )
    )
    board.with_panel(
        figure(
            "Records waiting",
            "short",
            "Lag behind the end of the topic. Growing: ShadowLagGrowing; not moving at all: ShadowIntakeStuck.",
            (f"sum by (job) (max by (job, topic, partition) (shadow_partition_lag_records{{{JOB}}}))", ""),
            ((None, "green"), (1000, "orange"), (100000, "red")),
        )
    )
    board.with_panel(
        figure(
            "Needs a person",
            "short",
            "Things that only a person can settle. `shadow status` and Shadow's first page name them in sentences.",
            (f"max by (job) (shadow_needs_person{{{JOB}}})", ""),
            ((None, "green"), (1, "orange")),
        )
    )
    board.with_panel(
        states(
            "Arms",
            "Each arm's state. Down: its calls count for nothing until it is back (ShadowArmDown). Warming for long: the "
            "intake waits for it (ShadowArmNeverUp).",
            (ARM_NOW, "{{arm}}"),
            ARM_STATES,
        )
    )
    board.with_panel(
        limits(
            series(
                "Failed share of calls",
                "percentunit",
                "Final failures per arm, outages and lack of capacity left out. The incumbent's line is production's own: if "
                "it rises, production has a problem and its own alerts speak. Dashed: the budget of 1 %.",
                (f"job_arm:shadow_failures:ratio_rate5m{{{JOB}}}", "{{arm}}"),
                span=12,
            ),
            (0.01, "orange"),
        )
    )


def _coverage(board: d.Dashboard) -> None:
    board.with_row(boards.row("Coverage and freshness"))
    board.with_panel(
        stacked(
            "What became of the records",
            "reqps",
            "Every record ends in exactly one disposition. Nothing at all: ShadowMirrorSilent. No scored ones: "
            "ShadowNothingSampled. Many invalid or not_replayable: ShadowMirrorUnreadable.",
            (rate("shadow_records_total", "disposition"), "{{disposition}}"),
        )
    )
    board.with_panel(
        series(
            "Scored share of what was read",
            "percentunit",
            "How much of production the evidence covers. A drop without a change of sampling: look at the panel beside it.",
            (
                rate("shadow_records_total", "job", f'{JOB}, disposition="scored"')
                + " / "
                + rate("shadow_records_total", "job"),
                "scored",
            ),
        )
    )
    board.with_panel(
        series(
            "From production to evidence",
            "s",
            "From the production timestamp to the ledger. Above 15 minutes: ShadowEvidenceLate.",
            (f"job:shadow_pair_delay_seconds:p50_5m{{{JOB}}}", "P50"),
            (f"job:shadow_pair_delay_seconds:p95_5m{{{JOB}}}", "P95"),
        )
    )
