"""Candidates that fail in every way, and a disk that is full, through the whole sidecar: said, counted, survived, nothing lost."""

import json
import resource
import signal
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest
import sidecar as sc

from shadow.simulator.thread import SimulatorThread

pytestmark = pytest.mark.timeout(180)

# arm: the switches that break its server, and the failure that has to be counted for it
FAULTS = {
    "hangs": ({"faults": {"hang": 1}}, "timeout"),
    "garbage": ({"faults": {"garbage": 1}}, "invalid"),
    "http500": ({"faults": {"http_500": 1}}, "http_5xx"),
    "breaks-off": ({"faults": {"close_mid_stream": 1}}, "incomplete"),
    "huge": ({"faults": {"huge": 1}, "huge_bytes": 100_000_000}, "invalid"),
}
OUTAGES = ("gone", "hangs", "http500")
HUGE_ROOM_BYTES = 80 * 2**20  # answers are cut at 256 KiB; a single one kept whole would need 100 MB


def feed(path: Path, numbers: range) -> None:
    with path.open("a") as file:
        file.write("".join(json.dumps(sc.envelope(i)) + "\n" for i in numbers))


def resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()


def scored(url: str, records: int) -> bool:
    return f'shadow_records_total{{disposition="scored"}} {records}' in sc.get(f"{url}metrics").replace(".0\n", "\n")


@pytest.fixture
def stack():
    with ExitStack() as opened:
        yield opened


def following(tmp_path: Path, stack: ExitStack, arms: dict[str, str], **sections) -> sc.Sidecar:
    """A sidecar on a file that grows."""
    mirror = tmp_path / "mirror.jsonl"
    mirror.touch()
    candidates = [sc.candidate(name, url) for name, url in arms.items()]
    side = sc.Sidecar(tmp_path, source={"kind": "jsonl", "path": str(mirror)}, candidates=candidates, **sections)
    stack.callback(side.close)
    return side


def test_each_fault_of_a_candidate_is_said_counted_by_kind_and_over_when_it_is_over(tmp_path, stack):
    names = ("well", "gone", *FAULTS)
    servers = {name: stack.enter_context(SimulatorThread(ttft_ms=5, tokens=8, itl_ms=1)) for name in names}
    replay = {"timeout_seconds": 4, "retries": 0, "concurrency": 16, "drain_seconds": 3, "max_answer_bytes": 256 * 1024}
    side = following(tmp_path, stack, {name: server.url for name, server in servers.items()}, replay=replay)
    mirror = tmp_path / "mirror.jsonl"
    child = side.start()
    url = side.metrics_url()
    feed(mirror, range(6))
    side.wait_until(lambda: scored(url, 6))
    replayer = side.processes(child)["replayer"]
    before = resident_bytes(replayer)

    servers["gone"].stop()
    for name, (switches, _) in FAULTS.items():
        servers[name].change(**switches)
    feed(mirror, range(6, 46))
    peak = 0
    end = time.monotonic() + 60
    while not scored(url, 46):
        assert time.monotonic() < end, side.said()[-3000:]
        peak = max(peak, resident_bytes(replayer))
        time.sleep(0.1)
    side.wait_until(lambda: all(f"arm {name} is down" in side.said() for name in OUTAGES), 20)

    servers["gone"].restart()
    for name in FAULTS:
        servers[name].change(faults={})
    side.wait_until(lambda: all(side.said().count(f"arm {name} is up") == 2 for name in OUTAGES), 30)
    feed(mirror, range(46, 66))
    side.wait_until(lambda: scored(url, 66))
    exposed = sc.get(f"{url}metrics")
    child.send_signal(signal.SIGTERM)
    assert side.finish(child, 40) == 0

    rows = side.rows()
    sc.exact(rows, ("incumbent", *names), 66)
    kinds = {name: Counter(r["failure"] for r in rows if r["arm"] == name and 6 <= r["offset"] < 46) for name in names}
    assert kinds["well"] == {None: 40}
    assert kinds["gone"].keys() <= {"connection", "incomplete", "unavailable"}  # cut while it answered, then refused
    assert sum(count for kind, count in kinds["gone"].items() if kind != "unavailable") >= 1
    for name, (_, kind) in FAULTS.items():
        assert kinds[name].keys() <= {kind, "unavailable"}, name
        assert f"arm {name}: a call failed ({kind}" in side.said()
        assert f'shadow_requests_total{{arm="{name}",route="none",outcome="{kind}"}}' in exposed
    for name in ("garbage", "huge"):
        assert kinds[name] == {FAULTS[name][1]: 40}
    for name in OUTAGES:  # one event in the evidence, however many calls it cost
        assert sum(r["spell"] == "first" for r in spells(tmp_path) if r["arm"] == name) <= 2
    assert not [r for r in rows if r["offset"] >= 46 and r["failure"] is not None]
    assert peak - before < HUGE_ROOM_BYTES
    assert side.coverage()["residual"] == 0
    assert side.command("verify").returncode == 0
    assert "Traceback" not in side.said()


def spells(folder: Path) -> list[dict[str, str]]:
    """Outages as the ledger marks them; an export does not show them."""
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(folder / "shadow.db")) as database:
        found = database.execute("SELECT arm, spell FROM shadow_outcome WHERE spell IS NOT NULL").fetchall()
    return [{"arm": arm, "spell": spell} for arm, spell in found]


def test_a_full_disk_is_said_counted_and_survived_without_loss(tmp_path, stack):
    """No file of the evaluator may grow any more, as on a full disk; then there is room again."""
    server = stack.enter_context(SimulatorThread(ttft_ms=5))
    side = following(tmp_path, stack, {"a": server.url})
    mirror = tmp_path / "mirror.jsonl"
    child = side.start()
    url = side.metrics_url()
    feed(mirror, range(30))
    side.wait_until(lambda: scored(url, 30))
    evaluator = side.processes(child)["evaluator"]

    _, hard = resource.prlimit(evaluator, resource.RLIMIT_FSIZE)
    resource.prlimit(evaluator, resource.RLIMIT_FSIZE, (16 * 1024, hard))
    feed(mirror, range(30, 330))
    side.wait_until(lambda: "the ledger takes nothing at the moment" in side.said(), 20)
    side.wait_until(lambda: sc.status(f"{url}readyz") == 503, 10)
    side.wait_until(lambda: counted(url, "shadow_ledger_refusals_total") >= 2, 20)
    held = side.coverage()["read"]
    resource.prlimit(evaluator, resource.RLIMIT_FSIZE, (hard, hard))

    side.wait_until(lambda: "the ledger takes records again; nothing was lost" in side.said(), 30)
    side.wait_until(lambda: scored(url, 330))
    child.send_signal(signal.SIGTERM)
    assert side.finish(child, 40) == 0
    assert held < 330
    assert "disk" in side.said()
    assert "the evaluator process ended" not in side.said()
    sc.exact(side.rows(), ("incumbent", "a"), 330)
    assert side.coverage()["residual"] == 0
    assert side.command("verify").returncode == 0


def counted(url: str, name: str) -> float:
    """The value of a counter without labels."""
    lines = sc.get(f"{url}metrics").splitlines()
    return next((float(line.split()[1]) for line in lines if line.startswith(f"{name} ")), 0.0)
