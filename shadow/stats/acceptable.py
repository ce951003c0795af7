"""Which share of an arm's answers was worth paying for: neither failed nor a violation as the policy counts them. Pure."""

from collections.abc import Iterable
from typing import Literal

from shadow.stats.state import PairState


def acceptable_share(states: Iterable[PairState], side: Literal["candidate", "reference"]) -> float | None:
    """Share in [0, 1] of the calls of a pair's side; None while failures or violations of it are unknown.

    Candidate: 1 - failed - violating, because a failed call violates nothing and both are counted over the same calls.
    Reference: (1 - failed)(1 - violating), because only what it answered is judged. Calls as they were asked, unweighted.
    """
    failed, calls = _counts(found := list(states), "failure", side)
    violating, judged = _counts(found, "violation", side)
    if not calls or not judged:
        return None
    if side == "reference":
        return (1 - failed / calls) * (1 - violating / judged)
    return max(0.0, 1 - failed / calls - violating / judged)


def _counts(states: Iterable[PairState], table: str, side: Literal["candidate", "reference"]) -> tuple[int, int]:
    """(how many of that side are true, how many are known)."""
    true = known = 0
    for state in states:
        n11, n10, n01, n00, alone_1, alone_0 = state.tables.get(table, (0,) * 6)
        known += n11 + n10 + n01 + n00
        if side == "candidate":
            true += n11 + n10 + alone_1
            known += alone_1 + alone_0
        else:
            true += n11 + n01
    return true, known
