"""What the evaluator shows: metrics, pages and traces, built and fed in one place."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shadow.allowance import Limit
from shadow.anchors.watch import Look
from shadow.exporters.base import Exporter, Snapshot
from shadow.exporters.otel import traces_from
from shadow.exporters.prometheus import PrometheusExporter, process_registry
from shadow.exporters.runtime import RuntimeView, ScorerView
from shadow.ledger.base import OutcomeRow, PrefixBatch
from shadow.ledger.sql import SqlLedger
from shadow.loops.evaluator import ScoredRecord
from shadow.loops.handoff import Gauges
from shadow.loops.memory import MemorySampler
from shadow.loops.probing import Probed
from shadow.loops.trails import Trails
from shadow.settings import Settings
from shadow.stats import FoldSpec
from shadow.web.server import Server, create_app, serve
from shadow.web.state import WebState, loopback_hosts
from shadow.web.worst import WorstCalls

RUNTIME_SECONDS = 1.0
WARM_OUTCOMES = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """What the processes know of themselves at a moment; None is unknown."""

    gauges: Gauges | None
    heartbeat_unix_ms: int | None
    backlog: int | None
    restarts: int
    fenced: int
    refused: int
    errors: Mapping[str, int]
    sampling_factor: float = 1.0
    budgets: Mapping[str, float] = field(default_factory=dict)
    scorer_budgets: Mapping[tuple[str, Limit], float] = field(default_factory=dict)
    scorer_skipped: Mapping[tuple[str, Limit], int] = field(default_factory=dict)


class Site:
    """Owned by the evaluator's loop; `committed` and `publish` are called from other threads."""

    def __init__(
        self,
        settings: Settings,
        *,
        ledger: SqlLedger,
        spec: FoldSpec,
        version: str,
        role: str,
        config_hash: str,
        health: Callable[[], Mapping[str, Any]],
        ready: Callable[[], Mapping[str, Any]],
        memory: MemorySampler | None = None,
    ) -> None:
        self._settings = settings
        self._memory = memory
        self._ledger = ledger
        self._prometheus = PrometheusExporter(
            settings, process_registry(), version=version, config_hash=config_hash, role=role
        )
        self._worst = WorstCalls(quality=settings.policy.quality, texts=ledger.texts)
        self._traces = traces_from(settings, version)
        self._latest: Snapshot | None = None
        self._dead: dict[str, int] = {}
        self._known: dict[str, int] = {}
        self._scorers: dict[str, ScorerView] = {}
        token_file = settings.web.token_file
        self._app = create_app(
            WebState(
                snapshot=lambda: self._latest,
                metrics=self._prometheus.render,
                health=health,
                ready=ready,
                calls=self._worst.calls,
                call=self._worst.call,
                trails=Trails(ledger.snapshot, settings.policy, spec.key).of,
                policy=settings.policy,
                about={"version": version, "role": role, "configuration": config_hash},
                token=None if token_file is None else Path(token_file).read_text(encoding="utf-8").strip(),
                allowed_hosts=loopback_hosts(settings.web.host),
            )
        )

    @property
    def exporters(self) -> tuple[Exporter, ...]:
        """Who takes snapshots."""
        return (self,)

    async def serve(self) -> Server:
        """Takes requests from now on; port 0 takes a free one."""
        return await serve(self._app, self._settings.web.host, self._settings.web.port)

    def publish(self, snapshot: Snapshot) -> None:
        """A look of the monitor."""
        self._latest = snapshot
        self._prometheus.publish(snapshot)

    def committed(self, batch: PrefixBatch, items: tuple[ScoredRecord, ...], commit_seconds: float) -> None:
        """A transaction of the writer."""
        traces = self._trace(batch, items)
        self._prometheus.observe_committed(batch, commit_seconds=commit_seconds, trace_ids=traces)
        self._worst.observe(batch.outcomes)
        if self._memory is not None:
            self._memory.finished(o for item in items for scored in item.calls for o in scored.finished.outcomes)
        if batch.dispositions.get("heartbeat"):
            self._known = {**self._known, "topic": time.time_ns() // 1_000_000}
        for record in batch.records:
            if record.disposition in ("invalid", "oversized", "not_replayable", "poison"):
                reason = record.reason or record.disposition
                self._dead[reason] = self._dead.get(reason, 0) + 1

    def _trace(self, batch: PrefixBatch, items: tuple[ScoredRecord, ...]) -> dict[tuple[int, int], str]:
        """Spans of what was committed; the trace ids become exemplars. Empty where nothing is traced."""
        if self._settings.otel.endpoint is None:
            return {}
        rows: dict[tuple[int, int], list[OutcomeRow]] = {}
        for row in batch.outcomes:
            rows.setdefault((row.offset, row.call), []).append(row)
        found = {}
        for item in items:
            for scored in item.calls:
                place = (item.record.offset, scored.finished.call.index)
                trace = self._traces.record(scored.finished, rows.get(place, []))
                if trace is not None:
                    found[place] = trace
        return found

    def expect(self, scorers: Iterable[str]) -> None:
        """From now on known records and answers are expected: one that never comes is missed as one that stops."""
        now = time.time_ns() // 1_000_000
        self._known = {**self._known, "worker": now}
        if self._settings.heartbeat.produce:
            self._known = {**self._known, "topic": now}
        self._scorers = {name: ScorerView(scorer=name, good_unix_ms=now) for name in scorers}

    def probed(self, probed: Probed) -> None:
        """A heartbeat that has reached the ledger."""
        if probed.beat.whole:
            self._known = {**self._known, "worker": probed.at_unix_ms}
        self._scorers = {**self._scorers, **{look.label: self._view(look, probed.at_unix_ms) for look in probed.looks}}

    def _view(self, look: Look, at_unix_ms: int) -> ScorerView:
        before = self._scorers.get(look.label)
        good = at_unix_ms if look.good or before is None else before.good_unix_ms
        return ScorerView(
            scorer=look.label,
            good_unix_ms=good,
            drifted=look.drifted,
            deviation=look.deviation,
            agreement=look.agreement,
            log_evalue=look.log_evalue,
        )

    def warm(self) -> None:
        """Fills the page of worst answers from a ledger that can be read in seconds; a larger one fills it as it goes on."""
        if sum(total.outcomes for total in self._ledger.arm_totals().values()) <= WARM_OUTCOMES:
            self._worst.observe(self._ledger.outcomes())

    def scored(self, scorer: str, seconds: float, cases: int, errors: Mapping[str, int]) -> None:
        """A batch of one scorer."""
        self._prometheus.observe_scoring(scorer, seconds=seconds, cases=cases, errors=errors)

    async def report_runtime(self, runtime: Callable[[], Runtime]) -> None:
        """Hands what the processes say to the exporter, until it is cancelled."""
        while True:
            seen = runtime()
            gauges = seen.gauges
            now = time.time_ns() // 1_000_000
            memory = self._memory
            devices = None if memory is None else memory.devices()
            heartbeats = {"evaluator": now}
            if seen.heartbeat_unix_ms is not None:
                heartbeats["replayer"] = seen.heartbeat_unix_ms
            self._prometheus.publish_runtime(
                RuntimeView(
                    loop_lag_seconds={} if gauges is None else {"replayer": gauges.loop_lag_seconds},
                    heartbeats_unix_ms=heartbeats,
                    restarts={"evaluator": seen.restarts, "replayer": seen.restarts},
                    window_calls=None if gauges is None else gauges.outstanding,
                    window_calls_limit=self._settings.replay.window_calls,
                    window_bytes=None if gauges is None else gauges.outstanding_bytes,
                    window_bytes_limit=self._settings.replay.window_bytes,
                    uncommitted_records=seen.backlog,
                    in_flight={} if gauges is None else {a.arm: a.in_flight for a in gauges.arms},
                    probability=seen.sampling_factor,
                    budgets=dict(seen.budgets),
                    dead_letters=dict(self._dead),
                    fenced=seen.fenced,
                    ledger_refusals=seen.refused,
                    known_records_unix_ms=dict(self._known),
                    scorers=tuple(self._scorers.values()),
                    scorer_budgets={(name, limit): used for (name, limit), used in seen.scorer_budgets.items()},
                    scorer_skipped={(name, limit): count for (name, limit), count in seen.scorer_skipped.items()},
                    errors={**seen.errors, **({} if gauges is None else _defects(gauges.notes))},
                    gpus=() if devices is None else devices.gpus,
                    held={} if devices is None else devices.arms,
                    peaks={} if memory is None else memory.peaks.table(),
                )
            )
            await asyncio.sleep(RUNTIME_SECONDS)

    def close(self) -> None:
        """Closes the traces and the pages' own connection to the ledger."""
        self._traces.close()
        self._prometheus.close()
        self._ledger.close()


def _defects(notes: Mapping[str, int]) -> dict[str, int]:
    """The replayer's notes that are defects of ours; a delivery that a rebalance made stale is none."""
    return {name: count for name, count in notes.items() if name in ("internal_error", "unencodable")}
