"""Memory joined with the load at the time of each call; peaks outlive restarts, and belong to one server."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.exporters.peaks import LOAD_CLASSES, ArmPeaks, Figures, LoadPeak, Peaks, decode, encode, load_class, ordered


def a_table(identity="m"):
    return Peaks({"a": identity})


def holding(host, **more):
    return Figures(host_bytes=host, **more)


@pytest.mark.parametrize(
    ("in_flight", "name"),
    [(1, "1-2"), (2, "1-2"), (3, "3-4"), (8, "5-8"), (9, "9-16"), (128, "65-128"), (129, "above"), (9999, "above")],
)
def test_calls_in_flight_have_a_class(in_flight, name):
    assert load_class(in_flight) == name


@given(st.lists(st.integers(1, 5000), min_size=2))
def test_more_load_is_never_a_lower_class(loads):
    places = [LOAD_CLASSES.index(load_class(one)) for one in sorted(loads)]

    assert all(a <= b for a, b in itertools.pairwise(places))


def test_a_call_raises_the_peak_of_its_own_load_by_what_was_held_while_it_ran():
    peaks = a_table()
    for second, held in enumerate((100, 900, 300, 200)):
        peaks.sample("a", 1000 * second, holding(held))
    peaks.call("a", in_flight=2, sent_unix_ms=1800, seconds=1.5)  # samples at 2000 and 3000
    peaks.call("a", in_flight=7, sent_unix_ms=500, seconds=1.0)  # the sample at 1000

    classes = peaks.table()["a"].classes
    assert classes["1-2"].peak.host_bytes == 300
    assert classes["5-8"].peak.host_bytes == 900
    assert [name for name, _ in ordered(classes)] == ["1-2", "5-8"]


def test_a_short_call_takes_the_nearest_sample_and_one_far_from_any_is_counted_without_a_figure():
    peaks = a_table()
    peaks.sample("a", 10_000, holding(5))
    peaks.call("a", in_flight=1, sent_unix_ms=10_300, seconds=0.1)
    peaks.call("a", in_flight=3, sent_unix_ms=99_000, seconds=0.1)

    classes = peaks.table()["a"].classes
    assert classes["1-2"].peak == holding(5)
    assert classes["3-4"] == LoadPeak(calls=1, peak=Figures())


def test_an_unknown_figure_stays_unknown_and_lowers_none():
    peaks = a_table()
    peaks.sample("a", 0, holding(5, kv_cache_ratio=0.5))
    peaks.sample("a", 1000, holding(None, kv_cache_ratio=0.25))
    peaks.call("a", in_flight=1, sent_unix_ms=0, seconds=1.0)

    assert peaks.table()["a"].classes["1-2"].peak == holding(5, kv_cache_ratio=0.5)


def test_out_of_memory_is_counted_under_its_load():
    peaks = a_table()
    peaks.call("a", in_flight=40, sent_unix_ms=0, seconds=None, out_of_memory=True)
    peaks.call("a", in_flight=40, sent_unix_ms=0, seconds=0.1)

    assert peaks.table()["a"].classes["33-64"] == LoadPeak(calls=2, out_of_memory=1)


def test_preemptions_are_counted_over_a_restart_of_the_engine():
    peaks = a_table()
    for value in (7, 9, 9, 2, 3):  # before the first look: not ours to count; after 9 it starts anew
        peaks.sample("a", 0, Figures(), value)

    assert peaks.table()["a"].preemptions == 2 + 2 + 1


def test_peaks_outlive_a_restart_and_are_stored_once():
    first = a_table()
    first.sample("a", 0, holding(700))
    first.call("a", in_flight=1, sent_unix_ms=0, seconds=0.1)
    stored = encode(first.unsaved({}))
    assert first.unsaved(decode(stored)) is None

    second = a_table()
    second.restore(decode(stored))
    second.sample("a", 0, holding(600))
    second.call("a", in_flight=1, sent_unix_ms=0, seconds=0.1)
    expected = {"a": ArmPeaks("m", {"1-2": LoadPeak(calls=2, peak=holding(700))}, 0.0)}
    assert second.table() == expected
    assert second.unsaved(decode(stored)) == expected


def test_another_model_under_the_same_name_begins_anew():
    first = a_table("old")
    first.sample("a", 0, holding(700))
    first.call("a", in_flight=1, sent_unix_ms=0, seconds=0.1)
    stored = first.unsaved({})

    second = a_table("new")
    second.restore(stored)
    second.call("a", in_flight=1, sent_unix_ms=0, seconds=0.1)
    assert second.unsaved(stored)["a"] == ArmPeaks("new", {"1-2": LoadPeak(calls=1)}, 0.0)


def test_what_nobody_can_read_is_no_peak():
    assert decode(None) == decode(b"\xff\x00") == {}
