"""Can this policy be decided at all? What is wrong with it, and which gates lack what they need, before anything runs."""

import difflib
from collections.abc import Collection, Iterator, Mapping

from shadow.settings import Gate, Policy
from shadow.stats.spec import METRICS, Metric, ScorerKind, parse_metric
from shadow.verdict.evidence import Blocked
from shadow.verdict.holds import UTILITY

_KINDS: dict[str, tuple[str, ...]] = {
    "risk_difference": ("violation", "failure", "tail", "slow"),
    "rate": ("violation", "failure", "tail", "slow"),
    "mean_drop": ("score",),
    "quantile": ("latency",),
    "quantile_ratio": ("latency",),
}
_FITTING = {
    "violation": "risk_difference or rate",
    "failure": "risk_difference or rate",
    "tail": "risk_difference or rate",
    "slow": "risk_difference or rate",
    "score": "mean_drop",
    "latency": "quantile or quantile_ratio",
}


def problems(
    policy: Policy, scorers: Mapping[str, ScorerKind] | None = None, *, known_scorers: Collection[str] = ()
) -> list[str]:
    """What is wrong with a policy, one complete message each; empty when nothing is.

    `scorers` are the configured ones by name; None skips what concerns them (a file of paired outcomes has its own).
    `known_scorers` are all that exist; a violation name that is neither configured nor known is a misspelling.
    """
    found = [message for gate in policy.gates for message in _gate_problems(gate)]
    if scorers is None:
        return found
    found += _share_problems(policy)
    if _reads_quality(policy) and policy.quality not in scorers:
        near = difflib.get_close_matches(policy.quality, scorers, n=1)
        hint = f"did you mean {near[0]}?" if near else f"configured are {', '.join(sorted(scorers)) or 'none'}"
        found.append(
            f'policy.quality: no scorer is called {policy.quality!r}, so the metric "score" has no value; {hint}'
        )
    for name in policy.violation:
        if known_scorers and name not in scorers and name not in known_scorers:
            near = difflib.get_close_matches(name, [*known_scorers, *scorers], n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(known_scorers))}"
            found.append(f"policy.violation: no scorer is called {name!r}; {hint}")
    return found


def evaluable(
    policy: Policy,
    scorers: Mapping[str, ScorerKind],
    *,
    has_baseline: bool,
    has_prices: bool,
    has_latency: bool = True,
    has_recorded_latency: bool = True,
    has_duplicates: bool = False,
) -> dict[str, Blocked]:
    """Which gates can never be decided with this configuration, by id (the utility as "utility"), and what to change.

    `has_duplicates`: repeated requests calibrate a comparative quality, though no latency.
    `has_prices`: both the incumbent and the candidate have one. An empty result: everything can be decided.
    """
    blocked: dict[str, Blocked] = {}
    has_floor = has_baseline or has_duplicates
    for gate in policy.gates:
        latency = (has_latency, has_recorded_latency)
        reason = next(
            _lacks(gate, policy, scorers, has_floor=has_floor, has_baseline=has_baseline, latency=latency), None
        )
        if reason is not None:
            blocked[gate.id] = reason
    if policy.utility is not None:
        reads = policy.utility.reads
        if "cost_usd" in reads and not has_prices:
            instead = ", or set utility.cost to 0" if policy.utility.kind == "log" else ""
            reason_text = f"no price of both arms; add `price` to the incumbent and the candidate{instead}"
            blocked[UTILITY] = Blocked(state="not_evaluable", reason=reason_text)
        elif "score" in reads and (reason := _quality_lacks(policy, scorers, has_floor)):
            blocked[UTILITY] = Blocked(state="not_evaluable", reason=reason.reason)
        elif "violation" in reads and not any(name in scorers for name in policy.violation):
            reason_text = (
                "utility.violation_usd prices violations, but no violation scorer is configured; add one to `scorers`"
            )
            blocked[UTILITY] = Blocked(state="not_evaluable", reason=reason_text)
    return blocked


def unheard(policy: Policy, scorers: Mapping[str, ScorerKind]) -> list[str]:
    """Violation scorers that the policy names and nobody configured: they see nothing, which `shadow check` says."""
    return [name for name in policy.violation if name not in scorers]


