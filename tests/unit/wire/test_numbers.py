"""Figures that cannot be true are unknown, never 0."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.records import Usage
from shadow.wire import numbers


@pytest.mark.parametrize(
    ("raw", "read"),
    [
        (14, 14),
        (0, 0),
        (64.0, 64),
        ("21", 21),
        ("", None),
        (-1, None),
        (1.5, None),
        (True, None),
        (math.inf, None),
        (math.nan, None),
        (10**30, None),
        ("٣", None),
        (None, None),
        ([], None),
    ],
)
def test_counts(raw, read):
    assert numbers.count(raw) == read


@pytest.mark.parametrize(
    ("raw", "read"),
    [
        (812.5, 812.5),
        (3, 3.0),
        ("95.1", 95.1),
        (0, None),
        (0.0, None),
        (-4, None),
        (math.inf, None),
        ("nan", None),
        ("inf", None),
        (True, None),
        (None, None),
        ("x", None),
        ("9" * 400, None),
        (10**400, None),
    ],
)
def test_durations(raw, read):
    assert numbers.positive(raw) == read


def test_zero_output_tokens_beside_text_are_unknown():
    assert numbers.usage({"prompt_tokens": 3, "completion_tokens": 0}, answered=True) == (Usage(input_tokens=3), True)


def test_zero_output_tokens_of_an_empty_answer_are_zero():
    assert numbers.usage({"prompt_tokens": 3, "completion_tokens": 0}, answered=False)[0].output_tokens == 0


def test_contradictory_counts_are_unknown():
    raw = {
        "prompt_tokens": 5,
        "completion_tokens": 700,
        "total_tokens": 21,
        "prompt_tokens_details": {"cached_tokens": 9},
    }

    assert numbers.usage(raw, answered=True) == (Usage(input_tokens=5), True)


def test_details_may_be_null_or_stand_elsewhere():
    raw = {
        "input_tokens": 5,
        "output_tokens": 7,
        "prompt_tokens_details": None,
        "reasoning_tokens": 2,
        "prompt_cache_hit_tokens": 1,
    }

    assert numbers.usage(raw, answered=True)[0] == Usage(
        input_tokens=5, output_tokens=7, reasoning_tokens=2, cached_input_tokens=1
    )


@given(
    st.dictionaries(
        st.sampled_from(["prompt_tokens", "completion_tokens", "total_tokens", "completion_tokens_details"]),
        st.none() | st.integers() | st.floats() | st.text(max_size=3) | st.just({"reasoning_tokens": -1}),
    ),
    st.booleans(),
)
def test_counts_are_never_negative_whatever_a_server_reports(raw, answered):
    usage, _ = numbers.usage(raw, answered=answered)

    assert all(
        value is None or value >= 0 for value in (usage.input_tokens, usage.output_tokens, usage.reasoning_tokens)
    )
