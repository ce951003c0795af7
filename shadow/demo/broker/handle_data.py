"""Requests that write and read records."""

import asyncio
from typing import Any

from shadow.demo.broker.apis import RESPONSES
from shadow.demo.broker.call import Call, Handler, answer
from shadow.demo.broker.codes import Code
from shadow.demo.broker.files import HEADER_BYTES
from shadow.demo.broker.log import PartitionLog, header

_TRANSACTIONAL = 0x10


async def _produce(call: Call) -> Any:
    topic_response = RESPONSES["Produce"].TopicProduceResponse
    responses = [
        topic_response(name=t.name, partition_responses=[_append(call, t.name, p) for p in t.partition_data])
        for t in call.request.topic_data
    ]
    call.state.topics.enforce_retention()
    return answer("Produce", call, responses=responses) if call.request.acks != 0 else None


def _append(call: Call, topic: str, partition: Any) -> Any:
    log = call.state.topics.log(topic, partition.index)
    data = bytes(partition.records or b"")
    error: int = Code.UNKNOWN_TOPIC_OR_PARTITION if log is None else call.refuse  # only Metadata creates topics
    error = error or _batch_error(call, topic, partition.index, data)
    base = -1
    if log is not None and not error:
        error, base = log.append(data)
    return RESPONSES["Produce"].TopicProduceResponse.PartitionProduceResponse(
        index=partition.index,
        error_code=error,
        base_offset=base,
        log_append_time_ms=-1,
        log_start_offset=log.start if log is not None else -1,
        record_errors=[],
        error_message=None,
    )


def _batch_error(call: Call, topic: str, partition: int, data: bytes) -> Code:
    if len(data) < HEADER_BYTES:
        return Code.INVALID_RECORD
    if len(data) > call.state.max_message_bytes:
        return Code.MESSAGE_TOO_LARGE
    head = header(data)
    if not head.flags & _TRANSACTIONAL:
        return Code.NONE
    return call.state.transactions.batch_error((topic, partition), head.producer_id, head.producer_epoch)


async def _fetch(call: Call) -> Any:
    loop, request = asyncio.get_running_loop(), call.request
    deadline = loop.time() + request.max_wait_ms / 1000
    while True:
        read = _Read(call)
        responses = [read.topic(t) for t in request.topics]
        left = deadline - loop.time()
        if read.size >= max(request.min_bytes, 1) or read.failed or left <= 0 or not read.logs:
            return answer("Fetch", call, error_code=0, session_id=0, responses=responses)
        await _any_change(read.logs, left)


async def _any_change(logs: list[PartitionLog], seconds: float) -> None:
    waiting = [asyncio.ensure_future(log.changed.wait()) for log in logs]
    try:
        await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()


class _Read:
    """One pass over the partitions of a fetch, within its limit in bytes."""

    def __init__(self, call: Call) -> None:
        self._call, self._committed = call, call.request.isolation_level == 1
        self.size, self.failed = 0, False
        self.logs: list[PartitionLog] = []

    def topic(self, wanted: Any) -> Any:
        partitions = [self._partition(wanted.topic, p) for p in wanted.partitions]
        return RESPONSES["Fetch"].FetchableTopicResponse(topic=wanted.topic, partitions=partitions)

    def _partition(self, topic: str, wanted: Any) -> Any:
        log = self._call.state.topics.log(topic, wanted.partition)
        if log is None:
            return self._failure(wanted.partition, Code.UNKNOWN_TOPIC_OR_PARTITION)
        if not log.start <= wanted.fetch_offset <= log.end:
            return self._failure(wanted.partition, Code.OFFSET_OUT_OF_RANGE)
        self.logs.append(log)
        room = self._call.request.max_bytes - self.size
        data, aborted = b"", None
        response = RESPONSES["Fetch"].FetchableTopicResponse.PartitionData
        if room > 0:
            data = log.read(wanted.fetch_offset, min(wanted.partition_max_bytes, room), committed=self._committed)
        if self._committed and data:
            aborted = [
                response.AbortedTransaction(producer_id=a.producer_id, first_offset=a.first)
                for a in log.aborted
                if a.last >= wanted.fetch_offset
            ]
        self.size += len(data)
        return response(
            partition_index=wanted.partition,
            error_code=0,
            high_watermark=log.end,
            last_stable_offset=log.stable_end,
            log_start_offset=log.start,
            aborted_transactions=aborted,
            preferred_read_replica=-1,
            records=data,
        )

    def _failure(self, partition: int, error: Code) -> Any:
        self.failed = True
        return RESPONSES["Fetch"].FetchableTopicResponse.PartitionData(
            partition_index=partition,
            error_code=error,
            high_watermark=-1,
            last_stable_offset=-1,
            log_start_offset=-1,
            aborted_transactions=None,
            preferred_read_replica=-1,
            records=b"",
        )


async def _list_offsets(call: Call) -> Any:
    topic_response = RESPONSES["ListOffsets"].ListOffsetsTopicResponse
    topics = [
        topic_response(name=t.name, partitions=[_offset_at(call, t.name, p) for p in t.partitions])
        for t in call.request.topics
    ]
    return answer("ListOffsets", call, topics=topics)


def _offset_at(call: Call, topic: str, wanted: Any) -> Any:
    log = call.state.topics.log(topic, wanted.partition_index)
    offset, timestamp = -1, -1
    if log is not None:
        if wanted.timestamp == -1:
            offset = log.stable_end if call.request.isolation_level == 1 else log.end
        elif wanted.timestamp == -2:
            offset = log.start
        else:  # -3 asks for the newest record
            offset, timestamp = log.by_time(log.newest_timestamp if wanted.timestamp == -3 else wanted.timestamp)
    return RESPONSES["ListOffsets"].ListOffsetsTopicResponse.ListOffsetsPartitionResponse(
        partition_index=wanted.partition_index,
        error_code=Code.UNKNOWN_TOPIC_OR_PARTITION if log is None else Code.NONE,
        timestamp=timestamp,
        offset=offset,
        leader_epoch=-1 if log is None else 0,
    )


async def _offset_for_leader_epoch(call: Call) -> Any:
    result = RESPONSES["OffsetForLeaderEpoch"].OffsetForLeaderTopicResult

    def one(topic: str, partition: int) -> Any:
        log = call.state.topics.log(topic, partition)
        return result.EpochEndOffset(
            error_code=Code.UNKNOWN_TOPIC_OR_PARTITION if log is None else Code.NONE,
            partition=partition,
            leader_epoch=-1 if log is None else 0,
            end_offset=-1 if log is None else log.end,
        )

    topics = [
        result(topic=t.topic, partitions=[one(t.topic, p.partition) for p in t.partitions]) for t in call.request.topics
    ]
    return answer("OffsetForLeaderEpoch", call, topics=topics)


HANDLERS: dict[str, Handler] = {
    "Produce": _produce,
    "Fetch": _fetch,
    "ListOffsets": _list_offsets,
    "OffsetForLeaderEpoch": _offset_for_leader_epoch,
}
