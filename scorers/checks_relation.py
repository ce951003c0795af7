"""Relations that turned round in reworded answers: before or after, inside or outside, per week or per month."""

import re

from scorers.lexicon import is_function_word
from scorers.objections import LIKELY, POSSIBLE, Objection, Pair
from scorers.words import Analysed, stem

_POLES = (
    (("before", "prior", "ahead", "until"), ("after", "past", "following", "once")),
    (("inside", "within"), ("outside", "beyond")),
    (("above", "over"), ("below", "under", "beneath")),
    (("upstream",), ("downstream",)),
)
_SIDE = {
    word: (number, pole) for number, poles in enumerate(_POLES) for pole, words in enumerate(poles) for word in words
}
_REACH = 4
_FREQUENCY = {
    "hourly": "hour", "daily": "day", "nightly": "day", "weekly": "week", "fortnightly": "fortnight", "monthly": "month",
    "quarterly": "quarter", "yearly": "year", "annually": "year", "annual": "year",
}  # fmt: skip
_UNIT = r"(second|minute|hour|day|night|week|fortnight|month|quarter|year|annum)s?\b"
_RATE = re.compile(
    rf"\b(?:per|each|every) (?:(?:single|full|completed?|calendar|working|business|started) )?{_UNIT}"
    rf"|\b(?:once|twice|times|[\d.,]+|euros?|dollars?|pounds?|cents?|rupees?|yen|%|percent) an? {_UNIT}"
    rf"|\b({'|'.join(_FREQUENCY)})\b"
)
_OFTEN = frozenset((*_FREQUENCY, "per", "each", "every", "a", "an"))
_SAME_UNIT = {"night": "day", "annum": "year"}


def _related(text: Analysed) -> dict[tuple[int, str], set[int]]:
    """For each kind of relation and first content word behind it: the poles it was said with."""
    found: dict[tuple[int, str], set[int]] = {}
    for i, word in enumerate(text.lower):
        known = _SIDE.get(word)
        if known is None:
            continue
        for k in range(i + 1, min(i + 1 + _REACH, len(text.lower))):
            if text.sentence_of[k] != text.sentence_of[i] or text.lower[k] in _SIDE:
                break
            if not is_function_word(text.lower[k]) and len(text.lower[k]) > 2:
                found.setdefault((known[0], stem(text.lower[k])), set()).add(known[1])
                break
    return found


def turned(pair: Pair) -> list[Objection]:
    """The same word stands behind "before" on one side and behind "after" on the other, and behind nothing else: possible."""
    if pair.code or _SIDE.keys().isdisjoint(pair.a.lower) or _SIDE.keys().isdisjoint(pair.b.lower):
        return []
    a, b = _related(pair.a), _related(pair.b)
    if any(len(a[key]) == len(b[key]) == 1 and a[key] != b[key] for key in a.keys() & b.keys()):
        return [Objection(category="antonym", value=POSSIBLE)]
    return []


def _rates(text: Analysed) -> set[str]:
    """Units of time that something happens or is paid per."""
    found = {next(filter(None, match.groups())) for match in _RATE.finditer(" ".join(text.lower))}
    return {_SAME_UNIT.get(unit, unit) for unit in (_FREQUENCY.get(word, word) for word in found)}


def rate(pair: Pair) -> list[Objection]:
    """Both sides say how often, and in no unit of time in common ("weekly", "per month"): likely."""
    if pair.code:
        return []
    if any(_OFTEN.isdisjoint(side.lower) for side in (pair.a, pair.b)):
        return []
    a, b = _rates(pair.a), _rates(pair.b)
    return [Objection(category="unit", value=LIKELY)] if a and b and not a & b else []
