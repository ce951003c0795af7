"""Dates, clock times, weekdays and other words of one exclusive group."""

from scorers.lexicon import strong_groups_of
from scorers.objections import CERTAIN, LIKELY, Objection, Pair
from scorers.quantities import same_moment


def date(pair: Pair) -> list[Objection]:
    """A date or clock time that was lost while another came: certain."""
    if pair.code:
        return []
    a, b, given = (m.moments for m in pair.measured)
    for kind in ("date", "clock"):
        lost = [m for m in a if m.kind == kind and not any(same_moment(m, o) for o in (*b, *given))]
        new = [m for m in b if m.kind == kind and not any(same_moment(m, o) for o in (*a, *given))]
        if lost and new:
            return [Objection(category="date", value=CERTAIN)]
    return []


def exclusive_fact(pair: Pair) -> list[Objection]:
    """A weekday, month, colour or direction that was lost while another of its group came, reworded or not: likely."""
    if pair.code:
        return []
    a, b = set(pair.a.lower), set(pair.b.lower)
    lost = {w: strong_groups_of(w) for w in a - b - pair.prompt_words}
    new = {w: strong_groups_of(w) for w in b - a - pair.prompt_words}
    groups_lost = {g for groups in lost.values() for g in groups}
    groups_new = {g for groups in new.values() for g in groups}
    if groups_lost & groups_new:
        return [Objection(category="exclusive", value=LIKELY)]
    return []
