"""The same pairs with fewer scores: what is left of a candidate's evidence when some routes do not count for quality.

Failures, violations, latency, cost and the number of pairs stay whole: only what a quality scorer said is taken out, and
what an answer was worth by it.
Histograms are counts, so that taking a part out is exact: the result is, bit for bit, the sum over the routes that stay.
"""

from collections.abc import Iterable

from shadow.errors import LedgerError
from shadow.stats.state import Histogram, Moments, PairState

_TAIL_PREFIX = "score<"


def without_scores(whole: PairState, parts: Iterable[PairState]) -> PairState:
    """`whole` less the scores of `parts`, which have to be disjoint parts of it. Neither changes.

    Raises LedgerError when the parts hold more than the whole: the sums do not belong together.
    """
    left = whole.merge(PairState(whole.spec))
    for part in parts:
        for mine, theirs in (
            (left.difference, part.difference),
            (left.score_candidate, part.score_candidate),
            (left.score_reference, part.score_reference),
            (left.worth_difference, part.worth_difference),
        ):
            _take(mine, theirs)
        for name, cells in part.tables.items():
            if name.startswith(_TAIL_PREFIX):
                rest = [a - b for a, b in zip(left.tables.get(name, [0] * len(cells)), cells, strict=True)]
                if min(rest) < 0:
                    raise _wrong()
                left.tables[name] = rest
        _take_moments(left.score, part.score)
        _take_moments(left.worth, part.worth)
    return left


def scores_alone(whole: PairState, parts: Iterable[PairState]) -> PairState:
    """`whole` with the scores of `parts` in place of its own."""
    wanted = PairState(whole.spec)
    for part in parts:
        wanted.absorb(part)
    bare = without_scores(whole, (whole,))
    bare.difference.update(wanted.difference)
    bare.score_candidate.update(wanted.score_candidate)
    bare.score_reference.update(wanted.score_reference)
    bare.tables.update({name: list(cells) for name, cells in wanted.tables.items() if name.startswith(_TAIL_PREFIX)})
    bare.worth_difference.update(wanted.worth_difference)
    bare.score, bare.worth = wanted.score, wanted.worth
    return bare


def _take(mine: Histogram, theirs: Histogram) -> None:
    for index, count in theirs.items():
        left = mine.get(index, 0) - count
        if left < 0:
            raise _wrong()
        if left:
            mine[index] = left
        else:
            mine.pop(index, None)


def _take_moments(mine: Moments, theirs: Moments) -> None:
    mine.n -= theirs.n
    mine.c -= theirs.c
    mine.b -= theirs.b
    mine.cc -= theirs.cc
    mine.cb -= theirs.cb
    mine.bb -= theirs.bb
    if mine.n < 0:
        raise _wrong()


def _wrong() -> LedgerError:
    return LedgerError(
        "a route holds scores that all traffic does not: the sums do not belong together; run `shadow verify`"
    )
