from collections import Counter

import pytest
from fakes.clock import FakeClock
from hypothesis import given
from hypothesis import strategies as st

from shadow.records import FailureKind
from shadow.replay.arm_state import OUTAGE_KINDS, RUN_LENGTH, ArmMachine, Ticket


def up(clock: FakeClock, hold_seconds: float = 30.0) -> ArmMachine:
    machine = ArmMachine(clock, hold_seconds=hold_seconds)
    machine.came_up()
    return machine


def sent(machine: ArmMachine) -> Ticket:
    ticket = machine.admit()
    assert ticket is not None
    return ticket


def marks(decisions: list[tuple[int, str]]) -> list[str]:
    return [mark for _, mark in decisions]


def test_an_arm_that_was_never_up_asks_nothing() -> None:
    machine = ArmMachine(FakeClock(), hold_seconds=1)

    assert machine.admit() is None
    machine.declare_late()
    assert machine.admit() is None
    assert machine.state == "down"


def test_five_outage_failures_in_a_row_are_one_piece_of_evidence() -> None:
    machine = up(FakeClock())
    tickets = [sent(machine) for _ in range(RUN_LENGTH)]

    assert [machine.completed(t, "timeout") for t in tickets[:-1]] == [[]] * (RUN_LENGTH - 1)
    assert marks(machine.completed(tickets[-1], "connection")) == ["first"] + ["inside"] * (RUN_LENGTH - 1)
    assert machine.state == "down"
    assert machine.admit() is None


def test_a_success_makes_the_failures_before_it_count_one_by_one() -> None:
    machine = up(FakeClock())
    tickets = [sent(machine) for _ in range(RUN_LENGTH)]
    for ticket in tickets[:-1]:
        machine.completed(ticket, "http_5xx")

    assert marks(machine.completed(tickets[-1], None)) == ["alone"] * RUN_LENGTH
    assert machine.state == "up"


@pytest.mark.parametrize("failure", ["context_length", "http_4xx", "empty", "invalid"])
def test_a_failure_of_the_answer_itself_shows_that_the_server_is_there(failure: FailureKind) -> None:
    machine = up(FakeClock())
    first, second = sent(machine), sent(machine)
    machine.completed(first, "timeout")

    assert marks(machine.completed(second, failure)) == ["alone", "alone"]


def test_streams_that_a_crash_cut_belong_to_the_spell_that_the_probe_finds() -> None:
    machine = up(FakeClock())
    cut = [sent(machine) for _ in range(8)]
    for ticket in cut:
        assert machine.completed(ticket, "incomplete") == []

    assert marks(machine.probe_failed(0)) == ["first"] + ["inside"] * 7


def test_cut_streams_alone_never_make_a_spell() -> None:
    clock = FakeClock()
    machine = up(clock)
    for _ in range(3 * RUN_LENGTH):
        machine.completed(sent(machine), "incomplete")
    clock.advance(1)

    assert marks(machine.probe_succeeded(clock.monotonic_ns())) == ["alone"] * 3 * RUN_LENGTH
    assert machine.state == "up"


def test_a_probe_releases_only_what_was_cut_before_it_began() -> None:
    clock = FakeClock()
    machine = up(clock)
    machine.completed(sent(machine), "incomplete")
    started_ns = clock.monotonic_ns()
    clock.advance(0.1)
    later = sent(machine)
    machine.completed(later, "incomplete")

    assert marks(machine.probe_succeeded(started_ns)) == ["alone"]
    assert [call for call, _ in machine.probe_failed(started_ns)] == [later.call]


def test_calls_in_flight_when_a_spell_opens_are_inside_when_they_fail_and_count_when_they_succeed() -> None:
    machine = up(FakeClock())
    cause, failing, succeeding, wrong = (sent(machine) for _ in range(4))
    machine.completed(cause, "connection")
    machine.probe_failed(0)

    assert marks(machine.completed(failing, "timeout")) == ["inside"]
    assert marks(machine.completed(succeeding, None)) == ["alone"]
    assert marks(machine.completed(wrong, "context_length")) == ["alone"]


def test_a_call_sent_before_an_outage_that_ends_after_it_is_still_inside() -> None:
    machine = up(FakeClock())
    cause, slow = sent(machine), sent(machine)
    machine.completed(cause, "connection")
    machine.probe_failed(0)
    machine.came_up()

    assert marks(machine.completed(slow, "timeout")) == ["inside"]


def test_a_spell_found_by_a_probe_alone_asks_one_call_to_stand_for_it() -> None:
    machine = up(FakeClock())
    machine.probe_failed(0)

    canary = sent(machine)
    assert machine.admit() is None
    assert marks(machine.completed(canary, "connection")) == ["first"]
    assert machine.admit() is None


def test_a_canary_that_succeeds_leaves_nothing_against_the_arm() -> None:
    machine = up(FakeClock())
    machine.probe_failed(0)

    assert marks(machine.completed(sent(machine), None)) == ["alone"]
    assert machine.state == "down"


