"""Has the traffic itself changed? A verdict about last month's questions is none about today's."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

CONFIDENCE = 1e-4
"""Chance of a false alarm per comparison; looks are few (one per closed hour)."""

TOLERANCE = 0.15
"""Share of the traffic that may have moved before a verdict waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """How far two mixes lie apart: the share of traffic that moved (total variation), and what is certain of it."""

    moved: float
    certain: float
    drifted: bool
    largest: str | None  # the part that grew most

    def sentence(self, what: str) -> str:
        """For a person: what moved, in words."""
        grew = f", most of it to {self.largest}" if self.largest else ""
        return f"at least {self.certain:.0%} of the traffic moved to other {what} since the epoch began{grew}"


def drift(
    past: Mapping[str, int], recent: Mapping[str, int], *, tolerance: float = TOLERANCE, confidence: float = CONFIDENCE
) -> Drift | None:
    """Compares counts by part (segments, prompt lengths) of the epoch's past and of a recent window; None without both.

    Total variation distance of the shares, less what chance explains: for n units in K parts the empirical shares lie
    within sqrt(K / 4n) + sqrt(ln(2/confidence) / 2n) of the truth (mean bound and McDiarmid). Drifted when the rest
    is above `tolerance`. Parts have to be disjoint and exhaustive, and named beforehand.
    """
    n_past, n_recent = sum(past.values()), sum(recent.values())
    if not n_past or not n_recent:
        return None
    parts = past.keys() | recent.keys()
    gains = {p: recent.get(p, 0) / n_recent - past.get(p, 0) / n_past for p in parts}
    moved = sum(abs(g) for g in gains.values()) / 2.0
    allowance = sum(
        math.sqrt(len(parts) / (4.0 * n)) + math.sqrt(math.log(2.0 / confidence) / (2.0 * n))
        for n in (n_past, n_recent)
    )
    certain = max(moved - allowance, 0.0)
    largest = max(sorted(gains), key=lambda p: gains[p])
    return Drift(
        moved=moved, certain=certain, drifted=certain > tolerance, largest=largest if gains[largest] > 0 else None
    )


def length_parts(histogram: Mapping[int, int]) -> dict[str, int]:
    """Prompt lengths of an arm (`ArmState.sizes`, by bit length) as named parts for `drift`: "16 to 31 tokens"."""
    return {
        ("0 tokens" if bits == 0 else f"{1 << (bits - 1)} to {(1 << bits) - 1} tokens"): count
        for bits, count in sorted(histogram.items())
    }
