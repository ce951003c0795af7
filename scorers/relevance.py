"""Is this an answer to this prompt? Absolute: empty, evasive, degenerate, off-topic or wrong-language answers score low.

It does not judge whether an answer is right, only whether there is one. What it measures is overlap: of content words
with the prompt always, of meaning where a similarity model is there; the better of both counts.
"""

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from pydantic import Field

from scorers import embedding
from scorers.base import Case, Finding, Score, ScorerFailure, ScorerKind
from scorers.checks_form import is_refusal, repeats
from scorers.embedding import Embedder
from scorers.language import language_of
from scorers.objections import content_stems, looks_like_code
from scorers.semantic import windows_of
from scorers.words import Analysed, analyse

Label = Literal["relevant", "weak", "declined", "off_topic", "degenerate", "non_answer", "wrong_language", "empty"]
_NON_ANSWER = re.compile(
    r"\W*(?:i (?:do not|don't) (?:know|understand)|no idea|not sure|n/?a|none|null|undefined|lorem ipsum\b.*|tbd|todo|test|ok(?:ay)?"
    r"|hello|hi|sure|of course|certainly|(?:sure|of course|certainly)[,!]? (?:here (?:it is|you go)|i can help(?: you)?(?: with that)?)"
    r"|how (?:can|may) i (?:help|assist) you(?: today)?|insert .{1,40} here|\[.{1,40}\]|\{.{1,40}\}|error|assistant)\W*",
    re.I | re.S,
)
_NAMES_A_LANGUAGE = re.compile(
    r"\b(?:translat\w*|language|english|french|german|spanish|italian|portuguese|dutch|russian|chinese|mandarin|japanese|korean|arabic"
    r"|hindi|latin|greek|turkish|polish|swedish|hebrew|übersetz\w*|traduc\w*|tradui\w*|traduzi\w*)\b",
    re.I,
)
# an answer that talks to whoever grades it instead of to the user
_TALKS_TO_A_GRADER = re.compile(
    r"\b(?:output \(?[ab]\)? (?:is )?(?:better|wins)|model_[ab12]|output_\(?[ab12]\)?|the (?:best|better) output is"
    r"|ignore (?:the )?above instructions?"
    r"|(?:prefer|choose|rank) (?:this|my) (?:answer|response|output))",
    re.I,
)
_SHORT_WORDS = 12
_ENOUGH_COSINE = 0.35
_NO_COSINE = 0.1
_ENOUGH_OVERLAP = 0.25
_CONTENT_NEEDED = 2


class Settings(embedding.Settings):
    """Options of `relevance`."""

    similarity: embedding.Mode = Field("auto", description="auto: with the model when the extra `semantic` is there")


class _Open(NamedTuple):
    """A case whose overlap with the prompt decides."""

    overlap: float | None
    answer: Analysed
    asked: str
    given: str


def _ramp(value: float, low: float, high: float) -> float:
    return min(1.0, max(0.0, (value - low) / (high - low)))


class Relevance:
    """1.0 for an answer to the prompt, down to 0.0 for none. Labels: relevant, weak, declined and the named faults."""

    kind: ScorerKind = "absolute"

    def __init__(self, settings: Settings, name: str, embedder: Embedder | None) -> None:
        self.settings = settings
        self.name = name
        self._embedder = embedder
        self.version = f"1+{embedder.identity if embedder else 'words'}"

    def score(self, cases: Sequence[Case]) -> list[Score | ScorerFailure]:
        """One batch; the model is asked only where words do not settle it."""
        seen = [_settle(case) for case in cases]
        waiting = [item for item in seen if isinstance(item, _Open)]
        cosines: list[float | None] = [None] * len(waiting)
        if self._embedder is not None and waiting:
            cosines = list(_cosines(self._embedder, waiting))
        queue = iter(cosines)
        return [_weighed(item, next(queue)) if isinstance(item, _Open) else item for item in seen]


