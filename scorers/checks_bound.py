"""Bounds that turned round: "at least four weeks" against "at most four weeks", reworded or not."""

import re
from decimal import Decimal

from scorers.objections import LIKELY, Objection, Pair
from scorers.quantities import measure
from scorers.words import Analysed

_BOUNDS = {
    "most": r"at most|up to|maximum(?: of)?|at or (?:under|below)|not exceed|no (?:longer|larger|bigger|heavier) than",
    "least": r"at least|minimum(?: of)?|at or (?:over|above)|no (?:shorter|smaller|lighter) than",
    "under": r"(?:less|fewer|lower|shorter|smaller|lighter|younger) than|below|under",
    "over": r"(?:more|greater|higher|longer|larger|heavier|older) than|above|over|exceed(?:s|ing)?",
}
_OPPOSED = ({"most", "least"}, {"under", "over"})
"""Not "at least" and "under": a rewording that names the other branch says one for the other."""
_BOUND = re.compile(
    r"\b(?:" + "|".join(f"(?P<{k}>{v})" for k, v in _BOUNDS.items()) + r") (?=(?:\w+ ){0,1}?[\w$€£¥])", re.I
)
_NEGATED = re.compile(r"\b(?:not|never|no|without|nor)(?: \w+)?\s*\Z", re.I)
_LAST_WORDS = frozenset(
    [
        "up",
        "most",
        "maximum",
        "minimum",
        "least",
        "under",
        "below",
        "over",
        "above",
        "exceed",
        "exceeds",
        "exceeding",
        "than",
    ]
)
_BEFORE, _BEHIND = 5, 5


def _bounds(text: Analysed) -> dict[tuple[str, Decimal], set[str]]:
    """For each quantity in base units, which bounds it is; denied ones are left out."""
    found: dict[tuple[str, Decimal], set[str]] = {}
    for at, word in enumerate(text.lower):
        if word not in _LAST_WORDS:
            continue
        near = " ".join(text.lower[max(0, at - _BEFORE) : at + _BEHIND])
        for match in _BOUND.finditer(near):
            quantities = measure(near[match.end() :]).quantities
            if quantities and not _NEGATED.search(near[: match.start()]):
                found.setdefault((quantities[0].dimension, quantities[0].value), set()).add(str(match.lastgroup))
    return found


def bound(pair: Pair) -> list[Objection]:
    """The same quantity is a lower bound on one side and an upper bound on the other, and nothing else on either: likely."""
    if pair.code or any(_LAST_WORDS.isdisjoint(side.lower) for side in (pair.a, pair.b)):
        return []
    a = _bounds(pair.a)
    if not a:
        return []
    b = _bounds(pair.b)
    for quantity in a.keys() & b.keys():
        if len(a[quantity]) == len(b[quantity]) == 1 and a[quantity] | b[quantity] in _OPPOSED:
            return [Objection(category="antonym", value=LIKELY)]
    return []
