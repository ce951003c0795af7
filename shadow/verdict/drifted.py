"""What a drifted scorer means for a verdict: the gates that read it decide nothing, and what they crossed since counts no more."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from shadow.settings import Gate, Policy
from shadow.stats.spec import parse_metric
from shadow.verdict.evidence import Context
from shadow.verdict.holds import UTILITY
from shadow.verdict.result import Crossing


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """A scorer that was proven to have drifted from its known cases; `since_unix_ms` is where that most plausibly began."""

    scorer: str
    proven_unix_ms: int
    since_unix_ms: int | None = None
    deviation: float | None = None  # mean over all draws, 0..1
    tolerated: float | None = None

    @property
    def began_unix_ms(self) -> int:
        """From when on its scores are doubted."""
        return self.proven_unix_ms if self.since_unix_ms is None else self.since_unix_ms


def gates_that_read(policy: Policy, scorers: Iterable[str]) -> frozenset[str]:
    """Ids of the gates whose evidence comes from one of these scorers, `utility` among them where it weighs quality."""
    drifted = set(scorers)
    found = {gate.id for gate in policy.gates if _reads(gate, policy, drifted)}
    if policy.utility is not None and policy.utility.quality and policy.quality in drifted:
        found.add(UTILITY)
    return frozenset(found)


def with_drift(context: Context, policy: Policy, drifts: Sequence[Drift]) -> Context:
    """The circumstances with the sentence of those drifts that the policy rests on; without any, the same."""
    telling = [drift for drift in drifts if gates_that_read(policy, [drift.scorer])]
    if not telling:
        return context
    frozen = gates_that_read(policy, [drift.scorer for drift in telling])
    said = [s for s in (context.scorer_drift, *map(_sentence, telling)) if s is not None]
    return replace(context, scorer_drift=" Also: ".join(said), frozen=context.frozen | frozen)


def standing(
    latched: Mapping[str, tuple[Crossing, int]], policy: Policy, drifts: Sequence[Drift]
) -> dict[str, Crossing]:
    """First crossings by key that still count, out of (crossing, when it was stored in unix ms).

    What a gate of a drifted scorer crossed after the drift began may be the scorer's doing; so may a rejection, which
    averages all gates. The crossings stay stored: they count again for a policy that does not read that scorer.
    """
    telling = [drift for drift in drifts if gates_that_read(policy, [drift.scorer])]
    kept = {}
    for key, (crossing, at_unix_ms) in latched.items():
        doubted = (
            at_unix_ms >= drift.began_unix_ms
            and (crossing.gate is None or crossing.gate in gates_that_read(policy, [drift.scorer]))
            for drift in telling
        )
        if not any(doubted):
            kept[key] = crossing
    return kept


def _reads(gate: Gate, policy: Policy, drifted: set[str]) -> bool:
    metric = parse_metric(gate.metric)
    if metric is None:
        return False
    if metric.name in ("score", "tail"):
        return policy.quality in drifted
    return metric.name == "violation" and not drifted.isdisjoint(policy.violation)


def _sentence(drift: Drift) -> str:
    since = datetime.fromtimestamp(drift.began_unix_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return (
        f"the scorer {drift.scorer} no longer says of known cases what it said (since about {since}): its scores are not "
        "comparable over time, nothing is decided by them. Bring back the model or version it had, then raise the "
        "scorer's `generation`, which begins its evidence anew."
    )
