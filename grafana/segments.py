"""Segments: is it worse everywhere, or on one route only?"""

from grafana_foundation_sdk.builders import dashboard as d

from grafana import boards
from grafana.panels import (
    ARM,
    CANDIDATE,
    JOB,
    SEGMENT_STATES,
    figure,
    limits,
    one_of,
    rate,
    series,
    share,
    stacked,
    states,
)

ROUTED = f'{ARM}, route=~"$route"'


def build() -> d.Dashboard:
    """The dashboard."""
    board = boards.board(
        "shadow-segments",
        "Segments",
        "A mean over all traffic hides a route on which a candidate fails. Shadow decides on every segment (corrected for "
        "their number) and shows which on its own page; here are counts of segments, and trends per route.",
    )
    board.with_variable(boards.candidate())
    board.with_variable(boards.route())
    _counts(board)
    _states(board)
    _routes(board)
    return board


def _counts(board: d.Dashboard) -> None:
    board.with_row(boards.row("Segments by their own verdict"))
    for word, steps, about in (
        (
            "reject",
            ((None, "green"), (1, "red")),
            "Worse there, proven. Open its page: which segments are they, what do those answers say?",
        ),
        (
            "hold",
            ((None, "text"),),
            "Segments without enough evidence. Small ones may never have it; `shadow plan` says how long.",
        ),
        (
            "promote",
            ((None, "text"), (1, "green")),
            "Segments on which every gate is proven. None yet: wait, segments are small.",
        ),
    ):
        board.with_panel(
            figure(
                f"Segments: {word}",
                "short",
                about,
                (f'max by (candidate) (shadow_segments{{{CANDIDATE}, verdict="{word}"}})', "{{candidate}}"),
                steps,
                span=5,
                no_value="no segments",
            )
        )
    board.with_panel(
        series(
            "Segments over time",
            "short",
            "More rejected segments while the whole is held: the harm is local. Decide whether that route matters.",
            (f"max by (candidate, verdict) (shadow_segments{{{CANDIDATE}}})", "{{candidate}} {{verdict}}"),
            span=9,
        )
    )


SEGMENT_NOW = one_of(
    "shadow_segment_state", CANDIDATE, "state", "job, candidate, segment", ("not_worse", "insufficient", "worse")
)


def _states(board: d.Dashboard) -> None:
    board.with_row(boards.row("Segments by name (corrected for how many there are)"))
    board.with_panel(
        states(
            "State of every segment",
            "Worse: beyond a margin on that segment, at a false discovery rate of 5 % over all segments. Insufficient "
            "evidence is no good news. Worse and alarm: ShadowCandidateSegmentWorse.",
            (SEGMENT_NOW, "{{candidate}} {{segment}}"),
            SEGMENT_STATES,
        )
    )
    board.with_panel(
        series(
            "Segment alarms",
            "short",
            "Segments whose alarm was raised: proven worse even counting every look. It stands until the epoch ends; read "
            "the answers of that segment.",
            (
                f"sum by (candidate) (max by (candidate, segment) (shadow_segment_alarm{{{CANDIDATE}}}))",
                "{{candidate}}",
            ),
            span=9,
        )
    )


def _routes(board: d.Dashboard) -> None:
    board.with_row(boards.row("Routes"))
    board.with_panel(
        stacked(
            "Traffic by route",
            "reqps",
            "Mirrored and replayed calls of the incumbent by route. A mix that moves: mix_drift holds candidates "
            "(ShadowCandidateDrift).",
            (rate("shadow_requests_total", "route", f'{JOB}, arm="incumbent", route=~"$route"'), "{{route}}"),
        )
    )
    failed = rate("shadow_requests_total", "job, arm, route", f'{ROUTED}, outcome!~"ok|unavailable|rate_limited"')
    board.with_panel(
        limits(
            series(
                "Failed share by route",
                "percentunit",
                "A route that fails alone: its requests (length, tools, format), not the server. Look at the kinds on Candidate.",
                (share(failed, rate("shadow_requests_total", "job, arm, route", ROUTED)), "{{arm}} {{route}}"),
            ),
            (0.01, "orange"),
        )
    )
    board.with_panel(
        series(
            "P95 latency by route",
            "s",
            "Compare each route with the incumbent's line of the same route. Slow on long prompts only: prefill.",
            (f"job_arm_route:shadow_request_duration_seconds:p95_5m{{{ROUTED}}}", "{{arm}} {{route}}"),
        )
    )
    board.with_panel(
        series(
            "P95 time to first token by route",
            "s",
            "What a user of that route would wait before anything appears.",
            (f"job_arm_route:shadow_time_to_first_token_seconds:p95_5m{{{ROUTED}}}", "{{arm}} {{route}}"),
        )
    )
    board.with_panel(
        series(
            "P95 time per output token by route",
            "s",
            "Differences between routes at the same model: batch sizes and lengths.",
            (f"job_arm_route:shadow_time_per_output_token_seconds:p95_5m{{{ROUTED}}}", "{{arm}} {{route}}"),
        )
    )
    answered = rate("shadow_requests_total", "arm, route", f'{ROUTED}, outcome="ok"')
    board.with_panel(
        series(
            "Cost of a thousand calls by route",
            "currencyUSD",
            "Where the money goes. A route that is dear with one arm only: longer answers there.",
            (f"1000 * {rate('shadow_cost_usd_total', 'arm, route', ROUTED)} / {answered}", "{{arm}} {{route}}"),
        )
    )
    board.with_panel(
        series(
            "Output tokens per answer by route",
            "short",
            "Longer than the incumbent's on one route: a template or a limit that does not fit it.",
            (
                rate("shadow_tokens_total", "arm, route", f'{ROUTED}, direction="output"') + f" / {answered}",
                "{{arm}} {{route}}",
            ),
        )
    )
    board.with_panel(
        series(
            "Cut answers by route",
            "percentunit",
            "Share of answers cut by an output limit. Cut more than the incumbent's: quality suffers for a reason that is "
            "no fault of the model.",
            (share(rate("shadow_truncated_total", "arm, route", ROUTED), answered), "{{arm}} {{route}}"),
        )
    )
