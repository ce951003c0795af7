"""Metrics for Prometheus: fed after each commit, at each look of the monitor and by the processes; rendered on demand."""

import platform
from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector, generate_latest
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST as OPENMETRICS_TYPE
from prometheus_client.openmetrics.exposition import generate_latest as _generate_openmetrics

from shadow.clock import Clock, SystemClock
from shadow.exporters.base import Snapshot
from shadow.exporters.catalogue import calls as of_calls
from shadow.exporters.catalogue import decision as of_decision
from shadow.exporters.catalogue import processes as of_processes
from shadow.exporters.catalogue.metric import Metric
from shadow.exporters.commits import CommitRecorder, TraceIds
from shadow.exporters.exposition import Board
from shadow.exporters.memory import memory_series
from shadow.exporters.runtime import RuntimeView
from shadow.exporters.snapshots import FROM_SNAPSHOT, snapshot_values
from shadow.ledger.base import PrefixBatch
from shadow.settings import Settings

CLASSIC_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_BY_NAME = {metric.name: metric for metric in FROM_SNAPSHOT}


def process_registry() -> CollectorRegistry:
    """A registry with the usual figures of this process (CPU, memory, open files, garbage collection)."""
    registry = CollectorRegistry(auto_describe=False)
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


class PrometheusExporter:
    """The metrics of one process. Every method may be called from any thread, blocks for milliseconds at most.

    `registry` holds collectors of others (process, GPU); they are rendered behind the catalogue's metrics.
    """

    def __init__(
        self,
        settings: Settings,
        registry: CollectorRegistry,
        *,
        version: str,
        config_hash: str,
        role: str = "all",
        clock: Clock | None = None,
    ) -> None:
        self.board = Board(settings)
        self._registry = registry
        self._commits = CommitRecorder(self.board, settings, clock or SystemClock())
        self._words: dict[str, str] = {}
        with self.board.lock:
            self.board.value(of_processes.BUILD_INFO, version, platform.python_version()).value = 1
            self.board.value(of_processes.CONFIG_INFO, config_hash, role).value = 1
            self.board.value(of_processes.OVERFLOW)
            self.board.value(of_processes.FENCED)
            self.board.value(of_calls.COMMITS)

    def observe_committed(
        self, batch: PrefixBatch, *, commit_seconds: float | None = None, trace_ids: TraceIds | None = None
    ) -> None:
        """Counts a batch whose transaction has succeeded; `trace_ids` become exemplars of its latencies."""
        self._commits.record(batch, commit_seconds, trace_ids or {})

    def observe_scoring(
        self, scorer: str, *, seconds: float, cases: int, errors: Mapping[str, int] | None = None
    ) -> None:
        """One batch of one scorer: `cases` judged in `seconds` together, `errors` by class name."""
        with self.board.lock:
            if cases > 0:
                child = self.board.distribution(of_processes.SCORER_DURATION, scorer)
                each = seconds / cases
                for _ in range(cases):
                    child.observe(each)
            for kind, count in (errors or {}).items():
                bounded = self._commits.bounds.keep("kind", kind, scorer)
                self.board.value(of_processes.SCORER_ERRORS, scorer, bounded).add(count)

    def publish(self, snapshot: Snapshot) -> None:
        """Takes over everything a snapshot says; series of what it no longer mentions vanish."""
        values = snapshot_values(snapshot)
        with self.board.lock:
            for name, series in values.items():
                self.board.replace(_BY_NAME[name], series)
            self._count_changes(snapshot)

    def _count_changes(self, snapshot: Snapshot) -> None:
        if not snapshot.leads:
            self._words = {}
            self.board.replace(of_decision.VERDICT_CHANGES, {})
            return
        words = {view.verdict.candidate: view.verdict.word for view in snapshot.candidates}
        totals: dict[tuple[str, ...], float] = {}
        for name, word in words.items():
            series = self.board.value(of_decision.VERDICT_CHANGES, name)
            if self._words.get(name, word) != word:
                series.add(1)
            totals[(name,)] = series.value
        self.board.replace(of_decision.VERDICT_CHANGES, totals)
        self._words = dict(words)

    def publish_runtime(self, view: RuntimeView) -> None:
        """Takes over what the processes say about themselves."""
        with self.board.lock:
            for metric, series in self._runtime(view):
                self.board.replace(metric, series)

    def _runtime(self, view: RuntimeView) -> Iterator[tuple[Metric, dict[tuple[str, ...], float]]]:
        keep = self._commits.bounds.keep
        for metric, value in (
            (of_processes.WINDOW_CALLS, view.window_calls),
            (of_processes.WINDOW_CALLS_LIMIT, view.window_calls_limit),
            (of_processes.WINDOW_BYTES, view.window_bytes),
            (of_processes.WINDOW_BYTES_LIMIT, view.window_bytes_limit),
            (of_processes.UNCOMMITTED, view.uncommitted_records),
            (of_processes.PROBABILITY, view.probability),
            (of_processes.FENCED, view.fenced),
            (of_processes.LEDGER_REFUSALS, view.ledger_refusals),
        ):
            yield metric, {} if value is None else {(): float(value)}
        yield of_processes.LOOP_LAG, {(name,): value for name, value in view.loop_lag_seconds.items()}
        yield of_processes.HEARTBEAT, {(name,): value / 1000 for name, value in view.heartbeats_unix_ms.items()}
        yield of_processes.RESTARTS, {(name,): float(value) for name, value in view.restarts.items()}
        yield of_processes.IN_FLIGHT, {(name,): float(value) for name, value in view.in_flight.items()}
        yield of_processes.BUDGET, {(name,): value for name, value in view.budgets.items()}
        yield from memory_series(view)
        yield of_processes.KNOWN_RECORD, {(path,): at / 1000 for path, at in view.known_records_unix_ms.items()}
        yield of_processes.KNOWN_ANSWER, {(s.scorer,): s.good_unix_ms / 1000 for s in view.scorers}
        yield of_processes.SCORER_DRIFT, {(s.scorer,): float(s.drifted) for s in view.scorers}
        yield of_processes.SCORER_DEVIATION, {(s.scorer,): s.deviation for s in view.scorers if s.deviation is not None}
        yield of_processes.SCORER_EVALUE, {(s.scorer,): s.log_evalue for s in view.scorers if s.log_evalue is not None}
        yield of_processes.SCORER_AGREEMENT, {(s.scorer,): s.agreement for s in view.scorers if s.agreement is not None}
        yield of_processes.SCORER_BUDGET, dict(view.scorer_budgets)
        yield of_processes.SCORER_SKIPPED, {key: float(count) for key, count in view.scorer_skipped.items()}
        yield (
            of_processes.DEAD_LETTERS,
            _summed((keep("reason", name, "dead"), n) for name, n in view.dead_letters.items()),
        )
        yield of_processes.ERRORS, _summed((keep("stage", name), n) for name, n in view.errors.items())

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """The answer to a scrape and its content type. OpenMetrics (with exemplars) where the scraper accepts it."""
        if "application/openmetrics-text" in accept:
            # The library's part ends with the closing line of the whole answer.
            others: bytes = _generate_openmetrics(self._registry)  # type: ignore[no-untyped-call]
            return self.board.render(openmetrics=True) + others, OPENMETRICS_TYPE
        return self.board.render() + generate_latest(self._registry), CLASSIC_TYPE

    def close(self) -> None:
        """Nothing is held open."""


def _summed(pairs: Iterator[tuple[str, int]]) -> dict[tuple[str, ...], float]:
    sums: dict[tuple[str, ...], float] = {}
    for name, count in pairs:
        sums[(name,)] = sums.get((name,), 0.0) + count
    return sums
