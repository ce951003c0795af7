"""What a person sees: terminal table and pull request comment."""

import dataclasses
import math

from shadow.settings import Policy
from shadow.verdict import words
from shadow.verdict.result import GateResult, Hold, UtilityTerm, Verdict
from shadow.verdict.table import markdown, text

GATE = GateResult(
    id="safety", kind="risk_difference", metric="violation", hard=True, state="violated", limit=0.005,
    lower=0.0076, point=0.0132, upper=0.019, n=12_000,
)  # fmt: skip
VERDICT = Verdict(candidate="cand-b", word="reject", n=12_000, sentence="Reject it: | because.", gates=(GATE,))


def test_the_table_says_verdict_sentence_gate_and_bounds() -> None:
    shown = text(VERDICT, Policy(), width=140)

    assert "cand-b: REJECT after 12,000 records" in shown
    assert "✘ violated" in shown
    assert "unsafe answers ≤ +0.5 points" in shown
    assert "+1.32 points" in shown
    assert "+0.76 to +1.9 points" in shown


def test_the_comment_is_a_table_that_no_name_can_break() -> None:
    shown = markdown(dataclasses.replace(VERDICT, sentence="a | b <script>"))

    assert "| ✘ violated | **safety** (hard) |" in shown
    assert "a \\| b &lt;script>" in shown
    assert "[" not in shown


def test_holds_and_utility_are_listed() -> None:
    verdict = Verdict(
        candidate="c", word="hold", n=3, sentence="Wait.",
        holds=(Hold(reason="too_early", detail="one"), Hold(reason="stale", detail="two")),
        utility=(UtilityTerm(name="quality", lower=-0.1, point=-0.05, upper=0.1),), utility_point=0.2,
    )  # fmt: skip

    assert "- `stale`: two" in markdown(verdict)
    assert "quality -0.050" in text(verdict)
    assert "stale: two" in text(verdict)


def test_a_gate_without_data_shows_its_reason() -> None:
    gate = dataclasses.replace(GATE, state="not_evaluable", lower=None, point=None, upper=None, n=0, reason="no prices")

    assert "no prices" in text(dataclasses.replace(VERDICT, gates=(gate,)), width=140)


def test_numbers_are_shown_in_the_gates_unit() -> None:
    def shown(kind: str, number: float | None) -> str:
        return words.value(dataclasses.replace(GATE, kind=kind), number)

    assert [shown("rate", 0.0126), shown("quantile", 0.25), shown("quantile", 2.5)] == ["1.26 %", "250 ms", "2.5 s"]
    assert [shown("quantile_ratio", math.inf), shown("quantile_ratio", 1.23456)] == ["∞", "1.23x"]
    assert [shown("mean_drop", 0.0405), shown("rate", None)] == ["+0.0405", "–"]


def test_counts_are_rounded_to_what_is_known_of_them() -> None:
    assert words.records(1) == "1 more record"
    assert words.records(47) == "47 more records"
    assert words.records(12_345) == "13,000 more records"
    assert words.waiting(1000, 2000.0) == "about 1,000 more records (12 hours at this traffic)"
    assert words.waiting(10_000, 100.0).endswith("(100 days at this traffic)")
    assert words.waiting(5, 1e6).endswith("(0 minutes at this traffic)")


def test_names_are_listed_as_prose() -> None:
    assert [words.listed(names) for names in ([], ["a"], ["a", "b", "c"])] == ["", "a", "a, b and c"]
