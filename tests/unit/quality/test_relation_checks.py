"""Bounds, order, rates and replaced things: each rule with the change that it is for and the rewording that it must bear."""

from pathlib import Path

import pytest

from bench.labelled import families, pairs
from scorers import registry, wordnet
from scorers.base import Case, Reply, Score
from scorers.running import run_scorer

EQUIVALENTS = Path(__file__).with_name("equivalents.txt")


def categories(a: str, b: str, prompt: str = "?") -> set[str]:
    case = Case(id="1", prompt=prompt, incumbent=Reply(text=a), candidate=Reply(text=b))
    [score] = run_scorer(registry.build("checks", {}), [case])
    assert isinstance(score, Score)
    return {f.category for f in score.findings if f.category != "substitution"} if score.label != "equal" else set()


@pytest.mark.parametrize(
    ("a", "b", "category"),
    [
        ("Keep the sample for at least four weeks.", "The sample may stay with us for up to four weeks.", "antonym"),
        ("Trucks under 7 tonnes may cross the bridge.", "The bridge is open for trucks over 7 tonnes.", "antonym"),
        ("Take the tablet before breakfast.", "It is best to have your tablet after breakfast.", "antonym"),
        ("We pay you 40 euros per week.", "You will get 40 euros from us every month.", "unit"),
        ("The backup runs daily on the first node.", "On the first node we make a backup each week.", "unit"),
        (
            "The captain took the first boat and the surgeon took the second boat across the lake.",
            "The captain took the first boat and the captain took the second boat across the lake.",
            "swap",
        ),
        (
            "Pour the acid into the water while stirring, never the water into the acid.",
            "Pour the water into the acid while stirring, never the acid into the water.",
            "swap",
        ),
    ],
)
def test_a_turned_relation_is_objected_to(a: str, b: str, category: str) -> None:
    assert category in categories(a, b)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (
            "Your consent is needed unless notice is at least four days.",
            "With fewer than four days' notice, you must consent.",
        ),
        ("Do not exceed 1,200 mg in 24 hours.", "Take at most 1200 mg in 24 hours."),
        ("Wait for 15 minutes.", "Wait for a quarter of an hour."),
        ("It lasts 90 minutes in all.", "In all it lasts an hour and a half."),
        ("You may repay 10% of the loan.", "A tenth of the loan may be repaid by you."),
        ("We bill you monthly.", "You get a bill from us every month."),
        ("Rooms are ready from 3 p.m. You can leave bags.", "Rooms are ready from 15:00. You can leave bags."),
        (
            "Store it in the fridge until the day you need it.",
            "Store it in the refrigerator until the day you need it.",
        ),
    ],
)
def test_the_same_in_other_words_is_not(a: str, b: str) -> None:
    assert not categories(a, b)


def test_the_word_list_knows_meanings_poles_and_kinds() -> None:
    assert wordnet.same_meaning("remains", "stay")
    assert wordnet.opposed("severe", "mild")
    assert not wordnet.opposed("severe", "strong")
    assert wordnet.wider_or_narrower("fridge", "refrigerator")
    assert wordnet.rarely_noun("loosen")
    assert not wordnet.rarely_noun("council")


def test_equivalent_statements_are_not_flagged() -> None:
    lines = [line for line in EQUIVALENTS.read_text("utf-8").split("\n") if line and not line.startswith("#")]
    asked = [line.split("|") for line in lines]
    cases = [
        Case(id=a, prompt="Please tell me about it.", incumbent=Reply(text=a), candidate=Reply(text=b))
        for a, b in asked
    ]
    results = run_scorer(registry.build("agreement", {"similarity": "off"}), cases)
    flagged = [
        case.id for case, r in zip(cases, results, strict=True) if not isinstance(r, Score) or r.label == "flagged"
    ]

    assert len(cases) > 120
    assert flagged == []


def test_families_hold_both_labels_of_the_same_wording() -> None:
    rows = families.rows()

    assert len({row["id"] for row in rows}) == len(rows) > 240
    assert {row["domain"] for row in rows} >= {"kitchen", "banking", "pharmacy", "devops", "hotel", "chemistry"}
    for prompt in {row["prompt"] for row in rows}:
        assert {row["label"] for row in rows if row["prompt"] == prompt} == {0, 1}


def test_families_are_told_apart_without_a_model() -> None:
    rows = families.rows()
    results = run_scorer(registry.build("agreement", {"similarity": "off"}), pairs.cases_of(rows))
    flagged = [
        (isinstance(r, Score) and r.label == "flagged", row["label"]) for r, row in zip(results, rows, strict=True)
    ]

    assert sum(flag for flag, label in flagged if label == 1) <= 0.05 * sum(label for _, label in flagged)
    assert sum(flag for flag, label in flagged if label == 0) >= 0.65 * sum(1 - label for _, label in flagged)
