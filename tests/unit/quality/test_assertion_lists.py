"""Assertion lists: each type, `not-`, weights, thresholds, routes, hooks."""

from typing import Any

import pytest

from scorers import lexical, registry
from scorers.base import Case, Reply, Score, ScorerFailure, ToolCall


def run(items: list[dict[str, Any]], text: str, **extra: Any) -> Score | ScorerFailure:
    options = {k: extra.pop(k) for k in ("threshold", "routes") if k in extra}
    scorer = registry.build("assertions", {"assertions": items, **options})
    return scorer.score([Case(id="1", prompt="Q", candidate=extra.pop("reply", Reply(text=text)), **extra)])[0]


@pytest.mark.parametrize(
    ("kind", "value", "good", "bad"),
    [
        ("equals", "yes", "yes", "yes!"),
        ("iequals", "yes", "YES", "no"),
        ("contains", "cat", "a cat", "a Cat"),
        ("icontains", "cat", "a CAT", "dog"),
        ("contains-all", ["a", "b"], "ab", "a"),
        ("contains-any", "x,b", "ab", "a"),
        ("icontains-all", ["A", "b"], "aB", "a"),
        ("icontains-any", ["X", "B"], "b", "a"),
        ("starts-with", "He", "Hello", "Oh"),
        ("ends-with", "lo", "Hello", "Oh"),
        ("regex", r"^\d+$", "12", "x"),
        ("word-count", {"min": 2, "max": 3}, "a b", "a"),
        ("levenshtein", "kitten", "kitten", "zzzz"),
        ("fuzzy", "hello there", "Hello  there", "zq"),
        ("rouge-1", "the cat sat", "the cat sat", "no match here"),
        ("rouge-l", "the cat sat", "the cat sat", "no match here"),
        ("bleu", "the cat sat down here", "the cat sat down here", "no"),
        ("gleu", "the cat sat", "the cat sat", "no"),
        ("meteor", "the cats sat", "the cat sat", "no"),
        ("chrf", "the cat sat", "the cat sat", "xyz"),
        ("f1", "the cat", "the cat", "no"),
        ("is-json", None, '{"a": 1}', "x {"),
        ("is-json", {"required": ["a"]}, '{"a": 1}', '{"b": 1}'),
        ("contains-json", None, 'so {"a": 1}', "none"),
        ("json-diff", {"a": 1}, '{"a": 1.0}', '{"a": 2}'),
        ("is-sql", None, "SELECT a FROM t WHERE b = 'c'", "SELECT a FROM t WHERE (b"),
        ("same-sql", "SELECT a FROM t", "select a  from t", "select b from t"),
        ("is-xml", None, "<a><b/></a>", "<a><b></a>"),
        ("is-html", None, "<p>Hi<br></p>", "Hi"),
        ("contains-html", None, "so\n```html\n<b>x</b>\n```", "plain"),
        ("number", "12", "The answer is 12.", "The answer is 13."),
        ("choice", "B", "The answer is (B)", "The answer is (C)"),
        ("is-refusal", None, "I'm sorry, I can't help with that.", "Here you go."),
        ("non-empty", None, "x", " "),
    ],
)
def test_an_assertion_and_its_negation(kind: str, value: Any, good: str, bad: str) -> None:
    for prefix, right, wrong in (("", good, bad), ("not-", bad, good)):
        item = {"type": prefix + kind, "value": value}
        assert getattr(run([item], right), "value", None) == 1.0, (item, right)
        assert getattr(run([item], wrong), "value", None) == 0.0, (item, wrong)


def test_tool_calls_are_asserted() -> None:
    reply = Reply(tool_calls=(ToolCall(name="f", arguments={}), ToolCall(name="g", arguments={})))
    items = [
        {"type": "is-valid-openai-tools-call"},
        {"type": "tool-call-f1", "value": ["f", "g"]},
        {"type": "trajectory:tool-sequence", "value": ["f", "g"]},
        {"type": "not-trajectory:tool-sequence", "value": ["g", "f"]},
    ]

    assert getattr(run(items, "", reply=reply), "value", None) == 1.0


def test_weights_and_threshold_decide() -> None:
    items = [{"type": "contains", "value": "a", "weight": 3}, {"type": "contains", "value": "b"}]

    strict, lenient = run(items, "a"), run(items, "a", threshold=0.7)

    assert (getattr(strict, "value", None), getattr(strict, "label", None)) == (0.75, "fail")
    assert getattr(lenient, "label", None) == "pass"


def test_a_route_has_its_own_list() -> None:
    routes = {"json": [{"type": "is-json"}]}

    assert getattr(run([{"type": "contains", "value": "x"}], "{}", routes=routes, route="json"), "value", None) == 1.0
    assert getattr(run([{"type": "contains", "value": "x"}], "{}", routes=routes, route="other"), "value", None) == 0.0


def test_a_set_is_one_assertion() -> None:
    inner = [{"type": "contains", "value": "a"}, {"type": "contains", "value": "b"}]

    assert getattr(run([{"type": "assert-set", "threshold": 0.5, "assert": inner}], "a"), "value", None) == 1.0


def test_a_hook_judges_and_its_crash_is_counted() -> None:
    good = run([{"type": "python", "value": "scorers.words:normalised"}], "x")

    assert good == ScorerFailure(kind="TypeError") or isinstance(good, ScorerFailure)
    with pytest.raises(ValueError, match="does not load"):
        registry.build("assertions", {"assertions": [{"type": "python", "value": "no_such_module:f"}]})


def test_an_unknown_type_is_answered_with_the_right_one() -> None:
    with pytest.raises(registry.UnknownScorer, match="did you mean 'contains'"):
        registry.build("assertions", {"assertions": [{"type": "containz", "value": "x"}]})


@pytest.mark.parametrize(
    "measure",
    [
        lexical.bleu,
        lexical.gleu,
        lexical.chrf,
        lexical.meteor,
        lexical.rouge_l,
        lexical.word_f1,
        lexical.levenshtein,
        lexical.fuzzy,
    ],
)
def test_every_overlap_is_one_for_equal_texts_and_zero_for_strangers(measure: Any) -> None:
    assert measure("the quick brown fox jumps", "the quick brown fox jumps") == pytest.approx(1.0)
    assert measure("qqqq", "zzzz") == 0.0
    assert measure("", "") == 1.0
