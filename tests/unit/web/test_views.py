"""Positions, words and the shelves of worst answers."""

import html
import re
from dataclasses import replace
from typing import Any, get_args

import pytest
from builders_snapshot import a_trail, an_outcome, proven_gates, rejected_gates, young_gates
from hypothesis import given, settings
from hypothesis import strategies as st

from shadow.records import Disposition, VerdictWord
from shadow.verdict.result import GateResult, GateState, HoldReason, SegmentState
from shadow.web import formats, pages, wellbeing
from shadow.web.charts import effect_bar
from shadow.web.compare import differences
from shadow.web.state import CallKey
from shadow.web.trails import trail_view
from shadow.web.worst import WorstCalls


def test_limits_of_all_gates_stand_under_each_other() -> None:
    bars = [effect_bar(gate) for gates in (proven_gates(), rejected_gates(), young_gates()) for gate in gates]

    drawn = [bar for bar in bars if bar is not None]
    assert {(bar.zero, bar.limit) for bar in drawn} == {(50.0, 75.0)}
    assert len(drawn) == len(bars) - 1  # the gate without data has no bar


def test_a_proven_interval_lies_left_of_the_limit_and_a_violated_one_right_of_it() -> None:
    for gate in (*proven_gates(), *rejected_gates()):
        bar = effect_bar(gate)
        assert bar is not None
        if gate.state == "proven":
            assert bar.start + bar.width <= bar.limit
        if gate.state == "violated":
            assert bar.start >= bar.limit


def test_what_does_not_fit_is_marked_and_not_drawn_at_the_wrong_place() -> None:
    safety = rejected_gates()[0]  # 0.81 to 2.09 points where 0.5 are allowed
    bar = effect_bar(safety)

    assert bar is not None
    assert bar.over_right
    assert not bar.over_left
    assert bar.point is None


@settings(deadline=None)
@given(
    st.sampled_from(["risk_difference", "rate", "mean_drop", "quantile", "quantile_ratio"]),
    st.floats(1e-6, 1e3),
    st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=3),
)
def test_marks_stay_inside_the_drawing(kind: str, limit: float, values: list[float]) -> None:
    lower, point, upper = sorted(values)
    gate = GateResult(
        id="g",
        kind=kind,
        metric="score",
        hard=False,
        state="undecided",
        limit=limit,
        lower=lower,
        point=point,
        upper=upper,
    )
    bar = effect_bar(gate)

    assert bar is not None
    assert 0 <= bar.start <= 100
    assert bar.width >= 0.8
    assert bar.point is None or 0 <= bar.point <= 100


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (formats.effect("risk_difference", -0.0013), "−0.13 pp"),
        (formats.effect("risk_difference", -0.0), "0.00 pp"),
        (formats.effect("quantile_ratio", 0.66), "0.66×"),
        (formats.effect("rate", None), "no data"),
        (formats.limit("risk_difference", 0.005), "at most 0.50 pp"),
        (formats.gate_title("quantile_ratio", "latency", 0.95), "P95 latency ratio"),
        (formats.gate_title("risk_difference", "score<0.3", None), "More answers below 0.3"),
        (formats.seconds(0.0431), "43 ms"),
        (formats.usd(0.000412), "$0.000412"),
        (formats.usd(None), "no data"),
        (formats.percent(0.9997), "99.97 %"),
        (formats.percent(0.0001), "< 0.1 %"),
        (formats.percent(0.0), "0.0 %"),
        (formats.percent(0.99999), "99.999 %"),
        (formats.age(187_000_000), "2 d 3 h"),
        (formats.age(400), "now"),
        (formats.moment(10**18), "no data"),
    ],
)
def test_figures_read_well(shown: str, expected: str) -> None:
    assert shown == expected


def test_differences_mark_only_what_differs_and_escape_it() -> None:
    left, right = differences("Within 30 days & nights", "Within <14> days & nights")

    assert left == "Within <del>30</del> days &amp; nights"
    assert right == "Within <ins>&lt;14&gt;</ins> days &amp; nights"


@settings(deadline=None)
@given(st.text("<>ab &;", max_size=60), st.text("<>ab &;", max_size=60))
def test_marked_texts_are_the_texts(one: str, other: str) -> None:
    left, right = differences(one, other)

    assert html.unescape(re.sub("</?del>", "", left)) == one
    assert html.unescape(re.sub("</?ins>", "", right)) == other


