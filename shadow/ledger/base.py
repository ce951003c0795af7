"""The port of the ledger: outcomes, aggregates and positions, changed together or not at all."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol

from shadow.records import Disposition, Role
from shadow.sources.base import PositionQuestion


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeRow:
    """One call and arm, as `shadow export` writes it. `epoch` is None for the incumbent and the baseline."""

    topic: str
    partition: int
    offset: int
    call: int
    id: str
    ts_unix_ms: int | None
    session: str | None
    user_key: str | None  # keyed hash of the user, only for `shadow forget`
    route: str | None
    tags: dict[str, str]
    segment: str
    segments: tuple[str, ...]  # every segment the pair counts in beside "all"
    weight_exponent: int
    probability: float
    counted: bool
    epoch: int | None
    arm: str
    role: Role
    status: int | None
    failure: str | None
    spell: str | None
    truncated: bool
    retries: int
    latency_seconds: float | None
    queue_seconds: float | None
    ttft_seconds: float | None
    ttft_answer_seconds: float | None
    tpot_seconds: float | None
    client_saturated: bool
    limited_by_us: bool
    comparable: bool
    input_tokens: int | None
    cached_input_tokens: int | None
    output_tokens: int | None
    reasoning_tokens: int | None
    cost_usd: float | None
    scores: dict[str, float | None]
    labels: dict[str, str | None]
    reasons: dict[str, str]  # by scorer, never quoting texts
    findings: list[dict[str, Any]]  # {"scorer", "category", "count"}

    @property
    def asked(self) -> bool:
        """False for a baseline's answer that was found in the past of the traffic (`duplicates`): it has neither a
        failure nor a latency, because nobody asked for it."""
        return self.role != "baseline" or self.failure is not None or self.latency_seconds is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class TextRow:
    """The text of one arm's answer (`arm` "" holds the request), already redacted as configured."""

    offset: int
    call: int
    arm: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordRow:
    """A record that left more than a count: everything but not_sampled and other_turn."""

    offset: int
    ids: tuple[str, ...]
    disposition: Disposition
    reason: str | None
    ts_unix_ms: int | None


