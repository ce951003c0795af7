"""Has it become worse since? A detector of change in the paired difference with a bound on its false alarms."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import msgspec
import numpy as np
from numpy.typing import NDArray

from shadow.errors import LedgerError
from shadow.stats.means import BETS, Floats, bounds, log_factors

ALPHA = 1 / 2880
"""One alarm per 2880 buckets at most on average: two days of minutes."""

_LOG_FACTOR_CAP = 50.0
_LEVEL_CAP = 1e200


class _Wire(msgspec.Struct, array_like=True, kw_only=True):
    version: int = 1
    m0: float
    alpha: float
    buckets: int
    levels: list[float]
    alarmed_at: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Detector:
    """e-SR (Shiryaev-Roberts on e-values; Shin, Ramdas and Rinaldo 2022) of "mean difference >= m0", m0 in (-1, 1).

    R_T(j) = (R_{T-1}(j) + 1) exp(l_j(T)), l_j the log wealth of bet j over one closed bucket; alarm when the mean over j
    reaches 1/alpha, so that the average run length to a false alarm is at least 1/alpha buckets. m0 has to lie below
    the true difference before the change: a lower confidence bound. `alarmed_at` is the bucket count of the first alarm.
    """

    m0: float
    alpha: float = ALPHA
    buckets: int = 0
    levels: tuple[float, ...] = field(default=(0.0,) * len(BETS))
    alarmed_at: int | None = None

    @classmethod
    def from_past(
        cls, past: Mapping[int, NDArray[np.int64]], *, alpha: float = ALPHA, confidence: float = 0.01
    ) -> "Detector | None":
        """A detector whose m0 is the lower confidence bound of the mean difference so far (histograms of D by weight
        exponent); None while the past bounds nothing."""
        lower, _ = bounds(past, confidence)
        return cls(m0=2.0 * lower - 1.0, alpha=alpha) if 0.0 < lower < 1.0 else None

    def update(self, bucket: Mapping[int, NDArray[np.int64]]) -> "Detector":
        """The detector after one closed bucket: histograms of D by weight exponent (129 bins). An empty bucket counts too."""
        log_wealth: Floats = np.zeros(len(BETS))
        m = (self.m0 + 1.0) / 2.0
        for exponent, histogram in bucket.items():
            log_wealth = log_wealth + histogram @ log_factors(len(histogram), m, "less", exponent)
        levels = (np.array(self.levels) + 1.0) * np.exp(np.minimum(log_wealth, _LOG_FACTOR_CAP))
        buckets = self.buckets + 1
        updated = replace(self, buckets=buckets, levels=tuple(float(v) for v in np.minimum(levels, _LEVEL_CAP)))
        if updated.active and self.alarmed_at is None:
            return replace(updated, alarmed_at=buckets)
        return updated

    @property
    def level(self) -> float:
        """Mean of R over the bets, as a share of the alarm threshold 1/alpha: 1 and above is an alarm."""
        return float(np.mean(self.levels)) * self.alpha

    @property
    def active(self) -> bool:
        """Whether the alarm stands now."""
        return self.level >= 1.0

    def restarted(self, m0: float | None = None) -> "Detector":
        """A fresh detector, after a person acknowledged an alarm or the baseline moved."""
        return Detector(m0=self.m0 if m0 is None else m0, alpha=self.alpha)

    def to_bytes(self) -> bytes:
        """For the ledger's mutable states."""
        return msgspec.msgpack.encode(
            _Wire(
                m0=self.m0,
                alpha=self.alpha,
                buckets=self.buckets,
                levels=list(self.levels),
                alarmed_at=self.alarmed_at,
            )
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> "Detector":
        """Reads what `to_bytes` wrote. Raises LedgerError for anything else: start a fresh one then."""
        try:
            wire = msgspec.msgpack.decode(data, type=_Wire)
        except msgspec.DecodeError as error:
            raise LedgerError("the stored change detector cannot be read; it has to start anew") from error
        if wire.version != 1 or len(wire.levels) != len(BETS) or not all(math.isfinite(v) for v in wire.levels):
            raise LedgerError("the stored change detector is of another version; it has to start anew")
        return cls(
            m0=wire.m0,
            alpha=wire.alpha,
            buckets=wire.buckets,
            levels=tuple(wire.levels),
            alarmed_at=wire.alarmed_at,
        )
