"""What a verdict consists of: frozen values that pages, exporters and commands read."""

from dataclasses import dataclass, field
from typing import Literal

from shadow.records import VerdictWord

GateState = Literal["proven", "violated", "undecided", "uncalibrated", "not_evaluable"]
SegmentState = Literal["worse", "not_worse", "insufficient"]
HoldReason = Literal[
    "undecided",
    "uncalibrated",
    "not_evaluable",
    "equivalent",
    "too_early",
    "stale",
    "mix_drift",
    "scorer_drift",
    "unavailable",
    "alarm",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """One gate at one look. `lower`, `point`, `upper` are in the unit of `limit` (effect as candidate minus reference for
    differences, where larger is worse for risks and drops; a ratio; seconds; a rate). None where nothing is known."""

    id: str
    kind: str
    metric: str
    hard: bool
    state: GateState
    limit: float
    lower: float | None = None
    point: float | None = None
    upper: float | None = None
    floor: float | None = None  # the A/A noise floor in the same unit
    n: int = 0
    log_evalue_ok: float | None = None
    log_evalue_bad: float | None = None
    records_to_go: int | None = None
    proven_at_n: int | None = None
    violated_at_n: int | None = None
    reason: str = ""


CrossingKind = Literal["proven", "paged", "violated", "rejected"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """Evidence that reached its bound: it stands from then on, whatever the verdict does later.

    `key` names the crossing within an epoch and holds a hash of everything its meaning depends on, so that a changed
    margin has crossings of its own. `proven` and `violated`: a gate's evidence; `paged`: a hard gate's own alarm;
    `rejected`: the candidate. `at_unix_ms` is event time, None without timestamps.
    """

    key: str
    kind: CrossingKind
    gate: str | None
    n: int
    at_unix_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Why nothing is decided; `gate` where one gate is the cause; `detail` is a sentence for a person."""

    reason: HoldReason
    gate: str | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UtilityTerm:
    """One addend of the utility: of kind log quality, cost, robustness, already multiplied by their weights; of kind linear
    what an answer of the candidate is worth in dollars, and the negative of the incumbent's."""

    name: str
    lower: float | None
    point: float | None
    upper: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The answer for one candidate at one look. `sentence` says what to do."""

    candidate: str
    word: VerdictWord
    n: int
    sentence: str
    effective_n: float | None = None
    holds: tuple[Hold, ...] = ()
    gates: tuple[GateResult, ...] = ()
    utility_kind: Literal["log", "linear"] | None = None
    utility: tuple[UtilityTerm, ...] = field(default=())
    utility_lower: float | None = None
    utility_point: float | None = None
    utility_upper: float | None = None
    crossings: tuple[Crossing, ...] = ()  # first crossings at this look, for the caller to store
