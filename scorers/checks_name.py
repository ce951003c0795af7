"""Names, replaced words and swapped roles."""

import re
from collections import Counter
from functools import lru_cache
from itertools import pairwise

from scorers.differences import Edit
from scorers.lexicon import is_function_word, is_negation, narrows, states_negative, synonymous
from scorers.objections import CERTAIN, HINT, LIKELY, NEAR_HINT, POSSIBLE, Objection, Pair
from scorers.quantities import is_month, measure
from scorers.units import UNITS
from scorers.wordnet import rarely_noun, wider_or_narrower
from scorers.words import Analysed, stem

_TITLES_TEXT = """
mr mrs ms dr prof sir saint st the a an it you we yes no i this that your our in on if for as at to my
"""
_TITLES = frozenset(_TITLES_TEXT.split())
_SHORT_WORDS = 60
_MAX_IDENTIFIERS = 40
_MAX_MOVED = 4
_MAX_BLOCK = 12
_IN_PLACE = 0.85
_CONJUNCTIONS = frozenset(["and", "or", "but", "while", "whereas"])
_COMMUTE = frozenset(["and", "or", "nor", "both", "either", "plus", "also", "then", "with", "comma"])
_ADDRESS = r"[\w.-]++@[\w-]++\.[\w.]+|"
_IDENTIFIER_TEXT = (
    r"(?<![\w/.-])(?:v?\d++\.\d++\.\d+|[A-Za-z]++[-_#]?\d[\w-]*|--?[A-Za-z][\w-]*|"
    rf"{_ADDRESS}https?://[^\s)>\]]+|/[\w./-]{{2,}})"
)
_IDENTIFIER = re.compile(_IDENTIFIER_TEXT, re.A)
_WITHOUT_ADDRESS = re.compile(_IDENTIFIER_TEXT.replace(_ADDRESS, ""), re.A)  # for texts without "@": half the time


def _related(a: str, b: str) -> bool:
    """Forms of one name: France and French, Paris and Parisian, USA and U.S.A., an initial."""
    common = 0
    for x, y in zip(a, b, strict=False):
        if x != y:
            break
        common += 1
    return common >= 4 or (common >= 3 and min(len(a), len(b)) <= 6) or a.startswith(b) or b.startswith(a)


def _is_name(word: str) -> bool:
    return word[:1].isupper() and word.lower() not in _TITLES and word.lower() not in UNITS


def _names(words: tuple[str, ...], initial: bool) -> list[str]:
    """Capitalised words of an edit; at the start of a sentence only when the next word is one too, or it is an acronym."""
    found = []
    for i, word in enumerate(words):
        if _is_name(word):
            opens = initial and i == 0 and not (len(word) > 1 and word.isupper())
            if not opens or (len(words) > 1 and _is_name(words[1])):
                found.append(word.lower())
    return found


def name(pair: Pair) -> list[Objection]:
    """A name replaced by another in an aligned passage (certain), or lost and another gained in a short answer (likely)."""
    if pair.code:
        return []
    low_a, low_b = set(pair.a.lower), set(pair.b.lower)
    for passage in pair.differences.passages:
        for edit in passage.edits:
            both_open = edit.initial and len(edit.before) == len(edit.after) == 1 and passage.ratio >= 0.75
            gone = [w for w in _names(edit.before, edit.initial and not both_open) if w not in low_b]
            came = [w for w in _names(edit.after, edit.initial and not both_open) if w not in low_a]
            if both_open and any(
                synonymous(x, y) or any(is_function_word(w) or rarely_noun(w) for w in (x, y))
                for x in gone
                for y in came
            ):
                continue
            if gone and came and not any(_related(x, y) for x in gone for y in came) and not _acronym(gone, came, edit):
                return [Objection(category="name", value=LIKELY if both_open else CERTAIN)]
    if max(len(low_a), len(low_b)) <= _SHORT_WORDS:
        lost = _free_names(pair.a) - low_b
        new = _free_names(pair.b) - low_a - pair.prompt_words
        if lost and new and not any(_related(x, y) for x in lost for y in new) and not _initials(lost, new):
            return [Objection(category="name", value=LIKELY)]
    return []


def _free_names(text: Analysed) -> set[str]:
    """Capitalised words that do not open a sentence."""
    found = set()
    for i, word in enumerate(text.words):
        opens = i == 0 or text.sentence_of[i] != text.sentence_of[i - 1]
        if _is_name(word) and not opens and len(word) > 1 and not is_function_word(word.lower()):
            found.add(word.lower())
    return found


