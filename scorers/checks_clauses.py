"""What changed inside reworded sentences: exchanged roles, turned recommendations, opposites, conditions left out.

Reworded answers do not align word by word, so these look at the company a word keeps: the content words around it in its
sentence. All of them stay silent where words that would excuse the change (a passive, a negation, another condition) stand by.
"""

from collections.abc import Iterator, Sequence

from scorers.lexicon import is_function_word, is_negation, opposites_between, synonymous
from scorers.objections import LIKELY, POSSIBLE, Objection, Pair, Placed
from scorers.words import Analysed, stem

_NEAR = 3
_BESIDE = 2
_CONTRAST_WORDS = 6
_MAX_ANCHORS = 200
_MAX_OPPOSITES = 20
_MAX_OCCURRENCES = 4
_JOINING = frozenset(["and", "or", "nor", "plus", "then", "with"])
_PRONOUNS = frozenset(["it", "them", "him", "her", "they", "he", "she"])
_PASSIVE = frozenset(["is", "are", "was", "were", "be", "been", "being", "get", "gets", "got"])
# either side may come first: "A meets B" is "B meets A"; and words that order in time, which turn round with their clause
_MUTUAL_TEXT = """
meet marry equal mix combine compare connect pair match join differ agree share border resemble exchange
before after until prior follow precede first last early late next previous then while when
"""
_MUTUAL = frozenset(stem(word) for word in _MUTUAL_TEXT.split())
_VAGUE_TEXT = """
before prior until after following more less fewer extra above over below under early earlier earliest late later latest up down on off
high higher low lower long longer short shorter brief left right first last final start begin stop end finish give take gave took
send receive buy sell come go all every many few some none least most minimum maximum lowest highest use used new old open close free
"""
_VAGUE = frozenset(stem(word) for word in _VAGUE_TEXT.split())
"""Opposites that an honest rewording turns round ("sells to us" and "we buy"), so that they prove nothing away from an edit."""
_CONDITIONS = (
    ("only", "if"), ("only", "when"), ("only", "where"), ("but", "only"), ("as", "long", "as"), ("so", "long", "as"),
    ("provided",), ("unless",), ("except",), ("excluding",),
)  # fmt: skip
_ANY_CONDITION = frozenset(
    ["if", "unless", "except", "excluding", "provided", "providing", "without", "apart", "long", "whenever"]
)
_CONTRASTS = (("rather", "than"), ("instead", "of"), ("and", "not"), ("but", "not"))
_COVERED = 0.34
_CONDITION_STEMS = 2
_CONDITION_WORDS = 10
_PREFIX = 5


def _around(words: Sequence[Placed], place: int, size: int) -> tuple[list[str], list[str]]:
    """Stems of up to `size` content words before and after one, nearest first, within its sentence."""
    sentence = words[place].sentence
    before = [w.stem for w in reversed(words[max(0, place - size) : place]) if w.sentence == sentence]
    after = [w.stem for w in words[place + 1 : place + 1 + size] if w.sentence == sentence]
    return before, after


def _denied(text: Analysed, at: int) -> bool:
    """A negation stands up to four words before a word, in its sentence."""
    return any(
        is_negation(text.lower[i]) for i in range(max(0, at - 4), at) if text.sentence_of[i] == text.sentence_of[at]
    )


def _ending(word: str) -> str:
    """The form of a word: opposites count in one form only, since rewording turns "disconnecting" into "connected"."""
    return next((ending for ending in ("ing", "ed", "est", "er", "ly") if word.endswith(ending)), "")


def opposite_in_context(pair: Pair) -> list[Objection]:
    """One side's word is the opposite of the other's and both stand among the same words, nobody denying either: possible."""
    if pair.code or pair.differences.whole:
        return []
    a, b = set(pair.a.lower), set(pair.b.lower)
    found = opposites_between(a - b, b - a)
    found = [
        (x, y)
        for x, y in found
        if _ending(x) == _ending(y) and not (stem(x) in _VAGUE or stem(y) in _VAGUE or is_function_word(x))
    ]
    if not found:
        return []
    for x, y in found[:_MAX_OPPOSITES]:
        near_a, near_b = _company(pair.a, pair.placed[0], x), _company(pair.b, pair.placed[1], y)
        if not any(first & second for first in near_a for second in near_b):
            continue
        if not (any(synonymous(y, w) for w in a) or any(synonymous(x, w) for w in b)):  # neither side names both poles
            return [Objection(category="antonym", value=POSSIBLE)]
    return []


def _company(text: Analysed, words: Sequence[Placed], wanted: str) -> list[set[str]]:
    """Stems around the first occurrences of a word that nobody denies."""
    places = [k for k, w in enumerate(words) if text.lower[w.at] == wanted][:_MAX_OCCURRENCES]
    return [set().union(*_around(words, k, _NEAR)) for k in places if not _denied(text, words[k].at)]


def _once(words: Sequence[Placed]) -> dict[str, int]:
    """Place of every stem that occurs once."""
    seen: dict[str, int] = {}
    for place, word in enumerate(words):
        seen[word.stem] = -1 if word.stem in seen else place
    return {s: place for s, place in seen.items() if place >= 0}


def _listed(text: Analysed, words: Sequence[Placed], place: int) -> bool:
    """A word that joins, or nothing at all, stands between a word and its neighbours: a list, whose order is free."""
    at = words[place].at
    start = words[place - 1].at + 1 if place else at
    end = words[place + 1].at if place + 1 < len(words) else at + 1
    between = {*text.lower[start:at], *text.lower[at + 1 : end]}
    return not between or bool(between & _JOINING)