def test_a_cancelled_canary_lets_the_next_call_stand_for_the_spell() -> None:
    machine = up(FakeClock())
    machine.probe_failed(0)
    machine.abandoned(sent(machine))

    assert machine.admit() is not None


def test_a_success_after_the_probe_was_sent_outweighs_its_failure() -> None:
    clock = FakeClock()
    machine = up(clock)
    started_ns = clock.monotonic_ns()
    clock.advance(0.5)
    machine.completed(sent(machine), None)

    assert machine.probe_failed(started_ns) == []
    assert machine.state == "up"


def test_a_failure_is_held_back_no_longer_than_its_time() -> None:
    clock = FakeClock()
    machine = up(clock, hold_seconds=10)
    machine.completed(sent(machine), "timeout")
    clock.advance(9.9)
    assert machine.expire() == []
    assert machine.next_expiry_ns is not None
    clock.advance(0.2)

    assert marks(machine.expire()) == ["alone"]
    assert machine.next_expiry_ns is None


def test_a_run_goes_on_after_its_first_failures_were_let_go() -> None:
    clock = FakeClock()
    machine = up(clock, hold_seconds=10)
    for _ in range(RUN_LENGTH - 1):
        machine.completed(sent(machine), "timeout")
        clock.advance(11)
        machine.expire()

    assert marks(machine.completed(sent(machine), "timeout")) == ["first"]
    assert machine.state == "down"


def test_a_pause_is_ours_and_stays_out_of_availability() -> None:
    clock = FakeClock()
    machine = up(clock)
    clock.advance(10)
    machine.pause("budget")
    clock.advance(1000)
    assert machine.state == "paused"
    assert machine.admit() is None
    machine.resume()
    machine.probe_failed(0)
    clock.advance(10)

    assert machine.availability() == pytest.approx(0.5)
    assert machine.observed() == pytest.approx((10, 20))


def test_a_slow_start_within_the_time_allowed_is_no_absence() -> None:
    clock = FakeClock()
    machine = ArmMachine(clock, hold_seconds=1)
    clock.advance(100)
    assert machine.availability() is None
    machine.came_up()
    clock.advance(10)

    assert machine.availability() == 1.0


def test_an_arm_that_never_comes_has_availability_zero() -> None:
    clock = FakeClock()
    machine = ArmMachine(clock, hold_seconds=1)
    clock.advance(20)
    machine.declare_late()
    clock.advance(60)

    assert machine.availability() == 0.0


def test_after_the_stop_nothing_waits_and_nothing_is_marked() -> None:
    machine = up(FakeClock())
    held, in_flight = sent(machine), sent(machine)
    machine.completed(held, "timeout")

    assert marks(machine.stop()) == ["alone"]
    assert marks(machine.completed(in_flight, "timeout")) == ["alone"]
    assert machine.admit() is None
    assert machine.state == "stopped"


KINDS: list[FailureKind | None] = [None, None, "timeout", "connection", "http_5xx", "incomplete", "empty", "http_4xx"]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.just(0)),
        st.tuples(st.just("done"), st.integers(0, 7)),
        st.tuples(st.just("cancel"), st.just(0)),
        st.tuples(st.just("probe"), st.integers(0, 1)),
        st.tuples(st.just("up"), st.just(0)),
        st.tuples(st.just("wait"), st.integers(1, 40)),
    ),
    max_size=120,
)


@given(STEPS)
def test_every_call_is_decided_once_and_every_spell_has_at_most_one_failure(steps: list[tuple[str, int]]) -> None:
    clock = FakeClock()
    machine = up(clock, hold_seconds=20)
    flying: list[Ticket] = []
    failure_of: dict[int, FailureKind | None] = {}
    decided: Counter[int] = Counter()
    firsts = 0
    for step, value in steps:
        out = []
        if step == "send":
            ticket = machine.admit()
            if ticket is not None:
                flying.append(ticket)
        elif step == "done" and flying:
            ticket = flying.pop(value % len(flying))
            failure_of[ticket.call] = KINDS[value]
            out = machine.completed(ticket, KINDS[value])
        elif step == "cancel" and flying:
            machine.abandoned(flying.pop())
        elif step == "probe":
            out = machine.probe_succeeded(clock.monotonic_ns()) if value else machine.probe_failed(clock.monotonic_ns())
        elif step == "up":
            machine.came_up()
        elif step == "wait":
            clock.advance(value)
            out = machine.expire()
        for call, mark in out:
            decided[call] += 1
            firsts += mark == "first"
            if mark != "alone":
                assert failure_of[call] in OUTAGE_KINDS | {"incomplete"}
        clock.advance(0.01)
        assert firsts <= machine.spells
    for call, _ in machine.stop():
        decided[call] += 1
    assert set(decided) == set(failure_of)
    assert set(decided.values()) <= {1}
    up_seconds, observed_seconds = machine.observed()
    assert 0 <= up_seconds <= observed_seconds
