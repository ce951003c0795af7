"""A snapshot as gauges: a pure function from what the monitor published to every series it stands for."""

from collections.abc import Iterator
from typing import get_args

from shadow.exporters.base import ArmView, CandidateView, PartitionView, Quantiles, Snapshot
from shadow.exporters.catalogue import METRICS
from shadow.exporters.catalogue import decision as of_decision
from shadow.exporters.catalogue import ledger as of_ledger
from shadow.exporters.catalogue.metric import Metric
from shadow.exporters.labels import ARM_STATES, GATE_STATES, MAX_LABEL_CHARACTERS, SEGMENT_STATES
from shadow.records import VerdictWord
from shadow.verdict.result import GateResult, HoldReason, Verdict

Labels = tuple[str, ...]
Values = dict[str, dict[Labels, float]]
"""By metric name: every series with its value. A metric without series is in it too: its old series have to go."""

_SECONDS_KINDS = frozenset({"quantile"})
FROM_SNAPSHOT = tuple(m for m in METRICS if m.feed == "snapshot" and m.kind == "gauge")

Entry = tuple[Metric, Labels, float | None]


def _states(metric: Metric, labels: Labels, words: tuple[str, ...], present: str | None) -> Iterator[Entry]:
    if present is not None:
        for word in words:
            yield metric, (*labels, word), float(word == present)


def _seconds(unix_ms: int | None) -> float | None:
    return None if unix_ms is None else unix_ms / 1000


def _gate(name: str, gate: GateResult) -> Iterator[Entry]:
    key = (name, gate.id)
    in_seconds = gate.kind in _SECONDS_KINDS
    effect = of_decision.EFFECT_SECONDS if in_seconds else of_decision.EFFECT_RATIO
    yield effect, (*key, "lower"), gate.lower
    yield effect, (*key, "point"), gate.point
    yield effect, (*key, "upper"), gate.upper
    yield of_decision.LIMIT_SECONDS if in_seconds else of_decision.LIMIT_RATIO, key, gate.limit
    if not in_seconds:
        yield of_decision.FLOOR_RATIO, key, gate.floor
    yield of_decision.LOG_EVALUE, (*key, "ok"), gate.log_evalue_ok
    yield of_decision.LOG_EVALUE, (*key, "bad"), gate.log_evalue_bad
    yield of_decision.RECORDS_TO_GO, key, gate.records_to_go
    yield from _states(of_decision.GATE_STATE, key, GATE_STATES, gate.state)


def _utility(verdict: Verdict) -> Iterator[Entry]:
    name = verdict.candidate
    yield of_decision.UTILITY, (name, "lower"), verdict.utility_lower
    yield of_decision.UTILITY, (name, "point"), verdict.utility_point
    yield of_decision.UTILITY, (name, "upper"), verdict.utility_upper
    for term in verdict.utility:
        yield of_decision.UTILITY_TERM, (name, term.name, "lower"), term.lower
        yield of_decision.UTILITY_TERM, (name, term.name, "point"), term.point
        yield of_decision.UTILITY_TERM, (name, term.name, "upper"), term.upper


def _candidate(view: CandidateView) -> Iterator[Entry]:
    verdict = view.verdict
    name = verdict.candidate
    words = get_args(VerdictWord)
    yield from _states(of_decision.VERDICT, (name,), words, verdict.word)
    yield of_decision.VERDICT_SINCE, (name,), _seconds(view.since_unix_ms)
    reasons = {hold.reason for hold in verdict.holds}
    for reason in get_args(HoldReason):
        yield of_decision.HOLD, (name, reason), float(reason in reasons)
    yield of_decision.PAIRS, (name,), verdict.n
    yield of_decision.EFFECTIVE_PAIRS, (name,), verdict.effective_n
    yield of_decision.EPOCH, (name,), view.epoch
    yield of_decision.EPOCH_STARTED, (name,), _seconds(view.epoch_started_unix_ms)
    yield from _utility(verdict)
    for gate in verdict.gates:
        yield from _gate(name, gate)
    if view.segments:
        for word in words:
            yield of_decision.SEGMENTS, (name, word), sum(segment.word == word for segment in view.segments)
    for metric, level in view.change_levels.items():
        yield of_decision.CHANGE_LEVEL, (name, metric), level
    for result in view.segment_results:
        key = (name, result.segment[:MAX_LABEL_CHARACTERS])
        yield from _states(of_decision.SEGMENT_STATE, key, SEGMENT_STATES, result.state)
        yield of_decision.SEGMENT_ALARM, key, float(result.alarm)


