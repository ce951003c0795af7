"""Batches for ledger tests: each builder takes what matters and fills in the rest. States are 8-byte integers that add up."""

from typing import Any

from shadow.ledger.base import AggregateKey, ArmTotals, OutcomeRow, PrefixBatch, RecordRow, TextRow
from shadow.ledger.sql import SqlLedger
from shadow.sources.base import PositionQuestion

ARMS = ("incumbent", "cand-a", "cand-b", "cand-c")


def add(kind: str, one: bytes, other: bytes) -> bytes:
    """The sum of two states."""
    return state(number(one) + number(other))


def state(value: int) -> bytes:
    return value.to_bytes(8, "big")


def number(data: bytes) -> int:
    return int.from_bytes(data, "big")


def a_row(offset: int = 0, arm: str = "cand-a", **changes: Any) -> OutcomeRow:
    """An answered call of partition 0."""
    values: dict[str, Any] = {
        "topic": "t",
        "partition": 0,
        "offset": offset,
        "call": 0,
        "id": f"req-{offset}",
        "ts_unix_ms": 1_764_000_000_000 + offset,
        "session": f"conv-{offset // 3}",
        "user_key": None,
        "route": "support",
        "tags": {"lang": "en"},
        "segment": "route:support",
        "segments": ("route:support",),
        "weight_exponent": 0,
        "probability": 1.0,
        "counted": True,
        "epoch": None if arm == "incumbent" else 1,
        "arm": arm,
        "role": "incumbent" if arm == "incumbent" else "candidate",
        "status": 200,
        "failure": None,
        "spell": None,
        "truncated": False,
        "retries": 0,
        "latency_seconds": 0.1 + offset / 7,
        "queue_seconds": 0.001,
        "ttft_seconds": 0.05,
        "ttft_answer_seconds": 0.06,
        "tpot_seconds": 0.01,
        "client_saturated": False,
        "limited_by_us": False,
        "comparable": True,
        "input_tokens": 12,
        "cached_input_tokens": None,
        "output_tokens": 40,
        "reasoning_tokens": None,
        "cost_usd": 0.001,
        "scores": {"agreement": 0.5, "relevance": None},
        "labels": {"agreement": "same"},
        "reasons": {"agreement": "compared"},
        "findings": [],
    }
    return OutcomeRow(**{**values, **changes})


def a_key(minute: int = 29_400_000, **changes: Any) -> AggregateKey:
    """Where a pair's state is kept."""
    values: dict[str, Any] = {"kind": "pair", "epoch": 1, "subject": "cand-a", "segment": "all", "weight_exponent": 0}
    return AggregateKey(**{**values, **changes, "minute": minute})


def a_batch(start: int = 0, count: int = 3, *, arms: tuple[str, ...] = ARMS, **changes: Any) -> PrefixBatch:
    """`count` scored records from `start` on, every arm answering; text of request and arms; one state."""
    partition = changes.get("partition", 0)
    offsets = range(start, start + count)
    rows = tuple(a_row(o, arm, partition=partition, id=f"req-{partition}-{o}") for o in offsets for arm in arms)
    values: dict[str, Any] = {
        "topic": "t",
        "partition": 0,
        "expected_offset": start,
        "next_offset": start + count,
        "gaps": 0,
        "dispositions": {"scored": count},
        "records": tuple(
            RecordRow(offset=o, ids=(f"req-{partition}-{o}",), disposition="scored", reason=None, ts_unix_ms=1)
            for o in offsets
        ),
        "outcomes": rows,
        "texts": tuple(
            TextRow(offset=o, call=0, arm=arm, text=f"text {o} {arm}") for o in offsets for arm in ("", *arms)
        ),
        "arm_totals": {arm: ArmTotals(outcomes=count, output_tokens=40 * count) for arm in arms},
        "aggregates": {a_key(): state(count)},
        "last_ts_unix_ms": 1_764_000_000_000,
    }
    return PrefixBatch(**{**values, **changes})


def an_empty_batch(start: int, count: int, **changes: Any) -> PrefixBatch:
    """A prefix that leaves counts only."""
    nothing: dict[str, Any] = {
        "records": (),
        "outcomes": (),
        "texts": (),
        "arm_totals": {},
        "aggregates": {},
        "dispositions": {"not_sampled": count},
    }
    return a_batch(start, count, **{**nothing, **changes})


def a_question(**changes: Any) -> PositionQuestion:
    """A partition that holds offsets 0 to 10,000, read from its beginning."""
    values: dict[str, Any] = {
        "topic": "t",
        "partition": 0,
        "topic_id": "topic-id",
        "begin_offset": 0,
        "end_offset": 10_000,
        "start_offset": 0,
    }
    return PositionQuestion(**{**values, **changes})


def opened(url: str, **changes: Any) -> SqlLedger:
    """A ledger whose states are integers."""
    return SqlLedger.open(url, merge=add, **changes)
