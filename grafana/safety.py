"""Safety: what the answers of each arm gave away, obeyed or refused; hard gates with their intervals."""

from grafana_foundation_sdk.builders import dashboard as d

from grafana import boards
from grafana.candidate import GATE_NOW
from grafana.panels import ARM, CANDIDATE, GATE_STATES, JOB, grid, limits, matrix, rate, series, stacked, states

SAFE = "/safe|violation|leak|refus|inject|jailbreak|toxic/i"
HARD = f'{CANDIDATE}, gate=~"$gate"'


def build() -> d.Dashboard:
    """The dashboard."""
    board = boards.board(
        "shadow-safety",
        "Safety",
        "Does a candidate leak, obey injections, comply where the incumbent refused, or speak toxically, more often than "
        "allowed? No user has read any of these answers. A safety gate cannot be bought with utility.",
    )
    board.with_variable(boards.candidate())
    board.with_variable(
        boards.variable(
            "gate", "Safety gate", "Gates whose id speaks of safety.", f"shadow_gate_state{{{CANDIDATE}}}", regex=SAFE
        )
    )
    board.with_variable(boards.variable("scorer", "Scorer", "Scorers to show.", f"shadow_score_labels_total{{{ARM}}}"))
    _gates(board)
    _findings(board)
    _words(board)
    return board


def _gates(board: d.Dashboard) -> None:
    board.with_row(boards.row("Safety gates"))
    board.with_panel(
        states(
            "Safety gates",
            "Violated is proven, on paired production traffic: read five of the answers (link above), then reject, or report "
            "a scorer that finds what is not there (ShadowCandidateSafetyViolated).",
            (GATE_NOW.replace(CANDIDATE, HARD), "{{candidate}} {{gate}}"),
            GATE_STATES,
        )
    )
    board.with_panel(
        matrix(
            "Effects on safety now",
            "percentunit",
            "Excess of violations against the incumbent (or their share, for absolute limits) with interval and limit. "
            "Violated: the lower end lies above the limit.",
            f"label_join(max by (candidate, gate, bound) (shadow_effect_ratio{{{HARD}}} "
            f'or label_replace(shadow_gate_limit_ratio{{{HARD}}}, "bound", "limit", "", "")), "row", " / ", "candidate", "gate")',
            "row",
            "bound",
        )
    )
    name = "{{candidate}}"
    effect = f'shadow_effect_ratio{{{CANDIDATE}, gate=~"$gate"'
    board.with_panel(
        series(
            "Effect on $gate",
            "percentunit",
            "The interval against the limit. A lower end above the limit is a violation; one that only touches it is not.",
            (f'{effect}, bound="lower"}}', f"{name} lower"),
            (f'{effect}, bound="point"}}', f"{name} estimate"),
            (f'{effect}, bound="upper"}}', f"{name} upper"),
            (f"max by (gate) (shadow_gate_limit_ratio{{{HARD}}})", "limit"),
            span=12,
            floor=None,
        )
        .repeat("gate")
        .max_per_row(2)
    )
    board.with_panel(
        limits(
            series(
                "Evidence against, safety gates",
                "none",
                "A safety gate pages on its own evidence, at log(1/alpha), 3.0 for 5 %. From 2.3 on: look at the answers.",
                (f'shadow_log_evalue{{{HARD}, hypothesis="bad"}}', f"{name} {{{{gate}}}}"),
                span=12,
                floor=None,
            ),
            (2.303, "orange"),
            (2.996, "red"),
        )
    )
    board.with_panel(
        grid(
            "Alarms",
            "none",
            "Candidates with an active alarm: a crossed gate, or a change for the worse lately. Look at their answers now.",
            f'max by (candidate, hold) (shadow_hold{{{CANDIDATE}, hold="alarm"}}) == 1',
            {"candidate": "Candidate", "hold": "Reason"},
            no_value="none",
        )
    )


def _findings(board: d.Dashboard) -> None:
    board.with_row(boards.row("Findings"))
    found = f'{ARM}, scorer=~"$scorer"'
    board.with_panel(
        stacked(
            "Findings by category",
            "cps",
            "Findings a second in answers. A category that only the candidate has: read those answers. All arms alike: the "
            "requests provoke it, or the scorer errs.",
            (rate("shadow_findings_total", "arm, scorer, category", found), "{{arm}} {{scorer}} {{category}}"),
        )
    )
    board.with_panel(
        series(
            "Findings per answered call",
            "percentunit",
            "Beside the incumbent's and the baseline's, which answer the same requests. An answer with two findings counts "
            "twice here; the gate counts it once.",
            (
                f"{rate('shadow_findings_total', 'job, arm, scorer', found)} / on (job, arm) group_left () "
                + rate("shadow_requests_total", "job, arm", f'{ARM}, outcome="ok"'),
                "{{arm}} {{scorer}}",
            ),
        )
    )
    board.with_panel(
        series(
            "Mean score of the epoch",
            "percentunit",
            "Cumulative and descriptive; 1 is best. It shows direction; a mean hides tails, so the gates decide.",
            (f'shadow_arm_score_mean_ratio{{{ARM}, scorer=~"$scorer"}}', "{{arm}} {{scorer}}"),
        )
    )


def _words(board: d.Dashboard) -> None:
    board.with_row(boards.row("What the scorers said"))
    said = f'{JOB}, arm=~"incumbent|baseline|$candidate", scorer=~"$scorer"'
    board.with_panel(
        stacked(
            "Verdict words",
            "cps",
            "refusal: over-refusal and lost refusals both show here. A share that moves without a new epoch: the traffic "
            "changed, or a provider its model (ShadowCandidateDrift).",
            (rate("shadow_score_labels_total", "arm, scorer, label", said), "{{arm}} {{scorer}} {{label}}"),
        )
    )
    board.with_panel(
        series(
            "The worst tenth (P10 of scores)",
            "percentunit",
            "The score that one answer in ten falls below, over five minutes. Means hide this; users remember it.",
            (f'job_arm_scorer:shadow_score_ratio:p10_5m{{{ARM}, scorer=~"$scorer"}}', "{{arm}} {{scorer}}"),
        )
    )
    board.with_panel(
        series(
            "Unscored answers",
            "cps",
            "What a scorer had nothing to judge in, by its reason. Most of them: that scorer is blind on this traffic and its "
            "gate rests on the rest.",
            (rate("shadow_unscored_total", "arm, scorer, reason", said), "{{arm}} {{scorer}} {{reason}}"),
        )
    )
