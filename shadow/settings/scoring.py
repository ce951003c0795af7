"""Who judges the answers, within which budget, and how it is known that a scorer still does."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from shadow.settings.base import Duration, Name, Section


class ScorerBudget(Section):
    """What one scorer may use per worker and day (UTC); used up, answers stay unscored and are counted."""

    seconds_per_day: float | None = Field(None, gt=0, description="time this scorer may compute or wait for its model")
    usd_per_day: float | None = Field(None, gt=0)
    usd_per_case: float | None = Field(None, gt=0, description="price of one case; needed for `usd_per_day`")

    @model_validator(mode="after")
    def _dollars_are_priced(self) -> "ScorerBudget":
        if self.usd_per_day is not None and self.usd_per_case is None:
            raise ValueError("usd_per_day can never be reached without usd_per_case; say what one case costs")
        return self


class Resolve(Section):
    """Cases that a cheaper scorer leaves open, for a dear one; kept as `NAME@unknown`, apart from its random sample."""

    scorer: Name = Field("agreement", description="the scorer whose label decides; it has to be configured too")
    labels: list[str] = Field(["unknown"], min_length=1)
    rate: float = Field(1.0, gt=0, le=1, description="share of those cases, drawn beforehand")


class ScorerEntry(BaseModel):
    """One scorer of the library (or of a plugin): `kind` names it, the rest is its own settings."""

    model_config = ConfigDict(extra="allow", frozen=True)
    kind: Name
    name: Name | None = None
    rate: float = Field(
        1.0, gt=0, le=1, description="share of calls, drawn beforehand; smaller shares lie in larger ones"
    )
    resolve: Resolve | None = None
    budget: ScorerBudget | None = None
    generation: int = Field(
        1, ge=1, description="raise it to begin the evidence anew once a scorer that drifted is mended"
    )

    @property
    def label(self) -> str:
        """The name its scores are kept under."""
        return self.name or self.kind

    @property
    def options(self) -> dict[str, Any]:
        """What the scorer's own settings model validates."""
        return dict(self.model_extra or {})


DEFAULT_SCORERS = [ScorerEntry(kind=k) for k in ("agreement", "relevance", "refusal", "leakage")]


class Heartbeat(Section):
    """Known cases that travel the whole way, so that nobody takes silence for health; never evidence."""

    every: Duration = Field(60.0, ge=0.5, le=120, description="at most 120: alerts count on one every two minutes")
    produce: bool = Field(
        False, description="write a heartbeat record into the mirrored topic too; needs the right to write there"
    )


class Anchors(Section):
    """Labelled cases that every scorer judges again and again: a scorer that answers differently has drifted."""

    path: str | None = Field(
        None, min_length=1, description="JSONL of your own cases, instead of those that are built in"
    )
    cases: int = Field(4, ge=1, le=64, description="per heartbeat and scorer")
    dear_every: Duration = Field(
        300.0,
        ge=0,
        le=600,
        description="one case at most this often for a scorer that asks a model elsewhere (judge, guard, entailment)",
    )
    tolerance: float = Field(0.05, gt=0, lt=1, description="mean deviation from the reference that is no drift")
    alpha: float = Field(0.001, gt=0, lt=0.5, description="chance of ever calling a steady scorer drifted")
