"""Critical differences: what exactly changed between the incumbent's answer and the candidate's? No model needed.

Similarity cannot see a changed digit, a lost "not", a swapped name; these checks can, and say which it was. Each lives in
a `checks_*` module and returns objections; this one runs them all and is the scorer `checks`.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from scorers import (
    checks_bound,
    checks_clauses,
    checks_content,
    checks_converse,
    checks_date,
    checks_form,
    checks_name,
    checks_negation,
    checks_number,
    checks_relation,
)
from scorers.base import Case, Finding, Score, ScorerFailure, ScorerKind
from scorers.objections import Objection, Pair
from scorers.running import one_by_one
from scorers.words import normalised

Check = Callable[[Pair], list[Objection]]
ANY_LANGUAGE: tuple[Check, ...] = (
    checks_form.language,
    checks_form.truncation,
    checks_form.repetition,
    checks_form.thoughts,
    checks_number.unit,
    checks_number.number,
    checks_date.date,
    checks_name.identifier,
)
ENGLISH: tuple[Check, ...] = (
    checks_form.refusal,
    checks_negation.opener,
    checks_negation.polarity,
    checks_negation.moved_negation,
    checks_negation.exclusive_edit,
    checks_negation.reworded_polarity,
    checks_negation.reworded_opposite,
    checks_date.exclusive_fact,
    checks_name.name,
    checks_name.swap,
    checks_name.substitution,
    checks_name.replaced_in_place,
    checks_name.modifier,
    checks_bound.bound,
    checks_relation.turned,
    checks_relation.rate,
    checks_content.omission,
    checks_content.addition,
    checks_clauses.opposite_in_context,
    checks_clauses.exchanged_roles,
    checks_clauses.turned_contrast,
    checks_clauses.condition,
)
FLAGGED_BELOW = 0.5
VERSION = "4"


class Checked(NamedTuple):
    """Objections, worst first, and how many checks did not run because the text is not English."""

    objections: list[Objection]
    skipped: int

    @property
    def value(self) -> float:
        """The worst objection's value; 1.0 without one."""
        return self.objections[0].value if self.objections else 1.0


def examine(pair: Pair) -> Checked:
    """Runs every check that applies to the language of the pair."""
    english = pair.english
    chosen = (*ANY_LANGUAGE, *ENGLISH) if english else ANY_LANGUAGE
    found = [objection for check in chosen for objection in check(pair)]
    found = checks_converse.without_converses(pair, found)
    return Checked(sorted(found, key=lambda o: o.value), 0 if english else len(ENGLISH))


class Settings(BaseModel):
    """The checks have no options."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Checks:
    """1.0 without an objection, else the value of the worst one; labels: equal, clear, hint, flagged, language_not_supported."""

    kind: ScorerKind = "comparative"
    version = VERSION

    def __init__(self, name: str) -> None:
        self.name = name

    def score(self, cases: Sequence[Case]) -> list[Score | ScorerFailure]:
        """Judges each case; a crash of one is that case's failure."""
        return one_by_one(self._one, cases)

    def _one(self, case: Case) -> Score:
        if case.incumbent is None or not case.incumbent.text.strip():
            return Score(value=None, reason="no incumbent text to compare with")
        if not case.candidate.text.strip():
            return Score(
                value=0.0,
                label="flagged",
                reason="the candidate gave no text",
                findings=(Finding(category="omission"),),
            )
        if normalised(case.incumbent.text) == normalised(case.candidate.text):
            return Score(value=1.0, label="equal", reason="equal after normalisation")
        pair = Pair(case)
        checked = examine(pair)
        value = checked.value
        label = "flagged" if value < FLAGGED_BELOW else "hint" if value < 1 else "clear"
        if checked.skipped and value == 1:
            label = "language_not_supported"
        return Score(value=value, label=label, reason=describe(pair, checked), findings=findings(checked))


def describe(pair: Pair, checked: Checked) -> str:
    """The reason: what was objected to, what did not run, what was not looked at. Quotes nothing."""
    parts = [", ".join(dict.fromkeys(o.category for o in checked.objections)) or "no objection"]
    if checked.skipped:
        parts.append(f"{checked.skipped} English checks skipped: language_not_supported")
    if pair.cut:
        parts.append("only the first 20000 characters were looked at")
    return "; ".join(parts)


def findings(checked: Checked) -> tuple[Finding, ...]:
    """One finding per category that flags."""
    return tuple(
        Finding(category=c) for c in dict.fromkeys(o.category for o in checked.objections if o.value < FLAGGED_BELOW)
    )


SETTINGS = Settings


def build(settings: Settings, name: str | None = None) -> Checks:
    """The scorer under its name."""
    return Checks(name or "checks")
