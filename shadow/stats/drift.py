"""Does an instrument still read what it read? A test of its deviation from fixed references that may be looked at for ever."""

from dataclasses import dataclass, field, replace

import msgspec
import numpy as np

from shadow.errors import LedgerError
from shadow.stats import means
from shadow.stats.means import BETS

_CAP = 1e200
_NOISE_BINS = 1025


class _Wire(msgspec.Struct, array_like=True, kw_only=True):
    version: int = 1
    m0: float
    alpha: float
    draws: int
    total: float
    wealth: list[float]
    peaks: list[float]
    onsets: list[int]
    looks: tuple[int, int] | None
    crossed_unix_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftTest:
    """Null: the mean deviation of a case drawn at random is at most `m0`, in (0, 1). Deviations lie in [0, 1].

    Every draw k starts a betting process of its own with the prior weight 1/(k(k+1)), for each of the fixed bets c_j:
    A_T(j) = (A_{T-1}(j) + 1/(T(T+1))) (1 + c_j (x_T/m0 - 1)), E_T = mean over j of A_T(j) + 1/(T+1), the last term being the
    weight of starts still to come. Each factor has mean <= 1 under the null, so E_T is an e-process: the chance that it
    *ever* reaches 1/alpha is at most alpha (Ville), however often anyone looks. The price of not knowing when a drift
    begins is 2 ln T, instead of the wealth that a process begun at the first draw has lost by then.

    Valid for independent draws; a fixed order would make the next deviation predictable. `onsets` hold, per bet, the
    last look before it began to win (`peaks`, the same process restarted whenever it falls below 1): all was well then.
    `looks` are the times of the look before and of this one; draws of one look share their time.
    """

    m0: float
    alpha: float
    draws: int = 0
    total: float = 0.0
    wealth: tuple[float, ...] = field(default=(0.0,) * len(BETS))
    peaks: tuple[float, ...] = field(default=(0.0,) * len(BETS))
    onsets: tuple[int, ...] = field(default=(0,) * len(BETS))
    looks: tuple[int, int] | None = None
    crossed_unix_ms: int | None = None

    def update(self, deviation: float, at_unix_ms: int) -> "DriftTest":
        """The test after one more draw."""
        draws = self.draws + 1
        before_ms, now_ms = self.looks or (at_unix_ms, at_unix_ms)
        looks = (now_ms, at_unix_ms) if at_unix_ms > now_ms else (before_ms, now_ms)
        factors = 1.0 + BETS * (deviation / self.m0 - 1.0)
        wealth = np.minimum((np.array(self.wealth) + 1.0 / (draws * (draws + 1))) * factors, _CAP)
        before = np.array(self.peaks)
        peaks = np.maximum(before, 0.0) + np.log(factors)
        onsets = tuple(looks[0] if old <= 0.0 else known for old, known in zip(self.peaks, self.onsets, strict=True))
        after = replace(
            self,
            draws=draws,
            total=self.total + deviation,
            wealth=tuple(float(w) for w in wealth),
            peaks=tuple(float(p) for p in peaks),
            onsets=onsets,
            looks=looks,
        )
        if self.crossed_unix_ms is None and after.log_evalue >= -float(np.log(self.alpha)):
            after = replace(after, crossed_unix_ms=at_unix_ms)
        return after

    @property
    def log_evalue(self) -> float:
        """Natural logarithm of the evidence against the null; ln(1/alpha) decides."""
        return float(np.log(np.mean(self.wealth) + 1.0 / (self.draws + 1)))

    @property
    def mean(self) -> float | None:
        """Mean deviation of all draws; None before the first."""
        return self.total / self.draws if self.draws else None

    @property
    def onset_unix_ms(self) -> int | None:
        """The last look before the drift most plausibly began, in unix ms; None before it is proven."""
        if self.crossed_unix_ms is None:
            return None
        return self.onsets[int(np.argmax(self.peaks))]

    def to_bytes(self) -> bytes:
        """For the ledger."""
        return msgspec.msgpack.encode(
            _Wire(
                m0=self.m0,
                alpha=self.alpha,
                draws=self.draws,
                total=self.total,
                wealth=list(self.wealth),
                peaks=list(self.peaks),
                onsets=list(self.onsets),
                looks=self.looks,
                crossed_unix_ms=self.crossed_unix_ms,
            )
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> "DriftTest":
        """What `to_bytes` wrote; LedgerError for anything else."""
        try:
            wire = msgspec.msgpack.decode(data, type=_Wire)
        except msgspec.MsgspecError as error:
            raise LedgerError(f"a stored drift test cannot be read: {error}") from None
        if wire.version != 1 or any(len(x) != len(BETS) for x in (wire.wealth, wire.peaks, wire.onsets)):
            raise LedgerError("a stored drift test was written by another version of Shadow")
        return cls(
            m0=wire.m0,
            alpha=wire.alpha,
            draws=wire.draws,
            total=wire.total,
            wealth=tuple(wire.wealth),
            peaks=tuple(wire.peaks),
            onsets=tuple(wire.onsets),
            looks=wire.looks,
            crossed_unix_ms=wire.crossed_unix_ms,
        )


def noise_bound(deviations: list[float], confidence: float = 0.01) -> float:
    """Upper confidence bound (valid at 1 - `confidence`) of the mean of independent deviations in [0, 1]; 1.0 without any.

    Deviations are rounded up to a grid of 1/1024, so that the bound stays one.
    """
    if not deviations:
        return 1.0
    bins = np.minimum(np.ceil(np.array(deviations) * (_NOISE_BINS - 1)), _NOISE_BINS - 1).astype(np.int64)
    histogram = np.bincount(bins, minlength=_NOISE_BINS)
    return means.bounds({0: histogram}, confidence)[1]
