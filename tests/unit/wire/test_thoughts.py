"""Thoughts and answer in one text are told apart, whole or piece by piece."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.wire import thoughts

PIECES = st.lists(st.sampled_from(["<think>", "</think>", "<th", "ink>", " ", "\n", "a", "b.", "</"]), max_size=10)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Four", (None, "Four")),
        ("<think>hm</think>Four", ("hm", "Four")),
        ("\n <think>\nhm\n</think>\n\nFour ", ("hm", "Four ")),
        ("hm</think>\n\nFour", ("hm", "Four")),
        ("<think></think>\n\nFour", (None, "Four")),
        ("<think>a</think><think>b</think>Four", ("a\nb", "Four")),
        ("<think>never ends", ("never ends", "")),
        ("The tag <think>x</think> marks thoughts", (None, "The tag <think>x</think> marks thoughts")),
        ("Four <think>", (None, "Four <think>")),
        ("", (None, "")),
    ],
)
def test_split(text, expected):
    assert thoughts.split(text)[:2] == expected


@given(PIECES)
def test_the_offset_is_where_the_answer_begins(pieces):
    text = "".join(pieces)
    found = thoughts.split(text)

    assert text[found.offset :] == found.answer


@given(PIECES)
def test_watching_a_leading_block_agrees_with_the_split_of_the_whole(pieces):
    pieces = ["<think>", *pieces]
    watch = thoughts.Watch()
    for piece in pieces:
        watch.thinking(piece)

    assert watch.thinking("END") is (thoughts.split("".join(pieces) + "END").answer == "")


def test_a_text_full_of_tags_takes_linear_time():
    started = time.process_time()

    thoughts.split("<think></think>" * 300_000)

    assert time.process_time() - started < 3
