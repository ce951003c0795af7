"""Every metric of Shadow, declared once: the exporter, the document, dashboards and alerts read it from here."""

from dataclasses import dataclass
from typing import Literal

from shadow.exporters.labels import ARM_STATES, GATE_STATES, LABELS, SEGMENT_STATES, EdgeSet, Label, edges
from shadow.settings import Settings

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


def _counter(name: str, unit: Unit, feed: Feed, help_: str, *labels: str) -> Metric:
    return Metric(name=name, kind="counter", unit=unit, feed=feed, help=help_, labels=labels)


def _gauge(name: str, unit: Unit, feed: Feed, help_: str, *labels: str, states: tuple[str, ...] = ()) -> Metric:
    return Metric(name=name, kind="gauge", unit=unit, feed=feed, help=help_, labels=labels, states=states)


def _decided(name: str, unit: Unit, help_: str, *labels: str, states: tuple[str, ...] = ()) -> Metric:
    return Metric(
        name=name, kind="gauge", unit=unit, feed="snapshot", help=help_, labels=labels, states=states, leader=True
    )


def _histogram(name: str, unit: Unit, feed: Feed, edge_set: EdgeSet, help_: str, *labels: str) -> Metric:
    return Metric(name=name, kind="histogram", unit=unit, feed=feed, help=help_, labels=labels, edges=edge_set)


# What every call and arm did, counted after the transaction that stored it.
RECORDS = _counter(
    "shadow_records_total", "records", "commit", "Records read, each in exactly one disposition.", "disposition"
)
REQUESTS = _counter(
    "shadow_requests_total",
    "calls",
    "commit",
    "Calls per arm by final outcome; `unavailable` is a call inside an outage.",
    "arm",
    "route",
    "outcome",
)
DURATION = _histogram(
    "shadow_request_duration_seconds",
    "seconds",
    "commit",
    "latency",
    "Latency of an answered call, client side, waiting before the send excluded.",
    "arm",
    "route",
)
TTFT = _histogram(
    "shadow_time_to_first_token_seconds",
    "seconds",
    "commit",
    "ttft",
    "Time to the first output of any kind, reasoning included.",
    "arm",
    "route",
)
TPOT = _histogram(
    "shadow_time_per_output_token_seconds",
    "seconds",
    "commit",
    "tpot",
    "(latency - time to first token) / (output tokens - 1), for two tokens or more.",
    "arm",
    "route",
)
QUEUE_WAIT = _histogram(
    "shadow_queue_wait_seconds", "seconds", "commit", "wait", "Waiting inside Shadow before a call was sent.", "arm"
)
RETRIES = _counter("shadow_retries_total", "count", "commit", "Repeated sends of a call.", "arm")
TRUNCATED = _counter(
    "shadow_truncated_total",
    "calls",
    "commit",
    "Answers cut by an output limit (finish reason length).",
    "arm",
    "route",
)
LIMITED_BY_US = _counter(
    "shadow_limited_by_us_total", "calls", "commit", "Answers cut by Shadow's own output limit.", "arm"
)
CLIENT_SATURATED = _counter(
    "shadow_client_saturated_total",
    "calls",
    "commit",
    "Latencies taken while Shadow's own loop lagged; kept out of latency verdicts.",
    "arm",
)
SPELLS = _counter(
    "shadow_spells_total", "count", "commit", "Outages that began; each counts as one failure in the evidence.", "arm"
)
TOKENS = _counter(
    "shadow_tokens_total",
    "tokens",
    "commit",
    "Tokens as the server reported them; unknown counts add nothing.",
    "arm",
    "route",
    "direction",
)
USAGE_UNKNOWN = _counter(
    "shadow_usage_unknown_total", "calls", "commit", "Answered calls without a usable output token count.", "arm"
)
COST = _counter(
    "shadow_cost_usd_total",
    "usd",
    "commit",
    "Cost by the price sheet; calls of unknown cost add nothing.",
    "arm",
    "route",
)
COST_UNKNOWN = _counter(
    "shadow_cost_unknown_total", "calls", "commit", "Answered calls whose cost is unknown (no price, no usage).", "arm"
)
SCORE = _histogram(
    "shadow_score_ratio", "ratio", "commit", "score", "Scores between 0 and 1, higher is better.", "arm", "scorer"
)
SCORE_LABELS = _counter(
    "shadow_score_labels_total", "calls", "commit", "Verdict words the scorers gave.", "arm", "scorer", "label"
)
UNSCORED = _counter(
    "shadow_unscored_total",
    "calls",
    "commit",
    "Answers a scorer had nothing to judge in, by its reason.",
    "arm",
    "scorer",
    "reason",
)
FINDINGS = _counter(
    "shadow_findings_total",
    "count",
    "commit",
    "Findings in answers (leaks, complied attacks, toxic language).",
    "arm",
    "scorer",
    "category",
)
PAIR_DELAY = _histogram(
    "shadow_pair_delay_seconds", "seconds", "commit", "delay", "From the production timestamp to the ledger."
)
COMMITS = _counter("shadow_commits_total", "count", "commit", "Transactions that moved a partition's position.")
COMMIT_DURATION = _histogram(
    "shadow_commit_duration_seconds", "seconds", "commit", "work", "Duration of the ledger's transactions."
)
LAST_COMMIT = _gauge(
    "shadow_last_commit_timestamp_seconds", "seconds", "commit", "When the ledger's position last moved."
)

