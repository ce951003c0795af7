"""The frozen values that travel through Shadow, from a decoded call to a finished record.

They are plain dataclasses, so that msgspec encodes them across the pipe without a copy of their definition.
Unknown is None everywhere: never 0, never NaN.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

FailureKind = Literal[
    "timeout",
    "connection",
    "http_4xx",
    "http_5xx",
    "rate_limited",
    "context_length",
    "out_of_memory",
    "empty",
    "incomplete",
    "invalid",
    "unavailable",
]
Disposition = Literal[
    "scored",
    "not_sampled",
    "other_turn",
    "filtered",
    "expired",
    "paused",
    "not_replayable",
    "invalid",
    "oversized",
    "poison",
    "heartbeat",
]
Role = Literal["incumbent", "baseline", "candidate"]
ArmState = Literal["warming", "up", "down", "paused", "stopped"]
VerdictWord = Literal["promote", "reject", "hold"]

INCUMBENT = "incumbent"
BASELINE = "baseline"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """One call of a tool that a model asked for. `arguments` is the parsed JSON, or the raw string when it does not parse."""

    name: str
    arguments: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Token counts as the server reported them."""

    input_tokens: int | None = None
    cached_input_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One model's normalised answer, recorded or live alike.

    `failure` says that there is no usable answer; `reason` says why an answer is not comparable although nobody failed
    (cut by the log, redacted, absent: the recorder's faults are not the incumbent's).
    """

    text: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    reasoning: str | None = None
    refusal: str | None = None
    finish_reason: str | None = None
    choices: tuple[str, ...] = ()
    model: str | None = None
    system_fingerprint: str | None = None
    usage: Usage = field(default_factory=Usage)
    failure: FailureKind | None = None
    comparable: bool = True
    reason: str | None = None

    @property
    def truncated(self) -> bool:
        """The output limit cut the answer: a property of the answer, not a failure."""
        return self.finish_reason == "length"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One decoded call of a mirrored record.

    `request` is the body that would travel to every arm (model, stream and transport keys are set per arm);
    None when the call is not replayable, and then `reason` says why. `notes` name what reading the call changed or
    doubted (`shadow.wire.reasons.Note`), such as an output limit that is ours.
    """

    index: int
    id: str
    request: dict[str, Any] | None
    endpoint: Literal["chat", "completions"] = "chat"
    ts_unix_ms: int | None = None
    session: str | None = None
    turn: int = 1
    route: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    model: str | None = None
    user: str | None = None
    prompt_text: str = ""
    messages_count: int = 0
    replayable: bool = True
    comparable: bool = True
    reason: str | None = None
    answer: Answer = field(default_factory=Answer)
    status: int | None = None
    latency_ms: float | None = None
    ttft_ms: float | None = None
    traceparent: str | None = None
    heartbeat: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What sampling decided about one call, before any arm answered.

    `weight_exponent` k means weight class 2**-k (k = 0 under uniform sampling). `counted` is False for turns that are
    replayed only so that prefix caches behave as in production.
    """

    disposition: Disposition
    counted: bool
    probability: float
    weight_exponent: int = 0
    baseline: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmOutcome:
    """What one arm did with one call. Seconds are of the monotonic clock; None where it was not measured.

    `spell` is None outside spells, "first" on the failure that opens one (evidence), "inside" on the further ones
    (`failure` is then "unavailable"). `client_saturated` marks latencies taken while our own loop lagged. `in_flight` is
    how many calls this worker had with the arm when this one was sent, itself included.
    `asked` is False for an answer that was found in the past of the traffic: nobody asked for it now, and its text is kept elsewhere.
    """

    arm: str
    role: Role
    answer: Answer
    failure: FailureKind | None = None
    status: int | None = None
    retries: int = 0
    queue_seconds: float | None = None
    latency_seconds: float | None = None
    ttft_seconds: float | None = None
    ttft_answer_seconds: float | None = None
    tpot_seconds: float | None = None
    spell: Literal["first", "inside"] | None = None
    client_saturated: bool = False
    limited_by_us: bool = False
    sent_unix_ms: int | None = None
    in_flight: int | None = None
    asked: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedCall:
    """One call with every arm's outcome: the unit of scoring."""

    call: Call
    selection: Selection
    outcomes: tuple[ArmOutcome, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedRecord:
    """One record of the source, done: the unit of the contiguous prefix.

    `sequence` counts the records delivered under one lease (0, 1, 2, ...), so that the prefix is known although offsets
    have gaps. `disposition` is the record's; `calls` is empty unless something was replayed or has an answer to keep.
    """

    topic: str
    partition: int
    offset: int
    lease_epoch: int
    sequence: int
    disposition: Disposition
    reason: str | None = None
    ts_unix_ms: int | None = None
    ids: tuple[str, ...] = ()
    size_bytes: int = 0
    payload: bytes | None = None  # only of a dead letter, and only where the operator keeps payloads
    calls: tuple[FinishedCall, ...] = ()
