"""Every metric is declared once, with known labels, and the document says the same."""

import re
from pathlib import Path

from builders_snapshot import a_settings, a_snapshot

from shadow.exporters.catalogue import METRICS
from shadow.exporters.document import document
from shadow.exporters.labels import LABELS, edges
from shadow.exporters.snapshots import snapshot_values

ROOT = Path(__file__).parents[3]


def test_names_are_unique_prefixed_and_end_in_their_unit() -> None:
    names = [metric.name for metric in METRICS]
    assert len(set(names)) == len(names)
    for metric in METRICS:
        assert re.fullmatch(r"shadow_[a-z0-9_]+", metric.name)
        assert (metric.kind == "counter") == metric.name.endswith("_total")
        assert (metric.kind == "histogram") == (metric.edges is not None)
        if metric.unit in ("seconds", "bytes"):
            assert metric.name.endswith(f"_{metric.unit}") or f"_{metric.unit}_" in metric.name
        assert metric.help.endswith(".")


def test_every_label_is_known_and_every_known_label_is_used() -> None:
    used = {name for metric in METRICS for name in metric.labels}
    assert used == set(LABELS)
    for metric in METRICS:
        assert bool(metric.states) == ("state" in metric.labels)


def test_no_label_could_carry_a_person_or_a_text() -> None:
    assert not {"id", "user", "session", "prompt", "text", "trace", "trace_id", "request_id"} & set(LABELS)


def test_edges_ascend_and_hold_the_limits_of_the_policy() -> None:
    gates = [{"id": "slo", "metric": "ttft", "kind": "quantile", "q": 0.95, "max_seconds": 0.777}]
    settings = a_settings(policy={"gates": gates})
    for metric in METRICS:
        if metric.edges is not None:
            found = edges(metric.edges, settings)
            assert list(found) == sorted(set(found))
    assert 0.777 in edges("ttft", settings)
    assert 0.777 not in edges("latency", settings)
    assert len(edges("latency", settings)) == 19
    assert edges("latency", settings)[0] == 0.05
    assert edges("latency", settings)[-1] == 60.0


def test_every_metric_of_the_snapshot_is_fed_by_one() -> None:
    values = snapshot_values(a_snapshot())
    assert [name for name, series in values.items() if not series] == []


def test_the_document_is_generated_from_the_catalogue() -> None:
    committed = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    assert committed == document(), "run: python -m shadow.exporters.document > docs/metrics.md"