def texts(topic: str, partition: int, offset: int, call: int) -> dict[str, str]:
    return {"": f"request {offset}"} if offset < 1_000 else {}


def a_shelf(keep: int = 3) -> WorstCalls:
    return WorstCalls(quality="agreement", texts=texts, keep=keep)


def put(worst: WorstCalls, offset: int, score: float | None, **changes: Any) -> None:
    incumbent = an_outcome(arm="incumbent", role="incumbent", offset=offset)
    worst.observe((incumbent, an_outcome(offset=offset, scores={"agreement": score}, **changes)))


def test_the_lowest_scores_come_first_and_the_newest_of_equals_stay() -> None:
    worst = a_shelf()
    for offset, score in enumerate((0.9, 0.2, 0.5, 0.2, 0.95, 0.2)):
        put(worst, offset, score)

    assert [view.key.offset for view in worst.calls("qwen3-8b-fp8", "worst", 10)] == [5, 3, 1]


def test_memory_is_bounded_whatever_comes() -> None:
    worst = a_shelf(keep=4)
    for offset in range(2_000):
        put(worst, offset, (offset * 37 % 100) / 100, findings=[{"scorer": "leakage", "category": "email"}])

    assert len(worst._calls) <= 8
    assert worst._calls.keys() == worst._held.keys()


def test_failures_and_findings_have_their_own_lists_and_outages_none() -> None:
    worst = a_shelf()
    put(worst, 1, None, failure="timeout")
    put(worst, 2, None, failure="unavailable", spell="inside")
    put(worst, 3, 0.9, findings=[{"scorer": "leakage", "category": "email", "count": 1}])

    assert [v.key.offset for v in worst.calls("qwen3-8b-fp8", "failures", 9)] == [1]
    assert [v.key.offset for v in worst.calls("qwen3-8b-fp8", "findings", 9)] == [3]
    assert worst.calls("nobody", "worst", 9) == []


def test_one_call_is_found_here_or_by_its_text_or_not_at_all() -> None:
    worst = a_shelf()
    put(worst, 1, 0.1)
    key = CallKey(topic="llm.mirror", partition=0, offset=1, call=0)

    found = worst.call(key)
    assert found is not None
    assert len(found.outcomes) == 2
    only_text = worst.call(replace(key, offset=999))
    assert only_text is not None
    assert only_text.outcomes == ()
    assert worst.call(replace(key, offset=1_000)) is None


def test_the_drawing_over_time_stays_inside_and_ends_where_the_bar_is() -> None:
    for gate in (*proven_gates(), *rejected_gates(), *young_gates()):
        view = trail_view(a_trail(gate))
        places = [tuple(map(float, p.split(","))) for p in f"{view.band} {view.line} {view.ok} {view.bad}".split()]
        assert all(0 <= x <= 100 and 0 <= y <= 100 for x, y in places)
        bar = effect_bar(gate)
        if bar is None:
            assert view.band == view.line == ""
            continue
        newest = view.line.split()[-1]
        assert newest.startswith("100,")
        if bar.point is not None:
            assert float(newest.split(",")[1]) == pytest.approx(100 - bar.point, abs=0.02)


def test_the_interval_over_time_narrows_from_left_to_right() -> None:
    view = trail_view(a_trail(next(g for g in proven_gates() if g.id == "quality")))
    places = [tuple(map(float, p.split(","))) for p in view.band.split()]
    half = len(places) // 2
    assert (places[0], places[-1]) == ((0.0, 0.0), (0.0, 100.0))  # nothing is known before the first pair
    widths = [low[1] - high[1] for high, low in zip(places[:half], reversed(places[half:]), strict=True)]

    assert widths == sorted(widths, reverse=True)
    assert widths[-1] > 0


def test_a_single_point_is_drawn_from_nothing() -> None:
    view = trail_view(a_trail(rejected_gates()[0], count=1))

    assert len(view.band.split()) == 4
    assert len(view.bad.split()) == 2


def test_every_word_of_the_closed_vocabularies_has_its_words_on_the_pages() -> None:
    assert set(pages.HOLDS) == set(get_args(HoldReason))
    assert set(pages.GATE_STATES) == set(get_args(GateState))
    assert set(pages.WORDS) == set(get_args(VerdictWord))
    assert set(pages.SEGMENT_STATES) == set(get_args(SegmentState))
    assert set(wellbeing.DISPOSITIONS) == set(get_args(Disposition))
