"""Which requests the broker understands, and the classes of kafka-python that read and write them.

`kafka.protocol` is a semi-internal package: the version range in pyproject.toml and the contract tests guard it.
"""

from typing import Any, Final

import kafka.protocol.admin as admin
import kafka.protocol.consumer as consumer
import kafka.protocol.metadata as metadata
import kafka.protocol.producer as producer

SUPPORTED: Final[dict[str, tuple[int, int]]] = {  # name -> smallest and largest version offered
    "Produce": (3, 9),
    "Fetch": (4, 12),
    "ListOffsets": (1, 7),
    "Metadata": (0, 10),
    "OffsetCommit": (2, 8),
    "OffsetFetch": (1, 7),
    "FindCoordinator": (0, 3),
    "JoinGroup": (0, 9),
    "Heartbeat": (0, 4),
    "LeaveGroup": (0, 5),
    "SyncGroup": (0, 5),
    "DescribeGroups": (0, 5),
    "ListGroups": (0, 4),
    "ApiVersions": (0, 3),
    "CreateTopics": (2, 6),
    "DeleteTopics": (1, 5),
    "DeleteRecords": (0, 2),
    "InitProducerId": (0, 4),
    "OffsetForLeaderEpoch": (2, 4),
    "AddPartitionsToTxn": (0, 3),
    "AddOffsetsToTxn": (0, 3),
    "EndTxn": (0, 3),
    "TxnOffsetCommit": (0, 3),
    "DescribeConfigs": (1, 4),
    "CreatePartitions": (0, 3),
    "DeleteGroups": (0, 2),
    "DescribeCluster": (0, 0),
}


def _find(name: str) -> Any:
    return next(getattr(m, name) for m in (admin, consumer, metadata, producer) if hasattr(m, name))


REQUESTS: Final[dict[str, Any]] = {name: _find(f"{name}Request") for name in SUPPORTED}
RESPONSES: Final[dict[str, Any]] = {name: _find(f"{name}Response") for name in SUPPORTED}
NAMES: Final[dict[int, str]] = {request.API_KEY: name for name, request in REQUESTS.items()}
