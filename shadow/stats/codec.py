"""Addition of stored states, for a ledger that knows only bytes."""

from shadow.errors import LedgerError
from shadow.stats.arms import ArmState
from shadow.stats.state import PairState


def merge_states(kind: str, a: bytes, b: bytes) -> bytes:
    """(kind, one, other) -> sum: commutative, associative, bit-exact. Kinds are those of `AggregateKey`.

    Raises LedgerError for bytes that are no such state, and for pair states that count by different specifications.
    """
    if kind in ("pair", "floor"):
        pair = PairState.from_bytes(a)
        pair.absorb(PairState.from_bytes(b))
        return pair.to_bytes()
    if kind == "arm":
        arm = ArmState.from_bytes(a)
        arm.absorb(ArmState.from_bytes(b))
        return arm.to_bytes()
    raise LedgerError(f"no aggregate is of kind {kind!r}; known are pair, floor and arm")
