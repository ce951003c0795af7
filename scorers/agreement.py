"""The default quality: does the candidate say what the incumbent said? One value, a named verdict and the reason.

Comparative: it measures change, and change is not harm. Structured answers (tool calls, JSON, code) are compared as such;
prose goes through the critical-difference checks, and what they let pass through similarity, where a model is there.

    equal    1.0            the same after normalisation, or the same value, calls, code
    same     0.75 - 0.99    no check objects and the meaning is close
    unknown  0.5  - 0.75    nothing proves a difference, nothing proves agreement
    flagged  0    - 0.5     something named differs
"""

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

from pydantic import Field

from scorers import embedding
from scorers.base import Case, Finding, Reply, Score, ScorerFailure, ScorerKind
from scorers.checks import FLAGGED_BELOW, VERSION, Checked, describe, examine, findings
from scorers.checks_content import coverage, same_words, unrelated
from scorers.checks_form import both_decline, is_refusal
from scorers.code import compare_code
from scorers.embedding import Embedder
from scorers.objections import Pair
from scorers.semantic import Similarity, similarities
from scorers.structure import find_json, is_container_json, judge
from scorers.tools import judge_calls
from scorers.words import normalised

Label = Literal["equal", "same", "flagged", "unknown"]
OFF_TOPIC = 0.3
CLOSE = 0.6
ENOUGH_WORDS = 0.4
_ENDING = re.compile(r"[.!?\s]+$")
_SAME_WORDS = 0.8
_MAX_SHORT_WORDS = 3
_NO_PHRASE = frozenset(("yes", "no", "true", "false", "you", "your", "it", "this", "we", "our", "i", "my", "is", "are"))


class Settings(embedding.Settings):
    """Options of `agreement`."""

    similarity: embedding.Mode = Field(
        "auto", description="auto: with the model when the extra `semantic` is installed; off: checks alone"
    )


class _Open(NamedTuple):
    """A pair that checks alone do not settle."""

    pair: Pair
    checked: Checked


class Agreement:
    """Checks and similarity in one value. Labels: equal, same, flagged, unknown."""

    kind: ScorerKind = "comparative"

    def __init__(self, settings: Settings, name: str, embedder: Embedder | None) -> None:
        self.settings = settings
        self.name = name
        self._embedder = embedder
        self.version = f"{VERSION}+{embedder.identity if embedder else 'checks'}"

    def score(self, cases: Sequence[Case]) -> list[Score | ScorerFailure]:
        """One batch: similarity is asked only for pairs that nothing cheaper settles."""
        settled = [self._settle(case) for case in cases]
        waiting = [item.pair for item in settled if isinstance(item, _Open)]
        found: list[Similarity | None] = [None] * len(waiting)
        if self._embedder is not None and waiting:
            found = list(similarities(self._embedder, [(p.text_a, p.text_b) for p in waiting]))
        queue = iter(found)
        return [_weighed(item, next(queue)) if isinstance(item, _Open) else item for item in settled]

    def _settle(self, case: Case) -> Score | _Open:
        incumbent, candidate = case.incumbent, case.candidate
        if incumbent is None or _is_empty(incumbent):
            return Score(value=None, label="unknown", reason="no incumbent answer to compare with")
        if _is_empty(candidate):
            return _flagged(0.0, "the candidate gave no answer", "empty")
        if incumbent.tool_calls or candidate.tool_calls:
            return _tools(incumbent, candidate)
        text_a, text_b = _spoken(incumbent), _spoken(candidate)
        if text_a == text_b:
            return Score(value=1.0, label="equal", reason="equal as written")
        if bool(incumbent.refusal) != bool(candidate.refusal) and is_refusal(text_a) != is_refusal(text_b):
            return _flagged(0.1, "refusal", "refusal")
        if is_container_json(text_a):
            return _json(text_a, text_b)
        return _prose(case)


def _is_empty(reply: Reply) -> bool:
    return not (reply.text.strip() or reply.tool_calls or reply.refusal)


def _spoken(reply: Reply) -> str:
    return reply.text or reply.refusal or ""


def _flagged(value: float, reason: str, category: str) -> Score:
    return Score(value=value, label="flagged", reason=reason, findings=(Finding(category=category),))


def _tools(incumbent: Reply, candidate: Reply) -> Score:
    score = judge_calls(incumbent.tool_calls, candidate)
    if score.value == 1:
        return score
    return Score(
        value=0.05 + 0.35 * (score.value or 0),
        label="flagged",
        reason=f"tool calls: {score.reason}",
        findings=score.findings,
    )


