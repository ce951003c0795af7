"""The same relation told from its other end: "Anna is older than Ben", "Ben is younger than Anna".

Its opposite words and its exchanged roles excuse each other.
"""

from scorers.lexicon import opposite, opposites_between
from scorers.objections import Objection, Pair, Placed
from scorers.words import stem

_TEXT = """
buy sell bought sold purchase lend borrow lent borrowed rent lease let teach learn taught learned learnt give receive gave received
send sent north south east west northern southern above below before after precede follow win beat lose lost won
left right import export employ parent child
"""
_CONVERSE = frozenset(stem(word) for word in _TEXT.split())
_EXCUSED = frozenset(["antonym", "exclusive", "swap"])
_FEW_WORDS = 30


def without_converses(pair: Pair, found: list[Objection]) -> list[Objection]:
    """The objections less those to opposites and roles, where exactly both changed in a short answer."""
    if not any(o.category in _EXCUSED for o in found) or not _converse(pair):
        return found
    return [o for o in found if o.category not in _EXCUSED]


def _converse(pair: Pair) -> bool:
    a, b = set(pair.a.lower), set(pair.b.lower)
    if max(len(pair.a.words), len(pair.b.words)) > _FEW_WORDS or not _turned(*pair.placed):
        return False
    turned = opposites_between(a - b, b - a)
    if not turned and not any(opposite(x, y) for x in a - b for y in b - a):
        return False
    compared = "than" in a and "than" in b
    return compared or any(stem(x) in _CONVERSE and stem(y) in _CONVERSE for x, y in turned)


def _turned(a: list[Placed], b: list[Placed]) -> bool:
    """The first and the last content word that both sides use once stand in the other order."""
    first, second = [w.stem for w in a], [w.stem for w in b]
    shared = [s for s in first if first.count(s) == 1 and second.count(s) == 1]
    return len(shared) >= 2 and second.index(shared[0]) > second.index(shared[-1])
