"""The replayer process: source, intake and arms, built lean."""

import asyncio
import contextlib
import logging

import uvloop

from shadow.app.child import Head, freeze_garbage, read_head, watch_parent
from shadow.clock import SystemClock
from shadow.errors import ConfigurationError
from shadow.loops import handoff
from shadow.loops.intake import Intake
from shadow.loops.pulse import Pulse
from shadow.loops.repeated import RepeatedRequests
from shadow.loops.replayer import Arm, Replayer
from shadow.records import BASELINE, Call, Role
from shadow.replay.admission import RetryBudget
from shadow.replay.arms import ArmRunner
from shadow.replay.lag import LagGauge
from shadow.replay.openai_http import OpenAIBackend
from shadow.replay.recorded import RecordedIncumbent
from shadow.replay.variants import openai_backend
from shadow.replay.vllm_plan import served
from shadow.sampling import Sampler
from shadow.settings import Baseline, Candidate, KafkaSource, Settings, VllmBackend
from shadow.sources.base import AskPosition, Delivered, Source
from shadow.sources.decode import decode

log = logging.getLogger(__name__)


def main() -> int:
    """Until the pipe closes. 0: the evaluator is done; anything else starts both again."""
    head = read_head()
    uvloop.run(_run(head))
    return 0


async def _run(head: Head) -> None:
    settings, clock = head.settings, SystemClock()
    watch_parent(lambda: None)  # the evaluator hears the parent's word and passes it on
    reader, pipe = await handoff.open_pipe(head.fds[0])
    lag = LagGauge(clock)
    gauge = asyncio.create_task(lag.run())
    engines = head.options.get("engines", {})
    candidates = [served(c, engines[c.name]) if c.name in engines else c for c in settings.candidates]
    intake = build_intake(settings, clock)
    replayer = Replayer(
        source=lambda ledger_id: build_source(settings, replayer.ask_position, ledger_id),
        intake=intake,
        candidates=[_arm(c.name, "candidate", c, settings, clock, lag) for c in candidates],
        baseline=None
        if settings.baseline is None
        else _arm(BASELINE, "baseline", settings.baseline, settings, clock, lag),
        incumbent=RecordedIncumbent(clock),
        loop_lag_seconds=lag.take_worst_seconds,
        start_timeout_seconds=_start_timeout_seconds(settings),
        drain_seconds=settings.replay.drain_seconds + settings.replay.timeout_seconds,
        keep_dead_payload=settings.source.dead_letter_payload,
        pulse=build_pulse(settings, intake, clock),
        repeated=RepeatedRequests(settings.duplicates.max_bytes) if settings.duplicates.enabled else None,
    )
    freeze_garbage()
    try:
        await replayer.run(reader, pipe)
    finally:
        gauge.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await gauge


def _start_timeout_seconds(settings: Settings) -> float:
    """Intake waits for the arms as long as the slowest engine may load."""
    engines = [c.backend.start_timeout_seconds for c in settings.candidates if c.backend.kind == "vllm"]
    return max([settings.replay.start_timeout_seconds, *engines])


def build_source(settings: Settings, ask: AskPosition, ledger_id: str) -> Source:
    """The configured source of mirrored records."""
    source, replay = settings.source, settings.replay
    if isinstance(source, KafkaSource):
        from shadow.sources.kafka import KafkaRecords

        return KafkaRecords(
            source,
            ask_position=ask,
            ledger_id=ledger_id,
            window_records=replay.window_calls,
            window_bytes=replay.window_bytes,
        )
    from shadow.sources.jsonl import JsonlRecords

    return JsonlRecords(source, ask_position=ask, window_records=replay.window_calls, window_bytes=replay.window_bytes)


def build_intake(settings: Settings, clock: SystemClock) -> Intake:
    """Decoding, filters, age and sampling of a configuration."""
    source = settings.source
    limit = settings.replay.max_output_tokens

    def read(delivered: Delivered) -> list[Call]:
        return decode(delivered.value, source.format, kafka_ts_unix_ms=delivered.ts_unix_ms, max_output_tokens=limit)

    return Intake(
        read,
        Sampler(settings.sampling, baseline_rate=0.0 if settings.baseline is None else settings.baseline.rate),
        filters=source.filter,
        max_age_seconds=source.max_age_seconds,
        now_unix_ms=clock.wall_unix_ms,
    )


def build_pulse(settings: Settings, intake: Intake, clock: SystemClock) -> Pulse:
    """Heartbeats through this worker, and into the mirrored topic where the operator wants that."""
    source, announce = settings.source, None
    if settings.heartbeat.produce and isinstance(source, KafkaSource):
        from shadow.sources.heartbeats import KafkaHeartbeats

        announce = KafkaHeartbeats(source).send
    return Pulse(intake, every_seconds=settings.heartbeat.every, announce=announce, now_unix_ms=clock.wall_unix_ms)


def _arm(
    name: str, role: Role, arm: Candidate | Baseline, settings: Settings, clock: SystemClock, lag: LagGauge
) -> Arm:
    if isinstance(arm, Baseline):
        server = openai_backend(arm)
    elif isinstance(arm.backend, VllmBackend):
        raise ConfigurationError([f"candidate {name}: no engine was started for it; `shadow run` does"])
    else:
        server = arm.backend
    budget = RetryBudget(settings.replay.retry_budget)
    backend = OpenAIBackend(server, settings.replay, arm=name, role=role, clock=clock, budget=budget, lag=lag)
    return ArmRunner(name=name, role=role, arm=arm, replay=settings.replay, backend=backend, clock=clock, budget=budget)
