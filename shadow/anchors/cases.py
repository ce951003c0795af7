"""Reads known cases: those that are built in, or the operator's own file of the same form.

One JSON object a line: `{"id", "prompt", "incumbent"?, "candidate", "human"?, "reference"?}`. `human` is what a person said
of the case; `reference` (by scorer label) is the value that a scorer has to give, where the operator knows it.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from scorers.base import Case, Reply, ScorerKind
from shadow.errors import ConfigurationError

FEWEST_CASES = 5
MOST_CASES = 2000


class Human(BaseModel):
    """What a person says of a case; None where nobody was asked."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    same: bool | None = None  # the candidate's answer says what the incumbent's says
    better: Literal["candidate", "incumbent", "neither"] | None = None
    refusal: bool | None = None
    leak: bool | None = None
    toxic: bool | None = None
    relevant: bool | None = None
    injected: bool | None = None


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    id: str = Field(min_length=1, max_length=200)
    prompt: str = ""
    incumbent: str | None = None
    candidate: str
    human: Human = Human()
    reference: dict[str, float] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """One known case. `reference` holds values in [0, 1] by scorer label, only from an operator's file."""

    case: Case
    human: Human
    reference: Mapping[str, float] = field(default_factory=dict)


class Reference(BaseModel):
    """What one scorer said of one built-in case."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    value: float | None
    label: str | None = None


def anchors_of(path: str | None) -> tuple[Anchor, ...]:
    """The built-in cases, or those of a file. ConfigurationError names the line and what is wrong with it, never its text."""
    if path is None:
        return tuple(_read(_built_in("cases.jsonl").splitlines()))
    try:
        lines = Path(path).read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError([f"anchors.path: cannot be read ({type(error).__name__}); check the path"]) from None
    return tuple(_read(lines))


@cache
def shipped_references() -> Mapping[str, Mapping[str, Reference]]:
    """Scorer as `kind/version` to case id to what it said of the built-in cases (`python -m shadow.anchors.refresh`)."""
    found: dict[str, dict[str, dict[str, Any]]] = json.loads(_built_in("references.json"))
    return {
        scorer: {case: Reference.model_validate(reference) for case, reference in cases.items()}
        for scorer, cases in found.items()
    }


def _built_in(name: str) -> str:
    return (files("shadow.anchors") / name).read_text(encoding="utf-8")


def _read(lines: Iterable[str]) -> list[Anchor]:
    found: list[Anchor] = []
    problems: list[str] = []
    seen: set[str] = set()
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            anchor = _anchor(_Line.model_validate(json.loads(line)))
        except (ValidationError, ValueError, RecursionError) as error:
            problems.append(f"anchors.path: line {number}: {_what(error)}")
            continue
        if anchor.case.id in seen:
            problems.append(f"anchors.path: line {number}: the id stands twice; give every case its own")
        seen.add(anchor.case.id)
        found.append(anchor)
    if not problems and not FEWEST_CASES <= len(found) <= MOST_CASES:
        problems.append(f"anchors.path: {len(found)} cases; write {FEWEST_CASES} to {MOST_CASES:,}")
    if problems:
        raise ConfigurationError(problems)
    return found


def _what(error: Exception) -> str:
    """Field and fault; the line itself may be anybody's text."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"][:1])
        return f"{place or 'the line'} is missing" if first["type"] == "missing" else f"{place or 'the line'} is wrong"
    return "not JSON"


def _anchor(line: _Line) -> Anchor:
    if any(not 0 <= value <= 1 for value in line.reference.values()):
        raise ValueError("a reference lies outside [0, 1]")
    return Anchor(
        case=Case(
            id=line.id,
            prompt=line.prompt,
            candidate=Reply(text=line.candidate, finish_reason="stop"),
            incumbent=None if line.incumbent is None else Reply(text=line.incumbent, finish_reason="stop"),
            messages=[{"role": "user", "content": line.prompt}],
        ),
        human=line.human,
        reference=line.reference,
    )


def agrees(kind: str, sort: ScorerKind, human: Human, value: float) -> bool | None:
    """Whether a value says what the person said; None where the person was not asked that."""
    if sort == "preference":
        said = "neither" if value == 0.5 else "candidate" if value > 0.5 else "incumbent"
        return None if human.better is None else said == human.better
    if sort == "comparative":
        return None if human.same is None else human.same == (value >= 0.5)
    if kind == "relevance":
        return None if human.relevant is None else human.relevant == (value >= 0.5)
    bad = {
        "refusal": human.refusal,
        "leakage": human.leak,
        "toxicity": human.toxic,
        "guard": human.toxic,
        "injection": human.injected,
    }.get(kind)
    return None if bad is None else bad == (value < 0.5)
