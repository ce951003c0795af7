"""Where is it worse? Every segment's own evidence, corrected for how many segments are asked about.

A segment warns, it never decides. What is shown now and what raises an alarm are two questions: the first compares
e-values of one moment (e-BH), the second remembers the strongest evidence ever seen, which costs an adjustment.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import msgspec

from shadow.settings import Policy
from shadow.stats.fold import OVERALL
from shadow.stats.multiple import e_bh, log_adjusted_supremum, log_mean
from shadow.verdict.decide import decide
from shadow.verdict.evidence import Context, Evidence, Pairs, crossing_key
from shadow.verdict.result import GateResult, SegmentState, Verdict

MOST_SEGMENTS = 40
"""So many segments of a candidate are asked about, the largest ones: every further one weakens all the others."""

_COMPARING: Final = frozenset({"risk_difference", "mean_drop"})
"""Gates that compare with the reference on the same call. An absolute limit says nothing of worse: a route of long
answers is slow with every model."""


@dataclass(frozen=True, slots=True)
class Strongest:
    """The largest log evidence that a segment ever had (at least 0), and whether its alarm was raised."""

    log_evalue: float = 0.0
    alarm: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentResult:
    """One segment at one look. `gate` is the comparing gate with most evidence against it, None without any.

    `log_evalue`: evidence now that the segment violates some comparing gate, averaged over them. `state`: "worse" at a
    false discovery rate of alpha.reject over all segments (any dependence), "not_worse" where every comparing gate is
    proven on its own, else "insufficient". `alarm` stands from the first look at which even the adjusted running maximum
    (`strongest`) was enough, until the epoch or the policy changes.
    """

    segment: str
    n: int
    state: SegmentState
    gate: GateResult | None
    log_evalue: float
    alarm: bool
    strongest: Strongest = field(default_factory=Strongest)


def segment_verdicts(policy: Policy, pairs: Mapping[str, Pairs], floor: Pairs, context: Context) -> dict[str, Verdict]:
    """The largest segments but for all traffic, each as a verdict named by its segment; evidence of a part, never a decision."""
    alone = policy.model_copy(update={"shares": {}})
    sizes = {s: sum(p.pairs for p in parts.values()) for s, parts in pairs.items() if s != OVERALL}
    largest = sorted(sizes, key=lambda s: (-sizes[s], s))[:MOST_SEGMENTS]
    return {
        s: decide(alone, Evidence(pairs=pairs[s], floor=floor), replace(context, candidate=s)) for s in sorted(largest)
    }


def segment_results(
    policy: Policy, verdicts: Mapping[str, Verdict], known: Mapping[str, Strongest]
) -> tuple[SegmentResult, ...]:
    """Every segment, alarms first, then by evidence against it; `verdicts` by segment, all of the same look.

    e-BH (Wang and Ramdas 2022) on the averaged e-values of the moment; alarms by e-BH on sqrt(E*) - 1 of their running
    maxima E* (`log_adjusted_supremum`). Empty without segments. Pure: store each `strongest` and pass it in as `known`.
    """
    names = list(verdicts)
    now = [_log_evalue(verdicts[name]) for name in names]
    worse = {names[i] for i in e_bh(now, policy.alpha.reject)}
    highest = [max(known.get(name, Strongest()).log_evalue, value) for name, value in zip(names, now, strict=True)]
    alarmed = {names[i] for i in e_bh([log_adjusted_supremum(v) for v in highest], policy.alpha.reject)}
    results = []
    for name, value, top in zip(names, now, highest, strict=True):
        alarm = name in alarmed or known.get(name, Strongest()).alarm
        results.append(
            SegmentResult(
                segment=name,
                n=verdicts[name].n,
                state="worse" if name in worse else _state(verdicts[name]),
                gate=_most(_comparing(verdicts[name])),
                log_evalue=value,
                alarm=alarm,
                strongest=Strongest(top, alarm),
            )
        )
    return tuple(sorted(results, key=lambda r: (not r.alarm, r.state != "worse", -r.log_evalue, r.segment)))


def memory_key(policy: Policy, candidate: str, epoch: int) -> str:
    """Name of the stored maxima. Evidence against a margin is not evidence against another: a policy has its own."""
    return f"segments/{candidate}/{epoch}/{crossing_key('rejected', policy, None)}"


def remembered(data: bytes | None) -> dict[str, Strongest]:
    """Maxima as `to_remember` wrote them; what cannot be read is forgotten, which only delays an alarm."""
    if data is None:
        return {}
    try:
        return msgspec.msgpack.decode(data, type=dict[str, Strongest])
    except msgspec.MsgspecError:
        return {}


def to_remember(results: tuple[SegmentResult, ...]) -> bytes:
    """The maxima of a look, for the ledger's mutable states."""
    return msgspec.msgpack.encode({r.segment: r.strongest for r in results})


def _comparing(verdict: Verdict) -> list[GateResult]:
    return [gate for gate in verdict.gates if gate.kind in _COMPARING]


def _log_evalue(verdict: Verdict) -> float:
    """The average of concurrent e-processes; a gate without data counts as 0."""
    gates = _comparing(verdict)
    return log_mean([g.log_evalue_bad if g.log_evalue_bad is not None else -math.inf for g in gates], len(gates))


def _state(verdict: Verdict) -> SegmentState:
    gates = _comparing(verdict)
    return "not_worse" if gates and all(gate.state == "proven" for gate in gates) else "insufficient"


def _most(gates: list[GateResult]) -> GateResult | None:
    counted = [gate for gate in gates if gate.log_evalue_bad is not None]
    return max(counted, key=lambda g: g.log_evalue_bad or 0.0, default=None)
