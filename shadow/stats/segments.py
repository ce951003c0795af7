"""Which segments are worse? A family of questions at one moment, with "not enough evidence" as an answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from shadow.stats import means
from shadow.stats.grid import D_BINS
from shadow.stats.multiple import e_bh
from shadow.stats.state import PairState

SegmentState = Literal["worse", "not_worse", "insufficient"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentEffect:
    """Quality in one segment: candidate minus reference, each bound alone valid at 1 - alpha; None without pairs."""

    segment: str
    n: int
    state: SegmentState
    lower: float | None
    point: float | None
    upper: float | None
    log_e_worse: float


def segment_effects(
    states: Mapping[str, Mapping[int, PairState]], *, margin: float, alpha: float
) -> list[SegmentEffect]:
    """Every segment's quality difference, worst first; `states` by segment and weight exponent, all of the same moment.

    "worse": the drop exceeds `margin`, at false discovery rate `alpha` over all segments (e-BH, any dependence);
    "not_worse": proven within the margin on its own; else "insufficient".
    """
    names = list(states)
    counts = {
        name: {k: means.dense(state.difference, D_BINS) for k, state in states[name].items() if state.difference}
        for name in names
    }
    m = (1.0 - margin) / 2.0
    worse = [float(means.log_e_less(counts[name], m)) for name in names]
    found = {names[i] for i in e_bh(worse, alpha)}
    effects = [
        _effect(name, counts[name], log_e, "worse" if name in found else None, margin, alpha)
        for name, log_e in zip(names, worse, strict=True)
    ]
    return sorted(effects, key=lambda e: (e.state != "worse", e.point if e.point is not None else 2.0, e.segment))


def _effect(
    name: str, counts: means.Counts, log_e: float, state: SegmentState | None, margin: float, alpha: float
) -> SegmentEffect:
    n = int(sum(h.sum() for h in counts.values()))
    centre = means.mean(counts)
    if centre is None:
        return SegmentEffect(
            segment=name, n=0, state="insufficient", lower=None, point=None, upper=None, log_e_worse=0.0
        )
    lower, upper = (2.0 * end - 1.0 for end in means.bounds(counts, alpha))
    return SegmentEffect(
        segment=name,
        n=n,
        state=state or ("not_worse" if lower > -margin else "insufficient"),
        lower=lower,
        point=2.0 * centre - 1.0,
        upper=upper,
        log_e_worse=log_e,
    )
