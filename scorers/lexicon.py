"""What the critical-difference checks know of English words: opposites, exclusive groups, synonyms, negative words.

The lists are in `lexicon_opposites` and `lexicon_synonyms`; here they are indexed by stem, once, on the first check.
"""

from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from scorers.lexicon_opposites import GROUPS, OPPOSITES
from scorers.lexicon_synonyms import FUNCTION_WORDS, NARROWING, NEGATIONS, NEGATIVES, SYNONYMS
from scorers.wordnet import opposed, same_meaning, wordnet
from scorers.words import stem

_FUNCTION_WORDS = frozenset(FUNCTION_WORDS.split())
_NEGATIONS = frozenset(NEGATIONS.split())
_NARROWING = frozenset(NARROWING.split())
_NEGATIVE_PREFIXES = frozenset(("un", "in", "im", "il", "ir", "dis", "non", "mis", "de"))
_PREFIX_PAIRS = (
    ("over", "under"),
    ("in", "out"),
    ("up", "down"),
    ("pre", "post"),
    ("hyper", "hypo"),
    ("im", "ex"),
    ("in", "ex"),
)
_TURNED = tuple(pair for one, other in _PREFIX_PAIRS for pair in ((one, other), (other, one)))
_FIRST = tuple({p for p, _ in _TURNED})
_NONE: frozenset[int] = frozenset()


class Lexicon(NamedTuple):
    """The lists, indexed by stem."""

    opposites: dict[str, frozenset[str]]
    groups: dict[str, frozenset[int]]
    strong_groups: dict[str, frozenset[int]]
    synonyms: dict[str, frozenset[int]]
    negatives: frozenset[str]
    right_poles: frozenset[str]


@lru_cache(maxsize=1)
def lexicon() -> Lexicon:
    """Builds the index once."""
    opposites: defaultdict[str, set[str]] = defaultdict(set)
    negatives = {stem(word) for word in NEGATIVES.split()}
    sides: list[str] = []
    poles: set[str] = set()
    for line in filter(None, OPPOSITES.strip().split("\n")):
        left, right = line.split(":")
        sides += [left, right.replace("!", "")]
        for p in left.split():
            for q in right.replace("!", "").split():
                if stem(p) != stem(q):
                    opposites[stem(p)].add(stem(q))
                    opposites[stem(q)].add(stem(p))
        poles |= {stem(word) for word in right.replace("!", "").split()}
        if "!" in right:
            negatives |= {stem(word) for word in right.replace("!", "").split()}
    for word, others in wordnet().opposites.items():
        opposites[word] |= others
    groups, strong = _indexed(GROUPS)
    synonyms, _ = _indexed("\n".join([SYNONYMS.strip(), *sides]))
    return Lexicon(
        {word: frozenset(others) for word, others in opposites.items()},
        groups,
        {word: numbers & strong for word, numbers in groups.items() if numbers & strong},
        synonyms,
        frozenset(negatives),
        frozenset(poles),
    )


def _indexed(table: str) -> tuple[dict[str, frozenset[int]], frozenset[int]]:
    index: defaultdict[str, set[int]] = defaultdict(set)
    strong: set[int] = set()
    for number, line in enumerate(filter(None, table.strip().split("\n"))):
        if line.startswith("*"):
            strong.add(number)
        for word in line.lstrip("*").split():
            index[stem(word)].add(number)
    return {word: frozenset(numbers) for word, numbers in index.items()}, frozenset(strong)


def is_function_word(word: str) -> bool:
    """True for words that carry structure rather than content."""
    return word in _FUNCTION_WORDS


def content_words(words: Iterable[str]) -> set[str]:
    """The different words among `words` that are no function words."""
    return set(words) - _FUNCTION_WORDS


def is_negation(word: str) -> bool:
    """True for an explicit negation (contractions are written out before)."""
    return word in _NEGATIONS


def narrows(word: str) -> bool:
    """True for a word that opens a condition or exception."""
    return word in _NARROWING


def states_negative(word: str) -> bool:
    """True for a word that denies something by itself: "unable", "refused", "without", "unavailable"."""
    return word in _NEGATIONS or stem(word) in lexicon().negatives


def negative_pole(word: str) -> bool:
    """True for the right-hand word of a pair of opposites: mostly the one that takes away."""
    return stem(word) in lexicon().right_poles


def opposite(a: str, b: str) -> bool:
    """True for opposites, by list or by a negative prefix ("stable", "unstable"; "careful", "careless")."""
    listed = lexicon().opposites.get(stem(a))
    if listed is not None and (b in listed or stem(b) in listed):
        return True
    short, long = (a, b) if len(a) <= len(b) else (b, a)
    if len(short) >= 4 and long.endswith(short) and long[: -len(short)] in _NEGATIVE_PREFIXES:
        return True
    if _opposite_prefixes(a, b) or opposed(a, b):
        return True
    return (a[:-3] == b[:-4] and {a[-3:], b[-4:]} == {"ful", "less"}) or (
        a[:-4] == b[:-3] and {a[-4:], b[-3:]} == {"less", "ful"}
    )


def _opposite_prefixes(a: str, b: str) -> bool:
    """True for "overstated" and "understated", "inflow" and "outflow"."""
    for one, other in _PREFIX_PAIRS:
        for x, y in ((a, b), (b, a)):
            if (
                x.startswith(one)
                and y.startswith(other)
                and x[len(one) :] == y[len(other) :]
                and len(x) >= len(one) + 4
            ):
                return True
    return False


def opposites_between(lost: set[str], new: set[str]) -> list[tuple[str, str]]:
    """Every opposite pair with one word in `lost` and one in `new`; by look-up, so that long texts cost no square."""
    by_stem: defaultdict[str, list[str]] = defaultdict(list)
    for word in new:
        by_stem[stem(word)].append(word)
    found = []
    known = lexicon().opposites
    for word in sorted(lost):
        listed = known.get(stem(word))
        others = {w for other in listed for w in by_stem.get(other, ())} | (listed & new) if listed else set()
        if word.startswith(_FIRST):
            others |= {w for p, q in _TURNED if word.startswith(p) and (w := q + word[len(p) :]) in new and len(w) >= 6}
        found += [(word, other) for other in sorted(others)]
    return found


def shared_group(a: str, b: str) -> bool:
    """True for two different members of one exclusive group."""
    sa, sb = stem(a), stem(b)
    return sa != sb and bool(lexicon().groups.get(sa, _NONE) & lexicon().groups.get(sb, _NONE))


def strong_groups_of(word: str) -> frozenset[int]:
    """Exclusive groups whose members state a fact even in reworded text (weekdays, months, colours)."""
    return lexicon().strong_groups.get(stem(word), _NONE)


@lru_cache(maxsize=8192)
def synonymous(a: str, b: str) -> bool:
    """True when the words may stand for each other: one stem, a common list, or spellings such as "colour" and "color"."""
    if (
        stem(a) == stem(b)
        or a.replace("our", "or") == b.replace("our", "or")
        or a.replace("ise", "ize") == b.replace("ise", "ize")
    ):
        return True
    known = lexicon().synonyms
    return bool(known.get(stem(a), _NONE) & known.get(stem(b), _NONE)) or same_meaning(a, b)
