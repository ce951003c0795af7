"""Tool calls compared by name and arguments, whatever their order; never executed."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from scorers.base import Case, Finding, Reply, Score, ScorerFailure, ScorerKind, ToolCall
from scorers.running import one_by_one
from scorers.structure import compare_values, too_deep

MAX_CALLS = 50


class Calls(NamedTuple):
    """How two lists of calls relate. `name_f1` and `argument_share` in [0, 1]."""

    equal: bool
    name_f1: float
    argument_share: float
    label: str


def _unparseable(call: ToolCall) -> bool:
    return isinstance(call.arguments, str)


def _readable(calls: Sequence[ToolCall]) -> list[ToolCall]:
    """The first calls; arguments that nest too deep to compare count as unparseable, like those that are no JSON."""
    return [ToolCall(name=c.name, arguments="") if too_deep(c.arguments) else c for c in calls[:MAX_CALLS]]


def compare_calls(a: Sequence[ToolCall], b: Sequence[ToolCall], *, ordered: bool = False) -> Calls:
    """Pairs calls of one name, those with equal arguments first. Looks at the first 50 calls of each side."""
    a, b = _readable(a), _readable(b)
    names_a, names_b = [c.name for c in a], [c.name for c in b]
    hits = sum((Counter(names_a) & Counter(names_b)).values())
    f1 = 2 * hits / (len(a) + len(b)) if a or b else 1.0
    left = list(b)
    shares: list[float] = []
    broken = any(_unparseable(c) for c in b)
    extra = missing = False
    for call in a:
        same_name = [(compare_values(call.arguments, o.arguments), o) for o in left if o.name == call.name]
        if not same_name:
            continue
        fields, best = max(same_name, key=lambda pair: pair[0].ratio)
        left.remove(best)
        shares.append(0.0 if _unparseable(call) or _unparseable(best) else fields.ratio)
        extra, missing = extra or bool(fields.extra), missing or bool(fields.missing)
    share = sum(shares) / max(len(a), len(b)) if a or b else 1.0
    equal = share == 1 and len(a) == len(b) and (not ordered or names_a == names_b)
    return Calls(equal, f1, share, _label(a, b, f1, share, equal=equal, broken=broken, extra=extra, missing=missing))


def _label(
    a: Sequence[ToolCall],
    b: Sequence[ToolCall],
    f1: float,
    share: float,
    *,
    equal: bool,
    broken: bool,
    extra: bool,
    missing: bool,
) -> str:
    if equal:
        return "equal"
    if bool(a) != bool(b):
        return "wrong_decision"
    if broken:
        return "unparseable"
    if f1 < 1:
        return "wrong_function" if len(a) == len(b) else "wrong_count"
    if share == 1:
        return "wrong_order"
    if missing:
        return "missing_argument"
    return "unexpected_argument" if extra else "wrong_value"


class Settings(BaseModel):
    """Options of `tools`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    ordered: bool = Field(False, description="calls have to come in the incumbent's order")


class Tools:
    """Share of tool calls and arguments that agree with the incumbent's, or with `expected` where a case has it."""

    kind: ScorerKind = "comparative"
    version = "1"

    def __init__(self, settings: Settings, name: str) -> None:
        self.settings = settings
        self.name = name

    def score(self, cases: Sequence[Case]) -> list[Score | ScorerFailure]:
        """Judges each case; a crash of one is that case's failure."""
        return one_by_one(self._one, cases)

    def _one(self, case: Case) -> Score:
        wanted = expected_calls(case.expected)
        if wanted is None:
            if case.incumbent is None or not (case.incumbent.tool_calls or case.candidate.tool_calls):
                return Score(value=None, label="unknown", reason="neither side called a tool")
            wanted = case.incumbent.tool_calls
        return judge_calls(wanted, case.candidate, ordered=self.settings.ordered)


def expected_calls(expected: Any) -> tuple[ToolCall, ...] | None:
    """Calls out of `{"tool_calls": [{"name", "arguments"}]}`; None for another shape."""
    calls = expected.get("tool_calls") if isinstance(expected, dict) else None
    if not isinstance(calls, list):
        return None
    found = [c for c in calls if isinstance(c, dict) and isinstance(c.get("name"), str)]
    return tuple(ToolCall(name=c["name"], arguments=c.get("arguments", {})) for c in found)


def judge_calls(wanted: Sequence[ToolCall], candidate: Reply, *, ordered: bool = False) -> Score:
    """A score of the candidate's calls against the wanted ones; value 0 on a wrong decision or function."""
    calls = compare_calls(wanted, candidate.tool_calls, ordered=ordered)
    if calls.equal:
        return Score(value=1.0, label="equal", reason="the same tool calls")
    value = min(calls.argument_share, calls.name_f1 if calls.label != "wrong_order" else 0.5)
    reason = calls.label.replace("_", " ")
    return Score(value=value, label=calls.label, reason=reason, findings=(Finding(category=calls.label),))


SETTINGS = Settings


def build(settings: Settings, name: str | None = None) -> Tools:
    """The scorer under its name."""
    return Tools(settings, name or "tools")
