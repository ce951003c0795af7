"""Right of the ledger: states to evidence, evidence to verdicts, verdicts to whoever shows them.

`look` is a function of the ledger and the circumstances, so that a command computes what the sidecar shows. Only the
monitor that holds the lease stores crossings and verdict changes; everybody else reads.
"""

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import msgspec

from shadow.errors import ShadowError
from shadow.exporters.base import ArmView, CandidateView, Exporter, PartitionView, Quantiles, Snapshot
from shadow.ledger.base import AggregateKey, EpochRow, PositionRow
from shadow.ledger.reading import Reader
from shadow.ledger.refolding import STATE as FOLD_STATE
from shadow.ledger.sql import SqlLedger
from shadow.loops.calibrating import Floor
from shadow.loops.changes import Changes, ChangeWatch
from shadow.loops.noted import Reported, crossings, reports, scorer_drifts, verdict_history
from shadow.loops.priced import priced
from shadow.records import BASELINE, INCUMBENT, Role
from shadow.settings import Policy, Settings
from shadow.stats import OVERALL, FoldSpec, PairState, ScorerKind, fold_calls
from shadow.stats import ArmState as ArmCounts
from shadow.stats.cvar import TailMean, tail_mean
from shadow.verdict.calibrated import with_calibration
from shadow.verdict.decide import decide
from shadow.verdict.drifted import standing, with_drift
from shadow.verdict.evidence import Context, Evidence, parts_of
from shadow.verdict.mixed import unfixed
from shadow.verdict.policy import evaluable
from shadow.verdict.segments import (
    memory_key,
    remembered,
    segment_results,
    segment_verdicts,
    to_remember,
)
from shadow.verdict.words import listed

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
LEASE_SECONDS = 15.0
ROLL_UP_SECONDS = 60.0
SWEEP_SECONDS = 600.0
SEGMENTS_SECONDS = 15.0
CHANGES_SECONDS = 20.0
ROLL_UP_AFTER_MINUTES = 10
LEASE = "monitor"
TAIL_SHARE = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What a look needs beside the ledger and the configuration."""

    now_unix_ms: int
    version: str
    role: str = "all"
    leads: bool = False
    ends: Mapping[tuple[str, int], int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    trouble: str | None = None
    changes: Changes = field(default_factory=Changes)
    segments: bool = True  # segments and tails too: a verdict per segment costs as much as one for the whole


Pairs = Mapping[str, dict[int, PairState]]
"""By segment and weight exponent."""


def look(
    ledger: Reader,
    settings: Settings,
    spec: FoldSpec,
    policy: Policy,
    kinds: Mapping[str, ScorerKind],
    at: Circumstances,
) -> Snapshot:
    """Everything that can be said now. Reads the ledger, changes nothing."""
    positions = ledger.positions()
    dispositions = ledger.dispositions()
    read = sum(p.next_offset - p.first_offset - p.gaps - p.lost for p in positions)
    reported = reports(ledger)
    last_scored = max((p.last_ts_unix_ms for p in positions if p.last_ts_unix_ms is not None), default=None)
    stored = ledger.get_state(FOLD_STATE)
    by_spec = stored is None or stored.decode() == spec.key
    states = stored_states(ledger, spec) if by_spec else folded_anew(ledger, spec)
    floor = _pairs(states("floor", 0, BASELINE)).get(OVERALL, {})
    second_answers = Floor.read(ledger, settings, spec)
    candidates = []
    overall: dict[str, tuple[PairState, ...]] = {BASELINE: tuple(floor.values())}
    arms = [_arm_view(ledger, settings, INCUMBENT, "incumbent", 0, None)]
    if settings.baseline is not None or settings.duplicates.enabled:
        arms.append(_arm_view(ledger, settings, BASELINE, "baseline", 0, reported.get(BASELINE)))
    for candidate in settings.candidates:
        epoch = _current(ledger.epochs(candidate.name))
        number = epoch.id if epoch is not None else 0
        heard = reported.get(candidate.name)
        arms.append(_arm_view(ledger, settings, candidate.name, "candidate", number, heard))
        pairs = _pairs(states("pair", number, candidate.name)) if epoch is not None else {}
        overall[candidate.name] = tuple(pairs.get(OVERALL, {}).values())
        context = _context(settings, policy, kinds, candidate.name, heard, pairs.get(OVERALL, {}), at)
        calibration, pairs = second_answers.under(policy, pairs)
        drifts = scorer_drifts(ledger, epoch)
        context = with_drift(with_calibration(context, policy, calibration), policy, drifts)
        latched = standing(crossings(ledger, candidate.name, number), policy, drifts)
        evidence = Evidence(pairs=pairs.get(OVERALL, {}), parts=parts_of(policy, pairs), floor=floor, latched=latched)
        verdict = decide(policy, evidence, context)
        history = verdict_history(ledger, candidate.name, number)
        segments = segment_verdicts(policy, pairs, floor, context) if at.segments else {}
        known = remembered(ledger.get_state(memory_key(policy, candidate.name, number))) if segments else {}
        candidates.append(
            CandidateView(
                verdict=verdict,
                epoch=number,
                epoch_started_unix_ms=epoch.started_unix_ms if epoch is not None else at.now_unix_ms,
                since_unix_ms=history[-1][0] if history and history[-1][1] == verdict.word else None,
                history=history,
                segments=tuple(segments.values()),
                segment_results=segment_results(policy, segments, known),
                tail=_tail(pairs.get(OVERALL, {}), policy, "candidate") if at.segments else None,
                tail_reference=_tail(pairs.get(OVERALL, {}), policy, "reference") if at.segments else None,
                change_levels={m: v for (name, m), v in at.changes.levels.items() if name == candidate.name},
                calibration=calibration,
            )
        )
    return Snapshot(
        at_unix_ms=at.now_unix_ms,
        version=at.version,
        role=at.role,
        leads=at.leads,
        incumbent=settings.incumbent.name,
        read=read,
        residual=read - sum(dispositions.values()),
        dispositions=dispositions,
        partitions=tuple(
            PartitionView(
                topic=p.topic,
                partition=p.partition,
                first_offset=p.first_offset,
                next_offset=p.next_offset,
                end_offset=at.ends.get((p.topic, p.partition)),
                gaps=p.gaps,
                lost=p.lost,
                newest_unix_ms=p.last_ts_unix_ms,
            )
            for p in positions
        ),
        last_scored_unix_ms=last_scored,
        arms=tuple(priced(arm, overall) for arm in arms),
        candidates=tuple(candidates),
        needs_person=tuple(_needs_person(arms, candidates, positions, at)),
        notes=at.notes,
    )


def folded_anew(ledger: Reader, spec: FoldSpec) -> Callable[[str, int, str], Iterable[tuple[AggregateKey, PairState]]]:
    """Pair states made from the stored outcomes: for a policy that counts what the ledger's sums do not hold."""
    everything = list(fold_calls(ledger.outcomes(), spec).items())

    def states(kind: str, epoch: int, subject: str) -> Iterable[tuple[AggregateKey, PairState]]:
        for key, state in everything:
            if (key.kind, key.epoch, key.subject) == (kind, epoch, subject) and isinstance(state, PairState):
                yield key, state.merge(PairState(spec.key))  # a copy: sums are made in place

    return states


