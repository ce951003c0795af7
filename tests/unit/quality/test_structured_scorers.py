"""JSON, tool calls, code, final answers, schemas: compared by value, never executed."""

from typing import Any

import pytest

from scorers import registry
from scorers.base import Case, Reply, Score, ToolCall


def one(kind: str, a: Any, b: Any, options: dict[str, Any] | None = None, **extra: Any) -> Score:
    replies = [r if isinstance(r, Reply) else Reply(text=r) for r in (a, b)]
    scorer = registry.build(kind, options or {})
    (score,) = scorer.score([Case(id="1", prompt="Q", incumbent=replies[0], candidate=replies[1], **extra)])
    assert isinstance(score, Score)
    return score


def test_json_is_compared_by_value() -> None:
    assert one("structure", '{"a": 1, "b": [1, 2]}', '```json\n{"b": [1, 2], "a": 1.0}\n```').value == 1
    assert one("structure", '{"a": true}', '{"a": 1}').value == 0
    assert one("structure", '{"a": 1}', "no idea").label == "flagged"
    assert one("structure", "prose", '{"a": 1}').value is None


def test_an_inserted_element_does_not_shift_the_rest() -> None:
    assert one("structure", "[1, 2, 3, 4]", "[0, 1, 2, 3, 4]").value == pytest.approx(4 / 5)


def test_elements_are_aligned_by_id() -> None:
    a = '[{"id": 1, "x": "p"}, {"id": 2, "x": "q"}]'
    b = '[{"id": 2, "x": "q"}, {"id": 1, "x": "p"}]'

    assert one("structure", a, b).value == 1


def calls(*items: tuple[str, Any]) -> Reply:
    return Reply(tool_calls=tuple(ToolCall(name=n, arguments=a) for n, a in items))


def test_tool_calls_match_in_any_order() -> None:
    assert one("tools", calls(("f", {"x": 1}), ("g", {})), calls(("g", {}), ("f", {"x": 1.0}))).value == 1
    assert (
        one("tools", calls(("f", {}), ("g", {})), calls(("g", {}), ("f", {})), {"ordered": True}).label == "wrong_order"
    )


@pytest.mark.parametrize(
    ("given", "label"),
    [
        (Reply(text="It is sunny."), "wrong_decision"),
        (calls(("h", {"x": 1})), "wrong_function"),
        (calls(("f", {"x": 2})), "wrong_value"),
        (calls(("f", {})), "missing_argument"),
        (calls(("f", {"x": 1, "y": 2})), "unexpected_argument"),
        (calls(("f", '{"x": ')), "unparseable"),
        (calls(("f", {"x": 1}), ("f", {"x": 1})), "wrong_count"),
    ],
)
def test_a_wrong_tool_call_is_named(given: Reply, label: str) -> None:
    score = one("tools", calls(("f", {"x": 1})), given)

    assert score.label == label
    assert score.value is not None
    assert score.value < 1


def test_code_is_equal_whatever_its_local_names() -> None:
    assert one("code", "def f(a):\n    b = a + 1\n    return b", "def f(x):\n    y = x + 1\n    return y").value == 1
    assert one("code", "def f(a):\n    return a + 1", "def f(a):\n    return a - 1").label == "flagged"
    assert one("code", "SELECT a FROM t WHERE b = 1;", "select a from t where b = 1").value == 1
    assert one("code", "SELECT a FROM t WHERE b = 'X'", "SELECT a FROM t WHERE b = 'x'").label == "flagged"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("so 3*4=12. #### 12", 1),
        (r"thus \boxed{12}", 1),
        ("The answer is **12**.", 1),
        ("first 5, then 12", 1),
        ("It is 13.", 0),
    ],
)
def test_the_final_number_is_found(text: str, value: float) -> None:
    assert one("final_answer", "#### 12", text).value == value


def test_a_choice_is_compared_as_a_letter() -> None:
    assert one("final_answer", "The answer is (B).", "b)").value == 1
    assert one("final_answer", "The answer is (B).", "Answer: C").value == 0


def test_against_expected_the_scorer_is_absolute() -> None:
    scorer = registry.build("final_answer", {"against": "expected"})

    assert scorer.kind == "absolute"
    assert one("final_answer", "", "It is 7", {"against": "expected"}, expected=[7, 8]).value == 1
    assert one("final_answer", "", "It is 7", {"against": "expected"}).value is None


SCHEMA = {"type": "object", "required": ["a"], "properties": {"a": {"type": "string", "pattern": "^x+$"}}}


def test_a_schema_is_judged() -> None:
    assert one("schema", "", '{"a": "xx"}', schema=SCHEMA).label == "valid"
    assert one("schema", "", '{"a": 1}', schema=SCHEMA).label == "invalid"
    assert one("schema", "", "not json", schema=SCHEMA).value == 0
    assert one("schema", "", 'Sure: {"a": "x"}', schema=SCHEMA).label == "not_json"


def test_a_schema_never_fetches_and_never_hangs() -> None:
    remote = {"$ref": "http://127.0.0.1:9/schema.json"}
    bomb = {"patternProperties": {"^(a+)+$": {}}}

    for schema in (remote, bomb):
        assert one("schema", "", "{}", schema=schema).reason == "the case's schema cannot be used"


def test_a_pattern_without_end_is_a_failure_and_no_hang() -> None:
    scorer = registry.build("regex", {"pattern": "(a+)+$", "timeout_seconds": 0.05})

    (result,) = scorer.score([Case(id="1", prompt="Q", candidate=Reply(text="a" * 5000 + "!"))])

    assert getattr(result, "kind", None) == "TimeoutError"
