"""What a vLLM server says of itself on its `/metrics` page (load also in the answer of a Prometheus query). Pure."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass

QUEUE = "vllm:num_requests_waiting"
RUNNING = "vllm:num_requests_running"
PREEMPTIONS = "vllm:num_preemptions_total"
KV_CACHE = ("vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc")  # the second: engines before 0.11
MAX_PAGE_BYTES = 8 * 2**20


class Unreadable(ValueError):
    """The page says nothing about load; the message says what was missing and never quotes the page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Pressure on an engine. Of several series (engines, replicas) the worst counts; None: that one is not exported."""

    queue: float | None
    kv_cache_ratio: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineFigures:
    """One look at an engine. Requests and preemptions (a counter that restarts with the engine) are sums over its
    series, the cache is the fullest one, 0..1. None: that one is not on the page."""

    running: float | None
    waiting: float | None
    kv_cache_ratio: float | None
    preemptions: float | None


def read_figures(body: bytes) -> EngineFigures:
    """What a page says. Raises Unreadable where it holds none of them."""
    series = list(_page(body.decode("utf-8", "replace"), {RUNNING, QUEUE, PREEMPTIONS, *KV_CACHE}))

    def total(name: str) -> float | None:
        values = [value for found, value in series if found == name]
        return sum(values) if values else None

    figures = EngineFigures(
        running=total(RUNNING),
        waiting=total(QUEUE),
        kv_cache_ratio=max((v for name, v in series if name in KV_CACHE), default=None),
        preemptions=total(PREEMPTIONS),
    )
    if not series:
        raise Unreadable(f"neither {QUEUE} nor {KV_CACHE[0]} is there; is this vLLM's metrics page?")
    return figures


def read_load(body: bytes) -> Load:
    """The load that a page shows. Raises Unreadable where neither the queue nor the cache stands on it."""
    text = body.decode("utf-8", "replace")
    series = list(_query_answer(text) if text.lstrip()[:1] == "{" else _page(text, {QUEUE, *KV_CACHE}))
    load = Load(
        queue=max((v for name, v in series if name == QUEUE), default=None),
        kv_cache_ratio=max((v for name, v in series if name in KV_CACHE), default=None),
    )
    if load.queue is None and load.kv_cache_ratio is None:
        raise Unreadable(f"neither {QUEUE} nor {KV_CACHE[0]} is there; is this vLLM's metrics page?")
    return load


def _page(text: str, wanted: set[str]) -> Iterator[tuple[str, float]]:
    """Samples of the wanted names in the text format. Labels are skipped: `}` ends them, and values hold none."""
    for line in text.split("\n"):
        if not line.startswith("vllm:"):
            continue
        name = line.split("{", 1)[0].split(" ", 1)[0]
        if name in wanted:
            value = _number(line.rsplit("}", 1)[-1].split() if "{" in line else line.split()[1:])
            if value is not None:
                yield name, value


def _number(words: list[str]) -> float | None:
    """The sample's value: finite and not negative, or nothing."""
    try:
        value = float(words[0])
    except (IndexError, ValueError):
        return None
    return value if math.isfinite(value) and value >= 0 else None


def _query_answer(text: str) -> Iterator[tuple[str, float]]:
    """Samples of an instant vector. The query has to keep the names, as `max by (__name__) (...)` does."""
    try:
        found = json.loads(text)["data"]["result"]
        pairs = [(str(one["metric"].get("__name__", "")), [str(one["value"][1])]) for one in found]
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
        raise Unreadable("the answer is no instant vector of a Prometheus query") from None
    for name, words in pairs:
        value = _number(words)
        if value is not None:
            yield name, value
