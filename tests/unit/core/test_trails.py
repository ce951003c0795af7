"""Evidence over time and segments from a real ledger, before and after minutes became hours."""

import random
from pathlib import Path
from typing import Any

import msgspec
import pytest
from builders_ledger import a_batch, a_question, a_row
from builders_snapshot import a_settings

from shadow.app.parts import fold_of
from shadow.ledger.sql import SqlLedger
from shadow.loops.monitor import Circumstances, look
from shadow.loops.trails import Trails
from shadow.settings import Settings
from shadow.stats import FoldSpec, merge_states
from shadow.verdict.segments import Strongest, memory_key

CALLS, PER_MINUTE = 600, 20
START_MINUTE = 29_926_620
KINDS: dict[str, Any] = {"relevance": "absolute"}


@pytest.fixture
def settings() -> Settings:
    gates = [{"id": "quality", "metric": "score", "kind": "mean_drop", "margin": 0.08}]
    scorers = [{"kind": "relevance"}]
    return a_settings("cand", scorers=scorers, policy={"quality": "relevance", "violation": [], "gates": gates})


@pytest.fixture
def spec(settings: Settings) -> FoldSpec:
    return FoldSpec.from_policy(settings.policy, KINDS)


@pytest.fixture
def ledger(tmp_path: Path, spec: FoldSpec) -> Any:
    """600 calls of ten minutes and more; the candidate is much worse on every fifth, which has a route of its own."""
    ledger = SqlLedger.open(f"sqlite:///{tmp_path / 'shadow.db'}", merge=merge_states)
    ledger.load_position(a_question(), group="shadow")
    epoch = ledger.open_epoch("cand", "key", {}, START_MINUTE * 60_000, "first sight")
    rng, fold = random.Random(3), fold_of(spec)
    for first in range(0, CALLS, 50):
        groups = []
        for offset in range(first, first + 50):
            weak = offset % 5 == 0
            base = rng.betavariate(20, 2)
            mine = base * 0.5 if weak else min(base + 0.12, 1.0)
            shared: dict[str, Any] = {
                "ts_unix_ms": (START_MINUTE + offset // PER_MINUTE) * 60_000,
                "segments": ("route=claims" if weak else "route=chat",),
            }
            groups.append(
                [
                    a_row(offset, "incumbent", scores={"relevance": base}, **shared),
                    a_row(offset, "cand", epoch=epoch.id, scores={"relevance": mine}, **shared),
                ]
            )
        rows = tuple(row for group in groups for row in group)
        ledger.commit(a_batch(first, 50, arms=("incumbent", "cand"), outcomes=rows, aggregates=dict(fold(groups))))
    yield ledger
    ledger.close()


def at_look() -> Circumstances:
    return Circumstances(now_unix_ms=(START_MINUTE + 60) * 60_000, version="test")


def test_the_trail_ends_in_what_the_monitor_shows_also_after_a_roll_up(
    ledger: SqlLedger, settings: Settings, spec: FoldSpec
) -> None:
    def newest() -> tuple[Any, ...]:
        (trail,) = Trails(ledger.snapshot, settings.policy, spec.key).of("cand")
        point = trail.points[-1]
        return point.n, point.lower, point.point, point.upper

    (view,) = look(ledger, settings, spec, settings.policy, KINDS, at_look()).candidates
    gate = view.verdict.gates[0]
    before = newest()
    ledger.roll_up(START_MINUTE + 1000)

    assert before == (CALLS, gate.lower, gate.point, gate.upper)
    assert newest() == before


def test_a_trail_has_a_point_a_minute_until_minutes_became_hours(
    ledger: SqlLedger, settings: Settings, spec: FoldSpec
) -> None:
    (minutes,) = Trails(ledger.snapshot, settings.policy, spec.key).of("cand")
    ledger.roll_up(START_MINUTE + 1000)
    (hours,) = Trails(ledger.snapshot, settings.policy, spec.key).of("cand")

    assert len(minutes.points) == CALLS // PER_MINUTE
    assert 1 <= len(hours.points) <= 2


def test_the_tail_is_reported_and_lower_than_the_references(
    ledger: SqlLedger, settings: Settings, spec: FoldSpec
) -> None:
    (view,) = look(ledger, settings, spec, settings.policy, KINDS, at_look()).candidates

    assert view.tail is not None
    assert view.tail_reference is not None
    assert view.tail.n == CALLS
    assert view.tail.upper < view.tail_reference.lower  # a fifth of its answers has half the score


def test_another_policys_sums_and_unknown_candidates_give_no_trail(
    ledger: SqlLedger, settings: Settings, spec: FoldSpec
) -> None:
    assert Trails(ledger.snapshot, settings.policy, "another").of("cand") == ()
    assert Trails(ledger.snapshot, settings.policy, spec.key).of("nobody") == ()


def test_a_weak_route_is_worse_while_the_whole_is_not_and_an_alarm_is_remembered(
    ledger: SqlLedger, settings: Settings, spec: FoldSpec
) -> None:
    (view,) = look(ledger, settings, spec, settings.policy, KINDS, at_look()).candidates
    assert view.verdict.gates[0].state == "proven"
    assert [(r.segment, r.state, r.alarm) for r in view.segment_results] == [
        ("route=claims", "worse", True),
        ("route=chat", "not_worse", False),
    ]
    assert ledger.get_state(memory_key(settings.policy, "cand", view.epoch)) is None  # a look changes nothing

    kept = memory_key(settings.policy, "cand", view.epoch)
    ledger.put_state(kept, msgspec.msgpack.encode({"route=chat": Strongest(20.0, True)}))
    (again,) = look(ledger, settings, spec, settings.policy, KINDS, at_look()).candidates

    assert {r.segment: (r.state, r.alarm) for r in again.segment_results}["route=chat"] == ("not_worse", True)
