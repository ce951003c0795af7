"""Candidate: one model beside the incumbent in the same window. Effects with intervals first, then what they are made of."""

from grafana_foundation_sdk.builders import dashboard as d

from grafana import boards, trends
from grafana.engine import engine_row
from grafana.overview import VERDICT_NOW
from grafana.panels import (
    CANDIDATE,
    GATE_STATES,
    JOB,
    VERDICTS,
    figure,
    limits,
    matrix,
    one_of,
    series,
    states,
)

GATE_NOW = one_of(
    "shadow_gate_state",
    CANDIDATE,
    "state",
    "job, candidate, gate",
    ("proven", "undecided", "uncalibrated", "not_evaluable", "violated"),
)


def build() -> d.Dashboard:
    """The dashboard."""
    board = boards.board(
        "shadow-candidate",
        "Candidate",
        "May this model be promoted? Intervals are valid at every look; a gate is violated only when its whole interval "
        "lies beyond the limit. Windowed lines (latency, failures, cost) are descriptive: they show when, the gates decide.",
    )
    board.with_variable(boards.candidate())
    board.with_variable(boards.route())
    board.with_variable(
        boards.variable(
            "gate", "Gate", "Gates that compare shares, drops or ratios.", f"shadow_gate_limit_ratio{{{CANDIDATE}}}"
        )
    )
    board.with_variable(
        boards.variable(
            "slo",
            "Latency limit",
            "Gates on a latency in seconds.",
            f"shadow_gate_limit_seconds{{{CANDIDATE}}}",
            "gate",
        )
    )
    board.with_variable(
        boards.variable("engine", "Engine", "Scrape jobs of the model servers.", "vllm:num_requests_running", "job")
    )
    _decision(board)
    _effects(board)
    trends.latency_row(board)
    trends.failures_row(board)
    trends.cost_row(board)
    engine_row(board)
    return board


def _decision(board: d.Dashboard) -> None:
    board.with_row(boards.row("Decision"))
    board.with_panel(
        figure(
            "Verdict",
            "none",
            "The word in force. Promote: every gate proven. Reject: take it out. Hold: the table of gates says what is open.",
            (VERDICT_NOW.replace(JOB, CANDIDATE), "{{candidate}}"),
            words=VERDICTS,
            span=6,
        )
    )
    board.with_panel(
        figure(
            "Paired calls",
            "short",
            "Calls that both sides answered, in this epoch. Not growing: ShadowNothingScored.",
            (f"max by (candidate) (shadow_pairs{{{CANDIDATE}}})", "{{candidate}}"),
        )
    )
    board.with_panel(
        figure(
            "Records to go",
            "short",
            "Until the slowest gate can be decided at the present rate of evidence. No data: nothing is open, or it cannot "
            "be foreseen. Too many: a wider margin or more traffic (`shadow plan`).",
            (f"max by (candidate) (shadow_records_to_go{{{CANDIDATE}}})", "{{candidate}}"),
            no_value="nothing is open",
        )
    )
    board.with_panel(
        figure(
            "Epoch began",
            "dateTimeFromNow",
            "Evidence counts from here. An epoch that is younger than expected: the candidate, a scorer or the sampling "
            "changed; the annotation and `shadow verdict` say what.",
            (f"1000 * max by (candidate) (shadow_epoch_started_timestamp_seconds{{{CANDIDATE}}})", "{{candidate}}"),
            span=5,
        )
    )
    board.with_panel(
        figure(
            "Availability",
            "percentunit",
            "Share of time the arm was up. A promotion asks for 99 %. Below: ShadowArmUnavailable.",
            (f'min by (arm) (shadow_arm_availability_ratio{{{JOB}, arm=~"$candidate"}})', "{{arm}}"),
            ((None, "red"), (0.99, "green")),
            span=5,
        )
    )


