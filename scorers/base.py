"""The port of every scorer: one case in, one score with a reason out.

A scorer is one of three kinds. *Absolute* ones judge the answer in `Case.candidate` alone or against an expectation, and
are asked once per arm (the incumbent's answer stands in `candidate` then). *Comparative* ones measure how much the
candidate's answer differs from the incumbent's: change, not harm. *Preference* ones say win, tie or loss.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

ScorerKind = Literal["absolute", "comparative", "preference"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A tool call a model asked for; never executed. `arguments` is parsed JSON, or the raw string when it does not parse."""

    name: str
    arguments: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One model's answer. `reasoning` is never compared as answer; `refusal` is the server's structured refusal text."""

    text: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    reasoning: str | None = None
    refusal: str | None = None
    finish_reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What one scorer sees: the request, the incumbent's reply (None where there is none) and the reply to judge.

    `prompt` is the text of the last user message; `messages` the whole conversation in OpenAI form (may be empty when
    only the prompt is known). `expected`, `rubric` and `schema` come from suites or routes.
    """

    id: str
    prompt: str
    candidate: Reply
    incumbent: Reply | None = None
    messages: Sequence[Mapping[str, Any]] = ()
    route: str | None = None
    expected: Any = None
    rubric: str | None = None
    schema: Mapping[str, Any] | None = None
    canary: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something a scorer found in an answer. `category` is from the scorer's closed list; no field quotes the text."""

    category: str
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """`value` is in [0, 1], higher is better, None when the scorer had nothing to judge (never 0 for "unknown").

    `label` is from the scorer's closed list of verdict words; `reason` is a short phrase that never quotes the texts.
    A case that is unscored because of the *candidate's* answer has value 0, not None.
    """

    value: float | None
    reason: str
    label: str | None = None
    findings: tuple[Finding, ...] = field(default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class ScorerFailure:
    """A crash or a broken dependency, as a counted value. `kind` is the exception's class name, nothing of its text."""

    kind: str


class Scorer(Protocol):
    """Judges cases. May compute for long, never keeps a reference to a case, is called from one thread at a time."""

    name: str
    kind: ScorerKind
    version: str  # changes whenever a score of the same case would change; opens a new epoch of evidence

    def score(self, cases: Sequence[Case]) -> list[Score | ScorerFailure]:
        """One result per case, in order. Never raises for what a case contains."""
        ...
