"""Whether the monitor itself is well: what was read, what became of it, how far behind and how fresh it is."""

from dataclasses import dataclass

from shadow.exporters.base import Snapshot
from shadow.web import formats as f

STALE_SECONDS = 30
DISPOSITIONS = {
    "scored": "scored",
    "not_sampled": "not sampled",
    "other_turn": "another turn counts",
    "filtered": "filtered",
    "expired": "too old",
    "paused": "paused",
    "not_replayable": "not replayable",
    "invalid": "invalid",
    "oversized": "too large",
    "poison": "poison",
    "heartbeat": "heartbeat",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One figure with its name. `tone` colours it: good, bad, warn or none; `note` stands small below."""

    name: str
    value: str
    note: str = ""
    tone: str = ""


def monitor_facts(snapshot: Snapshot, now_unix_ms: int) -> tuple[Fact, ...]:
    """Whether the monitor itself is well: the strip on top of every page."""
    lags = [max(0, p.end_offset - p.next_offset) for p in snapshot.partitions if p.end_offset is not None]
    lag = sum(lags) if lags else None
    lost = sum(p.lost for p in snapshot.partitions)
    fresh = None if snapshot.last_scored_unix_ms is None else max(0, snapshot.at_unix_ms - snapshot.last_scored_unix_ms)
    look = max(0, now_unix_ms - snapshot.at_unix_ms)
    partitions = len(snapshot.partitions)
    return (
        Fact(name="Records read", value=f.count(snapshot.read), note=f"{f.count(lost)} lost to retention" if lost else "",
             tone="bad" if lost else ""),
        Fact(name="Unaccounted", value=f.count(snapshot.residual), note="read minus dispositions",
             tone="good" if snapshot.residual == 0 else "bad"),
        Fact(name="Lag", value=f.count(lag), note=f"{partitions} partition{'' if partitions == 1 else 's'}"),
        Fact(name="Newest scored", value=f.NO_DATA if fresh is None else f"{f.age(fresh)}{' ago' if fresh >= 1000 else ''}",
             note="production time"),
        Fact(name="Last look", value=f.age(look), tone="bad" if look > STALE_SECONDS * 1000 else "",
             note="decides" if snapshot.leads else "another process decides"),
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """One disposition as a part of the bar."""

    key: str
    name: str
    count: str
    percent: str
    start: float
    width: float


def dispositions(snapshot: Snapshot) -> tuple[Share, ...]:
    """What became of everything read, largest first."""
    total = sum(snapshot.dispositions.values())
    shares, start = [], 0.0
    for key, count in sorted(snapshot.dispositions.items(), key=lambda item: (-item[1], item[0])):
        if count > 0:
            width = 100 * count / total
            shares.append(
                Share(
                    key=key,
                    name=DISPOSITIONS.get(key, key),
                    count=f.count(count),
                    percent=f.percent(count / total),
                    start=round(start, 3),
                    width=round(width, 3),
                )
            )
            start += width
    return tuple(shares)
