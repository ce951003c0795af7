"""Requests of idempotent and transactional producers."""

from typing import Any

from shadow.demo.broker.apis import RESPONSES
from shadow.demo.broker.call import Call, Handler, answer
from shadow.demo.broker.codes import Code


def _fenced(call: Call) -> Code:
    """The name of a fenced producer's error changed with version 2 of these requests."""
    return Code.PRODUCER_FENCED if call.version >= 2 else Code.INVALID_PRODUCER_EPOCH


async def _init_producer_id(call: Call) -> Any:
    request, transactions = call.request, call.state.transactions
    if not request.transactional_id:
        error, producer_id, epoch = Code.NONE, transactions.new_producer_id(), 0
    else:
        told = call.version >= 3 and request.producer_id >= 0
        current = (request.producer_id, request.producer_epoch) if told else None
        error, producer_id, epoch = transactions.init(request.transactional_id, request.transaction_timeout_ms, current)
    return answer("InitProducerId", call, error_code=error, producer_id=producer_id, producer_epoch=epoch)


async def _add_partitions(call: Call) -> Any:
    request = call.request
    transaction, error = call.state.transactions.find(
        request.v3_and_below_transactional_id,
        request.v3_and_below_producer_id,
        request.v3_and_below_producer_epoch,
        fenced=_fenced(call),
    )
    asked = {(t.name, p) for t in request.v3_and_below_topics for p in t.partitions}
    unknown = {place for place in asked if call.state.topics.log(*place) is None}
    if transaction is not None and not unknown:
        transaction.begin()
        transaction.partitions |= asked

    def code(topic: str, partition: int) -> Code:
        if error or not unknown:
            return error
        missing = (topic, partition) in unknown
        return Code.UNKNOWN_TOPIC_OR_PARTITION if missing else Code.OPERATION_NOT_ATTEMPTED

    result = RESPONSES["AddPartitionsToTxn"].AddPartitionsToTxnTopicResult
    partition_result = result.AddPartitionsToTxnPartitionResult
    topics = [
        result(
            name=t.name,
            results_by_partition=[
                partition_result(partition_index=p, partition_error_code=code(t.name, p)) for p in t.partitions
            ],
        )
        for t in request.v3_and_below_topics
    ]
    return answer("AddPartitionsToTxn", call, results_by_topic_v3_and_below=topics)


async def _add_offsets(call: Call) -> Any:
    request = call.request
    transaction, error = call.state.transactions.find(
        request.transactional_id, request.producer_id, request.producer_epoch, fenced=_fenced(call)
    )
    if transaction is not None:
        transaction.begin()
        transaction.offsets.setdefault(request.group_id, {})
    return answer("AddOffsetsToTxn", call, error_code=error)


async def _end(call: Call) -> Any:
    request = call.request
    transaction, error = call.state.transactions.find(
        request.transactional_id, request.producer_id, request.producer_epoch, fenced=_fenced(call)
    )
    if transaction is not None and not transaction.open:  # a repeated request is answered as before
        repeated = transaction.committed_last is not None and transaction.committed_last == bool(request.committed)
        error = Code.NONE if repeated else Code.INVALID_TXN_STATE
    elif transaction is not None and not call.refuse:
        call.state.transactions.end(transaction, commit=bool(request.committed))
    return answer("EndTxn", call, error_code=error)


HANDLERS: dict[str, Handler] = {
    "InitProducerId": _init_producer_id,
    "AddPartitionsToTxn": _add_partitions,
    "AddOffsetsToTxn": _add_offsets,
    "EndTxn": _end,
}
