"""Requests that commit and fetch the offsets of groups, also inside transactions."""

import time
from typing import Any

from shadow.demo.broker.apis import RESPONSES
from shadow.demo.broker.call import Call, Handler, answer
from shadow.demo.broker.codes import Code
from shadow.demo.broker.groups import Group, Offset, Place

_MAX_METADATA_BYTES = 4096
Errors = dict[Place, Code]


def _errors(call: Call, error: Code) -> Errors:
    """The error of each partition in a commit: the common one, else its own."""

    def one(topic: str, partition: Any) -> Code:
        if call.state.topics.log(topic, partition.partition_index) is None:
            return Code.UNKNOWN_TOPIC_OR_PARTITION
        too_large = len((partition.committed_metadata or "").encode()) > _MAX_METADATA_BYTES
        return Code.OFFSET_METADATA_TOO_LARGE if too_large else Code.NONE

    return {(t.name, p.partition_index): error or one(t.name, p) for t in call.request.topics for p in t.partitions}


def _accepted(call: Call, errors: Errors) -> dict[Place, Offset]:
    return {
        (t.name, p.partition_index): (p.committed_offset, p.committed_metadata or "")
        for t in call.request.topics
        for p in t.partitions
        if not errors[t.name, p.partition_index]
    }


def _committed(api: str, call: Call, errors: Errors) -> Any:
    response = RESPONSES[api]
    topic = getattr(response, f"{api}ResponseTopic")
    partition = getattr(topic, f"{api}ResponsePartition")
    topics = [
        topic(
            name=t.name,
            partitions=[
                partition(partition_index=p.partition_index, error_code=errors[t.name, p.partition_index])
                for p in t.partitions
            ],
        )
        for t in call.request.topics
    ]
    return answer(api, call, topics=topics)


async def _offset_commit(call: Call) -> Any:
    request = call.request
    group = call.state.coordinator.group(request.group_id)
    generation = request.generation_id_or_member_epoch
    instance = request.group_instance_id if call.version >= 7 else None
    alone = generation < 0 and not group.members  # a consumer without membership
    error = Code.NONE if alone else group.check(request.member_id, generation, instance)
    if not error and not alone:
        group.members[request.member_id].last_seen = time.monotonic()
        if group.state == "CompletingRebalance":
            error = Code.REBALANCE_IN_PROGRESS
    errors = _errors(call, error)
    if not call.refuse:
        call.state.coordinator.commit(group, _accepted(call, errors))
    return _committed("OffsetCommit", call, errors)


async def _transactional_offset_commit(call: Call) -> Any:
    request = call.request
    transaction, error = call.state.transactions.find(
        request.transactional_id, request.producer_id, request.producer_epoch, fenced=Code.INVALID_PRODUCER_EPOCH
    )
    if transaction is not None and call.version >= 3 and request.generation_id >= 0:  # KIP-447
        group = call.state.coordinator.group(request.group_id)
        error = group.check(request.member_id, request.generation_id, request.group_instance_id)
    if transaction is not None and not error and request.group_id not in transaction.offsets:
        error = Code.INVALID_TXN_STATE  # no AddOffsetsToTxn before
    errors = _errors(call, error)
    if transaction is not None and not error and not call.refuse:
        call.state.transactions.add_offsets(transaction, request.group_id, _accepted(call, errors))
    return _committed("TxnOffsetCommit", call, errors)


async def _offset_fetch(call: Call) -> Any:
    request = call.request
    group = call.state.coordinator.group(request.group_id)
    if request.topics is not None:
        wanted = [(t.name, list(t.partition_indexes)) for t in request.topics]
    else:
        wanted = [(t, [p for other, p in group.offsets if other == t]) for t in {t for t, _ in group.offsets}]
    stable = bool(call.version >= 7 and request.require_stable)
    topic = RESPONSES["OffsetFetch"].OffsetFetchResponseTopic
    topics = [topic(name=t, partitions=[_fetched(group, (t, p), stable=stable) for p in ps]) for t, ps in wanted]
    return answer("OffsetFetch", call, error_code=0, topics=topics)


def _fetched(group: Group, place: Place, *, stable: bool) -> Any:
    unstable = stable and any(place in offsets for offsets in group.uncommitted.values())
    offset, metadata = (-1, "") if unstable else group.offsets.get(place, (-1, ""))
    return RESPONSES["OffsetFetch"].OffsetFetchResponseTopic.OffsetFetchResponsePartition(
        partition_index=place[1],
        committed_offset=offset,
        committed_leader_epoch=-1,
        metadata=metadata,
        error_code=Code.UNSTABLE_OFFSET_COMMIT if unstable else Code.NONE,
    )


HANDLERS: dict[str, Handler] = {
    "OffsetCommit": _offset_commit,
    "TxnOffsetCommit": _transactional_offset_commit,
    "OffsetFetch": _offset_fetch,
}
