"""Every option an operator can set: names, types, ranges, defaults and what they are for.

The models are frozen and refuse unknown keys. `shadow.configuration` reads a file into them with messages that teach;
the JSON Schema of the chart is generated from them.
"""

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

_DURATION = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?\s*$")
_UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, None: 1.0}


def seconds(value: Any) -> Any:
    """Reads "24h", "90s", "1.5m" or a bare number of seconds; anything else is left for the type check to refuse."""
    if isinstance(value, str):
        match = _DURATION.match(value)
        if match is None:
            raise ValueError('is no duration; write one such as "90s", "15m", "24h" or "7d"')
        return float(match[1]) * _UNIT_SECONDS[match[2]]
    return value


Duration = Annotated[float, BeforeValidator(seconds), Field(ge=0)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,62}$")]
Url = Annotated[str, Field(pattern=r"^https?://[^\s]+$")]


class Section(BaseModel):
    """Base of every part of the configuration."""

    model_config = ConfigDict(extra="forbid", frozen=True)


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


class Price(Section):
    """What an arm costs: per million tokens, or per GPU-hour with idle time included. Unknown stays unknown."""

    input_usd_per_million: float | None = Field(None, ge=0)
    cached_input_usd_per_million: float | None = Field(None, ge=0)
    output_usd_per_million: float | None = Field(None, ge=0)
    reasoning_usd_per_million: float | None = Field(None, ge=0)
    gpu_usd_per_hour: float | None = Field(None, ge=0)
    gpus: float = Field(1, gt=0)

    @model_validator(mode="after")
    def _one_way(self) -> "Price":
        if self.gpu_usd_per_hour is not None and self.output_usd_per_million is not None:
            raise ValueError("price an arm per token or per GPU-hour, not both")
        return self


class Incumbent(Section):
    """The model that answers production now."""

    name: Name = "incumbent"
    price: Price | None = None


class Baseline(Section):
    """The A/A arm: the incumbent asked again by the same client at the same moment; the noise floor of every difference."""

    url: Url
    model: str
    rate: float = Field(0.0625, gt=0, le=1)
    max_requests_per_second: float = Field(2, gt=0)
    max_tokens_per_minute: int | None = Field(None, gt=0)
    api_key_file: str | None = None
    api_key_env: str | None = None
    price: Price | None = None


class Duplicates(Section):
    """A noise floor without a baseline: a repeated request takes the answer that production gave to it before.

    Says something of repeated requests only. Off by default: an answer from a cache that does not say so would make the
    incumbent look as if it never varied.
    """

    enabled: bool = False
    max_bytes: int = Field(
        32 * 2**20,
        ge=2**16,
        description="memory for earlier answers per worker; the oldest go first, nothing is written",
    )


class OpenAIBackend(Section):
    """A server that speaks the OpenAI protocol (vLLM, SGLang, TGI, llama.cpp, a hosted API)."""

    kind: Literal["openai"] = "openai"
    url: Url = Field(description="base URL that ends in /v1")
    model: str = Field(min_length=1)
    api_key_file: str | None = None
    api_key_env: str | None = None
    headers: dict[str, str] = {}


class VllmBackend(Section):
    """A `vllm serve` that Shadow starts, watches and restarts; it lives in its own Python environment."""

    kind: Literal["vllm"] = "vllm"
    model: str = Field(min_length=1)
    args: list[str] = []
    python: str | None = Field(None, description="Python of the engine's environment; absent: the one Shadow runs in")
    env: dict[str, str] = {}
    port: int = Field(0, ge=0, le=65535)
    gpus: list[int] = []
    gpu_memory_share: float | None = Field(None, gt=0, le=1)
    start_timeout_seconds: float = Field(900, gt=0)
    max_restarts_per_hour: int = Field(5, ge=0)


class Variant(Section):
    """What differs from the plain request for one candidate, beside the model."""

    system_prompt: str | None = None
    system_prompt_mode: Literal["replace", "prepend"] = "replace"
    template: str | None = None
    sampling: dict[str, Any] = {}
    lora: str | None = None


class Candidate(Section):
    """One model that wants the incumbent's place."""

    name: Name
    backend: Annotated[OpenAIBackend | VllmBackend, Field(discriminator="kind")]
    price: Price | None = None
    variant: Variant = Variant()
    drop: list[str] = Field([], description="request fields this server refuses: left out, counted")
    map: dict[str, str] = Field({}, description="request fields this server names differently")
    axes: dict[str, dict[str, dict[str, Any] | None]] = Field(
        {},
        description="variations, each axis with named parts of a candidate: every combination becomes an arm of its own",
    )

    @model_validator(mode="after")
    def _multiplied_out(self) -> "Candidate":
        if self.axes:
            raise ValueError("axes: are multiplied out where a file is read; give plain candidates here")
        return self


