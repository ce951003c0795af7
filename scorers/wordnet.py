"""What general English says of two words: same meaning, wider and narrower, opposite, and which words are rarely nouns.

Made from WordNet 3.1 (`wordnet.txt`, written by `python -m bench.wordnet`); read once, on the first question, and indexed by
stem. The lists of `lexicon` know the language of support and operations better and are asked first.
"""

from collections import defaultdict
from functools import lru_cache
from importlib.resources import files
from typing import NamedTuple, TypeVar

from scorers.words import stem

_T = TypeVar("_T")
_NONE: frozenset[str] = frozenset()
_NO_LINES: frozenset[int] = frozenset()


class Wordnet(NamedTuple):
    """The file, indexed by stem."""

    meanings: dict[str, frozenset[int]]
    wider: dict[str, frozenset[str]]
    opposites: dict[str, frozenset[str]]
    near_opposites: dict[str, frozenset[str]]
    rarely_nouns: frozenset[str]
    nouns: frozenset[str]


@lru_cache(maxsize=1)
def wordnet() -> Wordnet:
    """Reads the file: 30 ms, once a process."""
    meanings: defaultdict[str, set[int]] = defaultdict(set)
    wider: defaultdict[str, set[str]] = defaultdict(set)
    exact: defaultdict[str, set[str]] = defaultdict(set)
    near: defaultdict[str, set[str]] = defaultdict(set)
    rarely: set[str] = set()
    nouns: set[str] = set()
    text = (files("scorers") / "wordnet.txt").read_text("utf-8")
    for number, line in enumerate(text.split("\n")):
        words = line.split()
        mark, rest = (words[0], words[1:]) if words else ("#", [])
        if mark == "=":
            for word in rest:
                meanings[stem(word)].add(number)
        elif mark == ">":
            for word in rest[1:]:
                wider[stem(word)].add(stem(rest[0]))
        elif mark == "-":
            rarely.update(map(stem, rest))
            rarely.update(rest)
        elif mark == "+":
            nouns.update(rest)
        elif mark == "!":
            middle = rest.index(":")
            left, right = [stem(w) for w in rest[:middle]], [stem(w) for w in rest[middle + 1 :]]
            for one, other in ((left, right), (right, left)):
                exact[one[0]].add(other[0])
                for word in one:
                    near[word].update(other)
    return Wordnet(
        _frozen(meanings), _frozen(wider), _frozen(exact), _frozen(near), frozenset(rarely), frozenset(nouns)
    )


def _frozen(index: dict[str, set[_T]]) -> dict[str, frozenset[_T]]:
    return {word: frozenset(values) for word, values in index.items()}


def same_meaning(a: str, b: str) -> bool:
    """True when the words share a usual meaning."""
    known = wordnet().meanings
    return bool(known.get(stem(a), _NO_LINES) & known.get(stem(b), _NO_LINES))


def wider_or_narrower(a: str, b: str) -> bool:
    """True when one word is the wider one for the other: "refrigerator" and "fridge", "vehicle" and "car"."""
    known = wordnet().wider
    return stem(a) in known.get(stem(b), _NONE) or stem(b) in known.get(stem(a), _NONE)


def opposed(a: str, b: str) -> bool:
    """True when the words lie near opposite poles ("mild", "severe"); too wide to be asked of words far apart."""
    return stem(b) in wordnet().near_opposites.get(stem(a), _NONE) and not same_meaning(a, b)


def rarely_noun(word: str) -> bool:
    """True for a word that general English uses as something other than a noun most of the time."""
    known = wordnet()
    if word in known.nouns or word.removesuffix("s") in known.nouns:
        return False
    return word in known.rarely_nouns or stem(word) in known.rarely_nouns
