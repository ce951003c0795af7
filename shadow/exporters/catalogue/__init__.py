"""Every metric of Shadow, declared once: the exporter, the document, dashboards and alerts read it from here."""

from shadow.exporters.catalogue import calls, decision, ledger, processes
from shadow.exporters.catalogue.metric import Metric
from shadow.exporters.labels import LABELS, edges
from shadow.settings import Settings

METRICS: tuple[Metric, ...] = tuple(
    value for part in (calls, decision, ledger, processes) for value in vars(part).values() if isinstance(value, Metric)
)
"""All of them, in the order in which they stand in their modules."""


def series_of(metric: Metric, settings: Settings) -> int:
    """The most series one metric can have under a configuration; a histogram counts its buckets, sum and count."""
    children = 1
    for name in metric.labels:
        children *= len(metric.states) if name == "state" else LABELS[name].count(settings)
    per_child = len(edges(metric.edges, settings)) + 3 if metric.edges is not None else 1
    return children * per_child


def series_count(settings: Settings) -> int:
    """The most series that one scrape of a process with this configuration can return."""
    return sum(series_of(metric, settings) for metric in METRICS)
