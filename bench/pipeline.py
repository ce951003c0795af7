"""The whole sidecar beside the reference pipeline (G5): the same records, the same simulator, the same core.

Our side is a running `shadow run` on a file that grows: decode, two replays, three cheap scorers, rows, ledger, aggregates,
metrics, monitor; parent and both children summed. A window is a fixed number of records, from feeding them to their commit.
"""

import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import uvloop

from bench.measure import Options, Row, cpu_seconds, interleave, load, pin, quiet_garbage
from bench.reference.clients import Lean
from bench.reference.pipeline import ReferencePipeline
from bench.running import Sidecar, Simulator, records

CANDIDATES = 2
REFUSAL = r"(?i)\b(i can(?:no|')t|i am unable|as an ai|i'm sorry)\b"
SCORERS = [
    {"kind": "exact", "mode": "exact"},
    {"kind": "regex", "name": "refuses", "pattern": REFUSAL, "absent": True},
    {"kind": "regex", "name": "short", "pattern": r"\A.{0,20}\Z", "absent": True},
]


def compare(options: Options, *, stream: bool) -> Row:
    """CPU per record of both sides in interleaved windows."""
    pick, count = random.Random(0), 300 if options.quick else 1500
    fed = 0
    with tempfile.TemporaryDirectory(prefix="shadow-bench-") as name, Simulator() as simulator:
        pin(simulator.pid)
        replay = {"timeout_seconds": 10, "drain_seconds": 2, "stream": stream}
        with Sidecar(Path(name), urls=[simulator.url] * CANDIDATES, scorers=SCORERS, replay=replay) as sidecar:

            def ours() -> float:
                nonlocal fed
                lines = records(fed, count, pick)
                fed += count
                before = sidecar.cpu_seconds()
                sidecar.feed(lines)
                sidecar.wait_committed(fed)
                return (sidecar.cpu_seconds() - before) / count * 1e6

            def reference() -> float:
                async def work() -> float:
                    client = Lean(simulator.port, stream=stream)
                    pipeline = ReferencePipeline(client, [f"cand-{i}" for i in range(CANDIDATES)], stream=stream)
                    written: list[int] = []
                    await pipeline.run(lines[:100], lambda row: written.append(len(row)))
                    before = cpu_seconds()
                    await pipeline.run(lines, lambda row: written.append(len(row)))
                    used = cpu_seconds() - before
                    await client.close()
                    return used / count * 1e6

                lines = records(0, count, pick)
                quiet_garbage()
                return uvloop.run(work())

            ours()  # imports, pages, statements
            ratios = interleave(options.pairs, ours, reference, "us/record")
    return Row(
        id="G5 stream" if stream else "G5",
        what=f"sidecar CPU per record, 2 candidates{', 64 streamed tokens in one burst' if stream else ''}, of the reference pipeline",
        limit=2.0,
        values=tuple(ratios),
        note="goal: half as many records per CPU-second",
        load=load(),
    )


def run(options: Options) -> Iterator[Row]:
    """Every row of this bench."""
    yield compare(options, stream=False)
    yield compare(options, stream=True)
