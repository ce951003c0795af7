"""Which processes a local server consists of, and their resident memory, from /proc. Unknown (None) everywhere else.

A server is known by the port it listens on: whoever holds that socket, with all of its descendants (an engine's workers).
Processes of other users, hosts or process namespaces cannot be seen.
"""

import os
from collections.abc import Iterator
from pathlib import Path

_LISTENING = "0A"
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class LocalServer:
    """The processes behind one port of this machine. The holder is looked for again only when it is gone."""

    def __init__(self, port: int, proc: Path = Path("/proc")) -> None:
        self._port, self._proc = port, proc
        self._holder: tuple[int, int] | None = None  # process id and when it started: ids are used again

    def processes(self) -> frozenset[int]:
        """The holder of the port and its descendants; empty when nobody visible listens on it."""
        if self._holder is None or _started(self._holder[0], self._proc) != self._holder[1]:
            self._holder = self._find()
        return frozenset() if self._holder is None else descendants(self._holder[0], self._proc)

    def _find(self) -> tuple[int, int] | None:
        inodes = self._inodes()
        if not inodes:
            return None
        holders = [(pid, _started(pid, self._proc)) for pid in _ids(self._proc) if inodes & self._sockets(pid)]
        # A socket that a child inherited has several holders: the server is the oldest of them.
        return min(holders, key=lambda holder: (holder[1], holder[0]), default=None)

    def _inodes(self) -> set[str]:
        """Inodes of the sockets that listen on the port, IPv4 and IPv6."""
        found = set()
        for table in ("tcp", "tcp6"):
            for line in _text(self._proc / "self" / "net" / table).splitlines()[1:]:
                words = line.split()
                if len(words) > 9 and words[3] == _LISTENING and int(words[1].rsplit(":", 1)[1], 16) == self._port:
                    found.add(f"socket:[{words[9]}]")
        return found

    def _sockets(self, pid: int) -> set[str]:
        found = set()
        try:
            with os.scandir(self._proc / str(pid) / "fd") as entries:
                for entry in entries:
                    try:
                        found.add(os.readlink(entry.path))
                    except OSError:
                        continue
        except OSError:  # gone, or somebody else's
            return set()
        return found


def descendants(root: int, proc: Path = Path("/proc")) -> frozenset[int]:
    """A process and everything it started that still hangs on it."""
    children: dict[int, list[int]] = {}
    for pid in _ids(proc):
        fields = _stat(pid, proc)
        if len(fields) > 1:
            children.setdefault(int(fields[1]), []).append(pid)
    found, ahead = set(), [root]
    while ahead:
        pid = ahead.pop()
        if pid not in found:
            found.add(pid)
            ahead += children.get(pid, [])
    return frozenset(found)


def resident_bytes(processes: frozenset[int], proc: Path = Path("/proc")) -> int | None:
    """Resident memory of all of them, in bytes; pages that several share count in each. None when none can be read."""
    known = []
    for pid in processes:
        words = _text(proc / str(pid) / "statm").split()
        if len(words) > 1:
            known.append(int(words[1]) * _PAGE_BYTES)
    return sum(known) if known else None


def _ids(proc: Path) -> Iterator[int]:
    try:
        names = os.listdir(proc)
    except OSError:
        return
    yield from (int(name) for name in names if name.isdigit())


def _stat(pid: int, proc: Path) -> list[str]:
    """The fields of /proc/PID/stat behind the name (state, parent, ...); the name itself may hold spaces and brackets."""
    return _text(proc / str(pid) / "stat").rpartition(")")[2].split()


def _started(pid: int, proc: Path) -> int:
    """Clock ticks from boot to its start; 0 when it is gone."""
    fields = _stat(pid, proc)
    return int(fields[19]) if len(fields) > 19 else 0


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
