"""What became of everything that was read: it adds up, or says by how much it does not."""

from collections.abc import Iterable
from dataclasses import dataclass

from shadow.ledger.base import ArmTotals
from shadow.ledger.reading import Reader


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """Counts over all partitions; `residual` = read - sum of the dispositions, 0 unless the ledger is wrong.

    `lost` records fell to the topic's retention before they were read; they are part of no other number.
    """

    read: int
    residual: int
    dispositions: dict[str, int]
    arms: dict[str, ArmTotals]
    partitions: int
    lost: int
    last_ts_unix_ms: int | None


def coverage(reader: Reader, arms: Iterable[str] = ()) -> Coverage:
    """The coverage in one consistent view: `reader` should be a snapshot. `arms` are shown even with no outcome yet."""
    positions = reader.positions()
    dispositions = reader.dispositions()
    totals = reader.arm_totals()
    read = sum(p.next_offset - p.first_offset - p.gaps - p.lost for p in positions)
    return Coverage(
        read=read,
        residual=read - sum(dispositions.values()),
        dispositions=dispositions,
        arms={**{arm: ArmTotals() for arm in arms}, **totals},
        partitions=len(positions),
        lost=sum(p.lost for p in positions),
        last_ts_unix_ms=max((p.last_ts_unix_ms for p in positions if p.last_ts_unix_ms is not None), default=None),
    )