def _initials(gone: set[str], came: set[str]) -> bool:
    """One side's short name is made of the first letters of the other side's."""
    for one, other in ((gone, came), (came, gone)):
        letters = {w[0] for w in other}
        if any(2 <= len(w) <= 5 and set(w) <= letters for w in one):
            return True
    return False


def _acronym(gone: list[str], came: list[str], edit: Edit) -> bool:
    for short, words in ((gone, edit.after), (came, edit.before)):
        letters = "".join(w[0] for w in words if not is_function_word(w.lower())).lower()
        if len(short) == 1 and len(letters) >= 2 and short[0] == letters:
            return True
    return False


def identifier(pair: Pair) -> list[Objection]:
    """Order numbers, flags, versions, paths, addresses: some lost and others gained is a certain difference."""
    if pair.code:
        return []
    a, b = (_identifiers(side.text) for side in (pair.a, pair.b))
    lost, new = a - b, b - a
    prompt = pair.prompt.lower()
    lost, new = {x for x in lost if x not in prompt}, {x for x in new if x not in prompt}
    if (
        lost
        and new
        and not any(x in y or y in x for x in sorted(lost)[:_MAX_IDENTIFIERS] for y in sorted(new)[:_MAX_IDENTIFIERS])
        and {_shape(x) for x in lost} & {_shape(y) for y in new}
    ):
        return [Objection(category="name", value=CERTAIN)]
    return []


def _identifiers(text: str) -> set[str]:
    pattern = _IDENTIFIER if "@" in text else _WITHOUT_ADDRESS
    return {_spelled(found) for found in pattern.findall(text)}


def _spelled(identifier: str) -> str:
    """Options keep their case (-d is not -D), everything else does not."""
    bare = identifier.rstrip(".,")
    return bare if bare.startswith("-") else bare.lower()


def _shape(identifier: str) -> str:
    """Kinds of characters in order: identifiers of one shape name the same kind of thing."""
    return re.sub(r"[A-Za-z]+", "a", re.sub(r"\d+", "0", identifier))


def swap(pair: Pair) -> list[Objection]:
    """The same content words with two of them exchanged ("the buyer pays the seller"): certain. "A and B" may turn round."""
    if pair.code:
        return []
    for passage in pair.differences.passages:
        before, after = _content_at(passage.before), _content_at(passage.after)
        if len(before) != len(after) or Counter(w for _, w in before) != Counter(w for _, w in after):
            continue
        moved = [k for k, (x, y) in enumerate(zip(before, after, strict=True)) if x[1] != y[1]]
        if not moved or len(moved) > _MAX_MOVED or _clauses(passage.before) == _clauses(passage.after):
            continue
        first, last = before[moved[0]][0], before[moved[-1]][0]
        between = set(passage.before[first + 1 : last]) - {before[k][1] for k in moved}
        if between <= _COMMUTE or any(is_month(before[k][1]) for k in moved):
            continue
        x, y = ([row[k][1] for k in range(moved[0], moved[-1] + 1)] for row in (before, after))
        exchanged = len(moved) == 2 or len({before[k][1] for k in moved}) == 2 or _exchanged_blocks(x, y)
        return [Objection(category="swap", value=CERTAIN if exchanged else HINT)]
    return []


def _exchanged_blocks(x: list[str], y: list[str]) -> bool:
    """A stretch "P Q R" became "R Q P", with something between: two things of several words changed places."""
    size = len(x)
    if size > _MAX_BLOCK:
        return False
    return any(
        x[:p] == y[size - p :] and x[size - r :] == y[:r] and x[p : size - r] == y[r : size - p]
        for p in range(1, size - 1)
        for r in range(1, size - p)
    )


def _content_at(words: tuple[str, ...]) -> list[tuple[int, str]]:
    return [(i, stem(w)) for i, w in enumerate(words) if not is_function_word(w) or w.isdigit()]


def _clauses(words: tuple[str, ...]) -> Counter[tuple[str, ...]]:
    """Parts between conjunctions, whose order is free."""
    parts: list[list[str]] = [[]]
    for word in words:
        if word in _CONJUNCTIONS:
            parts.append([])
        else:
            parts[-1].append(word)
    return Counter(tuple(part) for part in parts)


