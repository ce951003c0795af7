"""How it is kept, shown and held back: ledger, pages, traces, governor, budgets."""

from typing import Literal

from pydantic import Field

from shadow.settings.base import Section, Url


class LedgerSettings(Section):
    """Where outcomes, aggregates and positions are kept."""

    url: str = Field("sqlite:///shadow.db", pattern=r"^(sqlite|postgresql)(\+\w+)?://")
    text: Literal["none", "redacted", "full"] = "redacted"
    text_days: float = Field(14, gt=0)
    outcome_days: float | None = Field(None, gt=0)


class Web(Section):
    """Pages, API and metrics of the evaluator. Port 0 takes a free one and prints it."""

    host: str = "127.0.0.1"
    port: int = Field(9464, ge=0, le=65535)
    token_file: str | None = None


class Otel(Section):
    """Traces and evaluation events; no endpoint, no traces."""

    endpoint: str | None = None
    sample_ratio: float = Field(0.01, ge=0, le=1)
    timeout_seconds: float = Field(1.0, gt=0, le=5)


class Governor(Section):
    """Do no harm: read the incumbent's load and sample less while it is under pressure."""

    metrics_url: Url | None = None
    max_queue: float = Field(8, gt=0)
    max_kv_cache_ratio: float = Field(0.9, gt=0, le=1)
    pause_factor: float = Field(2.0, gt=1)
    poll_seconds: float = Field(0.5, gt=0)
    recover_seconds: float = Field(60, gt=0)


class Budget(Section):
    """Limits that stop replaying, and say so."""

    usd_per_day: float | None = Field(None, gt=0)
    gpu_seconds_per_day: float | None = Field(None, gt=0)
    tokens_per_day: int | None = Field(None, gt=0)
