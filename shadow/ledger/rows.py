"""Outcomes as table rows and back again, exactly: what goes in comes out, and nothing that comes in can break a commit."""

import math
from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement

from shadow.ledger.base import OutcomeRow, PrefixBatch, RecordRow
from shadow.ledger.identity import storable, storable_name
from shadow.ledger.schema import call, outcome, position

_INT64_MAX = 2**63 - 1
_INT32_MAX = 2**31 - 1
_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder()

Row = dict[str, Any]

OUTCOME_COLUMNS: tuple[ColumnElement[Any], ...] = (
    call.c.offset,
    call.c.call,
    call.c.id,
    call.c.ts_unix_ms,
    call.c.session,
    call.c.user_key,
    call.c.route,
    call.c.tags,
    call.c.segment,
    call.c.segments,
    call.c.weight_exponent,
    call.c.probability,
    call.c.counted,
    outcome.c.epoch,
    outcome.c.arm,
    outcome.c.role,
    outcome.c.status,
    outcome.c.failure,
    outcome.c.spell,
    outcome.c.truncated,
    outcome.c.retries,
    outcome.c.latency_seconds,
    outcome.c.queue_seconds,
    outcome.c.ttft_seconds,
    outcome.c.ttft_answer_seconds,
    outcome.c.tpot_seconds,
    outcome.c.client_saturated,
    outcome.c.limited_by_us,
    outcome.c.comparable,
    outcome.c.input_tokens,
    outcome.c.cached_input_tokens,
    outcome.c.output_tokens,
    outcome.c.reasoning_tokens,
    outcome.c.cost_usd,
    outcome.c.scores,
    outcome.c.labels,
    outcome.c.reasons,
    outcome.c.findings,
)
"""What `outcome_of` reads, in its order."""

POSITION_COLUMNS: tuple[ColumnElement[Any], ...] = (
    position.c.topic,
    position.c.partition,
    position.c.topic_id,
    position.c.first_offset,
    position.c.next_offset,
    position.c.gaps,
    position.c.lost,
    position.c.updated_unix_ms,
    position.c.last_ts_unix_ms,
)


def outcome_of(topic: str, partition: int, row: Sequence[Any]) -> OutcomeRow:
    """The outcome that a row of OUTCOME_COLUMNS holds."""
    return OutcomeRow(
        topic=topic,
        partition=partition,
        offset=row[0],
        call=row[1],
        id=row[2],
        ts_unix_ms=row[3],
        session=row[4],
        user_key=row[5],
        route=row[6],
        tags=_decoded(row[7], {}),
        segment=row[8],
        segments=tuple(_decoded(row[9], ())),
        weight_exponent=row[10],
        probability=row[11],
        counted=row[12],
        epoch=row[13],
        arm=row[14],
        role=row[15],
        status=row[16],
        failure=row[17],
        spell=row[18],
        truncated=row[19],
        retries=row[20],
        latency_seconds=row[21],
        queue_seconds=row[22],
        ttft_seconds=row[23],
        ttft_answer_seconds=row[24],
        tpot_seconds=row[25],
        client_saturated=row[26],
        limited_by_us=row[27],
        comparable=row[28],
        input_tokens=row[29],
        cached_input_tokens=row[30],
        output_tokens=row[31],
        reasoning_tokens=row[32],
        cost_usd=row[33],
        scores=_decoded(row[34], {}),
        labels=_decoded(row[35], {}),
        reasons=_decoded(row[36], {}),
        findings=_decoded(row[37], []),
    )


