"""The one tree of exceptions that Shadow raises on purpose.

Expected failure (a candidate that times out, a text that cannot be scored) is a value and never an exception.
"""


class ShadowError(Exception):
    """Base of everything raised on purpose; its message is safe to print: it never quotes traffic."""


class ConfigurationError(ShadowError):
    """The configuration cannot be used. `problems` holds one complete message each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class UnreachableError(ShadowError):
    """Something outside (broker, database, candidate) does not answer; the message says what to try."""


class DecodeError(ShadowError):
    """A record cannot be read at all; `reason` is from the closed vocabulary and never quotes the input."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Fenced(ShadowError):
    """Somebody else owns the partition: its `next_offset` is not the one that was read. Drop the batch."""


class LedgerError(ShadowError):
    """The ledger cannot be used as it stands (schema, foreign group, position outside the log)."""
