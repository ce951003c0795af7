"""Promote, reject or hold: the decision, a pure function of policy, evidence and circumstances.

promote: every gate proven (intersection-union, each at the full alpha), the utility's lower bound above 0 where there is
one, and nothing in the way. reject: the average of the gates' concurrent e-processes reaches 1/alpha; on the same look
it wins. Otherwise hold, with every reason.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from shadow.settings import Gate, Policy
from shadow.stats.means import effective_n
from shadow.stats.multiple import log_mean
from shadow.stats.plan import bisect, remaining
from shadow.verdict import words
from shadow.verdict.evidence import Blocked, Context, CrossingKeys, Evidence, Pairs
from shadow.verdict.gates import Levels, Measured, limit_of, point
from shadow.verdict.holds import UTILITY, holds_of
from shadow.verdict.mixed import UNFIXED, Mix, measured, outside
from shadow.verdict.result import Crossing, CrossingKind, GateResult, GateState, Hold, Verdict
from shadow.verdict.utility import Weighed, better_in_sum, weigh

_ROUNDING = 1e-9
"""Evidence of exactly G/alpha from one gate alone has to reject, and its logarithm is not exact."""


def decide(policy: Policy, evidence: Evidence, context: Context, *, detail: bool = True) -> Verdict:
    """The verdict at this look. Pure: first crossings come back in `crossings` for the caller to store and pass in
    again as `evidence.latched`.

    A gate once proven stays proven while its estimate lies within the limit; a violation and a rejection stand for the
    epoch. Without `detail` the intervals, floors, records to go are left out and the word and states are the same: a
    look then costs about a millisecond.
    """
    items = len(policy.gates) + 1
    levels = Levels(promote=policy.alpha.promote, reject=policy.alpha.reject, items=items)
    mix = Mix(policy.shares, evidence.parts) if policy.shares else None
    found = [
        _frozen(measured(policy, gate, evidence, context.uncounted, levels), gate.id, context) for gate in policy.gates
    ]
    weighing = _Weighing(policy, evidence.pairs, None if mix is None else mix.without(context.uncounted))
    worth = weighing.at(policy.alpha.promote)
    of_utility = -math.inf if UTILITY in context.frozen else weighing.share(worth, levels)
    shares = [m.share for m in found] + [of_utility]
    crossed = _Crossings(policy, evidence)
    rejected = crossed.reaches("rejected", None, log_mean(shares, items) >= levels.ln_reject - _ROUNDING)
    results = [
        _result(gate, m, levels, evidence, context, crossed, rejected=rejected, detail=detail)
        for gate, m in zip(policy.gates, found, strict=True)
    ]
    n = evidence.n
    held = Verdict(
        candidate=context.candidate,
        word="hold",
        n=n,
        sentence="",
        gates=tuple(results),
        effective_n=effective_n({k: s.pairs for k, s in evidence.pairs.items()}),
        utility_kind=policy.utility.kind if policy.utility is not None else None,
        utility=worth.terms if worth is not None else (),
        utility_lower=worth.lower if worth is not None else None,
        utility_point=worth.point if worth is not None else None,
        utility_upper=worth.upper if worth is not None else None,
        crossings=tuple(crossed.new),
    )
    if rejected:
        since = crossed.first("rejected", None, now=False)
        sentence = words.rejection(n, results, since.n if since else None, held.utility_upper, held.utility_kind)
        return replace(held, word="reject", sentence=sentence)
    to_go = weighing.to_go(worth) if detail else None
    holds = holds_of(policy, evidence, context, results, worth, utility_to_go=to_go)
    if mix is not None:
        holds += _unfixed(mix, n)
    if not holds:
        return replace(
            held, word="promote", sentence=words.promotion(n, results, held.utility_lower, held.utility_kind)
        )
    return replace(
        held,
        sentence=words.holding(holds, _all_to_go(holds, results, to_go), context.records_per_day),
        holds=tuple(holds),
    )


class _Crossings:
    """Collects what is crossed for the first time at this look, and remembers what was crossed before."""

    def __init__(self, policy: Policy, evidence: Evidence) -> None:
        self._keys, self._evidence = CrossingKeys(policy), evidence
        self.new: list[Crossing] = []

    def first(self, kind: CrossingKind, gate: Gate | None, now: bool) -> Crossing | None:
        """The first crossing, of this look or an earlier one; None when there is none."""
        key = self._keys.key(kind, gate)
        known = self._evidence.latched.get(key)
        if known is None and now:
            known = Crossing(
                key=key,
                kind=kind,
                gate=gate.id if gate is not None else None,
                n=self._evidence.n,
                at_unix_ms=self._evidence.last_unix_ms,
            )
            self.new.append(known)
        return known

    def reaches(self, kind: CrossingKind, gate: Gate | None, now: bool) -> bool:
        """Whether it is crossed, now or before."""
        return self.first(kind, gate, now) is not None


def _result(
    gate: Gate,
    m: Measured,
    levels: Levels,
    evidence: Evidence,
    context: Context,
    crossed: _Crossings,
    *,
    rejected: bool,
    detail: bool,
) -> GateResult:
    blocked = context.blocked.get(gate.id)
    proven = crossed.first("proven", gate, m.proven)
    alone = m.share >= levels.ln_alone or (rejected and m.share >= levels.ln_reject)
    violated = crossed.first("violated", gate, alone)
    paged = gate.hard and m.paged
    if paged:
        crossed.first("paged", gate, now=True)
    state = _state(m, blocked, violated=violated is not None or paged, proven=proven is not None)
    lower, centre, upper = m.bounds() if detail else (None, None, None)
    return GateResult(
        id=gate.id,
        kind=gate.kind,
        metric=gate.metric,
        hard=gate.hard,
        state=state,
        limit=limit_of(gate),
        lower=lower,
        point=centre,
        upper=upper,
        floor=point(gate, evidence.floor) if detail and evidence.floor else None,
        n=m.n,
        log_evalue_ok=m.log_ok,
        log_evalue_bad=m.log_bad,
        records_to_go=m.to_go() if detail and state == "undecided" else None,
        proven_at_n=proven.n if proven is not None else None,
        violated_at_n=violated.n if violated is not None else None,
        reason=blocked.reason if blocked is not None and not m.n else words.lacking(m.lacking),
    )


def _frozen(m: Measured, gate: str, context: Context) -> Measured:
    """What a gate measured; while it is frozen it is shown as it is, and speaks neither for nor against."""
    return replace(m, proven=False, paged=False, share=-math.inf) if gate in context.frozen else m


def _state(m: Measured, blocked: Blocked | None, *, violated: bool, proven: bool) -> GateState:
    if violated:
        return "violated"
    if proven and m.leaning:
        return "proven"
    return blocked.state if blocked is not None and not m.n else "undecided"


def _all_to_go(holds: Sequence[Hold], gates: Sequence[GateResult], utility: int | None) -> int | None:
    """Records until everything that is undecided is decided; None when that is unknown for one of it."""
    by_id: dict[str, int | None] = {g.id: g.records_to_go for g in gates} | {UTILITY: utility}
    counts = [by_id.get(hold.gate or "") for hold in holds if hold.reason == "undecided"]
    known = [count for count in counts if count is not None]
    return max(known) if known and len(known) == len(counts) else None


@dataclass(frozen=True, slots=True)
class _Weighing:
    """The utility of a policy on one look's evidence; everything is unknown without a utility."""

    policy: Policy
    pairs: Pairs
    mix: Mix | None

    def at(self, alpha: float) -> Weighed | None:
        """The utility with bounds at this error rate."""
        utility = self.policy.utility
        return None if utility is None else weigh(utility, self.pairs, alpha, mix=self.mix)

    def share(self, shown: Weighed | None, levels: Levels) -> float:
        """What it adds to the averaged rejection: an e-process where it is one; else all of it when its upper bound at
        alpha/G is below 0."""
        if shown is None or shown.point is None:
            return -math.inf
        if shown.log_e_bad is not None:
            return shown.log_e_bad
        worth = self.at(levels.reject / levels.items) if shown.point < 0 else None
        if worth is None or worth.upper is None or (worth.asymptotic and worth.n < self.policy.min_records):
            return -math.inf
        return levels.ln_alone if worth.upper < 0 else -math.inf

    def to_go(self, worth: Weighed | None) -> int | None:
        """Records until its lower bound is above 0 if it goes on like this; None when it is, or never will be."""
        utility, alpha = self.policy.utility, self.policy.alpha.promote
        if utility is None or worth is None or worth.lower is None or worth.lower > 0 or (worth.point or 0.0) <= 0:
            return None

        def positive(units: float) -> bool:
            return better_in_sum(utility, self.pairs, alpha, units / worth.n, mix=self.mix)

        return remaining(bisect(positive, worth.n, 1e8), worth.n)


def _unfixed(mix: Mix, n: int) -> list[Hold]:
    """A mix that leaves out much of the traffic says nothing about that part."""
    left_out = outside(mix, n)
    if left_out <= UNFIXED:
        return []
    detail = f"{left_out:.0%} of the pairs lie in no segment of policy.shares; give those segments a share, or leave shares out."
    return [Hold(reason="mix_drift", detail=detail)]


def worst(verdicts: Sequence[Verdict]) -> Verdict | None:
    """The verdict that counts for several candidates: reject before hold before promote; None without any."""
    order = {"reject": 0, "hold": 1, "promote": 2}
    return min(verdicts, key=lambda v: order[v.word], default=None)
