"""Everything that stands in the way of a promotion, most important first, each with a sentence for a person."""

from collections.abc import Sequence

from shadow.settings import Policy
from shadow.verdict import words
from shadow.verdict.evidence import Context, Evidence
from shadow.verdict.result import GateResult, Hold
from shadow.verdict.utility import Weighed

UTILITY = "utility"


def holds_of(
    policy: Policy,
    evidence: Evidence,
    context: Context,
    gates: Sequence[GateResult],
    worth: Weighed | None,
    *,
    utility_to_go: int | None = None,
) -> list[Hold]:
    """Reasons to hold; empty when the candidate may be promoted."""
    holds = [*_alarms(context, gates), *_surroundings(policy, context)]
    for state in ("uncalibrated", "not_evaluable"):
        together: dict[str, list[str]] = {}
        for gate in gates:
            if gate.state == state:
                together.setdefault(gate.reason, []).append(gate.id)
        holds += [
            Hold(reason=state, gate=ids[0], detail=f"{', '.join(ids)}: {reason}") for reason, ids in together.items()
        ]
    of_utility = _utility(policy, context, worth, utility_to_go)
    holds += [hold for hold in of_utility if hold.reason != "undecided"]
    holds += [
        Hold(reason="undecided", gate=g.id, detail=words.undecided(g, context.records_per_day))
        for g in gates
        if g.state == "undecided"
    ]
    holds += [hold for hold in of_utility if hold.reason == "undecided"]
    holds += _too_early(policy, evidence)
    return holds


def _alarms(context: Context, gates: Sequence[GateResult]) -> list[Hold]:
    holds = [
        Hold(
            reason="alarm",
            gate=g.id,
            detail=f"{g.id} {'is a hard gate and ' if g.hard else ''}was crossed: {words.subject(g.metric)} "
            f"{words.value(g, g.point)}, limit {words.value(g, g.limit)}; look at those answers now.",
        )
        for g in gates
        if g.state == "violated"
    ]
    if context.alarm is not None:
        holds.append(Hold(reason="alarm", detail=context.alarm))
    return holds


def _surroundings(policy: Policy, context: Context) -> list[Hold]:
    holds: list[Hold] = []
    stale = context.staleness_seconds
    if stale is not None and stale > policy.max_staleness:
        limit = _duration(policy.max_staleness)
        detail = f"nothing was scored for {_duration(stale)} (limit {limit}); is the worker running, is there traffic?"
        holds.append(Hold(reason="stale", detail=detail))
    if context.arm_state is not None and context.arm_state != "up":
        holds.append(Hold(reason="unavailable", detail=f"the candidate is {context.arm_state} now; it has to be up."))
    if context.availability is not None and context.availability < policy.min_availability:
        detail = f"the candidate was up {context.availability:.2%} of the time, the policy asks for {policy.min_availability:.2%}."
        holds.append(Hold(reason="unavailable", detail=detail))
    if context.scorer_drift is not None:
        holds.append(Hold(reason="scorer_drift", detail=context.scorer_drift))
    if context.mix_drift is not None:
        holds.append(Hold(reason="mix_drift", detail=context.mix_drift))
    return holds


def _utility(policy: Policy, context: Context, worth: Weighed | None, to_go: int | None) -> list[Hold]:
    utility = policy.utility
    if utility is None or worth is None:
        return []
    if worth.missing is not None:
        blocked = context.blocked.get(UTILITY)
        if blocked is not None:
            return [Hold(reason="not_evaluable", gate=UTILITY, detail=f"utility: {blocked.reason}")]
        if worth.refuted:
            return [Hold(reason="not_evaluable", gate=UTILITY, detail=f"utility: {worth.missing}.")]
        return [Hold(reason="undecided", gate=UTILITY, detail=f"utility: {worth.missing} so far.")]
    lower, upper = worth.lower, worth.upper
    if worth.asymptotic and worth.n < policy.min_records:
        detail = f"utility: {worth.n:,} of the {policy.min_records:,} records it needs (policy.min_records)."
        return [Hold(reason="undecided", gate=UTILITY, detail=detail)]
    if lower is None or upper is None or lower > 0:
        return []
    equal = utility.equivalence if utility.kind == "log" else utility.equivalence_usd
    if equal is not None and -equal < lower and upper < equal:
        between = f"utility between {words.worth(utility.kind, lower, 4)} and {words.worth(utility.kind, upper, 4)}"
        detail = f"the two models are equivalent: {between}; more records will not change that. Keep the incumbent."
        return [Hold(reason="equivalent", gate=UTILITY, detail=detail)]
    ahead = (
        f"{words.waiting(to_go, context.records_per_day)} if it goes on like this"
        if to_go is not None
        else "it is not better in sum so far"
    )
    return [
        Hold(
            reason="undecided",
            gate=UTILITY,
            detail=f"utility: between {words.worth(utility.kind, lower)} and {words.worth(utility.kind, upper)}, "
            f"has to be above 0; {ahead}.",
        )
    ]


def _too_early(policy: Policy, evidence: Evidence) -> list[Hold]:
    """Offline files without timestamps have no duration, and no minimum applies to them."""
    first, last = evidence.first_unix_ms, evidence.last_unix_ms
    if first is None or last is None:
        return []
    lasted = (last - first) / 1000.0
    if lasted >= policy.min_duration:
        return []
    detail = f"the evidence spans {_duration(lasted)} of the {_duration(policy.min_duration)} that policy.min_duration asks for."
    return [Hold(reason="too_early", detail=detail)]


def _duration(seconds: float) -> str:
    for unit, size in (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} seconds"
