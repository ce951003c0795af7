"""What every call and arm did, counted after the transaction that stored it."""

from shadow.exporters.catalogue.metric import counter, gauge, histogram

RECORDS = counter(
    "shadow_records_total", "records", "commit", "Records read, each in exactly one disposition.", "disposition"
)
REQUESTS = counter(
    "shadow_requests_total",
    "calls",
    "commit",
    "Calls per arm by final outcome; `unavailable` is a call inside an outage.",
    "arm",
    "route",
    "outcome",
)
DURATION = histogram(
    "shadow_request_duration_seconds",
    "seconds",
    "commit",
    "latency",
    "Latency of an answered call, client side, waiting before the send excluded.",
    "arm",
    "route",
)
TTFT = histogram(
    "shadow_time_to_first_token_seconds",
    "seconds",
    "commit",
    "ttft",
    "Time to the first output of any kind, reasoning included.",
    "arm",
    "route",
)
TPOT = histogram(
    "shadow_time_per_output_token_seconds",
    "seconds",
    "commit",
    "tpot",
    "(latency - time to first token) / (output tokens - 1), for two tokens or more.",
    "arm",
    "route",
)
QUEUE_WAIT = histogram(
    "shadow_queue_wait_seconds", "seconds", "commit", "wait", "Waiting inside Shadow before a call was sent.", "arm"
)
RETRIES = counter("shadow_retries_total", "count", "commit", "Repeated sends of a call.", "arm")
TRUNCATED = counter(
    "shadow_truncated_total",
    "calls",
    "commit",
    "Answers cut by an output limit (finish reason length).",
    "arm",
    "route",
)
LIMITED_BY_US = counter(
    "shadow_limited_by_us_total", "calls", "commit", "Answers cut by Shadow's own output limit.", "arm"
)
CLIENT_SATURATED = counter(
    "shadow_client_saturated_total",
    "calls",
    "commit",
    "Latencies taken while Shadow's own loop lagged; kept out of latency verdicts.",
    "arm",
)
SPELLS = counter(
    "shadow_spells_total", "count", "commit", "Outages that began; each counts as one failure in the evidence.", "arm"
)
TOKENS = counter(
    "shadow_tokens_total",
    "tokens",
    "commit",
    "Tokens as the server reported them; unknown counts add nothing.",
    "arm",
    "route",
    "direction",
)
USAGE_UNKNOWN = counter(
    "shadow_usage_unknown_total", "calls", "commit", "Answered calls without a usable output token count.", "arm"
)
COST = counter(
    "shadow_cost_usd_total",
    "usd",
    "commit",
    "Cost by the price sheet; calls of unknown cost add nothing.",
    "arm",
    "route",
)
COST_UNKNOWN = counter(
    "shadow_cost_unknown_total", "calls", "commit", "Answered calls whose cost is unknown (no price, no usage).", "arm"
)
SCORE = histogram(
    "shadow_score_ratio", "ratio", "commit", "score", "Scores between 0 and 1, higher is better.", "arm", "scorer"
)
SCORE_LABELS = counter(
    "shadow_score_labels_total", "calls", "commit", "Verdict words the scorers gave.", "arm", "scorer", "label"
)
UNSCORED = counter(
    "shadow_unscored_total",
    "calls",
    "commit",
    "Answers a scorer had nothing to judge in, by its reason.",
    "arm",
    "scorer",
    "reason",
)
FINDINGS = counter(
    "shadow_findings_total",
    "count",
    "commit",
    "Findings in answers (leaks, complied attacks, toxic language).",
    "arm",
    "scorer",
    "category",
)
PAIR_DELAY = histogram(
    "shadow_pair_delay_seconds", "seconds", "commit", "delay", "From the production timestamp to the ledger."
)
COMMITS = counter("shadow_commits_total", "count", "commit", "Transactions that moved a partition's position.")
COMMIT_DURATION = histogram(
    "shadow_commit_duration_seconds", "seconds", "commit", "work", "Duration of the ledger's transactions."
)
LAST_COMMIT = gauge(
    "shadow_last_commit_timestamp_seconds", "seconds", "commit", "When the ledger's position last moved."
)
