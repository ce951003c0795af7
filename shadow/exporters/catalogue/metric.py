"""What one metric is, and short ways to declare it."""

from dataclasses import dataclass
from typing import Literal

from shadow.exporters.labels import LABELS, EdgeSet, Label

Kind = Literal["counter", "gauge", "histogram"]
Unit = Literal["seconds", "bytes", "ratio", "usd", "tokens", "records", "calls", "info", "state", "count"]
Feed = Literal["commit", "snapshot", "runtime"]
"""`commit`: counted after the ledger's transaction; `snapshot`: the monitor's look; `runtime`: the processes themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric. `states` are the values of its label `state`; `leader` means only the deciding process exports it."""

    name: str
    kind: Kind
    unit: Unit
    feed: Feed
    help: str
    labels: tuple[str, ...] = ()
    edges: EdgeSet | None = None
    states: tuple[str, ...] = ()
    leader: bool = False

    def label(self, name: str) -> Label:
        """What is known about one of its labels."""
        return LABELS[name]


def counter(name: str, unit: Unit, feed: Feed, help_: str, *labels: str) -> Metric:
    """Only grows while the process lives."""
    return Metric(name=name, kind="counter", unit=unit, feed=feed, help=help_, labels=labels)


def gauge(name: str, unit: Unit, feed: Feed, help_: str, *labels: str, states: tuple[str, ...] = ()) -> Metric:
    """Goes up and down."""
    return Metric(name=name, kind="gauge", unit=unit, feed=feed, help=help_, labels=labels, states=states)


def decided(name: str, unit: Unit, help_: str, *labels: str, states: tuple[str, ...] = ()) -> Metric:
    """A gauge of the monitor's look that only the deciding process exports."""
    return Metric(
        name=name, kind="gauge", unit=unit, feed="snapshot", help=help_, labels=labels, states=states, leader=True
    )


def histogram(name: str, unit: Unit, feed: Feed, edge_set: EdgeSet, help_: str, *labels: str) -> Metric:
    """Classic buckets with the edges of its set."""
    return Metric(name=name, kind="histogram", unit=unit, feed=feed, help=help_, labels=labels, edges=edge_set)
