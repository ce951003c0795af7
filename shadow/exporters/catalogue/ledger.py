"""What the ledger says about everything read."""

from shadow.exporters.catalogue.metric import gauge
from shadow.exporters.labels import ARM_STATES

LEADER = gauge("shadow_leader", "state", "snapshot", "1 where this process holds the monitor's lease and decides.")
SNAPSHOT_AT = gauge("shadow_snapshot_timestamp_seconds", "seconds", "snapshot", "When the monitor last looked.")
LEDGER_RECORDS = gauge(
    "shadow_ledger_records", "records", "snapshot", "Records by disposition since the ledger began.", "disposition"
)
LEDGER_READ = gauge("shadow_ledger_read_records", "records", "snapshot", "Records read since the ledger began.")
RESIDUAL = gauge(
    "shadow_ledger_residual_records",
    "records",
    "snapshot",
    "Records read minus the sum of dispositions: 0, or something was lost or counted twice.",
)
LAST_SCORED = gauge(
    "shadow_last_scored_timestamp_seconds", "seconds", "snapshot", "Production time of the newest scored record."
)
LAG = gauge(
    "shadow_partition_lag_records",
    "records",
    "snapshot",
    "End of the partition minus the ledger's position.",
    "topic",
    "partition",
)
NEXT_OFFSET = gauge("shadow_partition_next_offset", "count", "snapshot", "The ledger's position.", "topic", "partition")
GAPS = gauge(
    "shadow_partition_gap_records",
    "records",
    "snapshot",
    "Offsets without a record (compaction, transactions).",
    "topic",
    "partition",
)
LOST = gauge(
    "shadow_partition_lost_records",
    "records",
    "snapshot",
    "Records that retention removed before they were read.",
    "topic",
    "partition",
)
WATERMARK_LAG = gauge(
    "shadow_watermark_lag_seconds",
    "seconds",
    "snapshot",
    "How far evidence lies behind production: age of the newest record in the ledger where more wait, 0 at the end.",
    "topic",
    "partition",
)
NEEDS_PERSON = gauge(
    "shadow_needs_person", "count", "snapshot", "Things that somebody should look at; the pages name them."
)
ARM_STATE = gauge(
    "shadow_arm_state",
    "state",
    "snapshot",
    "State of an arm, 1 for the one in force.",
    "arm",
    "state",
    states=ARM_STATES,
)
AVAILABILITY = gauge("shadow_arm_availability_ratio", "ratio", "snapshot", "Share of time an arm was up.", "arm")
ARM_LATENCY = gauge(
    "shadow_arm_latency_seconds",
    "seconds",
    "snapshot",
    "Latency quantiles of the epoch, within 1 %.",
    "arm",
    "q",
)
ARM_TTFT = gauge(
    "shadow_arm_time_to_first_token_seconds",
    "seconds",
    "snapshot",
    "Quantiles of the time to first token.",
    "arm",
    "q",
)
ARM_TPOT = gauge(
    "shadow_arm_time_per_output_token_seconds",
    "seconds",
    "snapshot",
    "Quantiles of the time per output token.",
    "arm",
    "q",
)
ARM_COST = gauge(
    "shadow_arm_cost_per_1k_calls_usd", "usd", "snapshot", "Cost of a thousand calls; absent where unknown.", "arm"
)
ARM_COST_ACCEPTABLE = gauge(
    "shadow_arm_cost_per_1k_acceptable_answers_usd",
    "usd",
    "snapshot",
    "Cost of all calls by a thousand answers that neither failed nor violated; absent where unknown.",
    "arm",
)
ARM_SCORE = gauge(
    "shadow_arm_score_mean_ratio", "ratio", "snapshot", "Mean score of the epoch (descriptive).", "arm", "scorer"
)
