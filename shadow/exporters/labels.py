"""Which labels metrics carry, what bounds their values, and where histogram edges lie.

A label's values are a closed set, or bounded by the configuration, or capped: the first so many values that are seen,
then `other`. Nothing that a user or a model writes is ever a label value without such a cap.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

from shadow.allowance import Limit
from shadow.exporters.peaks import LOAD_CLASSES
from shadow.records import ArmState, Disposition, FailureKind, VerdictWord
from shadow.settings import Settings
from shadow.verdict.result import GateState, HoldReason, SegmentState
from shadow.verdict.segments import MOST_SEGMENTS

OTHER = "other"
NONE = "none"
OK = "ok"
MAX_LABEL_CHARACTERS = 64
ASSUMED_PARTITIONS = 32
"""Partitions are the broker's to choose; the series estimate assumes so many."""
ASSUMED_GPUS = 8

EdgeSet = Literal["latency", "ttft", "tpot", "wait", "score", "delay", "work"]
Bound = Literal["lower", "point", "upper"]
Hypothesis = Literal["ok", "bad"]
Direction = Literal["input", "cached_input", "output", "reasoning"]
Process = Literal["replayer", "evaluator"]
Quantile = Literal["0.5", "0.95", "0.99"]
BudgetKind = Literal["usd", "gpu_seconds", "tokens"]
HeartbeatPath = Literal["worker", "topic"]
ChangeMetric = Literal["score", "violation", "failure"]
UtilityName = Literal["quality", "cost", "robustness", "candidate", "incumbent"]
MemoryKind = Literal["gpu", "host"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """One label: its closed `values`, or how many values `count` allows under a configuration."""

    name: str
    meaning: str
    values: tuple[str, ...] = ()
    count: Callable[[Settings], int]


def _closed(name: str, meaning: str, values: tuple[str, ...]) -> Label:
    return Label(name=name, meaning=meaning, values=values, count=lambda _settings: len(values))


def _capped(name: str, meaning: str, cap: int) -> Label:
    return Label(name=name, meaning=f"{meaning}; the first {cap} values, then `{OTHER}`", count=lambda _s: cap + 1)


def arm_names(settings: Settings) -> tuple[str, ...]:
    """Every arm of a configuration as the ledger names them, the incumbent first."""
    baseline = ("baseline",) if settings.baseline is not None or settings.duplicates.enabled else ()
    return ("incumbent", *baseline, *(c.name for c in settings.candidates))


def _scorers(settings: Settings) -> int:
    return len(settings.scorers) + sum(s.resolve is not None for s in settings.scorers)


CAPS = {"route": 10, "label": 8, "category": 16, "reason": 12, "kind": 8, "stage": 16}
"""Values a capped label may take per series of the other labels; `route` counts for the whole process."""

LABELS: dict[str, Label] = {
    label.name: label
    for label in (
        Label(
            name="arm",
            meaning="`incumbent`, `baseline` or the name of a candidate",
            count=lambda s: len(arm_names(s)),
        ),
        Label(name="candidate", meaning="the name of a candidate", count=lambda s: len(s.candidates)),
        Label(name="gate", meaning="the id of a gate of the policy", count=lambda s: len(s.policy.gates)),
        Label(
            name="scorer",
            meaning="the name of a configured scorer; `NAME@unknown` for the open cases it resolves",
            count=_scorers,
        ),
        Label(
            name="segment",
            meaning=f"a segment as the ledger names it (`route=support`), the {MOST_SEGMENTS} largest of a candidate",
            count=lambda _s: MOST_SEGMENTS,
        ),
        Label(name="topic", meaning="the source's topic", count=lambda _s: 1),
        Label(name="partition", meaning="the partition's number", count=lambda _s: ASSUMED_PARTITIONS),
        Label(name="gpu", meaning="the GPU's number for NVML", count=lambda _s: ASSUMED_GPUS),
        Label(name="version", meaning="version of Shadow", count=lambda _s: 1),
        Label(name="python", meaning="version of Python", count=lambda _s: 1),
        Label(name="hash", meaning="hash of the configuration", count=lambda _s: 1),
        Label(name="role", meaning="`all`, `worker` or `monitor`", count=lambda _s: 1),
        _capped("route", f"the call's route, `{NONE}` without one", CAPS["route"]),
        _capped("label", "the scorer's verdict word", CAPS["label"]),
        _capped("category", "the finding's category", CAPS["category"]),
        _capped("reason", "the reason, from a closed vocabulary", CAPS["reason"]),
        _capped("kind", "class name of the error", CAPS["kind"]),
        _capped("stage", "the stage whose border caught the error", CAPS["stage"]),
        _closed("disposition", "what became of a record", get_args(Disposition)),
        _closed("outcome", "`ok` or the kind of failure", (OK, *get_args(FailureKind))),
        _closed("direction", "which tokens; cached are part of input, reasoning part of output", get_args(Direction)),
        _closed("metric", "what the detector of change watches", get_args(ChangeMetric)),
        _closed("state", "state of an arm, a gate or a segment; exactly one is 1", ()),
        _closed("verdict", "verdict word; exactly one is 1", get_args(VerdictWord)),
        _closed("hold", "why nothing is decided; several may be 1", get_args(HoldReason)),
        _closed("bound", "end or middle of the confidence interval", get_args(Bound)),
        _closed("hypothesis", "`ok`: evidence for the gate; `bad`: evidence against it", get_args(Hypothesis)),
        _closed("q", "which quantile", get_args(Quantile)),
        _closed("process", "which of the two processes", get_args(Process)),
        _closed("budget", "which budget", get_args(BudgetKind)),
        _closed("memory", "whose memory: the GPUs' or the host's", get_args(MemoryKind)),
        _closed("load", "calls of one worker in flight with the arm when a call was sent", LOAD_CLASSES),
        _closed("path", "`worker`: intake to ledger; `topic`: out of the mirrored topic", get_args(HeartbeatPath)),
        _closed("limit", "which limit of a scorer's budget", get_args(Limit)),
        _closed("term", "addend of the utility", get_args(UtilityName)),
    )
}
ARM_STATES: tuple[str, ...] = get_args(ArmState)
GATE_STATES: tuple[str, ...] = get_args(GateState)
SEGMENT_STATES: tuple[str, ...] = get_args(SegmentState)


def _geometric(first: float, last: float, factor: float) -> tuple[float, ...]:
    edges, edge = [], first
    while edge < last * 0.999:
        edges.append(float(f"{edge:.3g}"))
        edge *= factor
    return (*edges, last)


_EDGES: dict[EdgeSet, tuple[float, ...]] = {
    # A factor of 1.5 keeps the interpolated P95 of lognormal latencies within 5 % (median) and 14 % (worst).
    "latency": _geometric(0.05, 60.0, 1.5),
    "ttft": _geometric(0.01, 30.0, 1.5),
    "tpot": _geometric(0.001, 1.0, 1.5),
    "wait": _geometric(0.001, 60.0, 3.0),
    "score": (0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99, 1.0),
    "delay": (0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0),
    "work": _geometric(0.0001, 30.0, 3.0),
}
_LIMIT_METRIC: dict[str, EdgeSet] = {"latency": "latency", "ttft": "ttft", "tpot": "tpot"}


def edges(name: EdgeSet, settings: Settings) -> tuple[float, ...]:
    """Finite upper edges of a histogram, ascending, with one more exactly on every limit the policy sets for it."""
    limits = {
        gate.max_seconds
        for gate in settings.policy.gates
        if gate.kind == "quantile" and gate.max_seconds is not None and _LIMIT_METRIC.get(gate.metric) == name
    }
    return tuple(sorted({*_EDGES[name], *limits}))
