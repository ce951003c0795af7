"""The fixed grids that make statistics additive: linear bins for scores, 2 % logarithmic bins for durations.

A grid never depends on data, so that two histograms of the same kind always add up bin by bin, in any order, exactly.
"""

import math
from bisect import bisect_left, bisect_right
from hashlib import blake2b
from struct import Struct

D_BINS = 129
"""Bins of the paired difference D = candidate - reference in [-1, 1], on x = (D + 1) / 2, grid i / 128."""

SCORE_BINS = 65
"""Bins of one score in [0, 1], grid i / 64."""

SIGNED_OCTAVES = 20
_STEPS = 8

LOG_BASE_SECONDS = 1e-4
LOG_STEP = 1.02
_LOG_EDGES = 1047


def _edges() -> tuple[float, ...]:
    # Repeated multiplication is plain IEEE arithmetic: the same edges on every machine, which pow() does not promise.
    edges = [LOG_BASE_SECONDS]
    for _ in range(_LOG_EDGES - 1):
        edges.append(edges[-1] * LOG_STEP)
    return tuple(edges)


def _magnitudes() -> tuple[float, ...]:
    # Dyadic fractions: exact on every machine.
    octaves = range(SIGNED_OCTAVES, 0, -1)
    return (0.0, *(2.0**-j * (1 + i / _STEPS) for j in octaves for i in range(_STEPS)), 1.0)


_MAGNITUDES = _magnitudes()
_ZERO = len(_MAGNITUDES) - 1

SIGNED_VALUES = (*(-m for m in reversed(_MAGNITUDES[1:])), *_MAGNITUDES)
"""The grid of a value in [-1, 1] whose typical size may be a millionth of the possible: 0, and 8 steps an octave on
either side. Rounding adds at most 1/256 of the second moment."""

EDGES_SECONDS = _edges()
"""Upper edges of the duration bins, 0.1 ms to 10^5 s. Bin `OVERFLOW` holds everything above, timeouts included."""

OVERFLOW = len(EDGES_SECONDS)


def log_bin(seconds: float) -> int:
    """Leftmost bin whose edge is not below `seconds`, so that counts up to an edge are exact. Infinity: `OVERFLOW`."""
    return bisect_left(EDGES_SECONDS, seconds)


def edge_seconds(index: int) -> float:
    """Upper edge of a duration bin in seconds; infinity for the overflow bin."""
    return EDGES_SECONDS[index] if index < OVERFLOW else math.inf


_SEEDED = blake2b(digest_size=24, person=b"shadow-rounding")
_UNIT = 2.0**-53
_three = Struct(">QQQ").unpack
_first = Struct(">Q16x").unpack


def uniforms(key: str) -> tuple[float, float, float]:
    """Three numbers in [0, 1) that depend on `key` only: the randomness of rounding, the same in every recomputation."""
    digest = _SEEDED.copy()  # half the time of a new one
    digest.update(key.encode("utf-8", "surrogatepass"))
    u, v, w = _three(digest.digest())
    return (u >> 11) * _UNIT, (v >> 11) * _UNIT, (w >> 11) * _UNIT


def uniform(key: str) -> float:
    """The first of `uniforms`."""
    digest = _SEEDED.copy()
    digest.update(key.encode("utf-8", "surrogatepass"))
    (u,) = _first(digest.digest())
    return float((u >> 11) * _UNIT)


def signed_bin(y: float, u: float) -> int:
    """Index into `SIGNED_VALUES` of `y` in [-1, 1] by randomised rounding between its neighbours; unbiased over u."""
    size = min(abs(y), 1.0)
    index = bisect_right(_MAGNITUDES, size) - 1
    if index < _ZERO:
        low, high = _MAGNITUDES[index], _MAGNITUDES[index + 1]
        index += u < (size - low) / (high - low)
    return _ZERO + index if y >= 0 else _ZERO - index


def rounded_bin(x: float, bins: int, u: float) -> int:
    """Bin of `x` in [0, 1] by randomised rounding: floor(y) + [u < frac(y)], y = x (bins - 1).

    The mean over u is exactly x, so no bias enters a mean; values outside [0, 1] are clamped (they are a scorer's bug,
    refused where scores are read).
    """
    y = min(max(x, 0.0), 1.0) * (bins - 1)
    floor = int(y)
    return floor + (u < y - floor)
