"""Everything that is read from the ledger, over short transactions or within one consistent snapshot."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

from sqlalchemy import Connection, Select, and_, func, select, tuple_

from shadow.ledger.base import (
    AggregateKey,
    ArmTotals,
    EpochRow,
    Explanation,
    OutcomeRow,
    PositionRow,
    RawCounts,
    RecordRow,
)
from shadow.ledger.identity import storable_name
from shadow.ledger.rows import OUTCOME_COLUMNS, POSITION_COLUMNS, decoded, outcome_of, record_of
from shadow.ledger.schema import (
    aggregate,
    answer_text,
    arm_total,
    call,
    disposition,
    epoch,
    note,
    outcome,
    position,
    record,
    request,
    state,
)

PAGE_ROWS = 2000

_JOINED = outcome.join(
    call,
    and_(
        call.c.position_id == outcome.c.position_id,
        call.c.offset == outcome.c.offset,
        call.c.call == outcome.c.call,
    ),
)
_KEY = (outcome.c.offset, outcome.c.call, outcome.c.arm)
_AGGREGATE_COLUMNS = (
    aggregate.c.kind,
    aggregate.c.epoch,
    aggregate.c.subject,
    aggregate.c.segment,
    aggregate.c.minute,
    aggregate.c.weight_exponent,
    aggregate.c.state,
)
_AGGREGATE_ORDER = (
    aggregate.c.kind,
    aggregate.c.epoch,
    aggregate.c.subject,
    aggregate.c.position_id,
    aggregate.c.minute,
    aggregate.c.segment,
    aggregate.c.weight_exponent,
)


class Reader:
    """Reads the ledger. `reading` opens a connection for one question; within a snapshot it is always the same one."""

    def __init__(self, reading: Callable[[], AbstractContextManager[Connection]]) -> None:
        self._reading = reading

    def positions(self) -> list[PositionRow]:
        """Every partition, by topic and number."""
        rows = self._all(select(*POSITION_COLUMNS).order_by(position.c.topic, position.c.partition))
        return [PositionRow(**row._mapping) for row in rows]

    def dispositions(self) -> dict[str, int]:
        """How many records ended how, over all partitions."""
        rows = self._all(
            select(disposition.c.disposition, func.sum(disposition.c.records))
            .group_by(disposition.c.disposition)
            .order_by(disposition.c.disposition)
        )
        return {name: int(n) for name, n in rows}

    def arm_totals(self) -> dict[str, ArmTotals]:
        """The additive counts of every arm, over all partitions."""
        rows = self._all(
            select(
                arm_total.c.arm,
                func.sum(arm_total.c.outcomes),
                func.sum(arm_total.c.failures),
                func.sum(arm_total.c.output_tokens),
            )
            .group_by(arm_total.c.arm)
            .order_by(arm_total.c.arm)
        )
        return {arm: ArmTotals(outcomes=int(o), failures=int(f), output_tokens=int(t)) for arm, o, f, t in rows}

    def raw_counts(self) -> RawCounts:
        """The same counts, made again from records and outcomes: what `shadow verify` compares with."""
        ends = select(record.c.disposition, func.count()).group_by(record.c.disposition)
        failed = and_(outcome.c.failure.is_not(None), outcome.c.failure != "unavailable")
        arms = select(
            outcome.c.arm,
            func.count(),
            func.count().filter(failed),
            func.coalesce(func.sum(outcome.c.output_tokens), 0),
        ).group_by(outcome.c.arm)
        swept = select(func.sum(position.c.swept_before - position.c.first_offset))
        with self._reading() as connection:
            return RawCounts(
                dispositions={name: int(n) for name, n in connection.execute(ends)},
                arms={
                    arm: ArmTotals(outcomes=int(n), failures=int(f), output_tokens=int(t))
                    for arm, n, f, t in connection.execute(arms)
                },
                swept=int(connection.execute(swept).scalar() or 0),
            )

    def epochs(self, candidate: str | None = None) -> list[EpochRow]:
        """Every epoch, oldest first."""
        query = select(epoch).order_by(epoch.c.id)
        if candidate is not None:
            query = query.where(epoch.c.candidate == candidate)
        return [epoch_of(row) for row in self._all(query)]

    def aggregates(self, kind: str, epoch: int, subject: str) -> Iterator[tuple[AggregateKey, bytes]]:
        """Every stored state of one subject, from one consistent view."""
        return self._states(
            aggregate.c.kind == kind, aggregate.c.epoch == epoch, aggregate.c.subject == storable_name(subject)
        )

    def all_aggregates(self) -> Iterator[tuple[AggregateKey, bytes]]:
        """Every stored state; a key occurs once per partition, and once more for the rolled-up hours."""
        return self._states()

    def _states(self, *conditions: Any) -> Iterator[tuple[AggregateKey, bytes]]:
        query = select(*_AGGREGATE_COLUMNS).where(*conditions).order_by(*_AGGREGATE_ORDER)
        with self._reading() as connection:
            # one statement, one view: a roll-up in between would show states twice or not at all
            for row in connection.execute(query.execution_options(yield_per=200)):
                yield AggregateKey(*row[:6]), bytes(row[6])

    def outcomes(
        self, *, arm: str | None = None, epoch: int | None = None, position_id: int | None = None
    ) -> Iterator[OutcomeRow]:
        """In the order (topic, partition, offset, call, arm), up to where each partition stands when it is reached."""
        conditions = []
        if arm is not None:
            conditions.append(outcome.c.arm == storable_name(arm))
        if epoch is not None:
            conditions.append(outcome.c.epoch == epoch)
        query = select(position.c.id, position.c.topic, position.c.partition).order_by(
            position.c.topic, position.c.partition
        )
        if position_id is not None:
            query = query.where(position.c.id == position_id)
        for found, topic, partition in self._all(query):
            yield from self._outcomes_of(found, topic, partition, conditions)

    def _outcomes_of(self, position_id: int, topic: str, partition: int, conditions: list[Any]) -> Iterator[OutcomeRow]:
        end = self._all(select(position.c.next_offset).where(position.c.id == position_id))[0][0]
        page = (
            select(*OUTCOME_COLUMNS)
            .select_from(_JOINED)
            .where(outcome.c.position_id == position_id, outcome.c.offset < end, *conditions)
            .order_by(*_KEY)
            .limit(PAGE_ROWS)
        )
        after: tuple[int, int, str] | None = None
        while True:
            rows = self._all(page if after is None else page.where(tuple_(*_KEY) > tuple_(*after)))
            found = [outcome_of(topic, partition, row) for row in rows]
            yield from found
            if len(found) < PAGE_ROWS:
                return
            after = (found[-1].offset, found[-1].call, found[-1].arm)

    def explain(self, request_id: str) -> list[Explanation]:
        """What became of a request: one entry for each record that carries its id; empty when it is unknown."""
        name = storable_name(request_id)
        places = (
            select(position.c.id, position.c.topic, position.c.partition, request.c.offset)
            .join(position, position.c.id == request.c.position_id)
            .where(request.c.id == name)
            .order_by(position.c.topic, position.c.partition, request.c.offset)
        )
        with self._reading() as connection:
            return [_explanation(connection, name, *place) for place in connection.execute(places).all()]

    def texts(self, topic: str, partition: int, offset: int, call: int) -> dict[str, str]:
        """Stored texts of one call by arm."""
        query = (
            select(answer_text.c.arm, answer_text.c.text)
            .join(position, position.c.id == answer_text.c.position_id)
            .where(
                position.c.topic == topic,
                position.c.partition == partition,
                answer_text.c.offset == offset,
                answer_text.c.call == call,
            )
            .order_by(answer_text.c.arm)
        )
        return dict(self._all(query))

    def notes(self, kind: str, subject: str | None = None) -> list[tuple[str, str, dict[str, Any], int]]:
        """(subject, key, value, unix ms) in the order they were appended."""
        query = select(note.c.subject, note.c.key, note.c.value, note.c.at_unix_ms).where(note.c.kind == kind)
        if subject is not None:
            query = query.where(note.c.subject == storable_name(subject))
        return [(s, key, decoded(value), at) for s, key, value, at in self._all(query.order_by(note.c.sequence))]

    def get_state(self, name: str) -> bytes | None:
        """A small state of the monitor; None when it was never put."""
        rows = self._all(select(state.c.value).where(state.c.name == name))
        return bytes(rows[0][0]) if rows else None

    def _all(self, query: Select[Any]) -> list[Any]:
        with self._reading() as connection:
            return list(connection.execute(query))


def epoch_of(row: Any) -> EpochRow:
    """The epoch that a row of its table holds."""
    values = dict(row._mapping)
    return EpochRow(**{**values, "description": decoded(values["description"])})


def _explanation(
    connection: Connection, name: str, position_id: int, topic: str, partition: int, offset: int
) -> Explanation:
    rows = connection.execute(
        select(*OUTCOME_COLUMNS)
        .select_from(_JOINED)
        .where(outcome.c.position_id == position_id, outcome.c.offset == offset, call.c.id == name)
        .order_by(*_KEY)
    )
    outcomes = tuple(outcome_of(topic, partition, row) for row in rows)
    kept = connection.execute(
        select(record.c.offset, record.c.ids, record.c.disposition, record.c.reason, record.c.ts_unix_ms).where(
            record.c.position_id == position_id, record.c.offset == offset
        )
    ).first()
    if kept is not None:
        found = record_of(*kept)
    else:  # a turn that was replayed for the caches' sake leaves outcomes but no record of its own
        found = RecordRow(offset=offset, ids=(name,), disposition="other_turn", reason=None, ts_unix_ms=None)
    return Explanation(topic=topic, partition=partition, record=found, outcomes=outcomes)