def outcome_values(position_id: int, row: OutcomeRow) -> Row:
    """What the outcome's own table keeps of one arm."""
    return {
        "position_id": position_id,
        "offset": row.offset,
        "call": row.call,
        "arm": storable_name(row.arm),
        "epoch": row.epoch,
        "role": row.role,
        "status": _integer(row.status, _INT32_MAX),
        "failure": row.failure,
        "spell": row.spell,
        "truncated": row.truncated,
        "retries": row.retries,
        "latency_seconds": _finite(row.latency_seconds),
        "queue_seconds": _finite(row.queue_seconds),
        "ttft_seconds": _finite(row.ttft_seconds),
        "ttft_answer_seconds": _finite(row.ttft_answer_seconds),
        "tpot_seconds": _finite(row.tpot_seconds),
        "client_saturated": row.client_saturated,
        "limited_by_us": row.limited_by_us,
        "comparable": row.comparable,
        "input_tokens": _integer(row.input_tokens),
        "cached_input_tokens": _integer(row.cached_input_tokens),
        "output_tokens": _integer(row.output_tokens),
        "reasoning_tokens": _integer(row.reasoning_tokens),
        "cost_usd": _finite(row.cost_usd),
        "scores": encoded(row.scores),
        "labels": encoded(row.labels),
        "reasons": encoded(row.reasons),
        "findings": encoded(row.findings),
    }


def call_facts(row: OutcomeRow) -> tuple[Any, ...]:
    """What every arm's row of one call has to agree on."""
    return (
        row.id,
        row.ts_unix_ms,
        row.session,
        row.user_key,
        row.route,
        row.tags,
        row.segment,
        row.segments,
        row.weight_exponent,
        row.probability,
        row.counted,
    )


def call_values(position_id: int, row: OutcomeRow, now_unix_ms: int) -> Row:
    """What is kept once for all arms of a call."""
    return {
        "position_id": position_id,
        "offset": row.offset,
        "call": row.call,
        "id": storable_name(row.id),
        "ts_unix_ms": _integer(row.ts_unix_ms),
        "session": _name(row.session),
        "user_key": _name(row.user_key),
        "route": _name(row.route),
        "tags": encoded(row.tags),
        "segment": storable_name(row.segment),
        "segments": encoded(row.segments),
        "weight_exponent": row.weight_exponent,
        "probability": row.probability,
        "counted": row.counted,
        "stored_unix_ms": now_unix_ms,
    }


def record_values(position_id: int, row: RecordRow, now_unix_ms: int) -> Row:
    """One record."""
    return {
        "position_id": position_id,
        "offset": row.offset,
        "ids": encoded([storable_name(i) for i in row.ids]),
        "disposition": row.disposition,
        "reason": None if row.reason is None else storable(row.reason),
        "ts_unix_ms": _integer(row.ts_unix_ms),
        "stored_unix_ms": now_unix_ms,
    }


def text_values(position_id: int, batch: PrefixBatch, now_unix_ms: int) -> list[Row]:
    """The texts of a batch."""
    return [
        {
            "position_id": position_id,
            "offset": text.offset,
            "call": text.call,
            "arm": storable_name(text.arm),
            "text": storable(text.text),
            "stored_unix_ms": now_unix_ms,
        }
        for text in batch.texts
    ]


def record_of(offset: int, ids: str | None, disposition: Any, reason: str | None, ts_unix_ms: int | None) -> RecordRow:
    """The record that its columns hold."""
    return RecordRow(
        offset=offset, ids=tuple(_decoded(ids, ())), disposition=disposition, reason=reason, ts_unix_ms=ts_unix_ms
    )


def encoded(value: Any) -> str | None:
    """JSON of a value; None for an empty one."""
    if not value:
        return None
    try:
        return _ENCODER.encode(value).decode()
    except (UnicodeEncodeError, OverflowError):
        return _ENCODER.encode(_plain(value)).decode()


def decoded(text: str) -> Any:
    """The value of a JSON text that `encoded` wrote."""
    return _DECODER.decode(text)


def _decoded(text: str | None, empty: Any) -> Any:
    if text is None:
        return empty
    return _DECODER.decode(text)


def _plain(value: Any) -> Any:
    """A value whose texts have no lone surrogates and whose integers fit 64 bits."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, dict):
        return {storable(str(k)): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return _integer(value)
    return value


def _name(value: str | None) -> str | None:
    return None if value is None else storable_name(value)


def _integer(value: int | None, limit: int = _INT64_MAX) -> int | None:
    """A number that the column cannot hold is unknown: one absurd figure in an answer must not stop the ledger."""
    return value if value is None or -limit <= value <= limit else None


def _finite(value: float | None) -> float | None:
    return value if value is None or math.isfinite(value) else None
