"""Topics: names, partitions, ids, and the memory they may take together."""

import re
import shutil
import uuid
from pathlib import Path

from shadow.demo.broker.files import LogFile, read_document, write_document
from shadow.demo.broker.log import PartitionLog

_LEGAL = re.compile(r"[A-Za-z0-9._-]{1,249}")
_ROOM = 0.05  # share of the limit that is freed at once, so that not every append has to


def legal(name: str) -> bool:
    """Whether Kafka would take the name."""
    return bool(_LEGAL.fullmatch(name)) and name not in (".", "..")


class Topics:
    """Owned by the broker's loop. All logs together stay below `retention_bytes`: the largest loses its oldest batches."""

    def __init__(self, partitions: int, retention_bytes: int, folder: Path | None) -> None:
        self._default, self._limit = partitions, retention_bytes
        self._folder = folder / "topics" if folder is not None else None
        self._logs: dict[str, list[PartitionLog]] = {}
        self._ids: dict[str, uuid.UUID] = {}
        if self._folder is not None:
            self._restore(self._folder)

    def _restore(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for path in sorted(folder.iterdir()):
            document = read_document(path / "topic.json")
            if document is not None:  # else: killed before the topic was whole
                self._ids[path.name] = uuid.UUID(document["id"])
                self.create(path.name, document["partitions"])

    @property
    def names(self) -> list[str]:
        """Every topic."""
        return list(self._logs)

    @property
    def bytes(self) -> int:
        """What all batches take."""
        return sum(log.bytes for logs in self._logs.values() for log in logs)

    @property
    def producer_ids(self) -> set[int]:
        """Every producer id that some log remembers."""
        return {p for logs in self._logs.values() for log in logs for p in log.producer_ids}

    def id(self, name: str) -> uuid.UUID:
        """The topic's id; a topic that is made again gets a new one. All zeros for an unknown topic."""
        return self._ids.get(name, uuid.UUID(int=0))

    def logs(self, name: str) -> list[PartitionLog]:
        """The partitions of a topic, none for an unknown one."""
        return self._logs.get(name, [])

    def log(self, name: str, partition: int) -> PartitionLog | None:
        """One partition, None when there is no such."""
        logs = self._logs.get(name, [])
        return logs[partition] if 0 <= partition < len(logs) else None

    def create(self, name: str, partitions: int | None = None) -> bool:
        """Creates the topic, or grows it to so many partitions. False: the name is not legal."""
        if not legal(name):
            return False
        logs = self._logs.setdefault(name, [])
        identity = self._ids.setdefault(name, uuid.uuid4())
        folder = self._folder / name if self._folder is not None else None
        if folder is not None:
            folder.mkdir(exist_ok=True)
        while len(logs) < (partitions or self._default):
            logs.append(PartitionLog(LogFile(folder / f"{len(logs)}.log") if folder is not None else None))
        if folder is not None:
            write_document(folder / "topic.json", {"partitions": len(logs), "id": str(identity)})
        return True

    def drop(self, name: str) -> bool:
        """Deletes a topic with its records. False: there is none."""
        logs = self._logs.pop(name, None)
        self._ids.pop(name, None)
        if logs is None:
            return False
        for log in logs:
            log.close()
        if self._folder is not None:
            (self._folder / name / "topic.json").unlink(missing_ok=True)  # first: without it the rest is no topic
            shutil.rmtree(self._folder / name)
        return True

    def enforce_retention(self) -> None:
        """Frees memory when the limit is passed."""
        over = self.bytes - self._limit
        if over <= 0:
            return
        wanted = over + int(self._limit * _ROOM)
        logs = [log for logs in self._logs.values() for log in logs]
        for log in sorted(logs, key=lambda log: log.bytes, reverse=True):
            wanted -= log.release(wanted)
            if wanted <= 0:
                return

    def close(self) -> None:
        """Closes every file."""
        for logs in self._logs.values():
            for log in logs:
                log.close()
