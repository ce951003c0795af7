"""Which records were being scored when the evaluator died: what no text can do is keep the monitor in a restart loop.

The evaluator notes what it is about to score in an anonymous file that the parent holds open too. After a death the
parent counts it against those records; suspects are then scored one at a time, so that the culprit alone is hit again,
and after its third death it is not scored any more: its disposition is `poison`.
"""

import os
import struct
from dataclasses import dataclass

import msgspec

Place = tuple[str, int, int]
"""(topic, partition, offset)"""

DEATHS_TO_POISON = 3
_HEADER = struct.Struct("!I")


@dataclass(frozen=True, slots=True)
class Suspicion:
    """How often the evaluator died over a record; `alone` of them while it was scored by itself."""

    deaths: int = 0
    alone: int = 0

    @property
    def proven(self) -> bool:
        """True for a record that is not scored any more: every death after the first happened over it alone."""
        return self.deaths >= DEATHS_TO_POISON and self.alone >= DEATHS_TO_POISON - 1


class Journal:
    """The anonymous file; one side writes, the other reads after a death."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    @classmethod
    def create(cls) -> "Journal":
        """A new one, in memory, inherited by children."""
        fd = os.memfd_create("shadow-suspects", 0) if hasattr(os, "memfd_create") else _temporary()
        return cls(fd)

    @property
    def fd(self) -> int:
        """For `pass_fds`."""
        return self._fd

    def write(self, places: list[Place]) -> None:
        """What is about to be scored; an empty list when nothing is."""
        body = msgspec.msgpack.encode(places)
        os.pwrite(self._fd, _HEADER.pack(len(body)) + body, 0)

    def read(self) -> list[Place]:
        """What was being scored; empty when nothing was or the note is torn."""
        header = os.pread(self._fd, _HEADER.size, 0)
        if len(header) < _HEADER.size:
            return []
        (length,) = _HEADER.unpack(header)
        body = os.pread(self._fd, length, _HEADER.size)
        try:
            return msgspec.msgpack.decode(body, type=list[Place])
        except msgspec.MsgspecError:
            return []


def accuse(known: dict[Place, Suspicion], places: list[Place]) -> dict[Place, Suspicion]:
    """The suspicions after one more death over `places`."""
    alone = len(places) == 1
    result = dict(known)
    for place in places:
        before = known.get(place, Suspicion())
        result[place] = Suspicion(before.deaths + 1, before.alone + alone)
    return result


def _temporary() -> int:
    import tempfile

    file = tempfile.TemporaryFile(prefix="shadow-suspects-")  # noqa: SIM115  # lives as long as the process
    return os.dup(file.fileno())
