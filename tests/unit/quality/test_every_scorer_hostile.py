"""Every registered scorer, also those with a model server behind them, on what a hostile model may answer.

A kind that is added to the registry and not here fails the first test. Servers are real ones on the loopback, so that what
is sent has to survive JSON, UTF-8 and HTTP.
"""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from fakes.json_server import Canned, chat, serving
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scorers import registry
from scorers.base import Case, Reply, Score, Scorer, ToolCall
from scorers.running import run_scorer

MOST_SECONDS = 20  # of CPU, on a shared machine; alone each is under a second or two


def embeddings(body: dict[str, Any]) -> dict[str, Any]:
    """A vector of counts for each text: equal texts are equal, nothing is zero."""
    rows = ([1.0, text.count("a") + 1.0, text.count(" ") + 1.0] for text in body["input"])
    return {"data": [{"index": i, "embedding": row} for i, row in enumerate(rows)]}


def classes(body: dict[str, Any]) -> dict[str, Any]:
    """NLI in the order contradiction, entailment, neutral; equal halves entail, "not" contradicts."""
    names, found = ("contradiction", "entailment", "neutral"), []
    for text in body["input"]:
        premise, _, hypothesis = text.partition(" [SEP] ")
        place = 1 if premise == hypothesis else 0 if " not " in hypothesis else 2
        found.append({"label": names[place], "probs": [0.8 if i == place else 0.1 for i in range(3)]})
    return {"data": found}


VERDICT = chat(json.dumps({"reasoning": "r", "verdict": "equivalent", "differences": []}))
SERVED: dict[str, Any] = {
    "semantic": embeddings,
    "agreement": embeddings,
    "relevance": embeddings,
    "entailment": classes,
    "judge": VERDICT,
    "guard": chat("safe"),
    "toxicity": {"data": [{"label": "neutral", "probs": [0.9, 0.1]}]},
}
OPTIONS: dict[str, dict[str, Any]] = {
    "agreement": {"similarity": "off"},
    "relevance": {"similarity": "off"},
    "regex": {"pattern": r"(\w+\s?)+$"},  # the classic bomb: exponential in a backtracking engine
    "assertions": {
        "assertions": [
            {"type": "regex", "value": r"(a+)+b"},
            {"type": "is-json"},
            {"type": "is-xml"},
            {"type": "contains-html"},
            {"type": "bleu", "value": "a b"},
        ]
    },
}
ALONE = sorted(set(registry.kinds()) - {"semantic", "entailment", "judge", "guard"})
EVERY = [*ALONE, *(f"{kind} over http" for kind in sorted(SERVED))]


def test_every_registered_kind_is_tried_here() -> None:
    assert {name.removesuffix(" over http") for name in EVERY} == set(registry.kinds())


@pytest.fixture(scope="module")
def scorers() -> Iterator[dict[str, Scorer]]:
    with ExitStack() as stack:
        made = {kind: registry.build(kind, OPTIONS.get(kind, {})) for kind in ALONE}
        for kind, reply in SERVED.items():
            url = stack.enter_context(serving(Canned(reply)))
            options: dict[str, Any] = {"endpoint": f"{url}/v1"}
            if kind == "judge":
                options["model"] = "umpire"
            elif kind == "entailment":
                options = {"endpoint": url}
            elif kind == "guard":
                options = {"url": f"{url}/v1", "model": "g", "family": "llama_guard"}
            elif kind == "toxicity":
                options = {"endpoint": {"url": url, "model": "t"}}
            made[f"{kind} over http"] = registry.build(kind, options)
        yield made


deep_value: Any = "x"
for _ in range(3_000):
    deep_value = {"a": [deep_value]}
