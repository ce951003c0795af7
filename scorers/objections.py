"""What a critical-difference check sees (`Pair`) and says (`Objection`)."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

from scorers.base import Case
from scorers.differences import Differences, compare
from scorers.language import is_english, language_of
from scorers.lexicon import content_words, is_negation
from scorers.quantities import Measured, measure
from scorers.words import MAX_CHARS, Analysed, analyse, stem, unformatted

Category = Literal[
    "number",
    "unit",
    "date",
    "negation",
    "antonym",
    "exclusive",
    "name",
    "swap",
    "substitution",
    "refusal",
    "language",
    "truncation",
    "repetition",
    "omission",
    "addition",
    "thoughts",
]
CERTAIN = 0.1
LIKELY = 0.3
POSSIBLE = 0.45
NEAR_HINT = 0.52
HINT = 0.6
"""Values of objections. Below 0.5 an answer is flagged; a hint only lowers the value and leaves the verdict to others."""

_FENCES = ("```", "=>")
# what a line of code holds for certain, and how such a line looks: most texts hold none of the former
_CODE = tuple(
    (marks, re.compile(pattern, re.M))
    for marks, pattern in (
        (
            ("def", "class", "import", "from", "function", "const", "let", "var", "public", "#include"),
            r"^\s*(?:def|class|import|from|function|const|let|var|public|#include)\s[^\n]{0,200}[({;:=\w]\s*$",
        ),
        (
            ("SELECT", "INSERT", "UPDATE", "DELETE", "CREATE"),
            r"^\s*(?:SELECT|INSERT|UPDATE|DELETE|CREATE)\s[^\n]{0,300}\b(?:FROM|INTO|SET|TABLE|WHERE)\b",
        ),
        ((";", "{"), r"^[^\n]{1,200}[;{]\s*$"),
        (("return",), r"\breturn\s[^\n]{1,200}$"),
        (("(",), r"^\s*\w+\([^()\n]{0,200}\)\s*$"),
    )
)


class Placed(NamedTuple):
    """A content word: its place among all words, its stem and its sentence."""

    at: int
    stem: str
    sentence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Objection:
    """One thing that differs. `value` in [0, 1]: 0.1 certain, 0.3 likely, 0.45 possible, 0.6 a hint."""

    category: Category
    value: float


def looks_like_code(text: str) -> bool:
    """True for a text that is mostly or visibly code."""
    head = text[:MAX_CHARS]
    return any(mark in head for mark in _FENCES) or any(
        pattern.search(head) for marks, pattern in _CODE if any(mark in head for mark in marks)
    )


def content_stems(words: Iterable[str]) -> set[str]:
    """Stems of the words that carry content."""
    return {stem(w) for w in content_words(words) if len(w) > 2 or w.isdigit()}


def _placed(text: Analysed) -> list[Placed]:
    wanted = {w for w in content_words(text.lower) if (len(w) > 2 or w.isdigit()) and not is_negation(w)}
    return [
        Placed(i, stem(w), s) for i, (w, s) in enumerate(zip(text.lower, text.sentence_of, strict=True)) if w in wanted
    ]


class Pair:
    """The incumbent's text (`a`) and the candidate's (`b`), read once; whatever is dear is computed on first use."""

    def __init__(self, case: Case) -> None:
        incumbent = case.incumbent
        self.prompt = case.prompt[:MAX_CHARS]
        self.text_a = incumbent.text if incumbent else ""
        self.text_b = case.candidate.text
        self.finish_reason = case.candidate.finish_reason
        self.a: Analysed = analyse(self.text_a)
        self.b: Analysed = analyse(self.text_b)

    @cached_property
    def differences(self) -> Differences:
        """Aligned passages and edits."""
        return compare(self.a, self.b)

    @cached_property
    def code(self) -> bool:
        """Either side looks like code: lexical checks of prose do not apply."""
        return looks_like_code(self.text_a) or looks_like_code(self.text_b)

    @cached_property
    def languages(self) -> tuple[str | None, str | None]:
        """Detected languages of both sides; None for undecided."""
        return language_of(self.text_a), language_of(self.text_b)

    @cached_property
    def english(self) -> bool:
        """Both sides are English, or undecided in plain Latin letters: English lexicons apply."""
        la, lb = self.languages
        return is_english(self.text_a, la) and (is_english(self.text_b, lb) or la == "en")

    @cached_property
    def measured(self) -> tuple[Measured, Measured, Measured]:
        """Quantities and moments of incumbent, candidate and prompt."""
        return (
            measure("\n".join(self.a.sentences)),
            measure("\n".join(self.b.sentences)),
            measure(unformatted(self.prompt)),
        )

    @cached_property
    def prompt_words(self) -> frozenset[str]:
        """The prompt's words in lower case."""
        return frozenset(analyse(self.prompt).lower)

    @cached_property
    def content(self) -> tuple[set[str], set[str]]:
        """Stems of the content words of both sides."""
        return content_stems(self.a.lower), content_stems(self.b.lower)

    @cached_property
    def placed(self) -> tuple[list[Placed], list[Placed]]:
        """The content words of both sides in order, with their places."""
        return _placed(self.a), _placed(self.b)

    @property
    def cut(self) -> bool:
        """One text was longer than what is looked at."""
        return self.a.cut or self.b.cut
