"""What becomes of a record before any candidate sees it: decoded, filtered, aged, deduplicated, sampled.

Every record ends here in a disposition, or goes on as calls to replay. Order matters and is fixed: filters and age are
judged before sampling, and what sampling chose is never dropped afterwards.
"""

from collections.abc import Callable
from dataclasses import dataclass

from shadow.errors import DecodeError
from shadow.loops.duplicates import FirstPlaces
from shadow.records import Call, Disposition, Selection
from shadow.sampling import Facts, Sampler, unit_key
from shadow.settings import Filter
from shadow.sources.base import Delivered

Decode = Callable[[Delivered], list[Call]]
"""Raises DecodeError for a record that cannot be read; nothing else."""

DUPLICATE_MEMORY = 2**18
_CLOCK_SKEW_MS = 60_000

# A record of several calls takes the first of these that any of its calls has.
_PRIORITY: tuple[Disposition, ...] = (
    "scored",
    "heartbeat",
    "paused",
    "other_turn",
    "not_sampled",
    "filtered",
    "expired",
    "not_replayable",
    "invalid",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """A call to replay, with what sampling decided."""

    call: Call
    selection: Selection


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A record's way: `chosen` calls to replay, or none and the final disposition with its reason."""

    disposition: Disposition
    reason: str | None = None
    chosen: tuple[Chosen, ...] = ()
    ids: tuple[str, ...] = ()
    ts_unix_ms: int | None = None


class Intake:
    """Judges records one after another; owned by the replayer's loop."""

    def __init__(
        self,
        decode: Decode,
        sampler: Sampler,
        *,
        filters: Filter,
        max_age_seconds: float | None,
        now_unix_ms: Callable[[], int],
        duplicate_memory: int = DUPLICATE_MEMORY,
    ) -> None:
        self._decode = decode
        self._sampler = sampler
        self._filters = filters
        self._max_age_ms = None if max_age_seconds is None else max_age_seconds * 1000
        self._now = now_unix_ms
        self._first = FirstPlaces(duplicate_memory)
        self.without_session = 0

    def judge(self, delivered: Delivered, *, shed_exponent: int = 0, may_ask: bool = True) -> Judged:
        """Decides about one record. `may_ask` False: no arm may be asked now (budget, governor)."""
        if delivered.oversized:
            return Judged(disposition="oversized", reason="oversized", ts_unix_ms=delivered.ts_unix_ms)
        try:
            calls = self._decode(delivered)
        except DecodeError as error:
            return Judged(disposition="invalid", reason=error.reason, ts_unix_ms=delivered.ts_unix_ms)
        if not calls:
            return Judged(disposition="filtered", reason="no_calls", ts_unix_ms=delivered.ts_unix_ms)
        verdicts = [self._judge_call(delivered, call, shed_exponent, may_ask) for call in calls]
        chosen = tuple(Chosen(call=c, selection=s) for c, (s, _) in zip(calls, verdicts, strict=True) if _replays(s))
        best = min(verdicts, key=lambda v: _PRIORITY.index(v[0].disposition))
        return Judged(
            disposition=best[0].disposition,
            reason=best[1],
            chosen=chosen,
            ids=tuple(dict.fromkeys(call.id for call in calls)),
            ts_unix_ms=calls[0].ts_unix_ms or delivered.ts_unix_ms,
        )

    def _judge_call(
        self, delivered: Delivered, call: Call, shed_exponent: int, may_ask: bool
    ) -> tuple[Selection, str | None]:
        if call.heartbeat:
            return Selection(disposition="heartbeat", counted=False, probability=1.0), None
        if not self._wanted(call):
            return _refused("filtered"), "filter"
        if self._duplicate(delivered, call):
            return _refused("filtered"), "duplicate"
        if self._expired(call):
            return _refused("expired"), None
        if not call.replayable:
            return _refused("not_replayable"), call.reason
        self.without_session += call.session is None
        key = unit_key(call, delivered.topic, delivered.partition, delivered.offset)
        selection = self._sampler.decide(call, key, shed_exponent=shed_exponent, facts=_facts(call))
        if selection.disposition == "scored" and not may_ask:
            return _refused("paused"), None
        return selection, None

    def _wanted(self, call: Call) -> bool:
        wanted = self._filters
        return (
            (not wanted.model or call.model in wanted.model)
            and (not wanted.route or call.route in wanted.route)
            and all(call.tags.get(k) in values for k, values in wanted.tag.items())
        )

    def _duplicate(self, delivered: Delivered, call: Call) -> bool:
        """The first record with a call id counts; the same place delivered again is no duplicate of itself."""
        here = (delivered.topic, delivered.partition, delivered.offset, call.index)
        return not self._first.is_first(call.id, here)

    def _expired(self, call: Call) -> bool:
        if self._max_age_ms is None or call.ts_unix_ms is None:
            return False
        return self._now() - call.ts_unix_ms > self._max_age_ms + _CLOCK_SKEW_MS


def _replays(selection: Selection) -> bool:
    """A heartbeat is nobody's request: no arm is asked, and no outcome could be taken for evidence."""
    return selection.disposition == "scored"


def _refused(disposition: Disposition) -> Selection:
    return Selection(disposition=disposition, counted=False, probability=0.0)


def _facts(call: Call) -> Facts:
    """What the mirror's own tags say; nothing is guessed from the text on the lean side."""
    language = call.tags.get("lang") or call.tags.get("language")
    return Facts(language=language, adversarial=call.tags.get("adversarial", "").lower() in ("1", "true", "yes"))
