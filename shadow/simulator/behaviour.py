"""What the simulator does at this moment: delays, faults, limits. Read once per request, replaced whole by `/control`."""

from collections.abc import Mapping
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

FaultKind = Literal[
    "http_500",
    "http_429",
    "http_503",
    "http_400",
    "context_length",
    "out_of_memory",
    "hang",
    "close",
    "close_mid_stream",
    "garbage",
    "empty",
    "huge",
    "slow",
    "error_in_200",
    "no_done",
]
FAULT_KINDS: tuple[FaultKind, ...] = get_args(FaultKind)


class Load(BaseModel):
    """What `/metrics` reports on top of the simulator's own requests: the load of clients that are not there."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    running: int = Field(default=0, ge=0)
    waiting: int = Field(default=0, ge=0)
    kv_cache_usage_ratio: float = Field(default=0.0, ge=0, le=1)


class Behaviour(BaseModel):
    """Every switch of the simulator. The same names are options of the command, arguments of the thread, keys of `/control`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    ttft_ms: float = Field(default=20.0, ge=0, description="delay until the first token of an answer")
    itl_ms: float = Field(default=0.0, ge=0, description="delay between tokens; 0 sends the rest with the first")
    load_ms: float = Field(
        default=0.0,
        ge=0,
        description="added to the delay of the first token for each other request in flight, whatever its model: one GPU shared",
    )
    latency_jitter: float = Field(
        default=0.0,
        ge=0,
        le=3,
        description="sigma of a log-normal factor on every delay of a request; the median stays",
    )
    tokens: int = Field(default=32, ge=1, le=1_000_000, description="length of the answer to a prompt nobody recorded")
    faults: dict[FaultKind, float] = Field(
        default={}, description="share of prompts that meet each fault; the sum is at most 1"
    )
    fail_attempts: int = Field(
        default=0, ge=0, description="a prompt with a fault fails so many times, then works; 0: always"
    )
    slow_factor: float = Field(default=10.0, ge=1, description="what the fault `slow` multiplies delays with")
    huge_bytes: int = Field(default=100_000_000, ge=1, description="size of the answer of the fault `huge`")
    hang_seconds: float = Field(default=3600.0, gt=0, description="how long the fault `hang` keeps a connection")
    max_inflight: int | None = Field(
        default=None, ge=1, description="requests answered at once; more wait, as in an engine"
    )
    max_queue: int | None = Field(default=None, ge=0, description="requests that may wait; more get 503")
    early_headers: bool = Field(
        default=False, description="send the headers of a stream at once, not with the first token"
    )
    timestamps: bool = Field(
        default=False, description='add "t" to answers and chunks: CLOCK_MONOTONIC nanoseconds when it was written'
    )
    ready: bool = Field(default=True, description="false: everything answers 503, as while weights are being loaded")
    system_fingerprint: str | None = Field(default=None, description="given with every answer, to play a silent update")
    load: Load = Load()
    seed: int = 0

    @field_validator("faults")
    @classmethod
    def _shares(cls, faults: dict[FaultKind, float]) -> dict[FaultKind, float]:
        wrong = [k for k, share in faults.items() if not 0 <= share <= 1]
        if wrong:
            raise ValueError(f"the share of {', '.join(wrong)} has to lie between 0 and 1")
        if sum(faults.values()) > 1 + 1e-9:
            raise ValueError("the shares of all faults together are above 1")
        return faults

    def changed(self, changes: Mapping[str, Any]) -> "Behaviour":
        """A copy with some keys replaced. Raises ValueError with one line for each key that is wrong."""
        return behaviour({**self.model_dump(), **changes})


def behaviour(values: Mapping[str, Any]) -> Behaviour:
    """Validated switches. Raises ValueError with one line for each that is wrong, naming it."""
    try:
        return Behaviour.model_validate(dict(values))
    except ValidationError as error:
        lines = (f"{'.'.join(str(p) for p in e['loc'])}: {e['msg']}" for e in error.errors())
        raise ValueError("\n".join(lines)) from None
