"""A scrape beside the client library's (G7): the same histograms and counters with the same values, rendered by both."""

import os
import random
import time
from collections.abc import Callable, Iterator
from itertools import product

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from bench.measure import Options, Row, interleave, load, pin, quiet_garbage
from bench.running import rss_bytes
from shadow.exporters.catalogue import calls as of_calls
from shadow.exporters.exposition import Board
from shadow.exporters.labels import edges
from shadow.settings import Settings

ROUTES = 20
SERVER = {"kind": "openai", "url": "http://127.0.0.1:1/v1", "model": "m"}
PER_ROUTE = (of_calls.DURATION, of_calls.TTFT, of_calls.TPOT)


def settings() -> Settings:
    """Two candidates."""
    return Settings.model_validate({"candidates": [{"name": f"cand-{i}", "backend": SERVER} for i in range(2)]})


def filled(arms: int) -> tuple[Board, CollectorRegistry]:
    """Our board and the library's registry with the same series."""
    chosen, pick = settings(), random.Random(0)
    board, registry = Board(chosen), CollectorRegistry()
    theirs = {
        m.name: Histogram(m.name, m.help, m.labels, buckets=edges(m.edges, chosen), registry=registry)
        for m in PER_ROUTE
        if m.edges is not None
    }
    counter = Counter(of_calls.REQUESTS.name, of_calls.REQUESTS.help, of_calls.REQUESTS.labels, registry=registry)
    with board.lock:
        for arm, route in product(range(arms), range(ROUTES)):
            labels = (f"cand-{arm}", f'route "{route}"\\')
            for metric in PER_ROUTE:
                for value in (pick.expovariate(1), pick.expovariate(10)):
                    board.distribution(metric, *labels).observe(value)
                    theirs[metric.name].labels(*labels).observe(value)
            board.value(of_calls.REQUESTS, *labels, "ok").add(arm + route)
            counter.labels(*labels, "ok").inc(arm + route)
    return board, registry


def samples(text: bytes) -> dict[tuple[object, ...], float]:
    """What a scraper reads."""
    families = text_string_to_metric_families(text.decode())
    return {(s.name, *sorted(s.labels.items())): s.value for family in families for s in family.samples}


def best_ms(render: Callable[[], bytes], times: int) -> float:
    """CPU time of the fastest rendering of a window, after one to warm up."""
    render()
    found = []
    for _ in range(times):
        start = time.thread_time()
        render()
        found.append(time.thread_time() - start)
    return min(found) * 1e3


def compare(options: Options, label: str, lines: int, limit_ms: float) -> Iterator[Row]:
    """One size: the ratio, our own time, and what a line costs in memory."""
    per_arm = ROUTES * (sum(len(edges(m.edges, settings())) + 3 for m in PER_ROUTE if m.edges is not None) + 1)
    before = rss_bytes(os.getpid())
    board, registry = filled(round(lines / per_arm))
    grown = rss_bytes(os.getpid()) - before
    text = board.render()
    if samples(text) != samples(generate_latest(registry)):
        raise SystemExit("both texts do not read alike")
    count = sum(not line.startswith(b"#") for line in text.splitlines())
    quiet_garbage()
    figures: list[float] = []

    def ours() -> float:
        figures.append(best_ms(board.render, 5))
        return figures[-1]

    def reference() -> float:
        return best_ms(lambda: generate_latest(registry), 3)

    ratios = interleave(options.pairs, ours, reference, "ms")
    what = f"scrape of {count:,} lines"
    yield Row(
        id=f"G7 {label}",
        what=f"{what}, of generate_latest",
        limit=0.25,
        values=tuple(ratios),
        note="both read alike",
        load=load(),
    )
    yield Row(
        id=f"G7 {label} time",
        what=f"{what}, CPU",
        limit=limit_ms,
        values=tuple(figures),
        unit="ms",
        gated=False,
        load=load(),
    )
    yield Row(
        id=f"G8 {label} line",
        what=f"resident memory per line of {count:,}, ours and the library's together",
        limit=1.3,
        values=(grown / count / 1024,),
        unit="KiB",
        gated=False,
        load=load(),
    )


def run(options: Options) -> Iterator[Row]:
    """Every row of this bench."""
    pin()
    disable_created_metrics()  # type: ignore[no-untyped-call]
    yield from compare(options, "5k", 5_000, 15.0)
    yield from compare(options, "50k", 50_000, 100.0)