class AggregateKey(NamedTuple):
    """Where an additive state is kept. `kind` names the codec; minute is unix minutes of the event time."""

    kind: Literal["pair", "arm", "floor"]
    epoch: int  # 0 for arms without an epoch
    subject: str  # candidate or arm
    segment: str
    minute: int
    weight_exponent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmTotals:
    """Additive counts behind `shadow coverage`."""

    outcomes: int = 0
    failures: int = 0  # without `unavailable`
    output_tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PrefixBatch:
    """A contiguous prefix of resolved records of one partition: one transaction."""

    topic: str
    partition: int
    expected_offset: int
    next_offset: int
    gaps: int
    dispositions: dict[Disposition, int]
    records: tuple[RecordRow, ...]
    outcomes: tuple[OutcomeRow, ...]
    texts: tuple[TextRow, ...]
    arm_totals: dict[str, ArmTotals]
    aggregates: dict[AggregateKey, bytes]
    last_ts_unix_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionAnswer:
    """Where to go on. `lost` records fell to retention before they were read (counted, shown)."""

    next_offset: int
    lost: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionRow:
    """One partition as the ledger knows it; read = next_offset - first_offset - gaps - lost."""

    topic: str
    partition: int
    topic_id: str
    first_offset: int
    next_offset: int
    gaps: int
    lost: int
    updated_unix_ms: int
    last_ts_unix_ms: int | None = None  # event time of the latest committed record


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochRow:
    """One epoch of evidence for one candidate; `why_ended` is None while it is current."""

    id: int
    candidate: str
    key: str
    description: dict[str, Any]
    started_unix_ms: int
    ended_unix_ms: int | None = None
    why_ended: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What `shadow why` knows of one request: its record and the outcome of every arm."""

    topic: str
    partition: int
    record: RecordRow
    outcomes: tuple[OutcomeRow, ...] = field(default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class RawCounts:
    """Counts made again from the rows. `dispositions` lacks not_sampled and other_turn, which leave no row.

    `swept` offsets have lost their rows to `ledger.outcome_days`: above 0, a recount cannot equal the totals.
    """

    dispositions: dict[str, int]
    arms: dict[str, ArmTotals]
    swept: int = 0


MergeStates = Callable[[str, bytes, bytes], bytes]
"""(kind, one, other) -> sum. Commutative, associative, bit-exact."""


FoldRows = Callable[[Iterable[list[OutcomeRow]]], Mapping[AggregateKey, bytes]]
"""Rows of calls, one list per call, to encoded additive states."""


class Ledger(Protocol):
    """Synchronous; used from one writer thread (`commit` and what changes) and from readers. May block on the database.

    Raises LedgerError for a state that needs a person, UnreachableError when the database does not answer.
    """

    def ledger_id(self) -> str: ...

    def load_position(self, question: PositionQuestion, *, group: str) -> PositionAnswer: ...

    def commit(self, batch: PrefixBatch) -> None:
        """All of `batch` or nothing; Fenced when `next_offset` is not `expected_offset` any more."""
        ...

    def positions(self) -> list[PositionRow]: ...

    def dispositions(self) -> dict[str, int]: ...

    def arm_totals(self) -> dict[str, ArmTotals]: ...

    def open_epoch(self, candidate: str, key: str, description: dict[str, Any], at_unix_ms: int, why: str) -> EpochRow:
        """The current epoch when its key is the same, else a new one; the old one then ends with `why`."""
        ...

    def epochs(self, candidate: str | None = None) -> list[EpochRow]: ...

    def aggregates(self, kind: str, epoch: int, subject: str) -> Iterator[tuple[AggregateKey, bytes]]:
        """Every stored state of a subject, minutes of all partitions and rolled-up hours alike."""
        ...

    def outcomes(self, *, arm: str | None = None, epoch: int | None = None) -> Iterator[OutcomeRow]:
        """In the order (topic, partition, offset, call, arm); streams, never loads all."""
        ...

    def explain(self, request_id: str) -> list[Explanation]: ...

    def texts(self, topic: str, partition: int, offset: int, call: int) -> dict[str, str]:
        """Stored texts of one call by arm ("" is the request); empty when none are kept."""
        ...

    def take_lease(self, name: str, holder: str, now_unix_ms: int, ttl_seconds: float) -> bool:
        """True when `holder` holds the lease now (taken, renewed or taken over after it expired)."""
        ...

    def release_lease(self, name: str, holder: str) -> None: ...

    def put_note(self, kind: str, subject: str, key: str, value: dict[str, Any], at_unix_ms: int) -> bool:
        """Appends a small fact once per (kind, subject, key): verdict changes, first crossings, policies in force. False: known already."""
        ...

    def notes(self, kind: str, subject: str | None = None) -> list[tuple[str, str, dict[str, Any], int]]:
        """(subject, key, value, unix ms) in the order they were appended."""
        ...

    def get_state(self, name: str) -> bytes | None: ...

    def put_state(self, name: str, value: bytes) -> None:
        """Small mutable states of the monitor (change detectors); last write wins."""
        ...

    def forget(self, *, request_id: str | None = None, session: str | None = None, user: str | None = None) -> int:
        """Erases texts and ids; numbers stay. Returns how many calls were touched."""
        ...

    def refold(self, key: str, fold: FoldRows) -> int:
        """Makes the paired states those of another counting specification, from the outcomes, in one transaction."""
        ...

    def roll_up(self, before_minute: int) -> int:
        """Moves closed minutes into hours without partition, exactly, an hour per transaction. Returns rows removed."""
        ...

    def sweep(self, now_unix_ms: int) -> int:
        """Deletes texts and outcomes past their retention. Returns rows removed."""
        ...

    def close(self) -> None: ...
