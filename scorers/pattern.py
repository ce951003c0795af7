"""A regular expression the answer has to match, or must not; every match bounded in time."""

from collections.abc import Sequence

import regex
from pydantic import BaseModel, ConfigDict, Field, field_validator

from scorers.base import Case, Score, ScorerFailure, ScorerKind
from scorers.running import one_by_one

MAX_PATTERN_CHARS = 2_000
MAX_SEARCHED_CHARS = 200_000


def compiled(pattern: str, *, ignore_case: bool = False) -> "regex.Pattern[str]":
    """The compiled pattern; ValueError with what is wrong with it."""
    if len(pattern) > MAX_PATTERN_CHARS:
        raise ValueError(f"the pattern is longer than {MAX_PATTERN_CHARS} characters")
    try:
        return regex.compile(pattern, regex.IGNORECASE if ignore_case else 0)
    except regex.error as error:
        raise ValueError(f"is no regular expression: {error}") from None


class Settings(BaseModel):
    """Options of `regex`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    pattern: str = Field(min_length=1, description="searched anywhere in the answer; anchor with ^ and $")
    absent: bool = Field(False, description="the answer must not match")
    ignore_case: bool = False
    timeout_seconds: float = Field(0.1, gt=0, le=5, description="for one answer; more is a failure, not a mismatch")

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, value: str) -> str:
        compiled(value)
        return value


class Pattern:
    """1.0 when the answer matches (or, with `absent`, does not), else 0.0. Labels: match, no_match."""

    kind: ScorerKind = "absolute"

    def __init__(self, settings: Settings, name: str) -> None:
        self.settings = settings
        self.name = name
        self.version = "1"
        self._pattern = compiled(settings.pattern, ignore_case=settings.ignore_case)

    def score(self, cases: Sequence[Case]) -> list[Score | ScorerFailure]:
        """Judges each case; a pattern that runs out of time is a failure of that case (`TimeoutError`)."""
        return one_by_one(self._one, cases)

    def _one(self, case: Case) -> Score:
        text = case.candidate.text[:MAX_SEARCHED_CHARS]
        found = self._pattern.search(text, timeout=self.settings.timeout_seconds) is not None
        reason = "the pattern occurs" if found else "the pattern does not occur"
        if len(text) < len(case.candidate.text):
            reason += f" in the first {MAX_SEARCHED_CHARS} characters"
        good = found != self.settings.absent
        return Score(value=float(good), label="match" if found else "no_match", reason=reason)


SETTINGS = Settings


def build(settings: Settings, name: str | None = None) -> Pattern:
    """The scorer under its name."""
    return Pattern(settings, name or "regex")