def stored_states(
    ledger: Reader, spec: FoldSpec
) -> Callable[[str, int, str], Iterable[tuple[AggregateKey, PairState]]]:
    """Pair states as the ledger's transactions added them up."""

    def states(kind: str, epoch: int, subject: str) -> Iterable[tuple[AggregateKey, PairState]]:
        for key, data in ledger.aggregates(kind, epoch, subject):
            state = PairState.from_bytes(data)
            if state.spec == spec.key:
                yield key, state

    return states


def _pairs(states: Iterable[tuple[AggregateKey, PairState]]) -> Pairs:
    """Cumulative pair states by segment and weight exponent."""
    found: dict[str, dict[int, PairState]] = defaultdict(dict)
    for key, state in states:
        known = found[key.segment].get(key.weight_exponent)
        if known is None:
            found[key.segment][key.weight_exponent] = state
        else:
            known.absorb(state)
    return dict(found)


def _arm_view(ledger: Reader, settings: Settings, arm: str, role: Role, epoch: int, heard: Reported | None) -> ArmView:
    counts = ArmCounts()
    for key, data in ledger.aggregates("arm", epoch, arm):
        if key.segment == OVERALL:
            counts.absorb(ArmCounts.from_bytes(data))
    known = counts.counters["cost_known"]
    return ArmView(
        arm=arm,
        role=role,
        state=heard.state if heard is not None else None,
        availability=heard.availability if heard is not None else None,
        outcomes=counts.outcomes,
        failures=dict(counts.failures),
        latency=_quantiles(counts, "latency"),
        ttft=_quantiles(counts, "ttft"),
        tpot=_quantiles(counts, "tpot"),
        input_tokens=counts.counters["input_tokens"],
        output_tokens=counts.counters["output_tokens"],
        cost_usd=counts.cost_usd,
        cost_usd_per_1k=None if counts.cost_usd is None else counts.cost_usd / known * 1000,
        score_means={name: mean for name in counts.scores if (mean := counts.score_mean(name)) is not None},
        finding_counts=dict(counts.findings),
    )


