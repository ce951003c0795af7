"""What the candidates and the baseline have used since a moment: sums over committed outcomes, read bit by bit.

Outcomes are committed in contiguous prefixes, so that everything new of a partition lies at or above the position that was
read before: a look costs what came since the last one, the first look one pass over the calls.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection, and_, func, select

from shadow.ledger.schema import call, outcome, position


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """Sums of one arm. Calls of unknown cost or unknown tokens add nothing."""

    usd: float = 0.0
    tokens: int = 0  # input and output, cached input included

    def __add__(self, other: "Used") -> "Used":
        return Used(usd=self.usd + other.usd, tokens=self.tokens + other.tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """What was committed between two looks, by arm, and the positions to go on from."""

    arms: dict[str, Used] = field(default_factory=dict)
    read_to: dict[int, int] = field(default_factory=dict)


def spending(connection: Connection, since_unix_ms: int, read_to: Mapping[int, int]) -> Spending:
    """Everything that was committed at or after `since_unix_ms` and lies at or above the positions in `read_to`.

    All of it from one consistent view: the caller's connection reads one moment.
    """
    ends = {p.id: p.next_offset for p in connection.execute(select(position.c.id, position.c.next_offset))}
    arms: dict[str, Used] = {}
    for number, end in ends.items():
        start = read_to.get(number, 0)
        if start >= end:
            continue
        mine = and_(
            call.c.position_id == outcome.c.position_id,
            call.c.offset == outcome.c.offset,
            call.c.call == outcome.c.call,
        )
        found = connection.execute(
            select(
                outcome.c.arm,
                func.coalesce(func.sum(outcome.c.cost_usd), 0.0),
                func.coalesce(func.sum(outcome.c.input_tokens), 0)
                + func.coalesce(func.sum(outcome.c.output_tokens), 0),
            )
            .select_from(call.join(outcome, mine))
            .where(
                call.c.position_id == number,
                call.c.offset >= start,
                call.c.offset < end,
                call.c.stored_unix_ms >= since_unix_ms,
                outcome.c.role != "incumbent",
            )
            .group_by(outcome.c.arm)
        )
        for arm, usd, tokens in found:
            arms[arm] = arms.get(arm, Used()) + Used(usd=float(usd), tokens=int(tokens))
    return Spending(arms=arms, read_to=ends)
