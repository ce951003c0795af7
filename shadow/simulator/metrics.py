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
        out, total = [f"# TYPE {name} histogram"], 0
        for edge, count in zip((*map(str, self._edges), "+Inf"), self._counts, strict=True):
            total += count
            out.append(f'{name}_bucket{{{labels},le="{edge}"}} {total}')
        return [*out, f"{name}_count{{{labels}}} {total}", f"{name}_sum{{{labels}}} {self._sum}"]


class EngineMetrics:
    """What an engine counts. Owned by the simulator's loop."""

    def __init__(self, model: str) -> None:
        escaped = model.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        self._labels = f'engine="0",model_name="{escaped}"'
        self._ttft, self._e2e, self._queue = Histogram(_TTFT), Histogram(_E2E), Histogram(_E2E)
        self._per_token = Histogram(_ITL)
        self._finished: Counter[str] = Counter()
        self._prompt_tokens = 0
        self._output_tokens = 0
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
    ) -> None:
        """One request is done, whatever became of it; `ttft_seconds` is None when no token was sent."""
        self._finished[reason] += 1
        self._prompt_tokens += prompt_tokens
        self._output_tokens += output_tokens
        self._queue.observe(queue_seconds)
        self._e2e.observe(e2e_seconds)
        if ttft_seconds is not None:
            self._ttft.observe(ttft_seconds)
            if output_tokens > 1:
                self._per_token.observe((e2e_seconds - ttft_seconds) / (output_tokens - 1))

    def rejected(self) -> None:
        """A request was refused because the queue was full."""
        self._rejected += 1

    def render(self, *, running: int, waiting: int, kv_cache_usage_ratio: float) -> bytes:
        """The whole page."""
        labels = self._labels
        lines: list[str] = []

        def one(name: str, kind: str, value: float, extra: str = "") -> None:
            lines.extend((f"# TYPE {name} {kind}", f"{name}{{{labels}{extra}}} {value}"))

        one("vllm:num_requests_running", "gauge", running)
        one("vllm:num_requests_waiting", "gauge", waiting)
        one("vllm:kv_cache_usage_perc", "gauge", kv_cache_usage_ratio)
        one("vllm:num_preemptions_total", "counter", 0)
        one("vllm:prefix_cache_queries_total", "counter", self._prompt_tokens)
        one("vllm:prefix_cache_hits_total", "counter", 0)
        one("vllm:prompt_tokens_total", "counter", self._prompt_tokens)
        one("vllm:prompt_tokens_cached_total", "counter", 0)
        one("vllm:generation_tokens_total", "counter", self._output_tokens)
        one("vllm:admission_rejections_total", "counter", self._rejected, ',reason="max_num_queued_reqs"')
        lines.append("# TYPE vllm:request_success_total counter")
        lines += [
            f'vllm:request_success_total{{{labels},finished_reason="{reason}"}} {self._finished[reason]}'
            for reason in _REASONS
        ]
        lines += self._ttft.lines("vllm:time_to_first_token_seconds", labels)
        lines += self._per_token.lines("vllm:request_time_per_output_token_seconds", labels)
        lines += self._e2e.lines("vllm:e2e_request_latency_seconds", labels)
        lines += self._queue.lines("vllm:request_queue_time_seconds", labels)
        return ("\n".join(lines) + "\n").encode()