# The decision: exported by the one process that holds the monitor's lease.
VERDICT = _decided(
    "shadow_verdict", "state", "Verdict of a candidate, 1 for the word in force.", "candidate", "verdict"
)
VERDICT_SINCE = _decided(
    "shadow_verdict_since_timestamp_seconds", "seconds", "When the present verdict came into force.", "candidate"
)
VERDICT_CHANGES = Metric(
    name="shadow_verdict_changes_total",
    kind="counter",
    unit="count",
    feed="snapshot",
    help="Changes of the verdict word since this process began.",
    labels=("candidate",),
    leader=True,
)
HOLD = _decided("shadow_hold", "state", "Why a candidate is held; several reasons may be 1.", "candidate", "hold")
GATE_STATE = _decided(
    "shadow_gate_state",
    "state",
    "State of a gate, 1 for the one in force.",
    "candidate",
    "gate",
    "state",
    states=GATE_STATES,
)
EFFECT_RATIO = _decided(
    "shadow_effect_ratio",
    "ratio",
    "Effect of a gate that compares shares, drops or ratios, larger is worse, cumulative in the epoch.",
    "candidate",
    "gate",
    "bound",
)
EFFECT_SECONDS = _decided(
    "shadow_effect_seconds",
    "seconds",
    "Effect of a gate on a latency quantile, cumulative in the epoch.",
    "candidate",
    "gate",
    "bound",
)
LIMIT_RATIO = _decided(
    "shadow_gate_limit_ratio", "ratio", "Limit of a gate in the unit of shadow_effect_ratio.", "candidate", "gate"
)
LIMIT_SECONDS = _decided(
    "shadow_gate_limit_seconds", "seconds", "Limit of a gate in the unit of shadow_effect_seconds.", "candidate", "gate"
)
FLOOR_RATIO = _decided(
    "shadow_noise_floor_ratio",
    "ratio",
    "Difference of the incumbent from itself (A/A), in the unit of shadow_effect_ratio.",
    "candidate",
    "gate",
)
LOG_EVALUE = _decided(
    "shadow_log_evalue",
    "count",
    "Natural logarithm of the evidence; log(1/alpha) decides.",
    "candidate",
    "gate",
    "hypothesis",
)
RECORDS_TO_GO = _decided(
    "shadow_records_to_go",
    "records",
    "Counted records until a gate can be decided at the present rate of evidence.",
    "candidate",
    "gate",
)
PAIRS = _decided("shadow_pairs", "calls", "Paired calls in the epoch.", "candidate")
EFFECTIVE_PAIRS = _decided(
    "shadow_effective_pairs", "calls", "Paired calls after weighting: what the evidence is worth.", "candidate"
)
UTILITY = _decided(
    "shadow_utility",
    "ratio",
    "Utility against the incumbent, of kind linear in dollars a call; absent without `policy.utility`.",
    "candidate",
    "bound",
)
UTILITY_TERM = _decided(
    "shadow_utility_term", "ratio", "One weighted addend of the utility.", "candidate", "term", "bound"
)
EPOCH = _decided("shadow_epoch", "count", "Number of the epoch of evidence.", "candidate")
EPOCH_STARTED = _decided(
    "shadow_epoch_started_timestamp_seconds", "seconds", "When the epoch of evidence began.", "candidate"
)
CHANGE_LEVEL = _decided(
    "shadow_change_level_ratio",
    "ratio",
    "Detector of a change for the worse, as a share of the level that raises its alarm; 1 and above is an alarm.",
    "candidate",
    "metric",
)
SEGMENTS = _decided("shadow_segments", "count", "Segments of a candidate by their own verdict.", "candidate", "verdict")
SEGMENT_STATE = _decided(
    "shadow_segment_state",
    "state",
    "State of a segment, corrected for the number of segments, 1 for the one in force.",
    "candidate",
    "segment",
    "state",
    states=SEGMENT_STATES,
)
SEGMENT_ALARM = _decided(
    "shadow_segment_alarm",
    "state",
    "1 from the moment a segment was proven worse, corrected for their number and for all looks, until the epoch ends.",
    "candidate",
    "segment",
)

