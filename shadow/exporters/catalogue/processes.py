"""The processes themselves: memory, budgets, scorers, heartbeats, errors."""

from shadow.exporters.catalogue.metric import counter, gauge, histogram

LOOP_LAG = gauge("shadow_loop_lag_seconds", "seconds", "runtime", "Largest delay of the event loop lately.", "process")
HEARTBEAT = gauge("shadow_heartbeat_timestamp_seconds", "seconds", "runtime", "Last sign of life.", "process")
RESTARTS = counter("shadow_process_restarts_total", "count", "runtime", "Restarts of a child by its parent.", "process")
WINDOW_CALLS = gauge("shadow_window_calls", "calls", "runtime", "Calls in flight between intake and ledger.")
WINDOW_CALLS_LIMIT = gauge("shadow_window_calls_limit", "calls", "runtime", "Limit of shadow_window_calls.")
WINDOW_BYTES = gauge("shadow_window_bytes", "bytes", "runtime", "Bytes in flight between intake and ledger.")
WINDOW_BYTES_LIMIT = gauge("shadow_window_bytes_limit", "bytes", "runtime", "Limit of shadow_window_bytes.")
UNCOMMITTED = gauge("shadow_uncommitted_records", "records", "runtime", "Finished records that wait for their prefix.")
IN_FLIGHT = gauge("shadow_requests_in_flight", "calls", "runtime", "Calls an arm is answering now.", "arm")
PROBABILITY = gauge(
    "shadow_governor_probability_ratio", "ratio", "runtime", "Factor on the sampling rate: below 1 while shedding."
)
GPU_USED = gauge("shadow_gpu_memory_used_bytes", "bytes", "runtime", "Memory of a GPU in use by everybody.", "gpu")
GPU_TOTAL = gauge("shadow_gpu_memory_total_bytes", "bytes", "runtime", "Memory that a GPU has.", "gpu")
ARM_MEMORY = gauge(
    "shadow_arm_memory_bytes",
    "bytes",
    "runtime",
    "Memory of the processes of an arm's server: `host` resident, `gpu` as NVML tells it; absent where unknown.",
    "arm",
    "memory",
)
ARM_MEMORY_PEAK = gauge(
    "shadow_arm_memory_peak_bytes",
    "bytes",
    "runtime",
    "The most of shadow_arm_memory_bytes while calls sent under this load were in flight; kept over restarts.",
    "arm",
    "memory",
    "load",
)
ARM_CACHE_PEAK = gauge(
    "shadow_arm_kv_cache_peak_ratio",
    "ratio",
    "runtime",
    "The fullest KV cache of an arm's engine while calls sent under this load were in flight.",
    "arm",
    "load",
)
ARM_WAITING_PEAK = gauge(
    "shadow_arm_waiting_peak_requests",
    "calls",
    "runtime",
    "The most requests that waited in an arm's engine while calls sent under this load were in flight.",
    "arm",
    "load",
)
ARM_LOAD_CALLS = gauge(
    "shadow_arm_load_calls", "calls", "runtime", "Calls of an arm by the load they were sent under.", "arm", "load"
)
ARM_PREEMPTIONS = counter(
    "shadow_arm_preemptions_total",
    "count",
    "runtime",
    "Requests an arm's engine gave up for want of KV memory, counted over its restarts and ours.",
    "arm",
)
BUDGET = gauge("shadow_budget_used_ratio", "ratio", "runtime", "Share of a daily budget that is used.", "budget")
DEAD_LETTERS = counter(
    "shadow_dead_letters_total", "records", "runtime", "Records handed to the dead-letter target.", "reason"
)
FENCED = counter(
    "shadow_fenced_batches_total", "count", "runtime", "Batches dropped because another worker owns the partition."
)
LEDGER_REFUSALS = counter(
    "shadow_ledger_refusals_total",
    "count",
    "runtime",
    "Attempts that the ledger did not take (disk full, locked, away); each is made again, nothing is lost.",
)
SCORER_DURATION = histogram(
    "shadow_scorer_duration_seconds", "seconds", "runtime", "work", "Time a scorer took for one case.", "scorer"
)
SCORER_ERRORS = counter(
    "shadow_scorer_errors_total", "count", "runtime", "Scorer failures by class of error.", "scorer", "kind"
)
KNOWN_RECORD = gauge(
    "shadow_known_record_timestamp_seconds",
    "seconds",
    "runtime",
    "When a heartbeat last came the whole way into the ledger: through this worker, or out of the mirrored topic.",
    "path",
)
KNOWN_ANSWER = gauge(
    "shadow_known_answer_timestamp_seconds",
    "seconds",
    "runtime",
    "When a scorer last judged a known case as it should.",
    "scorer",
)
SCORER_DRIFT = gauge(
    "shadow_scorer_drift",
    "state",
    "runtime",
    "1 once a scorer is proven to say other things of known cases than it did.",
    "scorer",
)
SCORER_DEVIATION = gauge(
    "shadow_scorer_deviation_ratio",
    "ratio",
    "runtime",
    "Mean deviation of a scorer from what it said of known cases when it was well.",
    "scorer",
)
SCORER_EVALUE = gauge(
    "shadow_scorer_drift_log_evalue",
    "count",
    "runtime",
    "Natural logarithm of the evidence that a scorer has drifted; log(1/anchors.alpha) decides.",
    "scorer",
)
SCORER_AGREEMENT = gauge(
    "shadow_scorer_human_agreement_ratio",
    "ratio",
    "runtime",
    "Share of known cases that a scorer judges as the people did who labelled them, since this process began.",
    "scorer",
)
SCORER_BUDGET = gauge(
    "shadow_scorer_budget_used_ratio",
    "ratio",
    "runtime",
    "Share of a scorer's daily budget that this worker has used.",
    "scorer",
    "limit",
)
SCORER_SKIPPED = counter(
    "shadow_scorer_skipped_total",
    "calls",
    "runtime",
    "Answers left unscored because a scorer's daily budget was used up.",
    "scorer",
    "limit",
)
ERRORS = counter(
    "shadow_internal_errors_total", "count", "runtime", "Errors caught at a stage's border: each is a bug.", "stage"
)
OVERFLOW = counter(
    "shadow_label_overflow_total", "count", "runtime", "Label values beyond their bound, counted under `other`."
)
BUILD_INFO = gauge(
    "shadow_build_info", "info", "runtime", "Version of Shadow and Python; always 1.", "version", "python"
)
CONFIG_INFO = gauge(
    "shadow_config_info", "info", "runtime", "Configuration and role in force; always 1.", "hash", "role"
)