def _quantiles(counts: ArmCounts, duration: str) -> Quantiles:
    return Quantiles(
        p50=counts.quantile(duration, 0.5), p95=counts.quantile(duration, 0.95), p99=counts.quantile(duration, 0.99)
    )


def _current(epochs: list[EpochRow]) -> EpochRow | None:
    return next((e for e in reversed(epochs) if e.why_ended is None), None)


def _context(
    settings: Settings,
    policy: Policy,
    kinds: Mapping[str, ScorerKind],
    candidate: str,
    heard: Reported | None,
    pairs: Mapping[int, PairState],
    at: Circumstances,
) -> Context:
    first = min((p.first_unix_ms for p in pairs.values() if p.first_unix_ms is not None), default=None)
    last = max((p.last_unix_ms for p in pairs.values() if p.last_unix_ms is not None), default=None)
    n = sum(p.pairs for p in pairs.values())
    days = (last - first) / 86_400_000 if first is not None and last is not None else 0.0
    staleness = (at.now_unix_ms - last) / 1000 if last is not None and settings.source.kind == "kafka" else None
    return Context(
        candidate=candidate,
        staleness_seconds=staleness,
        arm_state=heard.state if heard is not None else None,
        availability=heard.availability if heard is not None else None,
        records_per_day=n / days if days > 0 else None,
        alarm=at.changes.alarms.get(candidate),
        mix_drift=at.changes.mix or _unfixed_drift(policy, at.changes.fixed_mix),
        blocked=evaluable(
            policy,
            kinds,
            has_baseline=settings.baseline is not None,
            has_duplicates=settings.duplicates.enabled,
            has_prices=settings.incumbent.price is not None
            and any(c.name == candidate and c.price is not None for c in settings.candidates),
        ),
    )


def _unfixed_drift(policy: Policy, moved: str | None) -> str | None:
    """The traffic moved between the very segments whose shares the policy fixes: that holds up only what is not over them."""
    left = unfixed(policy)
    return f"{moved}; policy.shares fixes no mix for {listed(left)}" if moved is not None and left else None


def _tail(pairs: Mapping[int, PairState], policy: Policy, side: Literal["candidate", "reference"]) -> TailMean | None:
    """The worst answers' mean, on answers of one weight only: an oversampled stratum is not its share of the traffic."""
    held = [state for state in pairs.values() if state.score_candidate]
    if len(held) != 1:
        return None
    scores = held[0].score_candidate if side == "candidate" else held[0].score_reference
    return tail_mean(scores, TAIL_SHARE, policy.alpha.promote)


def _needs_person(
    arms: Iterable[ArmView], candidates: Iterable[CandidateView], positions: Iterable[PositionRow], at: Circumstances
) -> Iterable[str]:
    if at.trouble is not None:
        yield f"the ledger takes nothing at the moment: {at.trouble}"
    for arm in arms:
        if arm.state == "down":
            yield f"arm {arm.arm} is down; its calls are marked unavailable and count for nothing"
        if arm.state == "paused":
            yield f"arm {arm.arm} is paused (budget, governor or trial)"
    for position in positions:
        if position.lost:
            yield f"{position.topic}/{position.partition}: {position.lost} records fell to retention unread"
    for view in candidates:
        if view.verdict.word == "reject":
            yield f"{view.verdict.candidate} is rejected: {view.verdict.sentence}"


