"""Equal texts: byte for byte or after normalisation, against the incumbent or an expected value."""

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from scorers.base import Case, Score, ScorerFailure, ScorerKind
from scorers.running import one_by_one
from scorers.words import normalised


class Settings(BaseModel):
    """Options of `exact`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    mode: Literal["normalised", "exact"] = Field("normalised", description="whether case, spaces and punctuation count")
    against: Literal["incumbent", "expected"] = Field("incumbent", description="`expected` makes the scorer absolute")


class Exact:
    """1.0 for equal texts, else 0.0. Labels: equal, different."""

    version = "1"

    def __init__(self, settings: Settings, name: str) -> None:
        self.settings = settings
        self.name = name
        self.kind: ScorerKind = "absolute" if settings.against == "expected" else "comparative"

    def score(self, cases: Sequence[Case]) -> list[Score | ScorerFailure]:
        """Judges each case; a crash of one is that case's failure."""
        return one_by_one(self._one, cases)

    def _wanted(self, case: Case) -> list[str] | None:
        if self.settings.against == "expected":
            return expected_texts(case.expected)
        return [case.incumbent.text] if case.incumbent is not None and case.incumbent.text else None

    def _one(self, case: Case) -> Score:
        wanted = self._wanted(case)
        if not wanted:
            return Score(value=None, reason=f"the case has no {self.settings.against} text")
        read = normalised if self.settings.mode == "normalised" else str
        equal = read(case.candidate.text) in {read(text) for text in wanted}
        how = "as written" if self.settings.mode == "exact" else "after normalisation"
        if equal:
            return Score(value=1.0, label="equal", reason=f"equal {how}")
        return Score(value=0.0, label="different", reason=f"not equal {how}")


def expected_texts(expected: Any) -> list[str] | None:
    """Accepted answers out of `expected`: a text, a number or a list of them; None for another shape."""
    if isinstance(expected, (str, int, float)) and not isinstance(expected, bool):
        return [str(expected)]
    if isinstance(expected, list) and expected and all(isinstance(e, (str, int, float)) for e in expected):
        return [str(e) for e in expected]
    return None


SETTINGS = Settings


def build(settings: Settings, name: str | None = None) -> Exact:
    """The scorer under its name."""
    return Exact(settings, name or "exact")