# What the ledger says about everything read.
LEADER = _gauge("shadow_leader", "state", "snapshot", "1 where this process holds the monitor's lease and decides.")
SNAPSHOT_AT = _gauge("shadow_snapshot_timestamp_seconds", "seconds", "snapshot", "When the monitor last looked.")
LEDGER_RECORDS = _gauge(
    "shadow_ledger_records", "records", "snapshot", "Records by disposition since the ledger began.", "disposition"
)
LEDGER_READ = _gauge("shadow_ledger_read_records", "records", "snapshot", "Records read since the ledger began.")
RESIDUAL = _gauge(
    "shadow_ledger_residual_records",
    "records",
    "snapshot",
    "Records read minus the sum of dispositions: 0, or something was lost or counted twice.",
)
LAST_SCORED = _gauge(
    "shadow_last_scored_timestamp_seconds", "seconds", "snapshot", "Production time of the newest scored record."
)
LAG = _gauge(
    "shadow_partition_lag_records",
    "records",
    "snapshot",
    "End of the partition minus the ledger's position.",
    "topic",
    "partition",
)
NEXT_OFFSET = _gauge(
    "shadow_partition_next_offset", "count", "snapshot", "The ledger's position.", "topic", "partition"
)
GAPS = _gauge(
    "shadow_partition_gap_records",
    "records",
    "snapshot",
    "Offsets without a record (compaction, transactions).",
    "topic",
    "partition",
)
LOST = _gauge(
    "shadow_partition_lost_records",
    "records",
    "snapshot",
    "Records that retention removed before they were read.",
    "topic",
    "partition",
)
WATERMARK_LAG = _gauge(
    "shadow_watermark_lag_seconds",
    "seconds",
    "snapshot",
    "How far evidence lies behind production: age of the newest record in the ledger where more wait, 0 at the end.",
    "topic",
    "partition",
)
NEEDS_PERSON = _gauge(
    "shadow_needs_person", "count", "snapshot", "Things that somebody should look at; the pages name them."
)
ARM_STATE = _gauge(
    "shadow_arm_state",
    "state",
    "snapshot",
    "State of an arm, 1 for the one in force.",
    "arm",
    "state",
    states=ARM_STATES,
)
AVAILABILITY = _gauge("shadow_arm_availability_ratio", "ratio", "snapshot", "Share of time an arm was up.", "arm")
ARM_LATENCY = _gauge(
    "shadow_arm_latency_seconds",
    "seconds",
    "snapshot",
    "Latency quantiles of the epoch, within 1 %.",
    "arm",
    "q",
)
ARM_TTFT = _gauge(
    "shadow_arm_time_to_first_token_seconds",
    "seconds",
    "snapshot",
    "Quantiles of the time to first token.",
    "arm",
    "q",
)
ARM_TPOT = _gauge(
    "shadow_arm_time_per_output_token_seconds",
    "seconds",
    "snapshot",
    "Quantiles of the time per output token.",
    "arm",
    "q",
)
ARM_COST = _gauge(
    "shadow_arm_cost_per_1k_calls_usd", "usd", "snapshot", "Cost of a thousand calls; absent where unknown.", "arm"
)
ARM_COST_ACCEPTABLE = _gauge(
    "shadow_arm_cost_per_1k_acceptable_answers_usd",
    "usd",
    "snapshot",
    "Cost of all calls by a thousand answers that neither failed nor violated; absent where unknown.",
    "arm",
)
ARM_SCORE = _gauge(
    "shadow_arm_score_mean_ratio", "ratio", "snapshot", "Mean score of the epoch (descriptive).", "arm", "scorer"
)

