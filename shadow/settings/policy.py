"""What a candidate has to show: gates, utility, error rates, the mix to judge by."""

from typing import Literal

from pydantic import Field, model_validator

from shadow.settings.base import Duration, Name, Section


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
