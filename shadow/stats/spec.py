"""What a policy needs counted: the metrics its gates read, and the specification by which outcomes become pairs."""

import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import msgspec

from shadow.settings import Policy, Utility

ScorerKind = Literal["absolute", "comparative", "preference"]
"""As `scorers.base.ScorerKind`, spelled here so that statistics do not need the scorers' library."""

MetricName = Literal["violation", "failure", "score", "tail", "slow", "latency"]

_TAIL = re.compile(r"score\s*<\s*(\d*\.?\d+)")
_SLOW = re.compile(r"latency\s*>\s*(\d*\.?\d+)")

FLAGGED = 0.5
"""A comparative score below it is a flag: a difference that the scorer names. Counted for every comparative quality."""

METRICS = ("violation", "failure", "score", "score<0.3 (any threshold)", "latency", "latency>2 (any number of seconds)")
"""The spellings that a gate's `metric` may have, for messages."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A parsed metric. `table` is the key of its paired 2x2 counts; None for score and latency themselves."""

    name: MetricName
    threshold: float | None = None

    @property
    def table(self) -> str | None:
        """Where `PairState.tables` counts it."""
        if self.name == "tail":
            return tail_table(self.threshold or 0.0)
        if self.name == "slow":
            return slow_table(self.threshold or 0.0)
        return self.name if self.name in ("violation", "failure") else None


def parse_metric(text: str) -> Metric | None:
    """The metric a gate names; None when nobody knows it (or its threshold lies outside what can happen)."""
    plain = text.strip()
    for name in ("violation", "failure", "score", "latency"):
        if plain == name:
            return Metric(name)
    if match := _TAIL.fullmatch(plain):
        threshold = float(match[1])
        return Metric("tail", threshold) if 0 < threshold <= 1 else None
    if match := _SLOW.fullmatch(plain):
        threshold = float(match[1])
        return Metric("slow", threshold) if threshold > 0 and math.isfinite(threshold) else None
    return None


@lru_cache(maxsize=64)
def tail_table(threshold: float) -> str:
    """Key of the 2x2 counts of "score below threshold"."""
    return f"score<{threshold:g}"


@lru_cache(maxsize=64)
def slow_table(seconds: float) -> str:
    """Key of the 2x2 counts of "latency above so many seconds"."""
    return f"latency>{seconds:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """What an answer is worth in dollars: score_usd * score - cost - violation_usd if it violates.

    `max_cost_usd` is the operator's promise that no call costs more: it bounds the worth, and with it every bet.
    """

    score_usd: float
    violation_usd: float
    max_cost_usd: float

    @property
    def range_usd(self) -> float:
        """The largest possible difference between two answers."""
        return self.score_usd + self.violation_usd + self.max_cost_usd

    def answer(self, score: float, violated: bool, cost_usd: float) -> float:
        """Dollars of one answer."""
        return self.score_usd * score - cost_usd - self.violation_usd * violated


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldSpec:
    """How outcomes become paired evidence. Two specifications with one `key` count the same things the same way."""

    quality: str
    quality_kind: ScorerKind
    violations: tuple[str, ...] = ()
    relative: tuple[
        str, ...
    ] = ()  # those of `violations` that never judge the incumbent: its answer is their reference
    tails: tuple[float, ...] = ()
    slow_seconds: tuple[float, ...] = ()
    worth: Worth | None = None

    @classmethod
    def from_policy(cls, policy: Policy, scorer_kinds: Mapping[str, ScorerKind]) -> "FoldSpec":
        """The specification of a policy, given the kind of every configured scorer by name.

        A comparative quality is always counted in pairs below `FLAGGED` too: the excess of flags over the A/A rate.
        Violation scorers that are not configured are left out (the default policy names more than the default
        scorers; `problems` and `evaluable` say so). An unconfigured quality scorer counts as absolute: it never scores.
        """
        tails: set[float] = set()
        slow: set[float] = set()
        for gate in policy.gates:
            metric = parse_metric(gate.metric)
            if metric is not None and metric.threshold is not None:
                (tails if metric.name == "tail" else slow).add(metric.threshold)
            if gate.max_seconds is not None:
                slow.add(gate.max_seconds)
        if scorer_kinds.get(policy.quality) == "comparative":
            tails.add(FLAGGED)
        violations = tuple(sorted({name for name in policy.violation if name in scorer_kinds}))
        return cls(
            quality=policy.quality,
            quality_kind=scorer_kinds.get(policy.quality, "absolute"),
            violations=violations,
            relative=tuple(name for name in violations if scorer_kinds[name] != "absolute"),
            tails=tuple(sorted(tails)),
            slow_seconds=tuple(sorted(slow)),
            worth=_worth(policy.utility),
        )

    @property
    def key(self) -> str:
        """Short stable hash. States of different keys are never added: a new policy that needs another count is folded anew."""
        content: list[object] = [
            1,
            self.quality,
            self.quality_kind,
            self.violations,
            self.relative,
            self.tails,
            self.slow_seconds,
        ]
        if self.worth is not None:  # only then: what counted without one keeps its key
            content.append([self.worth.score_usd, self.worth.violation_usd, self.worth.max_cost_usd])
        return hashlib.blake2b(msgspec.json.encode(content), digest_size=8).hexdigest()


def _worth(utility: Utility | None) -> Worth | None:
    if utility is None or utility.kind != "linear":
        return None
    return Worth(
        score_usd=utility.score_usd or 0.0,
        violation_usd=utility.violation_usd or 0.0,
        max_cost_usd=utility.max_cost_usd or 0.0,
    )
