"""Which traffic is looked at: source, filter, sampling, redaction."""

from typing import Any, Literal

from pydantic import Field, model_validator

from shadow.settings.base import Section


class Filter(Section):
    """Which records are taken at all; an empty list takes every value. Judged at intake, before sampling."""

    model: list[str] = []
    route: list[str] = []
    tag: dict[str, list[str]] = {}


class KafkaSource(Section):
    """Mirrored traffic in a Kafka topic."""

    kind: Literal["kafka"] = "kafka"
    bootstrap_servers: str = Field("localhost:9092", description="host:port, several with commas")
    topic: str = Field("llm.mirror", min_length=1, max_length=249, pattern=r"^[A-Za-z0-9._-]+$")
    group_id: str = Field("shadow", min_length=1)
    format: Literal["auto", "native", "openai", "litellm", "otlp", "gateway"] = "auto"
    start: str = Field("latest", description="where a first start begins: latest, earliest or an ISO 8601 time")
    filter: Filter = Filter()
    max_age_seconds: float | None = Field(
        3600, gt=0, description="older records are counted as expired; null takes all"
    )
    session_timeout_seconds: float = Field(10, ge=1, le=1800)
    instance_id: str | None = Field(None, description="a fixed name makes restarts quick (static group membership)")
    security: dict[str, Any] = Field({}, description="TLS and SASL options of kafka-python, passed through")
    max_record_bytes: int = Field(8 * 2**20, ge=1024, description="larger records are counted as oversized")
    dead_letter_topic: str | None = None
    dead_letter_payload: bool = False

    @model_validator(mode="after")
    def _start_is_known(self) -> "KafkaSource":
        if self.start not in ("latest", "earliest"):
            from datetime import datetime

            try:
                datetime.fromisoformat(self.start)
            except ValueError:
                raise ValueError(
                    'start: write latest, earliest, or an ISO 8601 time such as "2026-11-23T10:00:00Z"'
                ) from None
        return self


class JsonlSource(Section):
    """Mirrored traffic in a JSONL file; lines count from 0 as offsets of partition 0."""

    kind: Literal["jsonl"] = "jsonl"
    path: str = Field(min_length=1)
    format: Literal["auto", "native", "openai", "litellm", "otlp", "gateway"] = "auto"
    filter: Filter = Filter()
    max_age_seconds: float | None = Field(None, gt=0)
    max_record_bytes: int = Field(8 * 2**20, ge=1024)
    dead_letter_payload: bool = False


class When(Section):
    """A stratum's condition: every key that is given has to hold."""

    route: str | None = None
    model: str | None = None
    language: str | None = None
    tag: dict[str, str] = {}
    incumbent_failed: bool | None = None
    adversarial: bool | None = None


class Stratum(Section):
    """A part of the traffic that is sampled `times` as often as the rest; powers of two only."""

    when: When
    times: int = Field(ge=1)

    @model_validator(mode="after")
    def _power_of_two(self) -> "Stratum":
        if self.times & (self.times - 1):
            raise ValueError("times has to be a power of two: 1, 2, 4, 8, ...")
        return self


class Sampling(Section):
    """Which calls are replayed. A pure function of salt, session, turn and this section: the same on every replica."""

    rate: float = Field(1.0, gt=0, le=1)
    unit: Literal["session"] = "session"
    counted_turn: Literal["geometric", "first"] = "geometric"
    replay_turns: Literal["counted", "all"] = "counted"
    strata: list[Stratum] = []
    salt: str = "shadow"

    @model_validator(mode="after")
    def _product_at_most_one(self) -> "Sampling":
        highest = max((s.times for s in self.strata), default=1)
        if self.rate * highest > 1:
            raise ValueError(
                f"rate {self.rate} times the largest stratum factor {highest} is above 1; "
                f"lower rate to {1 / highest:g} or the factor"
            )
        return self


class Redaction(Section):
    """Removal of personal data and secrets."""

    before_replay: bool = Field(
        False, description="for candidates outside the trust boundary: every arm gets redacted text"
    )
