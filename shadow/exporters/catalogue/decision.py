"""The decision: exported by the one process that holds the monitor's lease."""

from shadow.exporters.catalogue.metric import Metric, decided
from shadow.exporters.labels import GATE_STATES, SEGMENT_STATES

VERDICT = decided("shadow_verdict", "state", "Verdict of a candidate, 1 for the word in force.", "candidate", "verdict")
VERDICT_SINCE = decided(
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
HOLD = decided("shadow_hold", "state", "Why a candidate is held; several reasons may be 1.", "candidate", "hold")
GATE_STATE = decided(
    "shadow_gate_state",
    "state",
    "State of a gate, 1 for the one in force.",
    "candidate",
    "gate",
    "state",
    states=GATE_STATES,
)
EFFECT_RATIO = decided(
    "shadow_effect_ratio",
    "ratio",
    "Effect of a gate that compares shares, drops or ratios, larger is worse, cumulative in the epoch.",
    "candidate",
    "gate",
    "bound",
)
EFFECT_SECONDS = decided(
    "shadow_effect_seconds",
    "seconds",
    "Effect of a gate on a latency quantile, cumulative in the epoch.",
    "candidate",
    "gate",
    "bound",
)
LIMIT_RATIO = decided(
    "shadow_gate_limit_ratio", "ratio", "Limit of a gate in the unit of shadow_effect_ratio.", "candidate", "gate"
)
LIMIT_SECONDS = decided(
    "shadow_gate_limit_seconds", "seconds", "Limit of a gate in the unit of shadow_effect_seconds.", "candidate", "gate"
)
FLOOR_RATIO = decided(
    "shadow_noise_floor_ratio",
    "ratio",
    "Difference of the incumbent from itself (A/A), in the unit of shadow_effect_ratio.",
    "candidate",
    "gate",
)
LOG_EVALUE = decided(
    "shadow_log_evalue",
    "count",
    "Natural logarithm of the evidence; log(1/alpha) decides.",
    "candidate",
    "gate",
    "hypothesis",
)
RECORDS_TO_GO = decided(
    "shadow_records_to_go",
    "records",
    "Counted records until a gate can be decided at the present rate of evidence.",
    "candidate",
    "gate",
)
PAIRS = decided("shadow_pairs", "calls", "Paired calls in the epoch.", "candidate")
EFFECTIVE_PAIRS = decided(
    "shadow_effective_pairs", "calls", "Paired calls after weighting: what the evidence is worth.", "candidate"
)
UTILITY = decided(
    "shadow_utility",
    "ratio",
    "Utility against the incumbent, of kind linear in dollars a call; absent without `policy.utility`.",
    "candidate",
    "bound",
)
UTILITY_TERM = decided(
    "shadow_utility_term", "ratio", "One weighted addend of the utility.", "candidate", "term", "bound"
)
EPOCH = decided("shadow_epoch", "count", "Number of the epoch of evidence.", "candidate")
EPOCH_STARTED = decided(
    "shadow_epoch_started_timestamp_seconds", "seconds", "When the epoch of evidence began.", "candidate"
)
CHANGE_LEVEL = decided(
    "shadow_change_level_ratio",
    "ratio",
    "Detector of a change for the worse, as a share of the level that raises its alarm; 1 and above is an alarm.",
    "candidate",
    "metric",
)
SEGMENTS = decided("shadow_segments", "count", "Segments of a candidate by their own verdict.", "candidate", "verdict")
SEGMENT_STATE = decided(
    "shadow_segment_state",
    "state",
    "State of a segment, corrected for the number of segments, 1 for the one in force.",
    "candidate",
    "segment",
    "state",
    states=SEGMENT_STATES,
)
SEGMENT_ALARM = decided(
    "shadow_segment_alarm",
    "state",
    "1 from the moment a segment was proven worse, corrected for their number and for all looks, until the epoch ends.",
    "candidate",
    "segment",
)