# The processes themselves.
LOOP_LAG = _gauge("shadow_loop_lag_seconds", "seconds", "runtime", "Largest delay of the event loop lately.", "process")
HEARTBEAT = _gauge("shadow_heartbeat_timestamp_seconds", "seconds", "runtime", "Last sign of life.", "process")
RESTARTS = _counter(
    "shadow_process_restarts_total", "count", "runtime", "Restarts of a child by its parent.", "process"
)
WINDOW_CALLS = _gauge("shadow_window_calls", "calls", "runtime", "Calls in flight between intake and ledger.")
WINDOW_CALLS_LIMIT = _gauge("shadow_window_calls_limit", "calls", "runtime", "Limit of shadow_window_calls.")
WINDOW_BYTES = _gauge("shadow_window_bytes", "bytes", "runtime", "Bytes in flight between intake and ledger.")
WINDOW_BYTES_LIMIT = _gauge("shadow_window_bytes_limit", "bytes", "runtime", "Limit of shadow_window_bytes.")
UNCOMMITTED = _gauge("shadow_uncommitted_records", "records", "runtime", "Finished records that wait for their prefix.")
IN_FLIGHT = _gauge("shadow_requests_in_flight", "calls", "runtime", "Calls an arm is answering now.", "arm")
PROBABILITY = _gauge(
    "shadow_governor_probability_ratio", "ratio", "runtime", "Factor on the sampling rate: below 1 while shedding."
)
GPU_USED = _gauge("shadow_gpu_memory_used_bytes", "bytes", "runtime", "Memory of a GPU in use by everybody.", "gpu")
GPU_TOTAL = _gauge("shadow_gpu_memory_total_bytes", "bytes", "runtime", "Memory that a GPU has.", "gpu")
ARM_MEMORY = _gauge(
    "shadow_arm_memory_bytes",
    "bytes",
    "runtime",
    "Memory of the processes of an arm's server: `host` resident, `gpu` as NVML tells it; absent where unknown.",
    "arm",
    "memory",
)
ARM_MEMORY_PEAK = _gauge(
    "shadow_arm_memory_peak_bytes",
    "bytes",
    "runtime",
    "The most of shadow_arm_memory_bytes while calls sent under this load were in flight; kept over restarts.",
    "arm",
    "memory",
    "load",
)
ARM_CACHE_PEAK = _gauge(
    "shadow_arm_kv_cache_peak_ratio",
    "ratio",
    "runtime",
    "The fullest KV cache of an arm's engine while calls sent under this load were in flight.",
    "arm",
    "load",
)
ARM_WAITING_PEAK = _gauge(
    "shadow_arm_waiting_peak_requests",
    "calls",
    "runtime",
    "The most requests that waited in an arm's engine while calls sent under this load were in flight.",
    "arm",
    "load",
)
ARM_LOAD_CALLS = _gauge(
    "shadow_arm_load_calls", "calls", "runtime", "Calls of an arm by the load they were sent under.", "arm", "load"
)
ARM_PREEMPTIONS = _counter(
    "shadow_arm_preemptions_total",
    "count",
    "runtime",
    "Requests an arm's engine gave up for want of KV memory, counted over its restarts and ours.",
    "arm",
)
BUDGET = _gauge("shadow_budget_used_ratio", "ratio", "runtime", "Share of a daily budget that is used.", "budget")
DEAD_LETTERS = _counter(
    "shadow_dead_letters_total", "records", "runtime", "Records handed to the dead-letter target.", "reason"
)
FENCED = _counter(
    "shadow_fenced_batches_total", "count", "runtime", "Batches dropped because another worker owns the partition."
)
LEDGER_REFUSALS = _counter(
    "shadow_ledger_refusals_total",
    "count",
    "runtime",
    "Attempts that the ledger did not take (disk full, locked, away); each is made again, nothing is lost.",
)
SCORER_DURATION = _histogram(
    "shadow_scorer_duration_seconds", "seconds", "runtime", "work", "Time a scorer took for one case.", "scorer"
)
SCORER_ERRORS = _counter(
    "shadow_scorer_errors_total", "count", "runtime", "Scorer failures by class of error.", "scorer", "kind"
)
KNOWN_RECORD = _gauge(
    "shadow_known_record_timestamp_seconds",
    "seconds",
    "runtime",
    "When a heartbeat last came the whole way into the ledger: through this worker, or out of the mirrored topic.",
    "path",
)
KNOWN_ANSWER = _gauge(
    "shadow_known_answer_timestamp_seconds",
    "seconds",
    "runtime",
    "When a scorer last judged a known case as it should.",
    "scorer",
)
SCORER_DRIFT = _gauge(
    "shadow_scorer_drift",
    "state",
    "runtime",
    "1 once a scorer is proven to say other things of known cases than it did.",
    "scorer",
)
SCORER_DEVIATION = _gauge(
    "shadow_scorer_deviation_ratio",
    "ratio",
    "runtime",
    "Mean deviation of a scorer from what it said of known cases when it was well.",
    "scorer",
)
SCORER_EVALUE = _gauge(
    "shadow_scorer_drift_log_evalue",
    "count",
    "runtime",
    "Natural logarithm of the evidence that a scorer has drifted; log(1/anchors.alpha) decides.",
    "scorer",
)
SCORER_AGREEMENT = _gauge(
    "shadow_scorer_human_agreement_ratio",
    "ratio",
    "runtime",
    "Share of known cases that a scorer judges as the people did who labelled them, since this process began.",
    "scorer",
)
SCORER_BUDGET = _gauge(
    "shadow_scorer_budget_used_ratio",
    "ratio",
    "runtime",
    "Share of a scorer's daily budget that this worker has used.",
    "scorer",
    "limit",
)
SCORER_SKIPPED = _counter(
    "shadow_scorer_skipped_total",
    "calls",
    "runtime",
    "Answers left unscored because a scorer's daily budget was used up.",
    "scorer",
    "limit",
)
ERRORS = _counter(
    "shadow_internal_errors_total", "count", "runtime", "Errors caught at a stage's border: each is a bug.", "stage"
)
OVERFLOW = _counter(
    "shadow_label_overflow_total", "count", "runtime", "Label values beyond their bound, counted under `other`."
)
BUILD_INFO = _gauge(
    "shadow_build_info", "info", "runtime", "Version of Shadow and Python; always 1.", "version", "python"
)
CONFIG_INFO = _gauge(
    "shadow_config_info", "info", "runtime", "Configuration and role in force; always 1.", "hash", "role"
)

METRICS: tuple[Metric, ...] = tuple(value for value in list(globals().values()) if isinstance(value, Metric))
"""All of them, in the order in which they stand above."""


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
