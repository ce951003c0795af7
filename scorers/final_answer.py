"""The final number or choice of an answer, whatever stands before it: `final_answer`.

Read in this order: `#### x`, `\\boxed{x}`, "the answer is x", a lone letter or number, the last number of the text.
"""

import re
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from scorers.base import Case, Score, ScorerFailure, ScorerKind
from scorers.exact import expected_texts
from scorers.running import one_by_one

_TAIL_CHARS = 20_000
_NUMBER = r"[-+]?[$€£]?\d[\d,]{0,30}(?:\.\d{1,30})?(?:/\d{1,15})?%?"
_MARKED = (
    re.compile(rf"####[ \t]*({_NUMBER}|\(?[A-Ja-j]\)?(?!\w))"),
    re.compile(rf"\\boxed\{{\s*(?:\\text\{{)?\s*({_NUMBER}|\(?[A-Ja-j]\)?)\s*\}}"),
    re.compile(
        rf"\b(?:answer|total|result|solution|choice|option)\s*(?:is|:|=|would be|comes to)?\s*:?\s*\**\s*(?:option\s+)?"
        rf"({_NUMBER}|\(?[A-J]\)?(?![\w']))",
        re.I,
    ),
)
_LONE = re.compile(rf"\W*({_NUMBER}|\(?[A-Ja-j]\)?)[\s.*)]*")
_ANY = re.compile(rf"(?<![\w.])({_NUMBER})")


class Settings(BaseModel):
    """Options of `final_answer`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    against: Literal["incumbent", "expected"] = Field("incumbent", description="`expected` makes the scorer absolute")
    relative_tolerance: float = Field(1e-6, ge=0, lt=1)


def final_answer(text: str, *, explicit: bool = False) -> Decimal | str | None:
    """The final number (exact) or choice letter of an answer; None without one. `explicit` leaves out the last-number rule."""
    tail = text[-_TAIL_CHARS:]
    for pattern in _MARKED:
        found = pattern.findall(tail)
        if found:
            return _value(found[-1])
    lone = _LONE.fullmatch(tail.strip()[:80])
    if lone is not None and len(tail.strip()) <= 80:
        return _value(lone[1])
    if explicit:
        return None
    found = _ANY.findall(tail)
    return _value(found[-1]) if found else None


def _value(written: str) -> Decimal | str | None:
    bare = written.strip("()* ").lstrip("+")
    if len(bare) == 1 and bare.isalpha():
        return bare.upper()
    bare = re.sub(r"[$€£,%]", "", bare)
    try:
        if "/" in bare:
            top, bottom = bare.split("/")
            return Decimal(top) / Decimal(bottom)
        return Decimal(bare)
    except (InvalidOperation, ZeroDivisionError, ValueError):
        return None


def same_answer(a: Decimal | str, b: Decimal | str, relative_tolerance: float = 1e-6) -> bool:
    """Equal choices, or numbers within the relative tolerance."""
    if isinstance(a, str) or isinstance(b, str):
        return a == b
    return abs(a - b) <= Decimal(str(relative_tolerance)) * max(abs(a), abs(b))


class FinalAnswer:
    """1.0 for the same final answer, else 0.0. Labels: equal, different, missing."""

    version = "1"

    def __init__(self, settings: Settings, name: str) -> None:
        self.settings = settings
        self.name = name
        self.kind: ScorerKind = "absolute" if settings.against == "expected" else "comparative"

    def score(self, cases: Sequence[Case]) -> list[Score | ScorerFailure]:
        """Judges each case; a crash of one is that case's failure."""
        return one_by_one(self._one, cases)

    def _one(self, case: Case) -> Score:
        if self.settings.against == "expected":
            wanted = [v for t in expected_texts(case.expected) or () if (v := final_answer(t)) is not None]
        else:
            own = final_answer(case.incumbent.text) if case.incumbent is not None else None
            wanted = [own] if own is not None else []
        if not wanted:
            return Score(value=None, reason=f"the {self.settings.against} answer states no number or choice")
        given = final_answer(case.candidate.text)
        if given is None:
            return Score(value=0.0, label="missing", reason="the candidate states no number or choice")
        if any(same_answer(w, given, self.settings.relative_tolerance) for w in wanted):
            return Score(value=1.0, label="equal", reason="the same final answer")
        return Score(value=0.0, label="different", reason="another final answer")


SETTINGS = Settings


def build(settings: Settings, name: str | None = None) -> FinalAnswer:
    """The scorer under its name."""
    return FinalAnswer(settings, name or "final_answer")