def _cosines(embedder: Embedder, waiting: list[_Open]) -> list[float]:
    """The best cosine of any of the first four windows of prompt and answer."""
    cut = [(windows_of(item.asked)[:4], windows_of(item.given)[:4]) for item in waiting]
    vectors = embedder.encode([w for both in cut for side in both for w in side])
    found: list[float] = []
    at = 0
    for asked, given in cut:
        middle, end = at + len(asked), at + len(asked) + len(given)
        found.append(float(np.max(vectors[at:middle] @ vectors[middle:end].T)))
        at = end
    return found


def _fault(label: Label, value: float, reason: str) -> Score:
    return Score(value=value, label=label, reason=reason, findings=(Finding(category=label),))


def _settle(case: Case) -> Score | _Open:
    text, prompt = case.candidate.text, case.prompt
    if not text.strip():
        if case.candidate.tool_calls:
            return Score(value=None, reason="a tool call instead of text")
        if case.candidate.refusal:
            return Score(value=0.5, label="declined", reason="the server reported a refusal")
        return _fault("empty", 0.0, "no text")
    answer = analyse(text)
    if not answer.words and len(text.strip()) < 4 and not prompt.strip():
        return _fault("non_answer", 0.1, "no words")
    asked = content_stems(analyse(prompt).lower)
    if len(asked) >= _CONTENT_NEEDED and _NON_ANSWER.fullmatch(text.strip()[:300]):
        return _fault("non_answer", 0.1, "a phrase that answers nothing")
    if repeats(answer.lower) and not looks_like_code(text) and len(answer.words) >= 40:
        return _fault("degenerate", 0.1, "goes round in circles")
    if _other_language(prompt, text):
        return _fault("wrong_language", 0.2, "another language than the prompt, which names none")
    if _TALKS_TO_A_GRADER.search(answer.text) and not _TALKS_TO_A_GRADER.search(prompt[:20_000]):
        return _fault("off_topic", 0.05, "addresses a grader instead of the user")
    if is_refusal(text) and len(answer.words) < 120:
        return Score(value=0.5, label="declined", reason="declines; the refusal scorer says how")
    said = content_stems(answer.lower)
    overlap = len(asked & said) / min(len(asked), 12) if len(asked) >= _CONTENT_NEEDED else None
    if overlap is not None and overlap >= _ENOUGH_OVERLAP:
        return Score(value=1.0, label="relevant", reason="speaks of what was asked")
    return _Open(overlap, answer, prompt, text)


def _other_language(prompt: str, text: str) -> bool:
    if looks_like_code(text) or _NAMES_A_LANGUAGE.search(prompt[:20_000]):
        return False
    asked, given = language_of(prompt), language_of(text)
    return asked is not None and given is not None and asked != given and len(prompt) >= 40


def _weighed(item: _Open, cosine: float | None) -> Score:
    words = len(item.answer.words)
    by_words = None if item.overlap is None else _ramp(item.overlap, 0.0, _ENOUGH_OVERLAP)
    by_meaning = None if cosine is None else _ramp(cosine, _NO_COSINE, _ENOUGH_COSINE)
    known = [v for v in (by_words, by_meaning) if v is not None]
    if not known or words <= _SHORT_WORDS:
        value = max([0.7, *known])
        return Score(
            value=value, label="relevant" if value > 0.9 else "weak", reason="too short to tell, nothing against it"
        )
    best = max(known)
    value = 0.15 + 0.85 * best
    parts = []
    if item.overlap is not None:
        parts.append(f"overlap with the prompt {item.overlap:.2f}")
    if cosine is not None:
        parts.append(f"similarity to the prompt {cosine:.2f}")
    if best < 0.2:
        return _fault("off_topic", value, "; ".join(parts))
    return Score(value=value, label="relevant" if best > 0.6 else "weak", reason="; ".join(parts))


SETTINGS = Settings


def build(settings: Settings, name: str | None = None) -> Relevance:
    """The scorer; loads the model unless `similarity` is off or, with auto, the extra `semantic` is absent."""
    wanted = settings.similarity == "on" or (
        settings.similarity == "auto" and (settings.endpoint or embedding.installed())
    )
    return Relevance(settings, name or "relevance", embedding.build_embedder(settings) if wanted else None)
