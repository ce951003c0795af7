"""Negations, opposites and exclusive words: polarity that flipped, inside edits or in a short reworded answer."""

import re
from collections import Counter, defaultdict

from scorers.differences import Edit, Passage
from scorers.lexicon import (
    is_function_word,
    is_negation,
    negative_pole,
    opposite,
    shared_group,
    states_negative,
    synonymous,
)
from scorers.objections import CERTAIN, LIKELY, POSSIBLE, Objection, Pair
from scorers.quantities import measure

_OPENER = re.compile(
    r"\W*(yes|yeah|yep|no|nope|true|false|correct|incorrect)\b(?!\s+(?:problem|worries|matter|doubt|longer))", re.I
)
_SAME_OPENER = {
    "yeah": "yes",
    "yep": "yes",
    "true": "yes",
    "correct": "yes",
    "nope": "no",
    "false": "no",
    "incorrect": "no",
}
_PERMISSION = re.compile(
    r"\W*(?:should|can|may|could|is it (?:ok|okay|safe|fine) to)\b(?! (?:you|not)\b)[^.?!\n]{0,200}\?\s*$", re.I
)
_WARNING = re.compile(r"\W*(?:please )?(?:don't|do not|never|avoid)\b", re.I)
_SHORT_WORDS = 45
_MIN_WORDS = 4
_FEW_WORDS = 25
_NEAR_WORDS = 2
_CLAUSE_WORDS = frozenset(["and", "but", "or", "so", "because", "while", "although"])
_NONE = frozenset(["none", "nobody", "nothing"])
_RESTRICTED = frozenset(["unless", "until", "without", "except"])  # "not unless" affirms with a condition
_NEGATIVE_PREFIX = re.compile(r"^(?:un|in|im|ir|il|non|dis)[a-z]+(?:able|ible|ed|aid|al|ful|ive|ent|ant|ing)$")


def _opener(text: str, *, asked: bool = False) -> str | None:
    """What an answer opens with, "yes" or "no"; where a permission is `asked`, "don't" and "avoid" are a no as well."""
    match = _OPENER.match(text[:40])
    if match is None and asked:
        return "no" if _WARNING.match(text[:40]) else None
    return _SAME_OPENER.get(match[1].lower(), match[1].lower()) if match else None


def _pairs_of_opposites(gone: Counter[str], came: Counter[str]) -> int:
    """How many lost words have an opposite among the new ones; explicit negations are counted elsewhere."""
    left = [w for w in came if not is_negation(w)]
    found = 0
    for word in gone if left else ():
        if is_negation(word):
            continue
        other = next((w for w in left if opposite(word, w)), None)
        if other is not None:
            left.remove(other)
            found += 1
    return found


def _by_sentence(passage: Passage) -> list[list[Edit]]:
    rows: defaultdict[int, list[Edit]] = defaultdict(list)
    for edit in passage.edits:
        rows[edit.sentence].append(edit)
    return list(rows.values())


def _by_clause(passage: Passage) -> list[list[Edit]]:
    """Edits of one sentence that stand at most two words apart: flips cancel out only inside such a cluster."""
    clusters: list[list[Edit]] = []
    for edit in passage.edits:
        last = clusters[-1][-1] if clusters else None
        between = passage.before[last.at + len(last.before) : edit.at] if last is not None else ()
        near = len(between) <= _NEAR_WORDS and not set(between) & _CLAUSE_WORDS
        if last is not None and last.sentence == edit.sentence and near:
            clusters[-1].append(edit)
        else:
            clusters.append([edit])
    return clusters


def _counts(edits: list[Edit]) -> tuple[Counter[str], Counter[str]]:
    gone = Counter(w.lower() for e in edits for w in e.before)
    came = Counter(w.lower() for e in edits for w in e.after)
    return gone - came, came - gone


def _negative_forms(words: Counter[str]) -> int:
    """Explicit negations plus negative adjectives ("unavailable") whose positive form the other side may hold."""
    return sum(n for w, n in words.items() if is_negation(w))


def polarity(pair: Pair) -> list[Objection]:
    """Inside aligned passages, clause by clause: a flip (negation or opposite) that no other one undoes."""
    if pair.code:
        return []
    for passage in pair.differences.passages:
        none = bool(_NONE & {*passage.before, *passage.after})
        rows = _by_sentence(passage) if none else []
        balanced = {edits[0].sentence for edits in rows if _flips(*_counts(edits)) in ((1, 1), (-1, 1))}
        for edits in _by_clause(passage):
            gone, came = _counts(edits)
            negations, opposites = _flips(gone, came)
            if negations == 0 and opposites == 0:
                continue
            if edits[0].sentence in balanced or (not opposites and negations % 2 == 0):
                continue  # "all passed" and "none failed"; "not without" and "with"
            if negations and _limited(passage, negations):
                continue
            if negations and not opposites and _explained(gone, came, negations):
                continue
            if abs(negations) != opposites:  # one of each cancels: "not open", "closed"
                return [Objection(category="negation" if negations else "antonym", value=CERTAIN)]
    return []


