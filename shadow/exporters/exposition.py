"""The values behind /metrics and their text, rendered at about a twentieth of the client library's cost.

The library rebuilds and checks every label text at every scrape; here the text before a value is built once per series.
Both text formats are written (classic 0.0.4 and OpenMetrics with exemplars); `collect` gives the same values to the
library's own registry, which is how tests prove that both read alike.
"""

import math
import threading
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from prometheus_client import Metric as ClientMetric
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from shadow.exporters.catalogue import METRICS
from shadow.exporters.catalogue.metric import Metric
from shadow.exporters.labels import edges
from shadow.settings import Settings

Labels = tuple[str, ...]


class Exemplar(NamedTuple):
    """The last traced observation of a bucket."""

    trace_id: str
    value: float
    unix_seconds: float


def _text(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(value)


def _quoted(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


class Value:
    """One series of a counter or gauge."""

    __slots__ = ("_start", "value")

    def __init__(self, start: str) -> None:
        self._start = start
        self.value = 0.0

    def add(self, amount: float) -> None:
        """Counts; the board's lock is held by the caller."""
        self.value += amount

    def write(self, lines: list[str], openmetrics: bool) -> None:
        """Appends its line."""
        lines.append(f"{self._start}{_text(self.value)}\n")


class Distribution:
    """One labelled histogram: counts per bucket, kept as they are, cumulated only when they are shown."""

    __slots__ = ("_count_start", "_edges", "_starts", "_sum_start", "counts", "exemplars", "total")

    def __init__(self, edges_: Sequence[float], starts: list[str], count_start: str, sum_start: str) -> None:
        self._edges = edges_
        self._starts = starts
        self._count_start = count_start
        self._sum_start = sum_start
        self.counts = [0] * len(starts)
        self.total = 0.0
        self.exemplars: dict[int, Exemplar] = {}

    def observe(self, value: float, trace_id: str | None = None, unix_seconds: float = 0.0) -> None:
        """Counts one value; the board's lock is held by the caller."""
        bucket = bisect_left(self._edges, value)
        self.counts[bucket] += 1
        self.total += value
        if trace_id is not None:
            self.exemplars[bucket] = Exemplar(trace_id, value, unix_seconds)

    def write(self, lines: list[str], openmetrics: bool) -> None:
        """Appends its lines: buckets, count, sum."""
        seen = 0
        exemplars = self.exemplars if openmetrics else None
        for bucket, (start, count) in enumerate(zip(self._starts, self.counts, strict=True)):
            seen += count
            if exemplars and (exemplar := exemplars.get(bucket)):
                trace, value, at = exemplar
                lines.append(f'{start}{seen} # {{trace_id="{_quoted(trace)}"}} {_text(value)} {at:.3f}\n')
            else:
                lines.append(f"{start}{seen}\n")
        lines.append(f"{self._count_start}{seen}\n{self._sum_start}{_text(self.total)}\n")


class Family:
    """One metric and its series by label values, in the order in which they appeared."""

    __slots__ = ("_edges", "_heads", "children", "metric")

    def __init__(self, metric: Metric, settings: Settings) -> None:
        self.metric = metric
        self._edges = edges(metric.edges, settings) if metric.edges is not None else ()
        self.children: dict[Labels, Value | Distribution] = {}
        help_ = metric.help.replace("\\", r"\\").replace("\n", r"\n")
        bare = metric.name.removesuffix("_total") if metric.kind == "counter" else metric.name
        self._heads = {
            form: f"# HELP {name} {help_}\n# TYPE {name} {metric.kind}\n"
            for form, name in ((False, metric.name), (True, bare))
        }

    def child(self, labels: Labels) -> Value | Distribution:
        """The series of these label values, made when it is new."""
        found = self.children.get(labels)
        if found is None:
            found = self.children[labels] = self._make(labels)
        return found

    def _make(self, labels: Labels) -> Value | Distribution:
        metric = self.metric
        pairs = ",".join(f'{n}="{_quoted(v)}"' for n, v in zip(metric.labels, labels, strict=True))
        braces = f"{{{pairs}}}" if pairs else ""
        if metric.kind != "histogram":
            return Value(f"{metric.name}{braces} ")
        before = f"{pairs}," if pairs else ""
        starts = [f'{metric.name}_bucket{{{before}le="{_text(edge)}"}} ' for edge in (*self._edges, math.inf)]
        return Distribution(self._edges, starts, f"{metric.name}_count{braces} ", f"{metric.name}_sum{braces} ")

    def write(self, lines: list[str], openmetrics: bool) -> None:
        """Appends head and series; a family without series is left out, as no data is no zero."""
        if not self.children:
            return
        lines.append(self._heads[openmetrics])
        for child in self.children.values():
            child.write(lines, openmetrics)

    def client_metric(self) -> ClientMetric:
        """The same as a value of the client library."""
        name, help_, labels = self.metric.name, self.metric.help, self.metric.labels
        if self.metric.kind == "histogram":
            histogram = HistogramMetricFamily(name, help_, labels=labels)
            for values, child in self.children.items():
                if isinstance(child, Distribution):
                    seen, buckets = 0, []
                    for edge, count in zip((*self._edges, math.inf), child.counts, strict=True):
                        seen += count
                        buckets.append((_text(edge), float(seen)))
                    histogram.add_metric(values, buckets=buckets, sum_value=child.total)
            return histogram
        plain: CounterMetricFamily | GaugeMetricFamily = (
            CounterMetricFamily(name, help_, labels=labels)
            if self.metric.kind == "counter"
            else GaugeMetricFamily(name, help_, labels=labels)
        )
        for values, child in self.children.items():
            if isinstance(child, Value):
                plain.add_metric(values, child.value)
        return plain


class Board(Collector):
    """All values of one process. `lock` protects every family and series: writers hold it for one batch, so that a scrape
    sees a committed batch whole or not at all."""

    def __init__(self, settings: Settings) -> None:
        self.lock = threading.Lock()
        self._families = {metric.name: Family(metric, settings) for metric in METRICS}

    def value(self, metric: Metric, *labels: str) -> Value:
        """A counter's or gauge's series; hold the lock."""
        child = self._families[metric.name].child(labels)
        if not isinstance(child, Value):
            raise TypeError(f"{metric.name} is a histogram")
        return child

    def distribution(self, metric: Metric, *labels: str) -> Distribution:
        """A histogram's series; hold the lock."""
        child = self._families[metric.name].child(labels)
        if not isinstance(child, Distribution):
            raise TypeError(f"{metric.name} is no histogram")
        return child

    def replace(self, metric: Metric, values: Mapping[Labels, float]) -> None:
        """Sets exactly these series: what is not among them vanishes from the next scrape. Hold the lock."""
        family = self._families[metric.name]
        for gone in family.children.keys() - values.keys():
            del family.children[gone]
        for labels, amount in values.items():
            child = family.child(labels)
            if isinstance(child, Value):
                child.value = float(amount)

    def read(self, metric: Metric, *labels: str) -> float | None:
        """A series as it stands (a histogram's count), None without one; takes the lock."""
        with self.lock:
            child = self._families[metric.name].children.get(labels)
            if child is None:
                return None
            return child.value if isinstance(child, Value) else float(sum(child.counts))

    def render(self, *, openmetrics: bool = False) -> bytes:
        """The text of every series; OpenMetrics without its closing `# EOF`, which belongs to the whole answer."""
        lines: list[str] = []
        with self.lock:
            for family in self._families.values():
                family.write(lines, openmetrics)
        return "".join(lines).encode()

    def describe(self) -> Iterable[ClientMetric]:
        """Keeps the registry from collecting just to learn the names."""
        return []

    def collect(self) -> Iterator[ClientMetric]:
        """The port of the client library's registry."""
        with self.lock:
            metrics = [family.client_metric() for family in self._families.values() if family.children]
        yield from metrics
