"""The closed names for what is wrong with a record, a call or a figure; one spelling in code, metrics and docs."""

from typing import Literal

CallReason = Literal[
    "no_prompt",
    "redacted",
    "truncated_request",
    "truncated_response",
    "unreadable_response",
    "no_response",
    "client_closed",
    "content_filter",
    "external_content",
    "external_state",
    "external_tools",
    "token_ids",
    "batch_prompt",
    "legacy_functions",
    "unsupported_endpoint",
    "not_a_generation",
    "invalid_request",
    "unknown_format",
]
"""Why a call cannot be replayed, or why its recorded answer cannot be compared although nobody failed."""

DeadLetterReason = Literal["tombstone", "not_json", "invalid_unicode", "unknown_format"]
"""Why a record cannot be read at all."""

Note = Literal[
    "limit_is_ours",
    "one_choice",
    "functions_translated",
    "credentials_removed",
    "logit_bias_dropped",
    "thoughts_removed",
    "numbers_coerced",
    "figure_doubted",
    "cache_hit",
]
"""What reading a call changed or doubted; each is counted, none stops the call."""
