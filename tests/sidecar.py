"""Runs the real `shadow run` as a child, against simulators and brokers of the test's own process."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

SHADOW = [sys.executable, "-m", "shadow"]


def envelope(i: int, **changes: Any) -> dict[str, Any]:
    """A mirrored call that every arm can answer."""
    return {
        "id": f"r{i}",
        "request": {"model": "prod", "messages": [{"role": "user", "content": f"say {i}"}], "max_tokens": 32},
        "response": {"choices": [{"message": {"role": "assistant", "content": f"{i}"}, "finish_reason": "stop"}]},
        "status": 200,
        "latency_ms": 10.0,
        **changes,
    }


def write_jsonl(path: Path, items: Any) -> Path:
    """One JSON object a line."""
    path.write_text("".join(json.dumps(item) + "\n" for item in items))
    return path


class Sidecar:
    """A configuration in a folder and the processes that run with it."""

    def __init__(self, folder: Path, **sections: Any) -> None:
        self.folder = folder
        self.config = folder / "shadow.yaml"
        self.log = folder / "run.log"
        settings = {
            "incumbent": {"name": "prod"},
            "scorers": [{"kind": "exact"}],
            "replay": {"timeout_seconds": 5, "retries": 1, "start_timeout_seconds": 20, "drain_seconds": 3},
            "ledger": {"url": f"sqlite:///{folder}/shadow.db", "text": "none"},
            "web": {"port": 0},
            **sections,
        }
        self.config.write_text(json.dumps(settings))
        self.children: list[subprocess.Popen[bytes]] = []

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
        """`shadow run` in its own process group."""
        with self.log.open("ab") as log:
            child = subprocess.Popen(
                [*SHADOW, "run", "-c", str(self.config), *arguments],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                env={**os.environ, **environment},
            )
        self.children.append(child)
        return child

    def finish(self, child: subprocess.Popen[bytes], seconds: float = 90) -> int:
        """Waits for its end; the log is shown when that does not come."""
        try:
            return child.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"did not end within {seconds} s:\n{self.said()[-3000:]}") from None

    def run(self, *arguments: str, seconds: float = 90, idle: str = "1.5", **environment: str) -> None:
        """From start to a clean end by idleness."""
        code = self.finish(self.start("--until-idle", idle, *arguments, **environment), seconds)
        assert code == 0, self.said()[-3000:]

    def said(self) -> str:
        """Everything that was logged."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Another command with the same configuration."""
        return subprocess.run(
            [*SHADOW, *arguments, "-c", str(self.config)], capture_output=True, text=True, timeout=60, check=False
        )

    def coverage(self) -> dict[str, Any]:
        """What `shadow coverage --json` says."""
        result = self.command("coverage", "--json")
        assert result.returncode in (0, 1), result.stderr
        return json.loads(result.stdout)

    def rows(self) -> list[dict[str, Any]]:
        """What `shadow export` writes."""
        out = self.folder / "out.jsonl"
        result = self.command("export", "--out", str(out))
        assert result.returncode == 0, result.stderr
        return [json.loads(line) for line in out.read_text().split("\n") if line]

    def metrics_url(self, seconds: float = 30) -> str:
        """Where pages and metrics are served, once they are."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for line in self.said().splitlines():
                if "pages and metrics at " in line:
                    return line.split("pages and metrics at ")[1].strip()
            time.sleep(0.1)
        raise AssertionError(f"no address within {seconds} s:\n{self.said()[-2000:]}")

    def wait_until(self, holds: Any, seconds: float = 60) -> None:
        """Polls a condition with a deadline."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if holds():
                return
            time.sleep(0.2)
        raise AssertionError(f"not within {seconds} s:\n{self.said()[-3000:]}")

    def processes(self, child: subprocess.Popen[bytes]) -> dict[str, int]:
        """Role to process id of the children of a running `shadow run`."""
        found = {}
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except (OSError, ValueError, IndexError):
                continue
            if parent == child.pid and b"shadow.app" in words:
                found[words[words.index(b"shadow.app") + 1].decode()] = int(entry.name)
        return found

    def close(self) -> None:
        """Ends what is left, by group."""
        for child in self.children:
            for how in (signal.SIGCONT, signal.SIGKILL):
                try:
                    os.killpg(child.pid, how)
                except ProcessLookupError:
                    break
            child.wait(10)


def candidate(name: str, url: str) -> dict[str, Any]:
    """A candidate behind an OpenAI-compatible server."""
    return {"name": name, "backend": {"kind": "openai", "url": url, "model": name}}


def exact(rows: list[dict[str, Any]], arms: tuple[str, ...], records: int) -> None:
    """Every arm has one outcome for each record, none twice."""
    seen = Counter((r["arm"], r["partition"], r["offset"]) for r in rows)
    assert max(seen.values()) == 1
    for arm in arms:
        assert sum(r["arm"] == arm for r in rows) == records, arm


def get(url: str) -> str:
    """The body of a page."""
    with urllib.request.urlopen(url, timeout=5) as answer:
        return answer.read().decode()


def status(url: str) -> int:
    """The status of a page, whatever it is."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return int(error.code)