def _effects(board: d.Dashboard) -> None:
    board.with_row(boards.row("Effects with intervals (candidate against reference; larger is worse)"))
    board.with_panel(
        matrix(
            "Effects now",
            "none",
            "One row per candidate and gate: lower end, estimate, upper end and limit (shares: 0.01 is one percentage point; "
            "ratios: 1.3 is 30 % more). Violated: the lower end is above the limit. Proven: the upper end is below it.",
            f"label_join(max by (candidate, gate, bound) (shadow_effect_ratio{{{CANDIDATE}}} or shadow_effect_seconds{{{CANDIDATE}}} "
            f'or label_replace(shadow_gate_limit_ratio{{{CANDIDATE}}}, "bound", "limit", "", "") '
            f'or label_replace(shadow_gate_limit_seconds{{{CANDIDATE}}}, "bound", "limit", "", "")), "row", " / ", "candidate", "gate")',
            "row",
            "bound",
        )
    )
    board.with_panel(
        states(
            "Gates",
            "State of every gate. Violated: read the worst answers. Uncalibrated or not evaluable: the policy lacks data "
            "(a baseline arm, a price): `shadow check` says which.",
            (GATE_NOW, "{{candidate}} {{gate}}"),
            GATE_STATES,
        )
    )
    name = "{{candidate}}"
    effect = f'shadow_effect_ratio{{{CANDIDATE}, gate=~"$gate"'
    board.with_panel(
        series(
            "Effect on $gate",
            "none",
            "The interval (lower to upper) narrows with evidence. Bad only when the whole interval lies above the limit; "
            "inside the noise floor a difference is no difference.",
            (f'{effect}, bound="lower"}}', f"{name} lower"),
            (f'{effect}, bound="point"}}', f"{name} estimate"),
            (f'{effect}, bound="upper"}}', f"{name} upper"),
            (f'max by (gate) (shadow_gate_limit_ratio{{{CANDIDATE}, gate=~"$gate"}})', "limit"),
            (f'shadow_noise_floor_ratio{{{CANDIDATE}, gate=~"$gate"}}', f"{name} noise floor (A/A)"),
            floor=None,
        )
        .repeat("gate")
        .max_per_row(3)
    )
    slo = f'shadow_effect_seconds{{{CANDIDATE}, gate=~"$slo"'
    board.with_panel(
        series(
            "Latency against $slo",
            "s",
            "The quantile that the gate limits, with its interval. Violated when the lower end is above the limit.",
            (f'{slo}, bound="lower"}}', f"{name} lower"),
            (f'{slo}, bound="point"}}', f"{name} estimate"),
            (f'{slo}, bound="upper"}}', f"{name} upper"),
            (f'max by (gate) (shadow_gate_limit_seconds{{{CANDIDATE}, gate=~"$slo"}})', "limit"),
        )
        .repeat("slo")
        .max_per_row(3)
    )
    board.with_panel(
        limits(
            series(
                "Evidence against",
                "none",
                "Natural logarithm of the evidence that a gate is violated. Above 2.3 (ten to one): ShadowCandidateEvidence"
                "Mounting. At log(1/alpha), 3.0 for 5 %, it is enough. Steady: look at the answers; a jump: look at that time.",
                (f'shadow_log_evalue{{{CANDIDATE}, hypothesis="bad"}}', f"{name} {{{{gate}}}}"),
                floor=None,
            ),
            (2.303, "orange"),
            (2.996, "red"),
        )
    )
    board.with_panel(
        limits(
            series(
                "Evidence for",
                "none",
                "Natural logarithm of the evidence that a gate is kept; every gate has to reach log(1/alpha) once. Flat: the "
                "candidate lies at its margin, or there is no traffic.",
                (f'shadow_log_evalue{{{CANDIDATE}, hypothesis="ok"}}', f"{name} {{{{gate}}}}"),
                floor=None,
            ),
            (2.996, "green"),
        )
    )
    board.with_panel(
        limits(
            series(
                "Change since the epoch began",
                "percentunit",
                "Detector of a change for the worse, as a share of its alarm level. Rising for minutes: something was deployed "
                "or the traffic changed; at 100 % the candidate is held: ShadowCandidateWorseThanBefore.",
                (f"shadow_change_level_ratio{{{CANDIDATE}}}", f"{name} {{{{metric}}}}"),
            ),
            (0.5, "orange"),
            (1.0, "red"),
        )
    )
    board.with_panel(
        series(
            "Utility and its terms",
            "none",
            "Weighted sum of quality, cost and robustness against the incumbent; a promotion asks that its lower end is "
            "above 0. No data: the policy has no utility. A hard gate is never bought with it.",
            (f"shadow_utility{{{CANDIDATE}}}", f"{name} utility {{{{bound}}}}"),
            (f'shadow_utility_term{{{CANDIDATE}, bound="point"}}', f"{name} {{{{term}}}}"),
            floor=None,
        )
    )
