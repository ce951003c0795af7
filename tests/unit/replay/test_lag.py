from fakes.clock import FakeClock

from shadow.replay.lag import LagGauge


def slept(gauge: LagGauge, clock: FakeClock, seconds: float) -> None:
    gauge.sleeping()
    clock.advance(seconds)
    gauge.woke()


def test_a_loop_on_time_leaves_every_stamp_trustworthy() -> None:
    clock = FakeClock()
    gauge = LagGauge(clock)
    stamp = clock.monotonic_ns()
    slept(gauge, clock, 0.030)

    assert not gauge.doubtful(stamp, None)
    assert gauge.late_total == 0


def test_a_stamp_taken_while_the_loop_was_late_is_doubtful() -> None:
    clock = FakeClock()
    gauge = LagGauge(clock)
    slept(gauge, clock, 0.025)
    before = clock.monotonic_ns() - 1
    gauge.sleeping()
    clock.advance(0.2)
    during = clock.monotonic_ns()
    gauge.woke()
    clock.advance(0.1)
    after = clock.monotonic_ns()

    assert gauge.doubtful(during)
    assert not gauge.doubtful(before)
    assert not gauge.doubtful(after)
    assert gauge.late_total == 1


def test_a_long_answer_is_not_doubted_for_a_lag_in_its_middle() -> None:
    clock = FakeClock()
    gauge = LagGauge(clock)
    sent = clock.monotonic_ns()
    clock.advance(1)
    slept(gauge, clock, 0.5)
    clock.advance(1)

    assert not gauge.doubtful(sent, clock.monotonic_ns())


def test_lateness_counts_before_the_gauge_had_its_turn() -> None:
    clock = FakeClock()
    gauge = LagGauge(clock)
    gauge.sleeping()
    clock.advance(0.3)

    assert gauge.doubtful(clock.monotonic_ns())


def test_the_worst_lateness_is_taken_once() -> None:
    clock = FakeClock()
    gauge = LagGauge(clock, period_seconds=0.02)
    slept(gauge, clock, 0.12)

    assert gauge.last_seconds == 0.1
    assert gauge.take_worst_seconds() == 0.1
    assert gauge.take_worst_seconds() == 0.0
