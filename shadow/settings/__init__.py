"""Every option an operator can set: names, types, ranges, defaults and what they are for.

The models are frozen and refuse unknown keys. `shadow.configuration` reads a file into them with messages that teach;
the JSON Schema of the chart is generated from them.
"""

from typing import Annotated

from pydantic import Field, model_validator

from shadow.settings.arms import (
    Baseline,
    Candidate,
    Duplicates,
    Incumbent,
    OpenAIBackend,
    Price,
    Replay,
    Variant,
    VllmBackend,
)
from shadow.settings.base import Duration, Name, Section, Url, seconds
from shadow.settings.policy import DEFAULT_GATES, MOST_SHARES, Alpha, Gate, Policy, RouteWord, Utility, segment_kind
from shadow.settings.running import Budget, Governor, LedgerSettings, Otel, Web
from shadow.settings.scoring import DEFAULT_SCORERS, Anchors, Heartbeat, Resolve, ScorerBudget, ScorerEntry
from shadow.settings.traffic import Filter, JsonlSource, KafkaSource, Redaction, Sampling, Stratum, When

__all__ = [
    "DEFAULT_GATES",
    "DEFAULT_SCORERS",
    "MOST_SHARES",
    "Alpha",
    "Anchors",
    "Baseline",
    "Budget",
    "Candidate",
    "Duplicates",
    "Duration",
    "Filter",
    "Gate",
    "Governor",
    "Heartbeat",
    "Incumbent",
    "JsonlSource",
    "KafkaSource",
    "LedgerSettings",
    "Name",
    "OpenAIBackend",
    "Otel",
    "Policy",
    "Price",
    "Redaction",
    "Replay",
    "Resolve",
    "RouteWord",
    "Sampling",
    "ScorerBudget",
    "ScorerEntry",
    "Section",
    "Settings",
    "Stratum",
    "Url",
    "Utility",
    "Variant",
    "VllmBackend",
    "Web",
    "When",
    "seconds",
    "segment_kind",
]


class Settings(Section):
    """The whole configuration."""

    source: Annotated[KafkaSource | JsonlSource, Field(discriminator="kind")] = KafkaSource()
    sampling: Sampling = Sampling()
    incumbent: Incumbent = Incumbent()
    baseline: Baseline | None = None
    duplicates: Duplicates = Duplicates()
    candidates: list[Candidate] = Field(min_length=1)
    replay: Replay = Replay()
    redaction: Redaction = Redaction()
    scorers: list[ScorerEntry] = DEFAULT_SCORERS
    policy: Policy = Policy()
    ledger: LedgerSettings = LedgerSettings()
    web: Web = Web()
    otel: Otel = Otel()
    governor: Governor | None = None
    budget: Budget = Budget()
    heartbeat: Heartbeat = Heartbeat()
    anchors: Anchors = Anchors()

    @model_validator(mode="after")
    def _open_cases_come_from_somebody(self) -> "Settings":
        plain = {s.label for s in self.scorers if s.resolve is None}
        for scorer in self.scorers:
            if scorer.resolve is not None and scorer.resolve.scorer not in plain:
                raise ValueError(
                    f"scorer {scorer.label}: resolve.scorer {scorer.resolve.scorer!r} has to be a configured scorer that "
                    "resolves nothing itself"
                )
        if self.heartbeat.produce and self.source.kind != "kafka":
            raise ValueError("heartbeat.produce needs a Kafka source: nothing is written into a file of yours")
        return self

    @model_validator(mode="after")
    def _names_are_distinct(self) -> "Settings":
        names = [c.name for c in self.candidates]
        twice = sorted({n for n in names if names.count(n) > 1})
        if twice:
            raise ValueError(f"candidate names have to be unique, {', '.join(twice)} stands twice")
        taken = {"incumbent", "baseline", self.incumbent.name} & set(names)
        if taken:
            raise ValueError(f"a candidate may not be called {', '.join(sorted(taken))}: that name is an arm already")
        labels = [s.label for s in self.scorers]
        twice = sorted({n for n in labels if labels.count(n) > 1})
        if twice:
            raise ValueError(f"scorers have to be unique, {', '.join(twice)} stands twice; give one a `name`")
        return self

    @model_validator(mode="after")
    def _one_floor(self) -> "Settings":
        if self.baseline is not None and self.duplicates.enabled:
            raise ValueError(
                "duplicates.enabled means nothing beside `baseline`, which asks the incumbent again; take one of them out"
            )
        return self
