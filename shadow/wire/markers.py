"""Recognises text that a logger cut or replaced: asking a candidate about a placeholder would prove nothing."""

from typing import Any, Literal

Damage = Literal["redacted", "truncated"]

_REDACTED = frozenset(
    (
        "redacted-by-litellm",
        "redacted",
        "[redacted]",
        "<redacted>",
        "(redacted)",
        "***redacted***",
        "[scrubbed]",
        "[filtered]",
    )
)
_REDACTED_INSIDE = ("redacted-by-litellm", "__REDACTED__", "[REDACTED", "<REDACTED", "[redacted", "<redacted")
_CUT_INSIDE = ("(litellm_truncated", "<truncated due to size")
_CUT_AT_END = ("[truncated]", "(truncated)", "<truncated>", "...[truncated", "… [truncated")


def damage(text: str) -> Damage | None:
    """What a logger did to `text`, as far as it left a mark; None for text that looks whole."""
    if "edacted" in text or "EDACTED" in text:
        if text.strip().lower() in _REDACTED or any(mark in text for mark in _REDACTED_INSIDE):
            return "redacted"
    elif len(text) < 32 and text.strip().lower() in _REDACTED:
        return "redacted"
    if "truncated" in text and (
        any(mark in text for mark in _CUT_INSIDE) or text[-64:].rstrip().lower().endswith(_CUT_AT_END)
    ):
        return "truncated"
    return None


def damage_anywhere(value: Any) -> Damage | None:
    """The first damage in any string of a JSON value (depth is bounded by the parser)."""
    if isinstance(value, str):
        return damage(value)
    if isinstance(value, dict | list):
        for child in value.values() if isinstance(value, dict) else value:
            found = damage_anywhere(child)
            if found is not None:
                return found
    return None
