"""Verdicts in plain words: what a gate asks, what the numbers say, and what to do next."""

import math
from collections.abc import Sequence

from shadow.settings import Gate
from shadow.stats.spec import parse_metric
from shadow.verdict.result import GateResult, Hold, Verdict


def asks(gate: GateResult | Gate, limit: float, q: float | None = None, against: str = "baseline") -> str:
    """What a gate asks of the candidate, without jargon."""
    what = subject(gate.metric)
    if gate.kind == "risk_difference":
        return f"{what} ≤ {points(limit, signed=True)}"
    if gate.kind == "rate":
        return f"{what} ≤ {percent(limit)} of calls"
    if gate.kind == "mean_drop":
        return f"{what} drop ≤ {limit:g}"
    quantile = f"P{100 * q:g} latency" if q is not None else "latency"
    if gate.kind == "quantile":
        return f"{quantile} ≤ {seconds(limit)}"
    return f"{quantile} ≤ {limit:g}x {'the recorded' if against == 'recorded' else 'the baseline'}"


def subject(metric: str) -> str:
    """A metric in words."""
    parsed = parse_metric(metric)
    if parsed is None:
        return metric
    if parsed.name == "tail":
        return f"answers scored below {parsed.threshold:g}"
    if parsed.name == "slow":
        return f"answers slower than {seconds(parsed.threshold or 0.0)}"
    return {
        "violation": "unsafe answers",
        "failure": "failed calls",
        "score": "quality",
        "latency": "latency",
    }[parsed.name]


def value(gate: GateResult, number: float | None) -> str:
    """A number in the gate's unit; a dash where nothing is known."""
    if number is None:
        return "–"
    if gate.kind == "risk_difference":
        return points(number, signed=True)
    if gate.kind == "rate":
        return percent(number)
    if gate.kind == "quantile":
        return seconds(number)
    if gate.kind == "quantile_ratio":
        return "∞" if math.isinf(number) else f"{number:.3g}x"
    return f"{number:+.4f}"


def worth(kind: str | None, number: float | None, digits: int = 3) -> str:
    """A utility, or an addend of it: of kind linear in dollars for a thousand calls, else a plain number."""
    if number is None:
        return "–"
    if kind == "linear":
        return f"{'+' if number >= 0 else '-'}${1000 * abs(number):.4g} per 1,000 calls"
    return f"{number:+.{digits}f}"


def span(gate: GateResult) -> str:
    """Lower to upper bound with the unit once; a dash where neither is known."""
    if gate.lower is None and gate.upper is None:
        return "–"
    low, high = value(gate, gate.lower), value(gate, gate.upper)
    unit = next((u for u in (" points", " %", " ms", " s", "x") if low.endswith(u) and high.endswith(u)), "")
    return f"{low.removesuffix(unit)} to {high}"


def points(share: float, *, signed: bool = False) -> str:
    """A difference of shares in percentage points."""
    return f"{100 * share:{'+' if signed else ''}.3g} points"


def percent(share: float) -> str:
    """A share as a percentage."""
    return f"{100 * share:.3g} %"


def seconds(number: float) -> str:
    """A duration; milliseconds below one second."""
    if math.isinf(number):
        return "∞"
    return f"{1000 * number:.3g} ms" if number < 1 else f"{number:.3g} s"


def records(count: int) -> str:
    """A count of records, rounded to what is known of it."""
    if count > 100:
        digits = max(0, int(math.log10(count)) - 1)
        count = math.ceil(count / 10**digits) * 10**digits
    return f"{count:,} more record{'' if count == 1 else 's'}"


def waiting(count: int, records_per_day: float | None) -> str:
    """A count of records with the time they take at this traffic."""
    text = f"about {records(count)}"
    if not records_per_day or records_per_day <= 0:
        return text
    days = count / records_per_day
    time = (
        f"{days * 1440:.0f} minutes" if days < 1 / 12 else f"{days * 24:.0f} hours" if days < 2 else f"{days:.0f} days"
    )
    return f"{text} ({time} at this traffic)"


def promotion(n: int, gates: Sequence[GateResult], lower: float | None, kind: str | None = None) -> str:
    """The sentence of a promotion."""
    better = f", and the utility is at least {worth(kind, lower)}" if lower is not None else ""
    return f"Promote it: after {n:,} records all {len(gates)} gates are proven{better}."


def rejection(
    n: int, gates: Sequence[GateResult], since: int | None, utility_upper: float | None, kind: str | None = None
) -> str:
    """The sentence of a rejection: which gate, by how much."""
    violated = [g for g in gates if g.state == "violated"]
    when = f"since record {since:,}" if since is not None and since < n else f"after {n:,} records"
    if not violated:
        worse = f" (at most {worth(kind, utility_upper)})" if utility_upper is not None else ""
        return f"Reject it: {when} the candidate is worse in sum{worse}. Keep the incumbent."
    return f"Reject it: {when} {'; '.join(_violation(g) for g in violated)}. Keep the incumbent."


def holding(holds: Sequence[Hold], to_go: int | None, records_per_day: float | None) -> str:
    """The sentence of a hold: what stands in the way, most important first. `to_go` are the records until everything
    open is decided, None when that cannot be said."""
    first = holds[0]
    if first.reason == "equivalent":
        return f"Nothing to wait for: {first.detail}"
    if first.reason != "undecided":
        return f"Do not promote yet: {first.detail}"
    names = listed([h.gate or "" for h in holds if h.reason == "undecided"])
    if to_go is None:
        return f"Keep the incumbent for now: {names} cannot be decided yet. First: {first.detail}"
    return f"Wait for {waiting(to_go, records_per_day)} until {names} can be decided. First: {first.detail}"


def listed(names: Sequence[str]) -> str:
    """Names as prose: "a, b and c"."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else ""


def lacking(segments: Sequence[str]) -> str:
    """Which segments of a fixed mix have no data; empty when all have."""
    return f"no pairs of {listed(segments)} yet, whose share the policy fixes" if segments else ""


def undecided(gate: GateResult, records_per_day: float | None) -> str:
    """Why a gate is open."""
    if not gate.n:
        return f"{gate.id}: no data so far."
    if gate.reason:
        return f"{gate.id}: {gate.reason}; is it spelled as in the traffic?"
    shown = f"{subject(gate.metric)} {value(gate, gate.point)}, limit {value(gate, gate.limit)}"
    if gate.records_to_go is not None:
        return f"{gate.id}: {shown}; {waiting(gate.records_to_go, records_per_day)} if it goes on like this."
    if gate.point is not None and gate.point >= gate.limit:
        return f"{gate.id}: {shown}; the estimate lies beyond the limit, the evidence does not suffice to reject."
    return f"{gate.id}: {shown}; no forecast is possible yet."


def _violation(gate: GateResult) -> str:
    bound = f" (at least {value(gate, gate.lower)})" if gate.lower is not None else ""
    shown = f" {value(gate, gate.point)}{bound}, limit {value(gate, gate.limit)}" if gate.point is not None else ""
    return f"{gate.id} is violated: {subject(gate.metric)}{shown}"


def headline(verdict: Verdict) -> str:
    """One line: candidate, word, n."""
    word = {"promote": "PROMOTE", "reject": "REJECT", "hold": "HOLD"}[verdict.word]
    return f"{verdict.candidate}: {word} after {verdict.n:,} records"