def _quantiles(metric: Metric, arm: str, quantiles: Quantiles) -> Iterator[Entry]:
    yield metric, (arm, "0.5"), quantiles.p50
    yield metric, (arm, "0.95"), quantiles.p95
    yield metric, (arm, "0.99"), quantiles.p99


def _arm(view: ArmView) -> Iterator[Entry]:
    yield from _states(of_ledger.ARM_STATE, (view.arm,), ARM_STATES, view.state)
    yield of_ledger.AVAILABILITY, (view.arm,), view.availability
    yield from _quantiles(of_ledger.ARM_LATENCY, view.arm, view.latency)
    yield from _quantiles(of_ledger.ARM_TTFT, view.arm, view.ttft)
    yield from _quantiles(of_ledger.ARM_TPOT, view.arm, view.tpot)
    yield of_ledger.ARM_COST, (view.arm,), view.cost_usd_per_1k
    yield of_ledger.ARM_COST_ACCEPTABLE, (view.arm,), view.cost_usd_per_1k_acceptable
    for scorer, mean in view.score_means.items():
        yield of_ledger.ARM_SCORE, (view.arm, scorer), mean


def _behind(partition: PartitionView, lag: int | None, at_unix_ms: int) -> float | None:
    """Seconds; 0 where nothing waits (a quiet partition is not late), None where the end or the time is unknown."""
    if lag is None or (lag and partition.newest_unix_ms is None):
        return None
    return max(0.0, (at_unix_ms - (partition.newest_unix_ms or 0)) / 1000) if lag else 0.0


def _ledger(snapshot: Snapshot) -> Iterator[Entry]:
    yield of_ledger.LEADER, (), float(snapshot.leads)
    yield of_ledger.SNAPSHOT_AT, (), _seconds(snapshot.at_unix_ms)
    yield of_ledger.LEDGER_READ, (), snapshot.read
    yield of_ledger.RESIDUAL, (), snapshot.residual
    yield of_ledger.LAST_SCORED, (), _seconds(snapshot.last_scored_unix_ms)
    yield of_ledger.NEEDS_PERSON, (), len(snapshot.needs_person)
    for disposition, count in snapshot.dispositions.items():
        yield of_ledger.LEDGER_RECORDS, (disposition,), count
    for partition in snapshot.partitions:
        key = (partition.topic, str(partition.partition))
        lag = None if partition.end_offset is None else max(0, partition.end_offset - partition.next_offset)
        yield of_ledger.LAG, key, lag
        yield of_ledger.WATERMARK_LAG, key, _behind(partition, lag, snapshot.at_unix_ms)
        yield of_ledger.NEXT_OFFSET, key, partition.next_offset
        yield of_ledger.GAPS, key, partition.gaps
        yield of_ledger.LOST, key, partition.lost


def snapshot_values(snapshot: Snapshot) -> Values:
    """Every series of a snapshot. Unknown figures have no series; effects and verdicts only come from the process that leads."""
    values: Values = {metric.name: {} for metric in FROM_SNAPSHOT}

    def entries() -> Iterator[Entry]:
        yield from _ledger(snapshot)
        for arm in snapshot.arms:
            yield from _arm(arm)
        if snapshot.leads:
            for candidate in snapshot.candidates:
                yield from _candidate(candidate)

    for metric, labels, value in entries():
        # NaN compares unequal to itself: an unknown that slipped in as a number is still unknown.
        if value is not None and value == value:
            values[metric.name][labels] = value
    return values
