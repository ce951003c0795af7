"""How much of a protected text an answer repeats: longest common run of words, and share of shared shingles.

Both see verbatim repetition only; a paraphrase or a translation passes. Pure and linear: a set of hashed shingles of the
protected text, one pass over the answer.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

SHINGLE_WORDS = 6
_WORD = re.compile(r"[^\W_]+", re.UNICODE)
_SCRIPT_WITHOUT_SPACES = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\u0e00-\u0e7f]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """`longest_run_words`: words in a row that stand in both; `share`: of the protected shingles, in [0, 1]; None without any."""

    longest_run_words: int
    share: float | None


def words(text: str) -> list[str]:
    """Lower-case words without punctuation; in scripts without spaces every character is a word."""
    if _SCRIPT_WITHOUT_SPACES.search(text):
        text = _SCRIPT_WITHOUT_SPACES.sub(lambda m: f" {m[0]} ", text)
    return [w.lower() for w in _WORD.findall(text)]


def shingles(tokens: list[str], size: int = SHINGLE_WORDS) -> set[int]:
    """Hashes of every run of `size` words; they are compared within one process only."""
    return {hash(tuple(tokens[i : i + size])) for i in range(len(tokens) - size + 1)}


def overlap(answer: str, protected: Iterable[str], known: Iterable[str]) -> Overlap:
    """What `answer` repeats of the `protected` texts that is not in the `known` ones (what the user said)."""
    secret: set[int] = set()
    for text in protected:
        secret |= shingles(words(text))
    if not secret:
        return Overlap(longest_run_words=0, share=None)
    for text in known:
        secret -= shingles(words(text))
    if not secret:
        return Overlap(longest_run_words=0, share=None)
    tokens = words(answer)
    run = longest = 0
    seen: set[int] = set()
    for i in range(len(tokens) - SHINGLE_WORDS + 1):
        mark = hash(tuple(tokens[i : i + SHINGLE_WORDS]))
        if mark in secret:
            seen.add(mark)
            run = run + 1 if run else SHINGLE_WORDS
            longest = max(longest, run)
        else:
            run = 0
    return Overlap(longest_run_words=longest, share=len(seen) / len(secret))
