"""Requests about the cluster and its topics."""

from typing import Any

from shadow.demo.broker.apis import NAMES, RESPONSES, SUPPORTED
from shadow.demo.broker.call import Call, Handler, answer
from shadow.demo.broker.codes import Code
from shadow.demo.broker.topics import legal

_CLUSTER = "shadow-embedded"


def api_versions(version: int, error: Code = Code.NONE) -> Any:
    """What the broker understands; also the answer to a client that asks in a version that is too new."""
    response = RESPONSES["ApiVersions"]
    keys = [
        response.ApiVersion(api_key=key, min_version=SUPPORTED[name][0], max_version=SUPPORTED[name][1])
        for key, name in NAMES.items()
    ]
    return response(version=version, error_code=error, throttle_time_ms=0, api_keys=keys)


async def _api_versions(call: Call) -> Any:
    return api_versions(call.version)


async def _metadata(call: Call) -> Any:
    response, topics, request = RESPONSES["Metadata"], call.state.topics, call.request
    everything = request.topics is None or (call.version == 0 and not request.topics)
    names = topics.names if everything else [t.name for t in request.topics]
    create = call.state.auto_create and (request.allow_auto_topic_creation if call.version >= 4 else True)
    found = [_topic(call, name, create=create) for name in names]
    host, port = call.state.address
    broker = response.MetadataResponseBroker(node_id=1, host=host, port=port, rack=None)
    return answer("Metadata", call, cluster_id=_CLUSTER, controller_id=1, topics=found, brokers=[broker])


def _topic(call: Call, name: str, *, create: bool) -> Any:
    response, topics = RESPONSES["Metadata"].MetadataResponseTopic, call.state.topics
    logs = topics.logs(name)
    error = Code.NONE if logs else Code.UNKNOWN_TOPIC_OR_PARTITION if legal(name) else Code.INVALID_TOPIC
    if not logs and legal(name) and create:
        topics.create(name)  # like Kafka: this answer says "unknown", the next one knows it
    partitions = [
        response.MetadataResponsePartition(
            error_code=0,
            partition_index=index,
            leader_id=1,
            leader_epoch=0,
            replica_nodes=[1],
            isr_nodes=[1],
            offline_replicas=[],
        )
        for index in range(len(logs))
    ]
    identity = topics.id(name if logs else "")
    return response(error_code=error, name=name, topic_id=identity, is_internal=False, partitions=partitions)


async def _describe_cluster(call: Call) -> Any:
    host, port = call.state.address
    broker = RESPONSES["DescribeCluster"].DescribeClusterBroker(broker_id=1, host=host, port=port, rack=None)
    return answer(
        "DescribeCluster",
        call,
        error_code=0,
        error_message=None,
        cluster_id=_CLUSTER,
        controller_id=1,
        brokers=[broker],
    )


async def _create_topics(call: Call) -> Any:
    topics, results = call.state.topics, []
    for wanted in call.request.topics:
        error = _creation_error(call, wanted)
        if not error and not call.request.validate_only:
            count = wanted.num_partitions if wanted.num_partitions > 0 else len(wanted.assignments) or None
            topics.create(wanted.name, count)
        results.append(
            RESPONSES["CreateTopics"].CreatableTopicResult(
                name=wanted.name,
                error_code=error,
                error_message=None,
                topic_config_error_code=0,
                num_partitions=len(topics.logs(wanted.name)),
                replication_factor=1,
                configs=[],
            )
        )
    return answer("CreateTopics", call, topics=results)


def _creation_error(call: Call, wanted: Any) -> Code:
    if not legal(wanted.name):
        return Code.INVALID_TOPIC
    if call.state.topics.logs(wanted.name):
        return Code.TOPIC_ALREADY_EXISTS
    if wanted.assignments:
        return Code.NONE
    if wanted.num_partitions == 0 or wanted.num_partitions < -1:
        return Code.INVALID_PARTITIONS
    return Code.NONE if wanted.replication_factor in (-1, 1) else Code.INVALID_REPLICATION_FACTOR  # there is one broker


async def _delete_topics(call: Call) -> Any:
    results = []
    for name in call.request.topic_names:
        dropped = call.state.topics.drop(name)
        if dropped:
            call.state.coordinator.forget_topic(name)
        error = Code.NONE if dropped else Code.UNKNOWN_TOPIC_OR_PARTITION
        results.append(RESPONSES["DeleteTopics"].DeletableTopicResult(name=name, error_code=error, error_message=None))
    return answer("DeleteTopics", call, responses=results)


async def _create_partitions(call: Call) -> Any:
    topics, results = call.state.topics, []
    for wanted in call.request.topics:
        present = len(topics.logs(wanted.name))
        error = Code.NONE if wanted.count > present else Code.INVALID_PARTITIONS
        if not present:
            error = Code.UNKNOWN_TOPIC_OR_PARTITION
        if not error and not call.request.validate_only:
            topics.create(wanted.name, wanted.count)
        result = RESPONSES["CreatePartitions"].CreatePartitionsTopicResult
        results.append(result(name=wanted.name, error_code=error, error_message=None))
    return answer("CreatePartitions", call, results=results)


async def _describe_configs(call: Call) -> Any:
    result = RESPONSES["DescribeConfigs"].DescribeConfigsResult
    results = [
        result(
            error_code=0, error_message=None, resource_type=r.resource_type, resource_name=r.resource_name, configs=[]
        )
        for r in call.request.resources
    ]
    return answer("DescribeConfigs", call, results=results)


async def _delete_records(call: Call) -> Any:
    topic_result = RESPONSES["DeleteRecords"].DeleteRecordsTopicResult
    results = [
        topic_result(name=t.name, partitions=[_delete_from(call, t.name, p) for p in t.partitions])
        for t in call.request.topics
    ]
    return answer("DeleteRecords", call, topics=results)


def _delete_from(call: Call, topic: str, wanted: Any) -> Any:
    result = RESPONSES["DeleteRecords"].DeleteRecordsTopicResult.DeleteRecordsPartitionResult
    log = call.state.topics.log(topic, wanted.partition_index)
    if log is None:
        error, low = Code.UNKNOWN_TOPIC_OR_PARTITION, -1
    elif not -1 <= wanted.offset <= log.end:
        error, low = Code.OFFSET_OUT_OF_RANGE, -1
    else:
        log.trim(log.end if wanted.offset == -1 else wanted.offset)
        error, low = Code.NONE, log.start
    return result(partition_index=wanted.partition_index, low_watermark=low, error_code=error)


HANDLERS: dict[str, Handler] = {
    "ApiVersions": _api_versions,
    "Metadata": _metadata,
    "DescribeCluster": _describe_cluster,
    "CreateTopics": _create_topics,
    "DeleteTopics": _delete_topics,
    "CreatePartitions": _create_partitions,
    "DescribeConfigs": _describe_configs,
    "DeleteRecords": _delete_records,
}
