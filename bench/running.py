"""Child processes of a bench: the simulator, the broker, the whole sidecar; their CPU time, memory and positions."""

import contextlib
import ctypes
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

SHADOW = [sys.executable, "-m", "shadow"]
_TICKS = os.sysconf("SC_CLK_TCK")
_WORDS = [
    "refund",
    "order",
    "customer",
    "please",
    "account",
    "error",
    "token",
    "price",
    "update",
    "because",
    "system",
    "find",
    "value",
    "time",
    "data",
    "result",
    "user",
]


def die_with_parent() -> None:
    """In a child before it starts: Linux ends it when the bench is killed, so that nothing goes on loading the machine."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def process_cpu_seconds(pid: int) -> float:
    """User and system time of a running process, all threads; 0 when it is gone."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS
    return 0.0


def rss_bytes(pid: int) -> int:
    """Resident memory of a running process; 0 when it is gone."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def wait_for(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Polls a condition; raises SystemExit with `what` when it does not come true in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.02)


class Simulator:
    """`shadow simulate` as a process of its own."""

    def __init__(self, *, ttft_ms: float = 0, itl_ms: float = 0, tokens: int = 64) -> None:
        switches = ["--ttft-ms", str(ttft_ms), "--itl-ms", str(itl_ms), "--tokens", str(tokens)]
        command = [*SHADOW, "simulate", "--port", "0", *switches]
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, start_new_session=True, preexec_fn=die_with_parent
        )
        if self._process.stdout is None:
            raise SystemExit("the simulator has no output")
        self.url = self._process.stdout.readline().strip()
        if not self.url:
            raise SystemExit("the simulator did not start")
        self.pid = self._process.pid

    @property
    def port(self) -> int:
        """Where it listens on 127.0.0.1."""
        return int(self.url.split(":")[2].split("/")[0])

    def signal(self, number: int) -> None:
        """Sends a signal: SIGSTOP hangs every call, SIGCONT goes on."""
        self._process.send_signal(number)

    def close(self) -> None:
        """Ends it."""
        self._process.send_signal(signal.SIGCONT)
        self._process.terminate()
        self._process.wait(10)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def envelope(number: int, prompt: str, answer: str) -> bytes:
    """One mirrored record as a line of JSON."""
    record = {
        "v": 1,
        "id": f"req-{number}",
        "ts": time.time(),
        "route": ("support", "billing", "code", "search", "other")[number % 5],
        "request": {
            "model": "prod",
            "messages": [{"role": "system", "content": "You are helpful."}, {"role": "user", "content": prompt}],
            "temperature": 0.0,
            "max_tokens": 64,
        },
        "response": {
            "choices": [{"message": {"role": "assistant", "content": answer}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 400, "completion_tokens": 64},
        },
        "status": 200,
        "latency_ms": 812.5,
        "ttft_ms": 95.1,
    }
    return json.dumps(record).encode()


def records(first: int, count: int, pick: random.Random) -> list[bytes]:
    """Records of about 2 KB that were never seen before."""
    return [
        envelope(i, " ".join(pick.choices(_WORDS, k=200)), " ".join(pick.choices(_WORDS, k=60)))
        for i in range(first, first + count)
    ]


class Sidecar:
    """`shadow run` over a JSONL file that grows, with its own folder, ledger and log."""

    def __init__(self, folder: Path, *, urls: Iterable[str], **sections: Any) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.mirror, self.log, self.ledger = folder / "mirror.jsonl", folder / "run.log", folder / "shadow.db"
        self.mirror.touch()
        candidates = [
            {"name": f"cand-{i}", "backend": {"kind": "openai", "url": url, "model": f"cand-{i}"}}
            for i, url in enumerate(urls)
        ]
        settings = {
            "source": {"kind": "jsonl", "path": str(self.mirror)},
            "incumbent": {"name": "prod"},
            "candidates": candidates,
            "scorers": [{"kind": "exact"}],
            "replay": {"timeout_seconds": 10, "drain_seconds": 2},
            "ledger": {"url": f"sqlite:///{self.ledger}", "text": "none"},
            "web": {"port": 0},
            **sections,
        }
        config = folder / "shadow.yaml"
        config.write_text(json.dumps(settings))
        with self.log.open("wb") as log:
            command = [*SHADOW, "run", "-c", str(config)]
            self._process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )
        wait_for(lambda: "intake is open" in self.said() or self._process.poll() is not None, 60, "intake open")
        if self._process.poll() is not None:
            raise SystemExit(f"the sidecar ended: {self.said()[-2000:]}")
        self.pids = {"parent": self._process.pid, **dict(self._children())}

    def _children(self) -> Iterator[tuple[str, int]]:
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError, ValueError, IndexError):
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
                words = (entry / "cmdline").read_bytes().split(b"\0")
                if parent == self._process.pid and b"shadow.app" in words:
                    yield words[words.index(b"shadow.app") + 1].decode(), int(entry.name)

    def said(self) -> str:
        """Everything that was logged."""
        return self.log.read_text(errors="replace")

    def feed(self, lines: Iterable[bytes]) -> None:
        """Appends records to what it follows."""
        with self.mirror.open("ab") as file:
            file.write(b"".join(line + b"\n" for line in lines))

    def committed(self) -> int:
        """Records that the ledger has accounted for."""
        with contextlib.closing(sqlite3.connect(f"file:{self.ledger}?mode=ro", uri=True, timeout=30)) as database:
            row = database.execute("SELECT sum(next_offset) FROM shadow_position").fetchone()
        return int(row[0] or 0)

    def wait_committed(self, records: int) -> None:
        """Until the ledger has accounted for so many."""
        wait_for(lambda: self.committed() >= records, 300, f"{records} records in the ledger")

    def cpu_seconds(self) -> float:
        """CPU time of parent and both children so far."""
        return sum(process_cpu_seconds(pid) for pid in self.pids.values())

    def rss_bytes(self) -> dict[str, int]:
        """Resident memory by process."""
        return {role: rss_bytes(pid) for role, pid in self.pids.items()}

    def close(self) -> None:
        """Ends the whole group."""
        for how, seconds in ((signal.SIGTERM, 30), (signal.SIGKILL, 5)):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, how)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds)
                return

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
