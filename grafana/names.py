"""Which metrics and labels a query names, and whether they exist: in the catalogue, in rules.yml, or at the engines."""

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from shadow.exporters.catalogue import METRICS

RULES = Path(__file__).parent / "rules.yml"
FOREIGN: dict[str, frozenset[str]] = {
    "ALERTS": frozenset({"alertname", "alertstate", "severity", "candidate", "job"}),
    "process_cpu_seconds_total": frozenset(),
    "process_resident_memory_bytes": frozenset(),
    "vllm:kv_cache_usage_perc": frozenset({"model_name", "engine"}),
    "vllm:num_requests_running": frozenset({"model_name", "engine"}),
    "vllm:num_requests_waiting": frozenset({"model_name", "engine"}),
    "vllm:num_preemptions_total": frozenset({"model_name", "engine"}),
    "vllm:admission_rejections_total": frozenset({"model_name", "engine", "reason"}),
    "vllm:prefix_cache_hits_total": frozenset({"model_name", "engine"}),
    "vllm:prefix_cache_queries_total": frozenset({"model_name", "engine"}),
    "vllm:prompt_tokens_total": frozenset({"model_name", "engine"}),
    "vllm:generation_tokens_total": frozenset({"model_name", "engine"}),
    "vllm:request_success_total": frozenset({"model_name", "engine", "finished_reason"}),
}
"""What others export: Prometheus itself, the client library, vLLM."""

SCRAPE_LABELS = frozenset({"job", "instance"})
_OPERATORS = ("and", "or", "unless", "bool", "sum", "min", "max", "avg", "count", "group")
_FUNCTIONS = ("rate", "increase", "deriv", "abs", "time", "label_join", "label_replace", "histogram_quantile", "absent")
_OVER_TIME = ("last_over_time", "max_over_time")
_WORDS = frozenset((*_OPERATORS, *_FUNCTIONS, *_OVER_TIME))
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_GROUPING = re.compile(r"\b(by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_SELECTOR = re.compile(r"([a-zA-Z_:][\w:]*)\s*\{([^}]*)\}")
_LABEL = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
_NAME = re.compile(r"[a-zA-Z_:][\w:]*")
_DURATION = re.compile(r"\[[^\]]*\]|\boffset\s+\w+")


def metrics_in(expression: str) -> set[str]:
    """Names of all metrics in a query."""
    text = _STRING.sub('""', expression)
    text = _DURATION.sub(" ", _SELECTOR.sub(r"\1 ", _GROUPING.sub(" ", text)))
    return {name for name in _NAME.findall(text) if name not in _WORDS and not name.startswith("$")}


def matched_labels(expression: str) -> Iterable[tuple[str, set[str]]]:
    """Each metric that is selected with labels, and the labels' names."""
    for name, inside in _SELECTOR.findall(_STRING.sub('""', expression)):
        yield name, set(_LABEL.findall(inside))


@cache
def exported() -> dict[str, frozenset[str]]:
    """Every series name of the catalogue with its labels; a histogram counts as its three."""
    found: dict[str, frozenset[str]] = {}
    for metric in METRICS:
        labels = frozenset(metric.labels)
        if metric.kind == "histogram":
            found[f"{metric.name}_bucket"] = labels | {"le"}
            found[f"{metric.name}_sum"] = found[f"{metric.name}_count"] = labels
        else:
            found[metric.name] = labels
    return found


@cache
def rules() -> list[dict[str, Any]]:
    """All rules of rules.yml, recording and alerting."""
    document = yaml.safe_load(RULES.read_text(encoding="utf-8"))
    return [rule for group in document["groups"] for rule in group["rules"]]


@cache
def recorded() -> dict[str, frozenset[str]]:
    """Names of recording rules with their labels: the level before the first colon spells them."""
    names = (rule["record"] for rule in rules() if "record" in rule)
    return {name: frozenset(name.split(":", 1)[0].split("_")) for name in names}


def problems(expression: str) -> list[str]:
    """What a query names that nobody exports; empty when all of it exists."""
    known = {**exported(), **recorded(), **FOREIGN}
    found = [f"nobody exports {name}" for name in sorted(metrics_in(expression) - set(known))]
    for name, labels in matched_labels(expression):
        if name in known:
            unknown = labels - known[name] - SCRAPE_LABELS
            found += [f"{name} has no label {label}" for label in sorted(unknown)]
    return found
