"""Counts what a transaction stored, after it stored it: nothing is counted that a crash could undo."""

import math
import re
from collections.abc import Mapping

from shadow.clock import Clock
from shadow.exporters.catalogue import calls as of_calls
from shadow.exporters.catalogue import processes as of_processes
from shadow.exporters.catalogue.metric import Metric
from shadow.exporters.exposition import Board, Distribution, Value
from shadow.exporters.labels import CAPS, MAX_LABEL_CHARACTERS, NONE, OK, OTHER
from shadow.ledger.base import OutcomeRow, PrefixBatch
from shadow.settings import Settings

TraceIds = Mapping[tuple[int, int], str]
"""(offset, call) -> trace id, for exemplars."""


class Bounds:
    """Keeps labels bounded: the first so many values of a label (within one scope) are kept, the rest become `other`."""

    def __init__(self, board: Board, reserved_routes: tuple[str, ...] = ()) -> None:
        self._board = board
        self._seen: dict[tuple[str, str], set[str]] = {("route", ""): {NONE, *reserved_routes[: CAPS["route"] - 1]}}

    def keep(self, label: str, value: str | None, scope: str = "") -> str:
        """The value as a label may carry it; counted where it had to become `other`. Hold the board's lock."""
        text = value[:MAX_LABEL_CHARACTERS] if value else NONE
        seen = self._seen.setdefault((label, scope), set())
        if text in seen:
            return text
        if len(seen) >= CAPS[label]:
            self._board.value(of_processes.OVERFLOW).add(1)
            return OTHER
        # A lone surrogate cannot be written as UTF-8 and would break every scrape from now on.
        if not text.isprintable():
            self._board.value(of_processes.OVERFLOW).add(1)
            return OTHER
        seen.add(text)
        return text


def _word(reason: str | None) -> str | None:
    """A scorer's sentence as one label value: "no answer text" is no_answer_text."""
    return None if reason is None else re.sub(r"[^a-z0-9]+", "_", reason.lower()).strip("_")


def _usable(value: float | None) -> bool:
    return value is not None and math.isfinite(value) and value >= 0


class CommitRecorder:
    """Turns committed batches into counters and histograms. Series are resolved once and kept."""

    def __init__(self, board: Board, settings: Settings, clock: Clock) -> None:
        strata = (s.when.route for s in settings.sampling.strata)
        wanted = (*settings.source.filter.route, *(route for route in strata if route))
        self._board = board
        self._clock = clock
        self.bounds = Bounds(board, tuple(dict.fromkeys(wanted)))
        self._values: dict[tuple[str, ...], Value] = {}
        self._distributions: dict[tuple[str, ...], Distribution] = {}

    def _add(self, metric: Metric, amount: float, *labels: str) -> None:
        key = (metric.name, *labels)
        child = self._values.get(key)
        if child is None:
            child = self._values[key] = self._board.value(metric, *labels)
        child.value += amount

    def _observe(self, metric: Metric, value: float, trace: str | None, now: float, *labels: str) -> None:
        key = (metric.name, *labels)
        child = self._distributions.get(key)
        if child is None:
            child = self._distributions[key] = self._board.distribution(metric, *labels)
        child.observe(value, trace, now)

    def record(self, batch: PrefixBatch, commit_seconds: float | None, traces: TraceIds) -> None:
        """Counts one committed batch, whole, under one lock."""
        now_ms = self._clock.wall_unix_ms()
        now = now_ms / 1000
        with self._board.lock:
            self._add(of_calls.COMMITS, 1)
            self._add(of_calls.LAST_COMMIT, now - self._board.value(of_calls.LAST_COMMIT).value)
            if commit_seconds is not None:
                self._observe(of_calls.COMMIT_DURATION, commit_seconds, None, now)
            for disposition, count in batch.dispositions.items():
                self._add(of_calls.RECORDS, count, disposition)
            for record in batch.records:
                if record.disposition == "scored" and record.ts_unix_ms is not None:
                    # Clocks of two machines may disagree by a little: an answer from the future waited zero seconds.
                    self._observe(of_calls.PAIR_DELAY, max(0.0, (now_ms - record.ts_unix_ms) / 1000), None, now)
            for row in batch.outcomes:
                self._outcome(row, traces.get((row.offset, row.call)), now)

    def _outcome(self, row: OutcomeRow, trace: str | None, now: float) -> None:
        arm, route = row.arm, self.bounds.keep("route", row.route)
        self._add(of_calls.REQUESTS, 1, arm, route, row.failure or OK)
        if row.spell == "first":
            self._add(of_calls.SPELLS, 1, arm)
        if row.retries:
            self._add(of_calls.RETRIES, row.retries, arm)
        if row.truncated:
            self._add(of_calls.TRUNCATED, 1, arm, route)
        if row.limited_by_us:
            self._add(of_calls.LIMITED_BY_US, 1, arm)
        if row.client_saturated:
            self._add(of_calls.CLIENT_SATURATED, 1, arm)
        if row.failure is None:
            self._latencies(row, arm, route, trace, now)
        if row.asked:
            self._usage(row, arm, route)
        self._scores(row, arm)

    def _latencies(self, row: OutcomeRow, arm: str, route: str, trace: str | None, now: float) -> None:
        for metric, seconds in (
            (of_calls.DURATION, row.latency_seconds),
            (of_calls.TTFT, row.ttft_seconds),
            (of_calls.TPOT, row.tpot_seconds),
        ):
            if seconds is not None and _usable(seconds):
                self._observe(metric, seconds, trace, now, arm, route)
        if row.queue_seconds is not None and _usable(row.queue_seconds):
            self._observe(of_calls.QUEUE_WAIT, row.queue_seconds, None, now, arm)

    def _usage(self, row: OutcomeRow, arm: str, route: str) -> None:
        for direction, tokens in (
            ("input", row.input_tokens),
            ("cached_input", row.cached_input_tokens),
            ("output", row.output_tokens),
            ("reasoning", row.reasoning_tokens),
        ):
            if tokens is not None and tokens >= 0:
                self._add(of_calls.TOKENS, tokens, arm, route, direction)
        if row.cost_usd is not None and _usable(row.cost_usd):
            self._add(of_calls.COST, row.cost_usd, arm, route)
        elif row.failure is None:
            self._add(of_calls.COST_UNKNOWN, 1, arm)
        if row.failure is None and row.output_tokens is None:
            self._add(of_calls.USAGE_UNKNOWN, 1, arm)

    def _scores(self, row: OutcomeRow, arm: str) -> None:
        for scorer, value in row.scores.items():
            if value is not None and _usable(value):
                self._observe(of_calls.SCORE, value, None, 0.0, arm, scorer)
            else:
                reason = self.bounds.keep("reason", _word(row.reasons.get(scorer)), scorer)
                self._add(of_calls.UNSCORED, 1, arm, scorer, reason)
        for scorer, label in row.labels.items():
            if label is not None:
                self._add(of_calls.SCORE_LABELS, 1, arm, scorer, self.bounds.keep("label", label, scorer))
        for finding in row.findings:
            scorer = str(finding.get("scorer", OTHER))
            category = self.bounds.keep("category", str(finding.get("category", OTHER)), scorer)
            self._add(of_calls.FINDINGS, int(finding.get("count", 1)), arm, scorer, category)
