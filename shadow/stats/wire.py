"""How additive states are written: versioned, canonical MessagePack, refused when it is anything else."""

from typing import Any, TypeVar

import msgspec

from shadow.errors import LedgerError

VERSION = 1
_INT64 = 1 << 63
_PAIR_HISTOGRAMS = 10
_MOMENT_SUMS = 6
_MOMENT_BLOCKS = 4
_TABLE_CELLS = 6


class PairWire(msgspec.Struct, array_like=True, kw_only=True):
    """The fields of a PairState in the order in which they are written."""

    version: int = VERSION
    spec: str
    pairs: int
    histograms: list[dict[int, int]]
    tables: dict[str, list[int]]
    moments: list[list[Any]]  # int, or bytes where a sum is beyond 64 bits
    unknown: dict[str, int]
    first_unix_ms: int | None
    last_unix_ms: int | None


class ArmWire(msgspec.Struct, array_like=True, kw_only=True):
    """The fields of an ArmState in the order in which they are written."""

    version: int = VERSION
    outcomes: int
    counters: dict[str, Any]  # int, or bytes where a sum is beyond 64 bits
    failures: dict[str, int]
    durations: dict[str, dict[int, int]]
    sizes: dict[str, dict[int, int]]
    scores: dict[str, dict[int, int]]
    findings: dict[str, int]
    first_unix_ms: int | None
    last_unix_ms: int | None


_Wire = TypeVar("_Wire", PairWire, ArmWire)
_ENCODER = msgspec.msgpack.Encoder()
_PAIR = msgspec.msgpack.Decoder(PairWire)
_ARM = msgspec.msgpack.Decoder(ArmWire)


def encode_pair(wire: PairWire) -> bytes:
    """Bytes of a pair state; dictionaries have to be sorted already."""
    if (
        wire.histograms and not wire.histograms[-1]
    ):  # no linear utility: nothing is written of it, as before there was one
        wire.histograms, wire.moments = wire.histograms[:-1], wire.moments[:-1]
    wire.moments = [[_narrow(v) for v in block] for block in wire.moments]
    return _ENCODER.encode(wire)


def decode_pair(data: bytes) -> PairWire:
    """Reads a pair state. Raises LedgerError when the bytes are no such state or of another version."""
    wire = _decode(_PAIR, data, "pair")
    if len(wire.histograms) == _PAIR_HISTOGRAMS - 1 and len(wire.moments) == _MOMENT_BLOCKS - 1:
        wire.histograms.append({})
        wire.moments.append([0] * _MOMENT_SUMS)
    if (
        len(wire.histograms) != _PAIR_HISTOGRAMS
        or len(wire.moments) != _MOMENT_BLOCKS
        or any(len(block) != _MOMENT_SUMS for block in wire.moments)
        or any(len(cells) != _TABLE_CELLS for cells in wire.tables.values())
    ):
        raise LedgerError("a stored pair aggregate has the wrong shape; `shadow verify` shows which")
    wire.moments = [[_widen(v) for v in block] for block in wire.moments]
    return wire


def encode_arm(wire: ArmWire) -> bytes:
    """Bytes of an arm state; dictionaries have to be sorted already."""
    wire.counters = {k: _narrow(v) for k, v in wire.counters.items()}
    return _ENCODER.encode(wire)


def decode_arm(data: bytes) -> ArmWire:
    """Reads an arm state. Raises LedgerError when the bytes are no such state or of another version."""
    wire = _decode(_ARM, data, "arm")
    wire.counters = {k: _widen(v) for k, v in wire.counters.items()}
    return wire


def _decode(decoder: "msgspec.msgpack.Decoder[_Wire]", data: bytes, kind: str) -> _Wire:
    try:
        wire = decoder.decode(data)
    except msgspec.DecodeError as error:
        raise LedgerError(f"a stored {kind} aggregate cannot be read; `shadow verify` shows which") from error
    if wire.version != VERSION:
        raise LedgerError(
            f"a stored {kind} aggregate has version {wire.version}, this Shadow writes {VERSION}; fold it anew from the outcomes"
        )
    return wire


def _narrow(value: int) -> int | bytes:
    """MessagePack integers end at 64 bits; larger sums travel as two's complement bytes, shortest form."""
    if -_INT64 <= value < _INT64:
        return value
    return value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True)


def _widen(value: Any) -> int:
    if isinstance(value, bytes):
        return int.from_bytes(value, "big", signed=True)
    if isinstance(value, int):
        return value
    raise LedgerError("a stored aggregate holds a sum that is no integer; `shadow verify` shows which")
