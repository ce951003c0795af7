"""All groups, and the file that keeps their offsets."""

import asyncio
import time
from pathlib import Path

from shadow.demo.broker.files import read_document, write_document
from shadow.demo.broker.groups import Group, Offset, Place


class Coordinator:
    """Owned by the broker's loop."""

    def __init__(self, rebalance_delay_seconds: float, folder: Path | None) -> None:
        self._loop = asyncio.get_running_loop()
        self._delay = rebalance_delay_seconds
        self._file = folder / "group-offsets.json" if folder is not None else None
        self._groups: dict[str, Group] = {}
        for group_id, offsets in (read_document(self._file) or {} if self._file is not None else {}).items():
            self.group(group_id).offsets = {(t, int(p)): (int(o), str(m)) for t, p, o, m in offsets}

    def group(self, group_id: str) -> Group:
        """The group, made on first use."""
        if group_id not in self._groups:
            self._groups[group_id] = Group(group_id, self._loop, self._delay)
        return self._groups[group_id]

    def known(self, group_id: str) -> Group | None:
        """The group if it was ever used: asking about a group does not make one."""
        group = self._groups.get(group_id)
        return group if group is not None and group.used else None

    def all(self) -> list[Group]:
        """Every group that was ever used."""
        return [g for g in self._groups.values() if g.used]

    def delete(self, group_id: str) -> None:
        """Forgets a group and its offsets."""
        self._groups.pop(group_id, None)
        self._save()

    def commit(self, group: Group, offsets: dict[Place, Offset]) -> None:
        """Stores offsets, in the file too."""
        if offsets:
            group.offsets.update(offsets)
            self._save()

    def forget_topic(self, name: str) -> None:
        """The offsets of a topic vanish with it."""
        for group in self._groups.values():
            group.offsets = {place: offset for place, offset in group.offsets.items() if place[0] != name}
        self._save()

    def expire(self) -> None:
        """Removes silent members, and groups that were asked about but never used."""
        now = time.monotonic()
        for group in list(self._groups.values()):
            group.expire(now)
            if not group.used and not group.pending and group.state == "Empty":
                del self._groups[group.id]

    def _save(self) -> None:
        if self._file is not None:
            document = {g.id: [[t, p, o, m] for (t, p), (o, m) in g.offsets.items()] for g in self.all()}
            write_document(self._file, document)