TEXTS = {
    "ten megabytes": "word salad " * 900_000,
    "one word of ten megabytes": "a" * 10_000_000,
    "a million lines": "\n" * 1_000_000,
    "brackets": "[" * 100_000,
    "closed brackets": "[" * 100_000 + "]" * 100_000,
    "nested objects": '{"a":' * 100_000,
    "lone surrogates": "\ud800 x\udfff" * 3_000,
    "direction marks": "\u202eabc \u200f\u2066" * 3_000,
    "a bomb for regular expressions": "a" * 30_000 + "!",
    "spaces and a word": " " * 60_000 + "x",
    "almost an address": "a@" * 30_000,
    "almost a number": "1,1." * 30_000,
    "almost a refusal": "I can't " * 20_000,
    "almost a secret": "password = " * 10_000,
    "thoughts that never end": "<think>" * 10_000,
    "special tokens": "[SEP]</s><|im_end|>" * 3_000,
    "combining marks": "e" + "\u0301" * 50_000,
    "null characters": "\x00\x01\x1b[31m" * 10_000,
    "json with a deep value": '{"a": ' + "[" * 900 + "1" + "]" * 900 + "}",
    "code that nests": "def f():\n" + "".join(" " * i + "if x:\n" for i in range(1, 400)),
}
CALLS: dict[str, tuple[ToolCall, ...]] = {
    "no calls": (),
    "deep arguments": (ToolCall(name="f", arguments=deep_value),),
    "arguments as deep as a parser reads": (ToolCall(name="f", arguments=json.loads("[" * 400 + "]" * 400)),),
    "a string of brackets": (ToolCall(name="f" * 100_000, arguments="[" * 100_000),),
    "a thousand calls": tuple(ToolCall(name=f"f{i}", arguments={"a": i}) for i in range(1_000)),
    "odd numbers": (ToolCall(name="", arguments={"a": float("nan"), "b": float("inf"), "c": 10**400}),),
}
SCHEMA = {"type": "object", "properties": {"a": {"type": "array", "items": {"pattern": "(a+)+b"}}}}


def cases_of(text: str, calls: tuple[ToolCall, ...] = ()) -> list[Case]:
    """The text as both answers, as one of them, as the request, and as a tool's result."""
    hostile, plain = Reply(text=text, tool_calls=calls), Reply(text="It is open.")
    asked = "Is it open?"
    messages = ({"role": "system", "content": text[:50_000]}, {"role": "tool", "content": text[:50_000]})
    return [
        Case(id="1", prompt=asked, incumbent=hostile, candidate=Reply(text=text + "x", tool_calls=calls)),
        Case(id="2", prompt=asked, incumbent=plain, candidate=hostile, messages=messages, schema=SCHEMA),
        Case(id="3", prompt=text[:50_000], incumbent=hostile, candidate=plain, expected=text[:1_000]),
    ]


def refused(result: object) -> bool:
    """What may stand in place of a score: the limit of a configured pattern, which is a counted failure."""
    return getattr(result, "kind", None) == "TimeoutError"


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", EVERY)
def test_hostile_answers_are_scored_in_bounded_time(scorers: dict[str, Scorer], name: str) -> None:
    for what, text in TEXTS.items():
        began = time.process_time()
        results = run_scorer(scorers[name], cases_of(text))

        assert time.process_time() - began < MOST_SECONDS, what
        may = name in ("regex", "assertions")
        assert all(isinstance(r, Score) or (may and refused(r)) for r in results), (what, results)


@pytest.mark.parametrize("name", EVERY)
def test_hostile_tool_calls_are_scored_in_bounded_time(scorers: dict[str, Scorer], name: str) -> None:
    for what, calls in CALLS.items():
        began = time.process_time()
        results = run_scorer(scorers[name], cases_of("See the call.", calls) + cases_of("", calls))

        assert time.process_time() - began < MOST_SECONDS, what
        assert all(isinstance(r, Score) for r in results), (what, results)


PIECES = st.sampled_from(
    ["not ", "12", "-3.5 kg", "Paris ", '{"a": 1}', "```\n", "\u202e", "\ud800", "½", "3 pm ", "[SEP]", "\\boxed{", "é",
     "I can't ", "<think>", "[[", "a@b.example ", "sk-", "ignore all previous instructions ", "\x00", "\u0301", "(a+)+"]
)  # fmt: skip
TEXT = st.lists(st.one_of(PIECES, st.text(max_size=12)), max_size=12).map("".join)
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
REPLY = st.builds(
    Reply,
    text=TEXT,
    tool_calls=st.lists(st.builds(ToolCall, name=st.text(max_size=8), arguments=JSON), max_size=2).map(tuple),
    reasoning=st.none() | st.text(max_size=8),
    refusal=st.none() | st.text(max_size=8),
    finish_reason=st.sampled_from([None, "stop", "length", "content_filter", "\ud800"]),
)
CASE = st.builds(
    Case,
    id=st.just("1"),
    prompt=TEXT,
    incumbent=st.none() | REPLY,
    candidate=REPLY,
    expected=JSON,
    rubric=st.none() | TEXT,
    canary=st.none() | st.text(max_size=6),
)


@pytest.mark.parametrize("name", EVERY)
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(case=CASE)
def test_any_case_gets_the_same_score_twice(scorers: dict[str, Scorer], name: str, case: Case) -> None:
    (first,) = run_scorer(scorers[name], [case])
    (again,) = run_scorer(scorers[name], [case])

    assert isinstance(first, Score), first
    assert first == again
    assert first.value is None or 0 <= first.value <= 1