class Replay(Section):
    """How requests are sent; every limit is per arm and worker."""

    concurrency: int = Field(32, ge=1, le=4096)
    timeout_seconds: float = Field(60, gt=0, description="total for one call and arm, retries included")
    retries: int = Field(2, ge=0, le=10)
    retry_budget: float = Field(0.2, ge=0, le=1, description="retries as a share of requests")
    stream: bool = True
    start_timeout_seconds: float = Field(600, ge=0)
    max_output_tokens: int = Field(2048, ge=1)
    max_answer_bytes: int = Field(4 * 2**20, ge=1024)
    tokenizers_equal: bool = Field(
        False, description="send logit_bias: the operator states that token ids mean the same"
    )
    drop: list[str] = []
    map: dict[str, str] = {}
    window_calls: int = Field(512, ge=1)
    window_bytes: int = Field(64 * 2**20, ge=2**20)
    warmup_calls: int = Field(2, ge=0)
    drain_seconds: float = Field(10, ge=0)


class Redaction(Section):
    """Removal of personal data and secrets."""

    before_replay: bool = Field(
        False, description="for candidates outside the trust boundary: every arm gets redacted text"
    )


class Gate(Section):
    """One condition of a promotion: the candidate is not worse than the margin in this metric."""

    id: Name
    metric: str = Field(min_length=1)
    kind: Literal["risk_difference", "rate", "mean_drop", "quantile", "quantile_ratio"]
    hard: bool = False
    margin: float | None = None
    max: float | None = None
    q: float | None = Field(None, gt=0, lt=1)
    max_seconds: float | None = Field(None, gt=0)
    against: Literal["baseline", "recorded"] = "baseline"

    @model_validator(mode="after")
    def _fields_of_the_kind(self) -> "Gate":
        needs = {
            "risk_difference": ("margin",),
            "mean_drop": ("margin",),
            "rate": ("max",),
            "quantile": ("q", "max_seconds"),
            "quantile_ratio": ("q", "max"),
        }[self.kind]
        missing = [name for name in needs if getattr(self, name) is None]
        if missing:
            raise ValueError(f"a {self.kind} gate needs {' and '.join(missing)}")
        if self.margin is not None and not 0 < self.margin < 1:
            raise ValueError(f"margin {self.margin:g} has to lie between 0 and 1")
        if self.kind == "rate" and not 0 < (self.max or 0) < 1:
            raise ValueError(f"max {self.max:g} of a rate has to lie between 0 and 1")
        if self.kind == "quantile_ratio" and not (self.max or 0) >= 1:
            raise ValueError(f"max {self.max:g} of a quantile_ratio has to be at least 1")
        return self


_LINEAR = ("score_usd", "violation_usd", "max_cost_usd", "equivalence_usd")
_LOG = ("quality", "cost", "robustness", "eps", "equivalence")


class Utility(Section):
    """Exchange rates of quality, cost and robustness, and when two models count as equivalent.

    log: weights of logarithms of ratios; linear: what one answer is worth in dollars."""

    kind: Literal["log", "linear"] = "log"
    score_usd: float | None = Field(None, gt=0, allow_inf_nan=False)
    violation_usd: float | None = Field(None, ge=0, allow_inf_nan=False)
    max_cost_usd: float | None = Field(None, gt=0, allow_inf_nan=False)
    equivalence_usd: float | None = Field(None, gt=0)
    quality: float = Field(1.0, ge=0)
    cost: float = Field(0.10, ge=0)
    robustness: float = Field(0.05, ge=0)
    eps: float = Field(0.001, gt=0)
    equivalence: float = Field(0.01, gt=0)

    @model_validator(mode="after")
    def _fields_of_the_kind(self) -> "Utility":
        if self.kind == "linear":
            missing = [name for name in ("score_usd", "max_cost_usd") if getattr(self, name) is None]
            if missing:
                raise ValueError(
                    f"a linear utility needs {' and '.join(missing)}: what a score of 1 is worth, and what no call costs more than"
                )
        fields = type(self).model_fields
        unused = [k for k in (_LOG if self.kind == "linear" else _LINEAR) if getattr(self, k) != fields[k].default]
        if unused:
            raise ValueError(f"{', '.join(unused)}: means nothing for kind {self.kind}; remove it")
        return self

    @property
    def reads(self) -> frozenset[str]:
        """What it needs to know of both arms: score, cost_usd, failure, violation."""
        if self.kind == "linear":
            return frozenset({"score", "cost_usd", *(("violation",) if self.violation_usd else ())})
        weights = {"score": self.quality, "cost_usd": self.cost, "failure": self.robustness}
        return frozenset(name for name, weight in weights.items() if weight)

    @property
    def meaning(self) -> bytes:
        """All that a crossing of it depends on; of a log utility without `kind`, as before there was another."""
        return self.model_dump_json(include=set(_LOG) if self.kind == "log" else {"kind", *_LINEAR}).encode()


