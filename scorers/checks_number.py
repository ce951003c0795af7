"""Numbers and units: what the incumbent stated and the candidate states otherwise."""

import re

from scorers.objections import CERTAIN, LIKELY, POSSIBLE, Objection, Pair
from scorers.quantities import Measured, Quantity, measure, same_quantity
from scorers.units import UNITS

_IN_PLACE_WORDS = 3
_COUNTED = 10  # "you have three options" says no more than the options do
_RATES = frozenset(("per", "each", "every", "calendar", "business", "working"))
_PER = re.compile(r"\b(?:per|each|every) ([a-z]{1,12})\b")
_DAYS = re.compile(r"\b(calendar|business|working) (?:day|hour|week)s?\b")


def _missing(these: Measured, others: Measured, given: Measured) -> list[Quantity]:
    return [
        q
        for q in these.quantities
        if not q.optional
        and not any(same_quantity(q, other) for other in others.quantities)
        and not any(same_quantity(q, other) for other in given.quantities)
    ]


def number(pair: Pair) -> list[Objection]:
    """Numbers that were lost and others that came: certain. Only lost, most of them: possible. The prompt's do not count."""
    if pair.code:
        return []
    a, b, given = pair.measured
    lost, new = _missing(a, b, given), _missing(b, a, given)
    stated = [q for q in a.quantities if not q.optional and not any(same_quantity(q, g) for g in given.quantities)]
    if any(x.written == y.written and x.dimension != y.dimension for x in lost for y in new):
        return []  # the unit check's business
    if lost and new:
        return [Objection(category="number", value=CERTAIN if len(lost) >= 0.5 * len(stated) else LIKELY)]
    if _replaced_in_place(pair):
        return [Objection(category="number", value=CERTAIN)]
    lost = [q for q in lost if q.dimension or q.value > _COUNTED]
    if lost and len(lost) >= 0.5 * len(stated) and len(pair.b.words) > 3 and len(stated) <= 3:
        return [Objection(category="number", value=POSSIBLE)]
    return []


def _replaced_in_place(pair: Pair) -> bool:
    """A number replaced by another at the same place of an aligned passage, although both stand in the prompt."""
    for passage in pair.differences.passages:
        for edit in passage.edits:
            if max(len(edit.before), len(edit.after)) > _IN_PLACE_WORDS:
                continue
            before, after = measure(" ".join(edit.before)), measure(" ".join(edit.after))
            gone = [q for q in before.quantities if not q.optional and not q.dimension]
            came = [q for q in after.quantities if not q.optional and not q.dimension]
            if len(gone) == len(came) == 1 and gone[0].written != came[0].written:
                everything = pair.measured[1].quantities
                if not any(q.written == gone[0].written or q.value == gone[0].written for q in everything):
                    return True
    return False


def unit(pair: Pair) -> list[Objection]:
    """The same figure with another unit ("5 mg", "5 ml"): certain."""
    if pair.code:
        return []
    a, b, _ = pair.measured
    lost = [q for q in a.quantities if q.dimension and not any(same_quantity(q, other) for other in b.quantities)]
    new = [q for q in b.quantities if q.dimension and not any(same_quantity(q, other) for other in a.quantities)]
    if any(
        x.written == y.written and (x.dimension, x.value) != (y.dimension, y.value) and not (x.optional or y.optional)
        for x in lost
        for y in new
    ):
        return [Objection(category="unit", value=CERTAIN)]
    if all(q.optional for q in (*lost, *new)) and _other_rate(pair):
        return [Objection(category="unit", value=CERTAIN)]
    return []


def _other_rate(pair: Pair) -> bool:
    """The same figures per something else ("per hectare", "per acre"), or in days of another kind (calendar, business)."""
    if not all(_RATES & set(side.lower) for side in (pair.a, pair.b)):
        return False
    a, b = (" ".join(side.lower) for side in (pair.a, pair.b))
    kinds = [{"business" if k != "calendar" else k for k in _DAYS.findall(text)} for text in (a, b)]
    if kinds[0] and kinds[1] and not kinds[0] & kinds[1]:
        return True
    per = [{UNITS[w] for w in _PER.findall(text) if w in UNITS} for text in (a, b)]
    return bool(per[0] - per[1]) and bool(per[1] - per[0])
