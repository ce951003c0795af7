"""The load of a vLLM server, from its own `/metrics` page or from the answer of a Prometheus query. Pure."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass

QUEUE = "vllm:num_requests_waiting"
KV_CACHE = ("vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc")  # the second: engines before 0.11
MAX_PAGE_BYTES = 8 * 2**20


class Unreadable(ValueError):
    """The page says nothing about load; the message says what was missing and never quotes the page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Pressure on an engine. Of several series (engines, replicas) the worst counts; None: that one is not exported."""

    queue: float | None
    kv_cache_ratio: float | None


def read_load(body: bytes) -> Load:
    """The load that a page shows. Raises Unreadable where neither the queue nor the cache stands on it."""
    text = body.decode("utf-8", "replace")
    series = list(_query_answer(text) if text.lstrip()[:1] == "{" else _page(text))
    load = Load(
        queue=max((v for name, v in series if name == QUEUE), default=None),
        kv_cache_ratio=max((v for name, v in series if name in KV_CACHE), default=None),
    )
    if load.queue is None and load.kv_cache_ratio is None:
        raise Unreadable(f"neither {QUEUE} nor {KV_CACHE[0]} is there; is this vLLM's metrics page?")
    return load


def _page(text: str) -> Iterator[tuple[str, float]]:
    """Samples of the wanted names in the text format. Labels are skipped: `}` ends them, and values hold none."""
    for line in text.split("\n"):
        if not line.startswith("vllm:"):
            continue
        name = line.split("{", 1)[0].split(" ", 1)[0]
        if name == QUEUE or name in KV_CACHE:
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