def _flips(gone: Counter[str], came: Counter[str]) -> tuple[int, int]:
    """How many negations were lost (negative: came), and how many words became their opposites."""
    return _negative_forms(gone) - _negative_forms(came), _pairs_of_opposites(gone, came)


def _limited(passage: Passage, negations: int) -> bool:
    """ "Not until", "not unless" on the side that denies, "only" on the other: the same condition."""
    denying, other = (passage.before, passage.after) if negations > 0 else (passage.after, passage.before)
    return "only" in other and "only" not in denying and bool(_RESTRICTED & set(denying))


def _explained(gone: Counter[str], came: Counter[str], negations: int) -> bool:
    """The negation went into a word that denies by itself: "not allowed" and "forbidden", "without" and "lacking"."""
    negative, other = (came, gone) if negations > 0 else (gone, came)
    return any(states_negative(w) and not is_negation(w) for w in negative if w not in other) or any(
        bool(_NEGATIVE_PREFIX.match(w)) for w in negative if w not in other
    )


def moved_negation(pair: Pair) -> list[Objection]:
    """A negation that left one place of a sentence and stands at another: the scope changed, likely the sense."""
    if pair.code:
        return []
    for passage in pair.differences.passages:
        for edits in _by_sentence(passage):
            if passage.ratio < 0.8 or len(edits) > 3:
                continue
            out = [e for e in edits if any(is_negation(w.lower()) for w in e.before) and len(e.before) <= 2]
            into = [e for e in edits if any(is_negation(w.lower()) for w in e.after) and len(e.after) <= 2]
            if any(x is not y for x in out for y in into):
                return [Objection(category="negation", value=LIKELY)]
    return []


def exclusive_edit(pair: Pair) -> list[Objection]:
    """Inside an edit, a word replaced by another of its exclusive group (daily, weekly; must, may): likely."""
    if pair.code:
        return []
    for passage in pair.differences.passages:
        for edit in passage.edits:
            gone = {w.lower() for w in edit.before} - set(passage.after)
            came = {w.lower() for w in edit.after} - set(passage.before)
            if any(shared_group(x, y) and not synonymous(x, y) for x in gone for y in came):
                if any(_measured(words) for words in (edit.before, edit.after)):
                    continue  # "two hours" and "120 minutes": the number check's business
                weak = all(is_function_word(w) for w in gone | came)
                return [Objection(category="exclusive", value=POSSIBLE if weak else LIKELY)]
    return []


def _measured(words: tuple[str, ...]) -> bool:
    found = measure(" ".join(words))
    return bool(found.moments) or any(not q.optional for q in found.quantities)


def reworded_opposite(pair: Pair) -> list[Objection]:
    """Short and reworded, nobody negates, and one side's word is the denying opposite of the other's: possible."""
    if pair.code or pair.differences.whole or max(len(pair.a.words), len(pair.b.words)) > _FEW_WORDS:
        return []
    a, b = set(pair.a.lower), set(pair.b.lower)
    if any(is_negation(w) for w in a | b):
        return []
    gone = [w for w in a - b if not is_function_word(w)]
    came = [w for w in b - a if not is_function_word(w)]
    if any(
        opposite(x, y)
        and _denies(x) != _denies(y)
        and not any(synonymous(y, w) for w in a)
        and not any(synonymous(x, w) for w in b)
        for x in gone
        for y in came
    ):
        return [Objection(category="antonym", value=POSSIBLE)]
    return []


def _double(following: tuple[str, ...]) -> bool:
    """What is denied is itself a taking away ("not removed", "never expires"): the sentence affirms."""
    return any(negative_pole(w) or _denies(w) for w in following)


def _denies(word: str) -> bool:
    return states_negative(word) or bool(_NEGATIVE_PREFIX.match(word))


def opener(pair: Pair) -> list[Objection]:
    """One answer opens with yes, the other with no: certain."""
    asked = bool(_PERMISSION.match(pair.prompt))
    first, second = (_opener(side.text, asked=asked) for side in (pair.a, pair.b))
    if first and second and first != second:
        return [Objection(category="negation", value=CERTAIN)]
    return []


def reworded_polarity(pair: Pair) -> list[Objection]:
    """One reworded sentence each: one side denies explicitly, the other holds no negative word at all: possible."""
    if pair.code or pair.differences.whole or max(len(pair.a.sentences), len(pair.b.sentences)) > 1:
        return []
    if (
        max(len(pair.a.words), len(pair.b.words)) > _SHORT_WORDS
        or min(len(pair.a.words), len(pair.b.words)) < _MIN_WORDS
    ):
        return []
    for one, other in ((pair.a, pair.b), (pair.b, pair.a)):
        denies = any(
            is_negation(w)
            and not _double(one.lower[i + 1 : i + 5])
            and "as" not in one.lower[i + 1 : i + 6]
            and not _RESTRICTED & set(one.lower[i + 1 :])
            for i, w in enumerate(one.lower)
        )
        negative = any(
            states_negative(w) or _NEGATIVE_PREFIX.match(w) or w.endswith(("less", "proof", "-free"))
            for w in other.lower
        )
        if denies and not negative:
            return [Objection(category="negation", value=POSSIBLE)]
    return []