def substitution(pair: Pair) -> list[Objection]:
    """In a nearly identical passage one content word was replaced by one no list knows as its equivalent.

    Possible between nouns: a synonym of a thing is rare and stands in the lists. A hint between other words, whose synonyms
    are many.
    """
    if pair.code:
        return []
    near = [passage for passage in pair.differences.passages if passage.ratio >= 0.7]
    if not near:
        return []
    stems_a, stems_b = {stem(w) for w in set(pair.a.lower)}, {stem(w) for w in set(pair.b.lower)}
    hints: list[float] = []
    for passage in near:
        for edit in passage.edits:
            gone = [
                w.lower() for w in edit.before if not is_function_word(w.lower()) and stem(w.lower()) not in stems_b
            ]
            came = [w.lower() for w in edit.after if not is_function_word(w.lower()) and stem(w.lower()) not in stems_a]
            if not gone or not came or len(gone) > 2 or len(came) > 2 or _other_business(edit, gone, came):
                continue
            if not any(synonymous(x, y) for x in gone for y in came):
                things = passage.ratio >= 0.8 and len(gone) == len(came) and _things(gone[-1], came[-1])
                hints.append(POSSIBLE if things else NEAR_HINT if passage.ratio >= 0.8 else HINT)
    return [Objection(category="substitution", value=min(hints))] if hints else []


def _things(gone: str, came: str) -> bool:
    """Both words are nouns as far as is known, and neither is the wider word for the other; or both are units."""
    if gone in UNITS and came in UNITS:
        return UNITS[gone] != UNITS[came]
    return not (rarely_noun(gone) or rarely_noun(came) or wider_or_narrower(gone, came))


def replaced_in_place(pair: Pair) -> list[Objection]:
    """One word of a nearly identical passage became another that the answer uses as well ("the sender pays"): likely.

    Nothing of the kind where the words changed places, which is the business of `swap` or a list in another order.
    """
    if pair.code:
        return []
    for passage in pair.differences.passages:
        if passage.ratio < _IN_PLACE:
            continue
        changes = [
            (
                [w for w in map(str.lower, e.before) if not is_function_word(w)],
                [w for w in map(str.lower, e.after) if not is_function_word(w)],
            )
            for e in passage.edits
        ]
        gone, came = (Counter(stem(w) for c in changes for w in c[side]) for side in (0, 1))
        for before, after in changes:
            if len(before) != 1 or len(after) != 1 or not _things(before[0], after[0]):
                continue
            x, y = before[0], after[0]
            if came[stem(x)] or gone[stem(y)] or synonymous(x, y) or x.isdigit() or y.isdigit():
                continue
            if x in passage.after or y in passage.before:
                return [Objection(category="swap", value=LIKELY)]
    return []


def _other_business(edit: Edit, gone: list[str], came: list[str]) -> bool:
    """Quantities, negative words and acronyms are judged by other checks."""
    for words in (edit.before, edit.after):
        found = measure(" ".join(words))
        if found.quantities or found.moments or any(is_negation(w.lower()) for w in words):
            return True
    return _acronym(gone, came, edit) or any(states_negative(w) for w in (*gone, *came))


def modifier(pair: Pair) -> list[Objection]:
    """The same thing is named after another thing, reworded or not ("peanut oil", "flaxseed oil"): possible.

    Looks at nouns right before a noun; the words replaced occur on one side only.
    """
    if pair.code:
        return []
    a, b = (_named_after(side) for side in (pair.a, pair.b))
    for key in a.keys() & b.keys():
        x, y = a[key], b[key]
        if not x or not y or x == y or not _things(x, y):
            continue
        if stem(x) in {stem(w) for w in pair.b.lower} or stem(y) in {stem(w) for w in pair.a.lower}:
            continue
        if synonymous(x, y) or _related(x, y):
            continue
        if not any(synonymous(x, w) or wider_or_narrower(x, w) for w in set(pair.b.lower)):
            return [Objection(category="substitution", value=POSSIBLE)]
    return []


def _named_after(text: Analysed) -> dict[str, str]:
    """For the stem of each noun with a noun right before it: that one; "" where there are several."""
    found: dict[str, str] = {}
    things = list(map(_is_thing, text.lower))
    for i, (one, other) in enumerate(pairwise(things)):
        if one and other and text.sentence_of[i] == text.sentence_of[i + 1]:
            first, second = text.lower[i : i + 2]
            key = stem(second)
            found[key] = first if found.get(key, first) == first else ""
    return found


@lru_cache(maxsize=8192)
def _is_thing(word: str) -> bool:
    if len(word) < 3 or not word.isalpha() or word in _CONJUNCTIONS or narrows(word):
        return False
    return not (is_function_word(word) or rarely_noun(word))
