"""The evaluator's adapters, built from settings."""

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from scorers.language import language_of
from scorers.registry import build as build_scorer
from shadow.allowance import Allowance
from shadow.clock import SystemClock
from shadow.cost import Meter
from shadow.ledger.base import AggregateKey, Ledger, OutcomeRow
from shadow.ledger.identity import user_key
from shadow.ledger.sql import SqlLedger
from shadow.records import BASELINE, INCUMBENT
from shadow.redaction import Redactor
from shadow.rows import RowMaker, Segments
from shadow.scoring import OPEN_CASES, Entry, Observe, Scoring
from shadow.settings import Candidate, KafkaSource, Settings
from shadow.sources.dead_letters import FileDeadLetters, KafkaDeadLetters
from shadow.sources.kafka_client import client_options
from shadow.stats import FoldSpec, fold_into, merge_states, spread
from shadow.stats.fold import Shared

MOST_SEGMENTS = 60


def build_ledger(settings: Settings, *, read_only: bool = False) -> SqlLedger:
    """The configured ledger, its schema up to date."""
    return SqlLedger.open(
        settings.ledger.url,
        merge=merge_states,
        text_days=settings.ledger.text_days,
        outcome_days=settings.ledger.outcome_days,
        clock=SystemClock(),
        read_only=read_only,
    )


def build_scoring(settings: Settings, observe: Observe, allowance: Allowance | None = None) -> Scoring:
    """Every configured scorer; loads models."""
    entries = [
        Entry(
            label=entry.label,
            kind=entry.kind,
            scorer=build_scorer(entry.kind, entry.options, entry.label),
            rate=entry.rate,
            resolve=entry.resolve,
            generation=entry.generation,
        )
        for entry in settings.scorers
    ]
    return Scoring(entries, observe, allowance)


def fold_of(spec: FoldSpec) -> Callable[[Iterable[list[OutcomeRow]]], Mapping[AggregateKey, bytes]]:
    """Rows of calls to encoded additive states."""

    def fold(groups: Iterable[list[OutcomeRow]]) -> Mapping[AggregateKey, bytes]:
        shared: Shared = {}
        for rows in groups:
            fold_into(shared, rows, spec)
        return {key: state.to_bytes() for key, state in spread(shared).items()}

    return fold


class _Identity(msgspec.Struct):
    """Who the incumbent was last seen to be, and how often that changed."""

    identity: str | None = None
    changes: int = 0


class Rows:
    """Makes row makers: with the epoch of every candidate opened where something has changed."""

    def __init__(self, settings: Settings, ledger: Ledger, scoring: Scoring) -> None:
        self._settings, self._ledger, self._scoring = settings, ledger, scoring
        self._redactor = Redactor()
        self._segments = Segments(MOST_SEGMENTS, language_of)
        started = time.monotonic_ns()
        self._prices = {INCUMBENT: settings.incumbent.price, **{c.name: c.price for c in settings.candidates}}
        if settings.baseline is not None:
            self._prices[BASELINE] = settings.baseline.price
        self._meters = {name: Meter(started) for name in self._prices}

    def skip_idle(self) -> None:
        """Asking begins again after a pause of ours: what passed meanwhile is charged to no call."""
        now_ns = time.monotonic_ns()
        for meter in self._meters.values():
            meter.skip(now_ns)

    def identity(self) -> str | None:
        """Who the incumbent was last seen to be."""
        return self._kept().identity

    def maker(self, why: str = "") -> RowMaker:
        """For the rows that follow; `why` is said where an epoch ends for a reason that no setting shows."""
        settings, ledger = self._settings, self._ledger
        now = time.time_ns() // 1_000_000
        epochs = {}
        for candidate in settings.candidates:
            description = epoch_description(settings, candidate, self._scoring, self._kept().changes)
            key = hashlib.blake2b(json.dumps(description, sort_keys=True).encode(), digest_size=12).hexdigest()
            previous = next((e for e in reversed(ledger.epochs(candidate.name)) if e.why_ended is None), None)
            reason = why or ("" if previous is None else changes(previous.description, description))
            epochs[candidate.name] = ledger.open_epoch(
                candidate.name, key, description, now, reason or "first start"
            ).id
        identity = ledger.ledger_id()
        return RowMaker(
            epochs=epochs,
            prices=self._prices,
            meters=self._meters,
            segments=self._segments,
            clean=self._redactor.redact,
            clean_json=self._redactor.redact_json,
            user_key=lambda user: user_key(user, identity),
            absolute=frozenset(
                name
                for e in self._scoring.entries
                if e.scorer.kind == "absolute"
                for name in (e.label, e.label + OPEN_CASES)
            ),
            text=settings.ledger.text,
        )

    def renew(self, identity: str, why: str) -> RowMaker:
        """The incumbent is another one now (or, without a reason, is known for the first time)."""
        kept = self._kept()
        changed = _Identity(identity, kept.changes + bool(why))
        self._ledger.put_state("incumbent", msgspec.msgpack.encode(changed))
        return self.maker(why)

    def _kept(self) -> _Identity:
        data = self._ledger.get_state("incumbent")
        return _Identity() if data is None else msgspec.msgpack.decode(data, type=_Identity)


def epoch_description(
    settings: Settings, candidate: Candidate, scoring: Scoring, incumbent_changes: int
) -> dict[str, Any]:
    """What evidence depends on: candidate with variant, incumbent, scorer versions, sampling design.

    The address of a server is none of it, nor is a uniform rate: it changes how fast evidence grows, not what it says.
    """
    backend = candidate.backend.model_dump(mode="json", include={"kind", "model", "args"})
    return {
        "candidate": {"backend": backend, "variant": candidate.variant.model_dump(mode="json")},
        "incumbent": settings.incumbent.name,
        "incumbent_changes": incumbent_changes,
        "redacted_before_replay": settings.redaction.before_replay,
        "scorers": {e.label: e.description for e in scoring.entries},
        "sampling": settings.sampling.model_dump(mode="json", include={"unit", "counted_turn", "strata"}),
    }


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Why an epoch ends, in words: what differs between two descriptions. Empty when nothing does."""
    changed = sorted(k for k in {*before, *after} if before.get(k) != after.get(k))
    return f"{', '.join(changed)} changed" if changed else ""


def dead_letters(settings: Settings) -> FileDeadLetters | KafkaDeadLetters:
    """The configured topic, else a file beside the ledger."""
    source = settings.source
    if isinstance(source, KafkaSource) and source.dead_letter_topic is not None:
        return KafkaDeadLetters(client_options(source), source.dead_letter_topic)
    url = settings.ledger.url
    folder = Path(url.removeprefix("sqlite:///")).parent if url.startswith("sqlite:///") else Path()
    return FileDeadLetters(folder / "dead-letter.jsonl")
