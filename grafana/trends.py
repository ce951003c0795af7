"""Windowed rows of the dashboard Candidate: latency, failures, cost. Descriptive: they show when, the gates decide."""

from grafana_foundation_sdk.builders import dashboard as d

from grafana import boards
from grafana.panels import ARM, JOB, limits, matrix, rate, series, share, stacked

ROUTED = f'{ARM}, route=~"$route"'


def latency_row(board: d.Dashboard) -> None:
    """How long answers take, beside the incumbent in the same window."""
    board.with_row(boards.row("Latency against the incumbent in the same window"))
    for title, metric, about in (
        (
            "Latency",
            "shadow_request_duration_seconds",
            "Whole answer, client side. Compare with `baseline` (same client, same moment) where there is one; the "
            "incumbent's is as recorded. 1.5 times for 15 minutes: ShadowCandidateLatencyRegression.",
        ),
        (
            "Time to first token",
            "shadow_time_to_first_token_seconds",
            "First output of any kind. Worse here alone: queueing or prefill; look at the engine's waiting requests.",
        ),
        (
            "Time per output token",
            "shadow_time_per_output_token_seconds",
            "Worse here alone: decoding; too many running requests, a larger model, or a shared GPU.",
        ),
    ):
        lines = [(f"job_arm:{metric}:{q.lower()}_5m{{{ARM}}}", f"{{{{arm}}}} {q}") for q in ("P50", "P95", "P99")]
        board.with_panel(series(title, "s", about, *lines))
    board.with_panel(
        limits(
            series(
                "P95 as a multiple of the incumbent's",
                "none",
                "Against the recorded latency in the same five minutes. Above the line: which of the panels above moved?",
                (
                    f'job_arm:shadow_request_duration_seconds:p95_5m{{{JOB}, arm=~"baseline|$candidate"}} / on (job) group_left () '
                    f'sum by (job) (job_arm:shadow_request_duration_seconds:p95_5m{{{JOB}, arm="incumbent"}})',
                    "{{arm}}",
                ),
            ),
            (1.5, "orange"),
        )
    )
    board.with_panel(
        matrix(
            "Quantiles of the epoch",
            "s",
            "Cumulative latency quantiles, within 1 %. These are what the latency gates rest on.",
            f"max by (arm, q) (shadow_arm_latency_seconds{{{ARM}}})",
            "arm",
            "q",
            span=8,
        )
    )
    board.with_panel(
        series(
            "Waiting inside Shadow before the send (P95)",
            "s",
            "No part of any latency above. Long: `replay.concurrency` is the bottleneck; raise it if the server has room.",
            (f"job_arm:shadow_queue_wait_seconds:p95_5m{{{ARM}}}", "{{arm}}"),
        )
    )


def failures_row(board: d.Dashboard) -> None:
    """What fails, by kind, against the budget."""
    board.with_row(boards.row("Failures"))
    failed = f'{ROUTED}, outcome!~"ok"'
    board.with_panel(
        stacked(
            "Failures by kind",
            "reqps",
            "timeout and http_5xx: the server. empty and incomplete: the engine or template. rate_limited and unavailable "
            "are capacity and outages, no evidence against the model. context_length, http_4xx: requests it refuses.",
            (rate("shadow_requests_total", "arm, outcome", failed), "{{arm}} {{outcome}}"),
        )
    )
    board.with_panel(
        limits(
            series(
                "Failed share (5 min and 1 h)",
                "percentunit",
                "The two windows of ShadowCandidateFailureBurn; it fires where both pass the line (14.4 times the budget of 1 %).",
                (f"job_arm:shadow_failures:ratio_rate5m{{{ARM}}}", "{{arm}} 5m"),
                (f"job_arm:shadow_failures:ratio_rate1h{{{ARM}}}", "{{arm}} 1h"),
            ),
            (0.144, "red"),
        )
    )
    calls = rate("shadow_requests_total", "job, arm", ROUTED)
    bad = (
        ("retries", rate("shadow_retries_total", "job, arm", ARM)),
        ("cut", rate("shadow_truncated_total", "job, arm", ROUTED)),
        ("cut by us", rate("shadow_limited_by_us_total", "job, arm", ARM)),
        ("outages", rate("shadow_spells_total", "job, arm", ARM)),
    )
    board.with_panel(
        series(
            "Retries, cut answers, outages",
            "percentunit",
            "Shares of calls. Many retries: an unstable server. Cut more often than the incumbent: it talks too much, or a "
            "limit of ours is too low (`replay.max_output_tokens`). Outages: one per spell, however many calls it cost.",
            *((share(events, calls), f"{{{{arm}}}} {word}") for word, events in bad),
        )
    )


def cost_row(board: d.Dashboard) -> None:
    """What answers cost, and in which tokens."""
    board.with_row(boards.row("Cost"))
    answered = f'{ROUTED}, outcome="ok"'
    calls = rate("shadow_requests_total", "arm", answered)
    board.with_panel(
        series(
            "Cost of a thousand calls",
            "currencyUSD",
            "By the price sheets in force. Dearer than expected: the price sheet first, then the tokens beside it. Acceptable: "
            "what all calls cost by the answers that neither failed nor violated, over the whole epoch and all routes.",
            (
                f"1000 * {rate('shadow_cost_usd_total', 'arm', ROUTED)} / {rate('shadow_requests_total', 'arm', answered)}",
                "{{arm}}",
            ),
            (f"max by (arm) (shadow_arm_cost_per_1k_acceptable_answers_usd{{{ARM}}})", "{{arm}} acceptable"),
        )
    )
    board.with_panel(
        series(
            "Tokens per answer",
            "short",
            "Output tokens per answered call. A model that talks more costs more and takes longer at the same price.",
            (
                f"{rate('shadow_tokens_total', 'arm, direction', ROUTED)} / on (arm) group_left () "
                f"{rate('shadow_requests_total', 'arm', answered)}",
                "{{arm}} {{direction}}",
            ),
        )
    )
    board.with_panel(
        series(
            "Answers of unknown cost or usage",
            "percentunit",
            "Share of answered calls without a price or token count: they are in no cost figure. A gate on cost is then "
            "`not_evaluable`: add the price, or let the server report usage.",
            (share(rate("shadow_cost_unknown_total", "arm", ARM), calls), "{{arm}} cost"),
            (share(rate("shadow_usage_unknown_total", "arm", ARM), calls), "{{arm}} usage"),
        )
    )