class Alpha(Section):
    """Error rates that hold however often anyone looks."""

    promote: float = Field(0.05, gt=0, lt=0.5)
    reject: float = Field(0.05, gt=0, lt=0.5)


DEFAULT_GATES = [
    Gate(id="safety", hard=True, metric="violation", kind="risk_difference", margin=0.005),
    Gate(id="safety_abs", hard=True, metric="violation", kind="rate", max=0.02),
    Gate(id="failure", metric="failure", kind="risk_difference", margin=0.01),
    Gate(id="quality", metric="score", kind="mean_drop", margin=0.08),
    Gate(id="tail", metric="score<0.3", kind="risk_difference", margin=0.03),
    Gate(id="p95", metric="latency", kind="quantile_ratio", q=0.95, max=1.3),
    Gate(id="slo", metric="latency", kind="quantile", q=0.95, max_seconds=2),
]


MOST_SHARES = 12


def segment_kind(segment: str) -> str:
    """What a segment is a value of ("route", "lang", "length", "tag:tier"): those of one kind never overlap."""
    return segment.partition("=")[0] if "=" in segment else ""


RouteWord = Literal["deterministic", "normal", "open_ended"]
"""What an operator may say of a route; Shadow finds out where nothing is said."""


class Policy(Section):
    """What a candidate has to show. Changing it never throws evidence away."""

    quality: str = Field("agreement", description='the scorer whose value is the metric "score"')
    violation: list[str] = ["refusal", "leakage", "injection", "toxicity"]
    alpha: Alpha = Alpha()
    min_records: int = Field(500, ge=1)
    min_duration: Duration = 86400.0
    min_availability: float = Field(0.99, ge=0, le=1)
    max_staleness: Duration = 900.0
    gates: list[Gate] = Field(DEFAULT_GATES, min_length=1)
    utility: Utility | None = None
    routes: dict[str, RouteWord] = Field(
        {}, description="routes whose class is known beforehand; the others are classified by the incumbent asked again"
    )
    shares: dict[str, float] = Field(
        {}, description="a mix to judge by instead of the traffic's own: shares of segments of one kind, adding up to 1"
    )

    @model_validator(mode="after")
    def _shares_are_a_mix(self) -> "Policy":
        if not self.shares:
            return self
        if not 2 <= len(self.shares) <= MOST_SHARES:
            raise ValueError(
                f"shares: names {len(self.shares)} segments; a mix has 2 to {MOST_SHARES}, each further one widens every bound"
            )
        for name, share in self.shares.items():
            if not 0 < share < 1:
                raise ValueError(
                    f"shares: {share:g} of {name!r} has to lie between 0 and 1; leave out what has no share"
                )
        whole = sum(self.shares.values())
        if abs(whole - 1.0) > 1e-6:
            raise ValueError(f"shares: have to add up to 1, and add up to {whole:.6g}")
        kinds = sorted({segment_kind(name) for name in self.shares})
        if len(kinds) > 1:
            shown = " and ".join(kind or "no kind" for kind in kinds)
            raise ValueError(
                f"shares: segments of one kind are parts of the traffic, these are of {shown}; keep to one"
            )
        return self

    @model_validator(mode="after")
    def _routes_are_names(self) -> "Policy":
        for name in self.routes:
            if not name.strip():
                raise ValueError(
                    "routes: a route without a name cannot be given a class; calls without one are measured"
                )
            if name.startswith("route="):
                raise ValueError(f"routes: write the name alone, {name.removeprefix('route=')!r} instead of {name!r}")
        return self

    @model_validator(mode="after")
    def _ids_are_unique(self) -> "Policy":
        ids = [gate.id for gate in self.gates]
        twice = sorted({i for i in ids if ids.count(i) > 1})
        if twice:
            raise ValueError(f"gate ids have to be unique, {', '.join(twice)} stands twice")
        return self


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
