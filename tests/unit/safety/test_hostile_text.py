"""Hostile texts: every scorer and the redaction end in bounded time, linearly, and never raise."""

import itertools
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scorers import injection, leakage, refusal, sensitive, toxicity
from scorers.base import Case, Reply, Score, Scorer, ToolCall
from shadow.redaction import redact

PIECES = [
    "a", "@", "a@", "x@a.", "1", "1 ", "1111 ", "4111 1111 1111 1112 ", "+1 ", "(", "[", "{", "{\"a\":", "sk-", "sk-a1", "eyJabcdefgh.",
    "password ", "password=", "pass_", ":", "ab:", "://", "%25", "&amp;", "\\", "\\u0040", "\u200b", "1.", "-----BEGIN PRIVATE KEY-----",
    "GB82 ", "[at]", "key ", "\u0661", "\ud800", "\u202e", " ", "\n", "aws_", "a-", "0412 34 56 78 ", "ssn is is ", "bearer ", "\"", "«",
    "```", "> ", "I can't ", "you are ", "not ", "is not ", "ignore all previous ", "Write ", "word ",
    "<think>", "…", "。", "ü", "Subject: a\n\n",
]  # fmt: skip
SCORERS: list[Scorer] = [
    module.build(module.SETTINGS.model_validate({}), "s") for module in (refusal, leakage, injection, toxicity)
]


def judge_all(case: Case) -> None:
    for scorer in SCORERS:
        (result,) = scorer.score([case])
        assert isinstance(result, Score)


@pytest.mark.parametrize("piece", PIECES)
def test_repetition_costs_linear_time(piece: str) -> None:
    text = (piece * 20_000)[:20_000]
    messages = (
        {"role": "system", "content": text},
        {"role": "user", "content": text},
        {"role": "tool", "content": text},
    )
    began = time.process_time()

    redact(text)
    judge_all(Case(id="1", prompt=text, candidate=Reply(text=text), messages=messages))

    assert time.process_time() - began < 2


def test_ten_megabytes_are_judged_in_seconds_and_redacted_to_a_bounded_text() -> None:
    text = "Mail jane.doe@corp.example, card 4111 1111 1111 1111 (not [that] one). " * 145_000
    began = time.process_time()

    judge_all(Case(id="1", prompt="x", candidate=Reply(text=text)))
    clean = redact(text)

    assert time.process_time() - began < 20
    assert "jane" not in clean
    assert len(clean) < 1_000_000


def test_cost_of_the_finders_grows_with_the_text_not_its_square() -> None:
    def seconds(n: int) -> float:
        text = ("x@a.b 4111 1111 1111 1112 password is %40 " * n)[: 42 * n]
        began = time.process_time()
        sensitive.find(text)
        return time.process_time() - began

    seconds(200)
    small, large = min(seconds(500) for _ in range(3)), min(seconds(4_000) for _ in range(2))

    assert large < 24 * max(small, 0.005)


deep: Any = "jane.doe@corp.example"
for _ in range(5_000):
    deep = [deep]


def test_deep_tool_arguments_are_judged() -> None:
    judge_all(Case(id="1", prompt="x", candidate=Reply(tool_calls=(ToolCall(name="f", arguments=deep),))))
    judge_all(Case(id="1", prompt="x", candidate=Reply(tool_calls=(ToolCall(name="f", arguments="[" * 100_000),))))


odd_messages = st.lists(
    st.dictionaries(
        st.sampled_from(["role", "content", "tool_calls", "name"]),
        st.one_of(
            st.none(),
            st.integers(),
            st.text(max_size=20),
            st.sampled_from(["user", "system", "tool"]),
            st.lists(
                st.dictionaries(
                    st.sampled_from(["type", "text", "function"]),
                    st.one_of(
                        st.none(), st.text(max_size=20), st.dictionaries(st.just("arguments"), st.text(max_size=20))
                    ),
                ),
                max_size=3,
            ),
        ),
    ),
    max_size=4,
)


@settings(deadline=None, max_examples=200)
@given(
    st.text(max_size=300),
    st.text(max_size=300),
    odd_messages,
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=10),
        lambda x: st.lists(x, max_size=3) | st.dictionaries(st.text(max_size=5), x, max_size=3),
        max_leaves=8,
    ),
)
def test_any_case_is_scored(prompt: str, answer: str, messages: list[dict[str, Any]], arguments: Any) -> None:
    judge_all(
        Case(
            id="1",
            prompt=prompt,
            messages=messages,
            candidate=Reply(text=answer, tool_calls=(ToolCall(name="f", arguments=arguments),)),
        )
    )


@settings(deadline=None, max_examples=100)
@given(st.lists(st.sampled_from(PIECES), max_size=60).map("".join))
def test_spans_are_disjoint_ordered_and_inside(text: str) -> None:
    spans = sensitive.find(text)

    assert all(0 <= s.start < s.end <= len(text) for s in spans)
    assert all(a.end <= b.start for a, b in itertools.pairwise(spans))
