"""Each check objects to what it is for, and to nothing else."""

import pytest

from scorers.base import Case, Reply
from scorers.checks import Checks, examine
from scorers.objections import Pair
from scorers.words import analyse, normalised, stem


def categories(a: str, b: str, prompt: str = "Tell me.", finish: str | None = None) -> set[str]:
    case = Case(id="1", prompt=prompt, incumbent=Reply(text=a), candidate=Reply(text=b, finish_reason=finish))
    return {o.category for o in examine(Pair(case)).objections if o.value < 0.5}


@pytest.mark.parametrize(
    ("a", "b", "category"),
    [
        ("The fee is 25 euros a month.", "The fee is 35 euros a month.", "number"),
        ("The value is 1234567 in total.", "The value is 1234568 in total.", "number"),
        ("The offset is -4 in winter.", "The offset is 4 in winter.", "number"),
        ("Take 5 mg of it at night.", "Take 5 ml of it at night.", "unit"),
        ("It ends on 3 March 2026 at noon.", "It ends on 4 March 2026 at noon.", "date"),
        ("We meet at 3 pm in the hall.", "We meet at 5 pm in the hall.", "date"),
        ("The gate is open on holidays.", "The gate isn't open on holidays.", "negation"),
        ("He is not fired because he came.", "He is fired because he not came.", "negation"),
        ("The fan turns on when it is hot.", "The fan turns off when it is hot.", "antonym"),
        ("The process is reversible in water.", "The process is irreversible in water.", "antonym"),
        ("Reports are sent weekly to staff.", "Reports are sent monthly to staff.", "exclusive"),
        ("The talk was given by Ada Park.", "The talk was given by Ben Holm.", "name"),
        ("Use release v2.4.1 of the agent.", "Use release v2.1.4 of the agent.", "name"),
        ("The cat chased the dog home.", "The dog chased the cat home.", "swap"),
        ("Sure, press the green key twice.", "I'm sorry, but I can't help with that.", "refusal"),
        (
            "Stir the soup until it thickens well.",
            "Rühren Sie die Suppe um, bis sie gut eindickt und fertig ist.",
            "language",
        ),
        ("You may enter unless the light is red.", "You may enter.", "omission"),
    ],
)
def test_a_changed_fact_is_named(a: str, b: str, category: str) -> None:
    assert category in categories(a, b)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("It takes two weeks to arrive.", "It takes 14 days to arrive."),
        ("The total is $1,250.00 today.", "The total is 1250 dollars today."),
        ("The shop is not open on Monday.", "The shop is closed on Monday."),
        ("Smoking is not allowed in here.", "Smoking is forbidden in here."),
        ("We offer tea, coffee and juice.", "We offer juice, tea and coffee."),
        ("It isn't possible to merge them.", "It is not possible to merge them."),
        ("Ada wrote it and Ben read it.", "Ben read it and Ada wrote it."),
        ("The store opens at 17:00 every day.", "The store opens at 5 pm every day."),
        ("You should purchase a ticket first.", "You should buy a ticket first."),
    ],
)
def test_another_wording_of_the_same_is_not_flagged(a: str, b: str) -> None:
    assert categories(a, b) == set()


def test_a_cut_answer_is_truncation_by_its_finish_reason() -> None:
    assert "truncation" in categories("It is a long story. It ends well.", "It is a long story.", finish="length")


def test_numbers_of_the_prompt_are_no_evidence() -> None:
    assert categories("It is fine.", "Yes, for 12 people it is fine.", prompt="Is it enough for 12 people?") == set()


def test_english_checks_are_skipped_and_counted_in_another_language() -> None:
    german = Reply(text="Die Bibliothek ist am Montag für alle Besucher bis zum Abend geöffnet.")
    other = Reply(text="Die Bücherei ist am Montag für alle Gäste bis zum Abend offen und zugänglich.")

    (score,) = Checks("checks").score([Case(id="1", prompt="Wann?", incumbent=german, candidate=other)])

    assert "language_not_supported" in getattr(score, "reason", "")


def test_thoughts_are_never_compared() -> None:
    one = Reply(text="The answer is four.", reasoning="first")
    two = Reply(text="The answer is four.", reasoning="not at all the same")

    (score,) = Checks("checks").score([Case(id="1", prompt="Q", incumbent=one, candidate=two)])

    assert getattr(score, "value", None) == 1.0


def test_an_option_keeps_its_case_in_normalisation() -> None:
    assert normalised("git branch -d x") != normalised("git branch -D x")
    assert normalised("**Hello**,  World!") == normalised("hello world")


def test_contractions_and_inflections_are_one() -> None:
    assert analyse("It isn't").lower == ("it", "is", "not")
    assert stem("refunded") == stem("refunds") == stem("refunding") == stem("refund")