class Monitor:
    """The loop: looks about once a second, publishes, and keeps what has to be kept. Owns its thread and its ledger."""

    def __init__(
        self,
        *,
        ledger: SqlLedger,
        settings: Settings,
        spec: FoldSpec,
        kinds: Mapping[str, ScorerKind],
        exporters: Iterable[Exporter],
        holder: str,
        version: str,
        role: str,
        circumstances: Callable[[], tuple[Mapping[tuple[str, int], int], tuple[str, ...], str | None]],
        reported: Callable[[], Mapping[str, Reported] | None],
        may_lead: bool,
    ) -> None:
        self._ledger, self._settings, self._spec, self._kinds = ledger, settings, spec, kinds
        self._exporters = tuple(exporters)
        self._holder, self._version, self._role, self._may_lead = holder, version, role, may_lead
        self._circumstances, self._reported = circumstances, reported
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="monitor", daemon=True)
        self._leads = False
        self._said = False
        self._next_roll_up = self._next_sweep = self._next_segments = self._next_changes = 0.0
        self._slow: dict[str, CandidateView] = {}  # whose slow parts stand until they are computed again
        self._watch = ChangeWatch(ledger.get_state, ledger.put_state)
        self._changes = Changes()
        self.latest: Snapshot | None = None

    def start(self) -> None:
        """Begins to look."""
        self._thread.start()

    def stop(self, deadline_seconds: float) -> None:
        """A last look, then the lease is given back."""
        self._stop.set()
        self._thread.join(deadline_seconds)

    def _run(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            self._look_safely()
        self._look_safely()
        if self._leads:
            try:
                self._ledger.release_lease(LEASE, self._holder)
            except ShadowError as error:
                log.warning("the monitor's lease was not given back (%s); it expires by itself", type(error).__name__)

    def _look_safely(self) -> None:
        try:
            self._look()
        except ShadowError as error:
            log.warning("no look at the ledger: %s", error)
        except Exception:  # the border of the monitor's thread: one failed look is not the last
            log.exception("a look failed; the next one follows")

    def _look(self) -> None:
        now = time.time_ns() // 1_000_000
        self._leads = self._may_lead and self._ledger.take_lease(LEASE, self._holder, now, LEASE_SECONDS)
        if self._may_lead and not self._leads and not self._said:
            self._said = True
            log.warning(
                "another monitor leads on this ledger; this one works as a worker and takes over when that ends"
            )
        heard = self._reported()
        if heard:
            self._ledger.put_state("arms", msgspec.msgpack.encode({**reports(self._ledger), **heard}))
        ends, notes, trouble = self._circumstances()
        clock = time.monotonic()
        with_segments = clock >= self._next_segments
        if self._leads and clock >= self._next_changes:
            self._next_changes = clock + CHANGES_SECONDS
            self._changes = self._look_for_changes()
        at = Circumstances(
            now_unix_ms=now,
            version=self._version,
            role=self._role,
            leads=self._leads,
            ends=ends,
            notes=notes,
            trouble=trouble,
            changes=self._changes,
            segments=with_segments,
        )
        with self._ledger.snapshot() as reader:
            snapshot = look(reader, self._settings, self._spec, self._settings.policy, self._kinds, at)
        if with_segments:
            self._next_segments = clock + SEGMENTS_SECONDS
            self._slow = {v.verdict.candidate: v for v in snapshot.candidates}
            if self._leads:
                self._remember_segments(snapshot)
        else:
            snapshot = replace(snapshot, candidates=tuple(self._with_slow_parts(v) for v in snapshot.candidates))
        if self._leads:
            self._keep(snapshot, now)
        self.latest = snapshot
        for exporter in self._exporters:
            exporter.publish(snapshot)

    def _with_slow_parts(self, view: CandidateView) -> CandidateView:
        known = self._slow.get(view.verdict.candidate)
        if known is None or known.epoch != view.epoch:
            return view
        return replace(
            view,
            segments=known.segments,
            segment_results=known.segment_results,
            tail=known.tail,
            tail_reference=known.tail_reference,
        )

    def _remember_segments(self, snapshot: Snapshot) -> None:
        for view in snapshot.candidates:
            if view.segment_results:
                key = memory_key(self._settings.policy, view.verdict.candidate, view.epoch)
                self._ledger.put_state(key, to_remember(view.segment_results))

    def _look_for_changes(self) -> Changes:
        with self._ledger.snapshot() as reader:
            current = {c.name: _current(reader.epochs(c.name)) for c in self._settings.candidates}
            epochs = {name: epoch.id for name, epoch in current.items() if epoch is not None}
            return self._watch.look(reader, epochs, self._spec.key, self._settings.policy.shares)

    def _keep(self, snapshot: Snapshot, now: int) -> None:
        """First crossings and verdict changes, once each; closed minutes into hours; old texts away."""
        for view in snapshot.candidates:
            subject = f"{view.verdict.candidate}/{view.epoch}"
            for crossing in view.verdict.crossings:
                self._ledger.put_note("crossing", subject, crossing.key, msgspec.to_builtins(crossing), now)
            if not view.history or view.history[-1][1] != view.verdict.word:
                value = {"word": view.verdict.word, "n": view.verdict.n, "sentence": view.verdict.sentence}
                self._ledger.put_note("verdict", subject, str(len(view.history)), value, now)
        clock = time.monotonic()
        if clock >= self._next_roll_up:
            self._next_roll_up = clock + ROLL_UP_SECONDS
            self._ledger.roll_up(now // 60_000 - ROLL_UP_AFTER_MINUTES)
        if clock >= self._next_sweep:
            self._next_sweep = clock + SWEEP_SECONDS
            self._ledger.sweep(now)
