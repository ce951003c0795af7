"""The assertion types that read one answer: what each checks and from which grade it holds.

Every type is a `Judgement`: `prepare(value)` validates the assertion's value once and gives the function that grades a
case in [0, 1], or None where the case lacks what the type compares with.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from scorers import lexical
from scorers.base import Case
from scorers.checks_form import is_refusal
from scorers.embedding import Embedder
from scorers.exact import expected_texts
from scorers.final_answer import final_answer, same_answer
from scorers.markup import is_html, is_sql, is_xml, same_sql
from scorers.pattern import MAX_SEARCHED_CHARS, compiled
from scorers.schema import validator_for
from scorers.structure import NotJson, compare_values, find_json
from scorers.tools import compare_calls, expected_calls
from scorers.words import normalised

Assertion = Callable[[Case], float | None]
NEEDS_EMBEDDER = ("similar", "similar:cosine", "similar:dot", "similar:euclidean")
_REGEX_SECONDS = 0.1
_FENCE = re.compile(r"```\w*\n(.*?)```", re.S)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """One assertion type; a grade of at least `threshold` holds unless the assertion says otherwise."""

    prepare: Callable[[Any], Assertion]
    threshold: float = 1.0


def _texts(value: Any) -> list[str]:
    items = value if isinstance(value, list) else value.split(",") if isinstance(value, str) else [value]
    found = [str(item).strip() for item in items if item is not None]
    if not found:
        raise ValueError("this assertion needs a value")
    return found


def _text(value: Any) -> str:
    if value is None or isinstance(value, (dict, list)):
        raise ValueError("this assertion needs a text as value")
    return str(value)


def _on_text(test: Callable[[str, str], float]) -> Callable[[Any], Assertion]:
    """Against the assertion's value, or the case's `expected` (the best of several) where the assertion has none."""

    def prepare(value: Any) -> Assertion:
        own = None if value is None else [_text(value)]

        def judge(case: Case) -> float | None:
            wanted = own or expected_texts(case.expected)
            return None if not wanted else max(float(test(case.candidate.text, w)) for w in wanted)

        return judge

    return prepare


def _on_list(test: Callable[[str, list[str]], bool]) -> Callable[[Any], Assertion]:
    def prepare(value: Any) -> Assertion:
        wanted = _texts(value)
        return lambda case: float(test(case.candidate.text, wanted))

    return prepare


def _alone(test: Callable[[Case], float | None]) -> Callable[[Any], Assertion]:
    return lambda _value: test


def _regex(value: Any) -> Assertion:
    pattern = compiled(_text(value))
    return lambda case: float(
        pattern.search(case.candidate.text[:MAX_SEARCHED_CHARS], timeout=_REGEX_SECONDS) is not None
    )


def _word_count(value: Any) -> Assertion:
    low, high = 0, 10**9
    if isinstance(value, dict):
        low, high = int(value.get("min", low)), int(value.get("max", high))
    else:
        low = high = int(value)
    return lambda case: float(low <= len(case.candidate.text.split()) <= high)


def _json(*, embedded: bool) -> Callable[[Any], Assertion]:
    def prepare(value: Any) -> Assertion:
        validator = validator_for(json.loads(value) if isinstance(value, str) else value) if value else None

        def judge(case: Case) -> float:
            try:
                found = find_json(case.candidate.text, embedded=embedded)
            except NotJson:
                return 0.0
            return float(validator is None or validator.is_valid(found))

        return judge

    return prepare


def _json_diff(value: Any) -> Assertion:
    def judge(case: Case) -> float | None:
        wanted = case.expected if value is None else value
        if wanted is None:
            return None
        try:
            wanted = find_json(wanted) if isinstance(wanted, str) else wanted
            return compare_values(wanted, find_json(case.candidate.text)).ratio
        except NotJson:
            return 0.0

    return judge


def _contains_block(test: Callable[[str], bool]) -> Callable[[Case], float]:
    def judge(case: Case) -> float:
        text = case.candidate.text[:MAX_SEARCHED_CHARS]
        return float(any(test(block) for block in (*_FENCE.findall(text), text)))

    return judge


def _calls_are_valid(case: Case) -> float:
    """Every call has a name and arguments that are an object."""
    calls = case.candidate.tool_calls
    return float(bool(calls) and all(c.name and isinstance(c.arguments, dict) for c in calls))


def _tool_f1(value: Any) -> Assertion:
    names = None if value is None else _texts(value)

    def judge(case: Case) -> float | None:
        if names is not None:
            got = [c.name for c in case.candidate.tool_calls]
            hits = len(set(got) & set(names))
            return 2 * hits / (len(set(got)) + len(set(names))) if hits else 0.0
        wanted = expected_calls(case.expected)
        return None if wanted is None else compare_calls(wanted, case.candidate.tool_calls).name_f1

    return judge


def _tool_sequence(value: Any) -> Assertion:
    """Calls of these names occur in this order, others between them."""
    names = _texts(value)

    def judge(case: Case) -> float:
        rest = iter([c.name for c in case.candidate.tool_calls])
        return float(all(name in rest for name in names))

    return judge


def _number(value: Any) -> Assertion:
    def judge(case: Case) -> float | None:
        wanted = [_text(value)] if value is not None else expected_texts(case.expected)
        targets = [v for w in wanted or () if (v := final_answer(w)) is not None]
        given = final_answer(case.candidate.text)
        return None if not targets else float(given is not None and any(same_answer(t, given) for t in targets))

    return judge


def _finish(value: Any) -> Assertion:
    wanted = _texts(value)
    return lambda case: None if case.candidate.finish_reason is None else float(case.candidate.finish_reason in wanted)


def _rouge(n: int) -> Judgement:
    return Judgement(prepare=_on_text(lambda text, wanted: lexical.rouge_n(text, wanted, n)), threshold=0.75)


def _graded(test: Callable[[str, str], float], threshold: float) -> Judgement:
    return Judgement(prepare=_on_text(test), threshold=threshold)


def _fold(text: str) -> str:
    return text.casefold()


KINDS: dict[str, Judgement] = {
    "equals": Judgement(prepare=_on_text(lambda t, w: t.strip() == w.strip())),
    "exact-match": Judgement(prepare=_on_text(lambda t, w: normalised(t) == normalised(w))),
    "iequals": Judgement(prepare=_on_text(lambda t, w: _fold(t.strip()) == _fold(w.strip()))),
    "contains": Judgement(prepare=_on_text(lambda t, w: w in t)),
    "icontains": Judgement(prepare=_on_text(lambda t, w: _fold(w) in _fold(t))),
    "contains-all": Judgement(prepare=_on_list(lambda t, ws: all(w in t for w in ws))),
    "contains-any": Judgement(prepare=_on_list(lambda t, ws: any(w in t for w in ws))),
    "icontains-all": Judgement(prepare=_on_list(lambda t, ws: all(_fold(w) in _fold(t) for w in ws))),
    "icontains-any": Judgement(prepare=_on_list(lambda t, ws: any(_fold(w) in _fold(t) for w in ws))),
    "starts-with": Judgement(prepare=_on_text(lambda t, w: t.startswith(w))),
    "ends-with": Judgement(prepare=_on_text(lambda t, w: t.rstrip().endswith(w.rstrip()))),
    "regex": Judgement(prepare=_regex),
    "word-count": Judgement(prepare=_word_count),
    "levenshtein": _graded(lexical.levenshtein, 0.75),
    "fuzzy": _graded(lexical.fuzzy, 0.75),
    "rouge-n": _rouge(1),
    "rouge-1": _rouge(1),
    "rouge-2": _rouge(2),
    "rouge-3": _rouge(3),
    "rouge-4": _rouge(4),
    "rouge-5": _rouge(5),
    "rouge-l": _graded(lexical.rouge_l, 0.75),
    "bleu": _graded(lexical.bleu, 0.5),
    "gleu": _graded(lexical.gleu, 0.5),
    "meteor": _graded(lexical.meteor, 0.5),
    "chrf": _graded(lexical.chrf, 0.5),
    "f1": _graded(lexical.word_f1, 0.5),
    "is-json": Judgement(prepare=_json(embedded=False)),
    "contains-json": Judgement(prepare=_json(embedded=True)),
    "json-diff": Judgement(prepare=_json_diff),
    "is-sql": Judgement(prepare=_alone(lambda c: float(is_sql(c.candidate.text)))),
    "contains-sql": Judgement(prepare=_alone(_contains_block(is_sql))),
    "same-sql": _graded(lambda t, w: float(same_sql(t, w)), 1.0),
    "is-xml": Judgement(prepare=_alone(lambda c: float(is_xml(c.candidate.text)))),
    "contains-xml": Judgement(prepare=_alone(_contains_block(is_xml))),
    "is-html": Judgement(prepare=_alone(lambda c: float(is_html(c.candidate.text)))),
    "contains-html": Judgement(prepare=_alone(_contains_block(is_html))),
    "is-valid-openai-tools-call": Judgement(prepare=_alone(_calls_are_valid)),
    "is-valid-openai-function-call": Judgement(prepare=_alone(_calls_are_valid)),
    "is-valid-function-call": Judgement(prepare=_alone(_calls_are_valid)),
    "tool-call-f1": Judgement(prepare=_tool_f1),
    "trajectory:tool-sequence": Judgement(prepare=_tool_sequence),
    "trajectory:tool-used": Judgement(prepare=_tool_sequence),
    "skill-used": Judgement(prepare=_tool_sequence),
    "number": Judgement(prepare=_number),
    "choice": Judgement(prepare=_number),
    "is-refusal": Judgement(prepare=_alone(lambda c: float(bool(c.candidate.refusal) or is_refusal(c.candidate.text)))),
    "finish-reason": Judgement(prepare=_finish),
    "non-empty": Judgement(prepare=_alone(lambda c: float(bool(c.candidate.text.strip() or c.candidate.tool_calls)))),
}


def similar(embedder: Embedder, kind: str, value: Any) -> Assertion:
    """Similarity to a text by an embedder: cosine (also `dot`: vectors are of length 1), or 1/(1+distance) for euclidean."""

    def judge(case: Case) -> float | None:
        wanted = [_text(value)] if value is not None else expected_texts(case.expected)
        if not wanted:
            return None
        vectors = embedder.encode([case.candidate.text[:4_000], *wanted])
        cosine = float(np.max(vectors[1:] @ vectors[0]))
        if kind == "similar:euclidean":
            return 1 / (1 + float(np.sqrt(max(0.0, 2 - 2 * cosine))))
        return min(1.0, max(0.0, cosine))

    return judge
