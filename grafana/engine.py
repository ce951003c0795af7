"""The row about the model servers: vLLM's own metrics, which Shadow never exports again under another name, and what only
Shadow knows: memory by arm, joined with the load."""

from grafana_foundation_sdk.builders import dashboard as d

from grafana import boards
from grafana.panels import ARM, limits, rate, series

ENGINE = 'job=~"$engine"'
BY = "job, instance, model_name"
LEGEND = "{{model_name}} {{instance}}"


def engine_row(board: d.Dashboard) -> None:
    """Memory, queues and caches of the engines. Needs Prometheus to scrape them (variable `engine` names their jobs)."""
    board.with_row(boards.row("Engine: memory and KV cache (vLLM's own metrics; needs its scrape)"))
    board.with_panel(
        limits(
            series(
                "KV cache in use",
                "percentunit",
                "Full: requests wait or are preempted, and latency says more about memory than about the model. Give it "
                "more memory, or lower replay.concurrency. No data: Prometheus does not scrape the engine.",
                (f"max by ({BY}) (vllm:kv_cache_usage_perc{{{ENGINE}}})", LEGEND),
            ),
            (0.9, "orange"),
        )
    )
    board.with_panel(
        series(
            "Requests running and waiting",
            "short",
            "Waiting above 0 for long: the server is the bottleneck; its time to first token contains that queue.",
            (f"sum by ({BY}) (vllm:num_requests_running{{{ENGINE}}})", f"{LEGEND} running"),
            (f"sum by ({BY}) (vllm:num_requests_waiting{{{ENGINE}}})", f"{LEGEND} waiting"),
        )
    )
    board.with_panel(
        series(
            "Preemptions and rejections",
            "reqps",
            "Preempted: work thrown away for lack of KV memory. Rejected: the queue was full (rate_limited in Shadow).",
            (rate("vllm:num_preemptions_total", BY, ENGINE), f"{LEGEND} preempted"),
            (rate("vllm:admission_rejections_total", BY, ENGINE), f"{LEGEND} rejected"),
        )
    )
    board.with_panel(
        series(
            "Memory of the arms' servers",
            "bytes",
            "Processes of a server on Shadow's own machine, and what they hold on the GPU as NVML tells it. No data: the "
            "server runs elsewhere, or the extra `gpu` is not installed. Growing without end: restart it before it is killed.",
            (f"max by (arm, memory) (shadow_arm_memory_bytes{{{ARM}}})", "{{arm}} {{memory}}"),
        )
    )
    board.with_panel(
        series(
            "Fullest KV cache by load",
            "percentunit",
            "The most that was in use while calls sent with so many in flight were answered. Near 100 % in a class that "
            "production would bring: the candidate needs more memory than it has here.",
            (f"max by (arm, load) (shadow_arm_kv_cache_peak_ratio{{{ARM}}})", "{{arm}} {{load}} in flight"),
        )
    )
    board.with_panel(
        series(
            "Prefix-cache hits",
            "percentunit",
            "Share of prompt tokens found in the cache. Two arms with different shares are not comparable in latency: a "
            "warm cache alone can fake most of a speed-up.",
            (
                f"{rate('vllm:prefix_cache_hits_total', BY, ENGINE)} / ({rate('vllm:prefix_cache_queries_total', BY, ENGINE)} > 0)",
                LEGEND,
            ),
        )
    )
    board.with_panel(
        series(
            "Tokens a second",
            "short",
            "Prompt and generated tokens of the whole engine, production's share included where it serves both.",
            (rate("vllm:prompt_tokens_total", BY, ENGINE), f"{LEGEND} prompt"),
            (rate("vllm:generation_tokens_total", BY, ENGINE), f"{LEGEND} generated"),
        )
    )
    board.with_panel(
        series(
            "Requests by how they ended",
            "reqps",
            "The engine's own count. `abort` rising while Shadow counts timeouts: the deadline is ours; `error`: its log.",
            (rate("vllm:request_success_total", f"{BY}, finished_reason", ENGINE), f"{LEGEND} {{{{finished_reason}}}}"),
        )
    )