def _share_problems(policy: Policy) -> Iterator[str]:
    """Segments that the sidecar never makes: its traffic has routes, languages, lengths and tags."""
    for name in policy.shares:
        kind, _, value = name.partition("=")
        if kind not in ("route", "lang", "length") and not (kind.startswith("tag:") and kind != "tag:"):
            yield (
                f"policy.shares: no segment is called {name!r}; write route=NAME, lang=CODE, length=short|medium|long or "
                f"tag:KEY=VALUE{f' (route={name}?)' if not value else ''}"
            )
        elif not value or (kind == "length" and value not in ("short", "medium", "long")):
            yield f"policy.shares: {name!r} names no {kind}; lengths are short, medium and long"


def _gate_problems(gate: Gate) -> Iterator[str]:
    metric = parse_metric(gate.metric)
    if metric is None:
        names = ["violation", "failure", "score", "latency"]
        near = difflib.get_close_matches(gate.metric, names, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}? " if near else ""
        yield f"policy.gates.{gate.id}: no metric is called {gate.metric!r}; {hint}known are {', '.join(METRICS)}"
        return
    if metric.name not in _KINDS[gate.kind]:
        yield (
            f"policy.gates.{gate.id}: a {gate.kind} gate cannot read {gate.metric!r}; "
            f"write kind: {_FITTING[metric.name]}, or choose among {_readable(gate.kind)}"
        )
    unused = {
        "margin": gate.margin is not None and gate.kind not in ("risk_difference", "mean_drop"),
        "max": gate.max is not None and gate.kind not in ("rate", "quantile_ratio"),
        "q": gate.q is not None and gate.kind not in ("quantile", "quantile_ratio"),
        "max_seconds": gate.max_seconds is not None and gate.kind != "quantile",
    }
    for key in (name for name, present in unused.items() if present):
        yield f"policy.gates.{gate.id}.{key}: means nothing for kind {gate.kind}; remove it"


def _readable(kind: str) -> str:
    spelled = {"tail": '"score<0.3"', "slow": '"latency>2"'}
    return ", ".join(spelled.get(name, name) for name in _KINDS[kind])


def _lacks(
    gate: Gate,
    policy: Policy,
    scorers: Mapping[str, ScorerKind],
    *,
    has_floor: bool,
    has_baseline: bool,
    latency: tuple[bool, bool],
) -> Iterator[Blocked]:
    metric = parse_metric(gate.metric)
    if metric is None:
        yield Blocked(state="not_evaluable", reason=f"no metric is called {gate.metric!r}")
        return
    if metric.name in ("score", "tail"):
        reason = _quality_lacks(policy, scorers, has_floor)
        if reason is not None:
            yield reason
    if metric.name == "violation" and not any(name in scorers for name in policy.violation):
        listed = ", ".join(policy.violation) or "no scorer"
        yield Blocked(
            state="not_evaluable",
            reason=f"no violation scorer is configured ({listed} asked for); add one to `scorers`",
        )
    if metric.name in ("latency", "slow"):
        yield from _latency_lacks(gate, metric, has_baseline=has_baseline, latency=latency)


def _latency_lacks(gate: Gate, metric: Metric, *, has_baseline: bool, latency: tuple[bool, bool]) -> Iterator[Blocked]:
    measured, recorded = latency
    if not measured:
        yield Blocked(state="not_evaluable", reason="no latencies of the candidate")
    elif gate.kind == "quantile_ratio" and gate.against == "recorded" and not recorded:
        yield Blocked(state="not_evaluable", reason="the mirrored records hold no latency of the incumbent")
    elif not has_baseline and (
        (gate.kind == "quantile_ratio" and gate.against == "baseline")
        or (metric.name == "slow" and gate.kind == "risk_difference")
    ):
        yield Blocked(
            state="not_evaluable",
            reason="latency is compared with the incumbent asked again; add `baseline`, or an absolute limit "
            "(kind: quantile), or say `against: recorded`",
        )


def _quality_lacks(policy: Policy, scorers: Mapping[str, ScorerKind], has_floor: bool) -> Blocked | None:
    kind = scorers.get(policy.quality)
    if kind is None:
        return Blocked(state="not_evaluable", reason=f"no scorer is called {policy.quality!r}; add it to `scorers`")
    if kind == "comparative" and not has_floor:
        return Blocked(
            state="uncalibrated",
            reason=f"{policy.quality} measures change, and change is not harm: without `baseline` (the incumbent asked "
            "again) nobody knows how much change is normal; add it, or use an absolute scorer for policy.quality",
        )
    return None


def _reads_quality(policy: Policy) -> bool:
    metrics = [parse_metric(gate.metric) for gate in policy.gates]
    return any(m is not None and m.name in ("score", "tail") for m in metrics) or (
        policy.utility is not None and "score" in policy.utility.reads
    )
