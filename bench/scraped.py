"""Does a scrape disturb the clock? Error of the recorded time to first token, scraped ten times a second, of that when nobody scrapes.

Windows alternate over one running `shadow run`: the same paced records, two candidates behind a simulator that sends its first
token after 100 ms. The error is what the ledger keeps beyond these 100 ms; a window's figure is its 95th percentile.
"""

import contextlib
import random
import sqlite3
import statistics
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from bench.measure import MOST_LOAD, Options, Row, interleave, load
from bench.running import Sidecar, Simulator, records, wait_for

TTFT_MS = 100
PER_SECOND = 20
SCRAPES_PER_SECOND = 10
CANDIDATES = 2


class Scraper:
    """Reads /metrics so often while it is entered; `lines` of the last answer, `count` of answers."""

    def __init__(self, url: str) -> None:
        self._url, self._stop = url, threading.Event()
        self.count = self.lines = 0
        self._thread = threading.Thread(target=self._run, name="scraper", daemon=True)

    def _run(self) -> None:
        while not self._stop.wait(1 / SCRAPES_PER_SECOND):
            with urllib.request.urlopen(self._url, timeout=10) as reply:
                self.lines = reply.read().count(b"\n")
            self.count += 1

    def __enter__(self) -> "Scraper":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(15)


def errors_ms(ledger: Path, first: int, last: int) -> list[float]:
    """What the ledger keeps of records `first` to `last` beyond the simulator's own time, every candidate."""
    with contextlib.closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True, timeout=30)) as database:
        rows = database.execute(
            'SELECT ttft_seconds FROM shadow_outcome WHERE "offset" >= ? AND "offset" < ? AND ttft_seconds IS NOT NULL '
            "AND arm != 'incumbent'",
            (first, last),
        ).fetchall()
    return [row[0] * 1e3 - TTFT_MS for row in rows]


def run(options: Options) -> Iterator[Row]:
    """Two rows: the 95th percentile and the median, scraped of unscraped."""
    pick, count = random.Random(0), PER_SECOND * (4 if options.quick else 15)
    fed, scrapes, lines = 0, 0, 0
    middles: dict[bool, list[float]] = {True: [], False: []}
    with (
        tempfile.TemporaryDirectory(prefix="shadow-bench-") as name,
        Simulator(ttft_ms=TTFT_MS, itl_ms=5, tokens=16) as simulator,
        Sidecar(Path(name), urls=[simulator.url] * CANDIDATES) as sidecar,
    ):
        wait_for(lambda: "pages and metrics at " in sidecar.said(), 30, "the address of the metrics")
        address = sidecar.said().split("pages and metrics at ")[1].split()[0]

        def window(scraped: bool) -> float:
            nonlocal fed, scrapes, lines
            first = fed
            with Scraper(f"{address}metrics") if scraped else contextlib.nullcontext() as scraper:
                for line in records(fed, count, pick):
                    sidecar.feed([line])
                    time.sleep(1 / PER_SECOND)
                fed += count
                sidecar.wait_committed(fed)
            if scraper is not None:
                scrapes, lines = scrapes + scraper.count, scraper.lines
            found = errors_ms(sidecar.ledger, first, fed)
            if len(found) < count * CANDIDATES * 0.95:
                raise SystemExit(f"{len(found)} of {count * CANDIDATES} answers have a time to first token")
            middles[scraped].append(statistics.median(found))
            return statistics.quantiles(found, n=20)[-1]

        window(False)  # warm
        middles[False].clear()
        ratios = interleave(options.pairs, lambda: window(True), lambda: window(False), "ms")
    busy = load()
    note = f"{scrapes} scrapes of {lines:,} lines; load {busy:.1f}"
    skipped = None if busy <= MOST_LOAD else f"load average {busy:.1f}"
    yield Row(
        id="G4 scraped",
        what="error of the time to first token, P95, scraped ten times a second, of unscraped",
        limit=2.0,
        gated=False,
        values=tuple(ratios),
        note=note,
        skipped=skipped,
        load=busy,
    )
    yield Row(
        id="G4 scraped P50",
        what="the same, median",
        limit=2.0,
        gated=False,
        values=tuple(one / other for one, other in zip(middles[True], middles[False], strict=False)),
        note=note,
        skipped=skipped,
        load=busy,
    )