def _json(text_a: str, text_b: str) -> Score:
    score = judge(find_json(text_a, embedded=False), text_b)
    if score.value == 1:
        return score
    return Score(value=0.05 + 0.35 * (score.value or 0), label="flagged", reason=score.reason, findings=score.findings)


def _prose(case: Case) -> Score | _Open:
    pair = Pair(case)
    if pair.code:
        value, label, reason = compare_code(pair.text_a, pair.text_b)
        if label == "equal":
            return Score(value=value, label="equal", reason=reason)
        if label == "flagged":
            return _flagged(value, reason, "code")
    elif pair.a.lower == pair.b.lower and normalised(pair.text_a) == normalised(pair.text_b):
        return Score(value=1.0, label="equal", reason="equal after normalisation")
    if contained(pair.text_a, pair.text_b):
        return Score(value=0.97, label="same", reason="the short answer stands in the longer one")
    checked = examine(pair)
    if both_decline(pair):
        return Score(value=0.9, label="same", reason="both decline")
    if checked.value <= 0.15:
        return Score(value=checked.value, label="flagged", reason=describe(pair, checked), findings=findings(checked))
    return _Open(pair, checked)


def contained(a: str, b: str) -> bool:
    """The shorter answer, of at most three words, stands whole in the longer one ("36", "Canberra"), undenied."""
    short, long = sorted((a[:2000].strip(), b[:2000].strip()), key=len)
    short = _ENDING.sub("", short).lower()
    words = short.split()
    if not 1 <= len(words) <= _MAX_SHORT_WORDS or set(words) & _NO_PHRASE:
        return False
    spot = re.search(r"(?<![\w.,-])" + re.escape(short) + r"(?![\w]|[.,]\d)", long.lower())
    return spot is not None and not re.search(r"\b(?:not|no|never|isn't)\W+(?:\w+\W+)?$", long.lower()[: spot.start()])


def _weighed(item: _Open, similarity: Similarity | None) -> Score:
    """Joins the worst objection and the similarity of meaning into one value and a verdict."""
    pair, checked = item
    parts = [describe(pair, checked)] if checked.objections or checked.skipped or pair.cut else []
    found = list(findings(checked))
    shared = pair.differences.ratio
    if similarity is None:
        parts.append("checks alone, no similarity model")
        close = (
            0.5 + 0.45 * _settled(max(coverage(pair), shared), ENOUGH_WORDS) if checked.value == 1 else checked.value
        )
        if checked.value == 1 and same_words(pair):
            shared, close = max(shared, CLOSE), max(close, 0.55 + 0.4 * _SAME_WORDS)
        if unrelated(pair):
            found.append(Finding(category="off_topic"))
            parts.append("next to no content word in common")
            close = min(close, 0.25)
        label: Label = "same" if shared >= CLOSE else "unknown"
        value = close
    else:
        meaning = max(0.0, 0.7 * similarity.mean + 0.3 * similarity.least, _SAME_WORDS if same_words(pair) else 0.0)
        parts.append(f"similarity {similarity.mean:.2f}, worst window {similarity.least:.2f}")
        value = min(0.5 + 0.49 * meaning, 0.99) * min(checked.value, 1.0)
        label = "same" if meaning >= CLOSE else "unknown"
        if meaning < OFF_TOPIC:
            found.append(Finding(category="off_topic"))
            value = min(value, meaning)
    if checked.value < FLAGGED_BELOW or any(f.category == "off_topic" for f in found):
        label, value = "flagged", min(value, FLAGGED_BELOW - 0.01)
    elif checked.value < 1:
        label = "unknown"
    return Score(value=max(0.0, value), label=label, reason="; ".join(parts), findings=tuple(found))


def _settled(found: float, enough: float) -> float:
    """Likeness in [0, 1] that is complete from `enough` on.

    Past that point answers that differ in one fact are more alike than honest paraphrases are: more likeness is no
    evidence of agreement (measured: docs/scorers/measured.md).
    """
    return min(found / enough, 1.0)


SETTINGS = Settings


def build(settings: Settings, name: str | None = None) -> Agreement:
    """The scorer; loads the model unless `similarity` is off or, with auto, the extra `semantic` is absent."""
    wanted = settings.similarity == "on" or (
        settings.similarity == "auto" and (settings.endpoint or embedding.installed())
    )
    return Agreement(settings, name or "agreement", embedding.build_embedder(settings) if wanted else None)