def _passive(text: Analysed, at: int) -> bool:
    return bool(_PASSIVE & set(text.lower[max(0, at - 2) : at])) or "by" in text.lower[at + 1 : at + 4]


def exchanged_roles(pair: Pair) -> list[Objection]:
    """Who stands before a word in one answer stands behind it in the other, in the same voice: likely."""
    if pair.code or not pair.content[0] & pair.content[1]:
        return []
    words_a, words_b = pair.placed
    once_a, once_b = _once(words_a), _once(words_b)
    for anchor in sorted(once_a.keys() & once_b.keys() - _MUTUAL)[:_MAX_ANCHORS]:
        i, j = once_a[anchor], once_b[anchor]
        if not i or not j or words_a[i - 1].stem == words_b[j - 1].stem:
            continue
        (left_a, right_a), (left_b, right_b) = _around(words_a, i, _BESIDE), _around(words_b, j, _BESIDE)
        if not left_a or not left_b or set(left_a) & set(left_b) or not set(right_a) & set(left_b):
            continue
        if not (set(left_a) & set(right_b) and right_a[:1] != right_b[:1]) and not (
            _pronoun_follows(pair.b, words_b, j) and set(left_a) <= pair.content[1]
        ):
            continue
        if _passive(pair.a, words_a[i].at) != _passive(pair.b, words_b[j].at):
            continue
        if _listed(pair.a, words_a, i) or _listed(pair.b, words_b, j):
            continue
        return [Objection(category="swap", value=LIKELY)]
    return []


def _pronoun_follows(text: Analysed, words: Sequence[Placed], place: int) -> bool:
    """A pronoun stands within four words behind, in the same sentence: one of the roles is named by it."""
    at = words[place].at
    behind = range(at + 1, min(at + 5, len(text.lower)))
    return any(text.lower[k] in _PRONOUNS and text.sentence_of[k] == text.sentence_of[at] for k in behind)


def _places(text: Analysed, phrases: Sequence[tuple[str, ...]]) -> Iterator[tuple[int, int]]:
    """Start and end of every occurrence of a phrase inside one sentence."""
    opens = {phrase[0] for phrase in phrases}
    if opens.isdisjoint(text.lower):
        return
    for i, word in enumerate(text.lower):
        if word not in opens:
            continue
        for phrase in phrases:
            end = i + len(phrase)
            if word == phrase[0] and text.lower[i:end] == phrase and text.sentence_of[i] == text.sentence_of[end - 1]:
                yield i, end
                break


def _stems_in(text: Analysed, start: int, end: int, sentence: int) -> set[str]:
    return {
        stem(text.lower[k])
        for k in range(max(0, start), min(end, len(text.lower)))
        if text.sentence_of[k] == sentence and not is_function_word(text.lower[k])
    }


def turned_contrast(pair: Pair) -> list[Objection]:
    """ "This rather than that" became "that rather than this": likely."""
    if pair.code:
        return []
    sides = []
    for text in (pair.a, pair.b):
        place = next(_places(text, _CONTRASTS), None)
        if place is None:
            return []
        start, end = place
        sentence = text.sentence_of[start]
        sides.append(
            (
                _stems_in(text, start - 2 * _CONTRAST_WORDS, start, sentence),
                _stems_in(text, end, end + _CONTRAST_WORDS, sentence),
            )
        )
    (chosen_a, left_a), (chosen_b, left_b) = sides
    turned = left_a & chosen_b and left_b & chosen_a and not left_a & left_b
    if turned and 2 * len(left_a & chosen_b) >= len(left_a):
        return [Objection(category="swap", value=LIKELY)]
    return []


def _conditions(text: Analysed) -> list[set[str]]:
    """Content of every clause that opens with a condition."""
    found, free = [], 0
    for start, end in _places(text, _CONDITIONS):
        if start >= free:
            found.append(_stems_in(text, end, end + _CONDITION_WORDS, text.sentence_of[start]))
            free = end + 1
    return found


def condition(pair: Pair) -> list[Objection]:
    """A condition of one side ("only if ...", "unless ...") of which the other says next to nothing: possible."""
    if pair.code:
        return []
    mine, theirs = _conditions(pair.a), _conditions(pair.b)
    if len(mine) == len(theirs):
        return []
    # the same condition in other words ("if", "without") is another rewording, which says nothing
    conditional = [sum(w in _ANY_CONDITION for w in side.lower) for side in (pair.a, pair.b)]
    if (len(mine) > len(theirs) and conditional[0] <= conditional[1]) or (
        len(theirs) > len(mine) and conditional[1] <= conditional[0]
    ):
        return []
    asked = {stem(w) for w in pair.prompt_words}
    if len(mine) > len(theirs) and any(_lacking(c, pair.content[1]) for c in mine):
        return [Objection(category="omission", value=POSSIBLE)]
    if len(theirs) > len(mine) and any(_lacking(c, pair.content[0] | asked) for c in theirs):
        return [Objection(category="addition", value=POSSIBLE)]
    return []


def _lacking(clause: set[str], said: set[str]) -> bool:
    """Next to nothing of a clause is said; forms of one word count as one ("valid", "validity")."""
    known = {s[:_PREFIX] for s in said}
    return len(clause) >= _CONDITION_STEMS and sum(s[:_PREFIX] in known for s in clause) <= _COVERED * len(clause)
