"""The simulator's `/metrics`: the names, labels and bucket edges of a vLLM server, for governors and dashboards."""

from bisect import bisect_left
from collections import Counter
from typing import Literal

FinishedReason = Literal["stop", "length", "abort", "error", "repetition"]
_REASONS: tuple[FinishedReason, ...] = ("stop", "length", "abort", "error", "repetition")
_TTFT = (
    0.001,
    0.005,
    0.01,
    0.02,
    0.04,
    0.06,
    0.08,
    0.1,
    0.25,
    0.5,
    0.75,
    1,
    2.5,
    5,
    7.5,
    10,
    20,
    40,
    80,
    160,
    640,
    2560,
)
_ITL = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80)
_E2E = (0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680)


class Histogram:
    """Counts in fixed buckets, as Prometheus wants them."""

    def __init__(self, edges: tuple[float, ...]) -> None:
        self._edges = edges
        self._counts = [0] * (len(edges) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Adds one observation in seconds."""
        self._counts[bisect_left(self._edges, value)] += 1
        self._sum += value

    def lines(self, name: str, labels: str) -> list[str]:
        """The series in the text format."""
        out: list[str] = []
        total = 0
        for edge, count in zip((*map(str, self._edges), "+Inf"), self._counts, strict=True):
            total += count
            out.append(f'{name}_bucket{{{labels},le="{edge}"}} {total}')
        return [*out, f"{name}_count{{{labels}}} {total}", f"{name}_sum{{{labels}}} {self._sum}"]


class _Counts:
    """What is counted of one served model."""

    def __init__(self, model: str) -> None:
        escaped = model.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        self.labels = f'engine="0",model_name="{escaped}"'
        self.ttft, self.e2e, self.queue = Histogram(_TTFT), Histogram(_E2E), Histogram(_E2E)
        self.per_token = Histogram(_ITL)
        self.finished: Counter[str] = Counter()
        self.prompt_tokens = 0
        self.output_tokens = 0


class EngineMetrics:
    """What an engine counts, by served model; queue and cache belong to all of them. Owned by the simulator's loop."""

    def __init__(self, models: tuple[str, ...]) -> None:
        self._first = models[0]
        self._counts = {model: _Counts(model) for model in models}
        self._rejected = 0

    def finished(
        self,
        reason: FinishedReason,
        *,
        prompt_tokens: int,
        output_tokens: int,
        queue_seconds: float,
        ttft_seconds: float | None,
        e2e_seconds: float,
        model: str | None = None,
    ) -> None:
        """One request is done, whatever became of it; `ttft_seconds` is None when no token was sent. A `model` that is
        not served (None) counts for the first."""
        counts = self._counts[self._first if model is None else model]
        counts.finished[reason] += 1
        counts.prompt_tokens += prompt_tokens
        counts.output_tokens += output_tokens
        counts.queue.observe(queue_seconds)
        counts.e2e.observe(e2e_seconds)
        if ttft_seconds is not None:
            counts.ttft.observe(ttft_seconds)
            if output_tokens > 1:
                counts.per_token.observe((e2e_seconds - ttft_seconds) / (output_tokens - 1))

    def rejected(self) -> None:
        """A request was refused because the queue was full."""
        self._rejected += 1

    def render(self, *, running: int, waiting: int, kv_cache_usage_ratio: float) -> bytes:
        """The whole page."""
        lines: list[str] = []
        everything = list(self._counts.values())
        shared = everything[0].labels

        def one(name: str, kind: str, *values: tuple[str, float]) -> None:
            lines.append(f"# TYPE {name} {kind}")
            lines.extend(f"{name}{{{labels}}} {value}" for labels, value in values)

        one("vllm:num_requests_running", "gauge", (shared, running))
        one("vllm:num_requests_waiting", "gauge", (shared, waiting))
        one("vllm:kv_cache_usage_perc", "gauge", (shared, kv_cache_usage_ratio))
        one("vllm:num_preemptions_total", "counter", (shared, 0))
        one("vllm:prefix_cache_queries_total", "counter", *((c.labels, c.prompt_tokens) for c in everything))
        one("vllm:prefix_cache_hits_total", "counter", *((c.labels, 0) for c in everything))
        one("vllm:prompt_tokens_total", "counter", *((c.labels, c.prompt_tokens) for c in everything))
        one("vllm:prompt_tokens_cached_total", "counter", *((c.labels, 0) for c in everything))
        one("vllm:generation_tokens_total", "counter", *((c.labels, c.output_tokens) for c in everything))
        one("vllm:admission_rejections_total", "counter", (f'{shared},reason="max_num_queued_reqs"', self._rejected))
        one(
            "vllm:request_success_total",
            "counter",
            *((f'{c.labels},finished_reason="{r}"', c.finished[r]) for c in everything for r in _REASONS),
        )
        for name, which in (
            ("vllm:time_to_first_token_seconds", "ttft"),
            ("vllm:request_time_per_output_token_seconds", "per_token"),
            ("vllm:e2e_request_latency_seconds", "e2e"),
            ("vllm:request_queue_time_seconds", "queue"),
        ):
            lines.append(f"# TYPE {name} histogram")
            for counts in everything:
                lines += getattr(counts, which).lines(name, counts.labels)
        return ("\n".join(lines) + "\n").encode()
