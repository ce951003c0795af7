"""Which scorers there are and how one is made: kind to settings model and constructor.

A scorer's module exposes `SETTINGS` (a pydantic model that refuses unknown keys) and `build(settings, name)`. Built-in
kinds are one line here; others come through the entry-point group `shadow.scorers`, whose value names such a module (with
`SUMMARY` and `KIND` for the list). A scorer's module is imported when it is built or listed as a plugin, never before.
"""

import difflib
import hashlib
import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from pydantic import BaseModel, ValidationError

from scorers.base import Scorer, ScorerKind

GROUP = "shadow.scorers"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScorerInfo:
    """One line of the list. `needs` says what a case or the machine must have; empty for nothing beyond the answer."""

    kind: str
    summary: str
    scorer_kind: ScorerKind | None
    needs: str = ""


class UnknownScorer(ValueError):
    """No scorer of that kind, or an option it does not have; the message names the nearest right one."""


def _info(kind: str, scorer_kind: ScorerKind, summary: str, needs: str = "") -> ScorerInfo:
    return ScorerInfo(kind=kind, summary=summary, scorer_kind=scorer_kind, needs=needs)


_MODEL = "extra `semantic`, or an embedding endpoint"
_BUILT_IN: dict[str, tuple[str, ScorerInfo]] = {
    info.kind: (module, info)
    for module, info in (
        (
            "agreement",
            _info("agreement", "comparative", "says what the incumbent said: checks and similarity in one verdict"),
        ),
        (
            "checks",
            _info("checks", "comparative", "what changed: number, unit, date, negation, name, swap, omission and more"),
        ),
        ("semantic", _info("semantic", "comparative", "similarity of meaning by windows, worst window kept", _MODEL)),
        ("exact", _info("exact", "comparative", "equal texts, as written or normalised; against `expected`: absolute")),
        (
            "pattern",
            _info("regex", "absolute", "a regular expression that must (or must not) match", "option `pattern`"),
        ),
        (
            "relevance",
            _info("relevance", "absolute", "an answer to this prompt: not empty, constant, off-topic or degenerate"),
        ),
        ("structure", _info("structure", "comparative", "JSON compared field by field, lists aligned", "JSON answers")),
        (
            "schema",
            _info("schema", "absolute", "valid JSON that fits a JSON Schema", "`schema` of the case or the option"),
        ),
        ("tools", _info("tools", "comparative", "tool calls: same functions, same arguments", "tool calls")),
        (
            "final_answer",
            _info("final_answer", "comparative", "the final number or choice; against `expected`: absolute"),
        ),
        (
            "code",
            _info(
                "code", "comparative", "code compared as syntax tree or tokens, never executed", "code in the answer"
            ),
        ),
        (
            "entailment",
            _info(
                "entailment", "comparative", "contradiction and omission by an NLI model", "an NLI model or endpoint"
            ),
        ),
        ("judge", _info("judge", "preference", "a blind LLM judge, both orders", "a judge endpoint")),
        ("assertions", _info("assertions", "absolute", "a list of assertions per route", "option `assertions`")),
        ("refusal", _info("refusal", "absolute", "does the answer decline, wholly or in part")),
        ("leakage", _info("leakage", "absolute", "personal data, secrets or the system prompt in the answer")),
        ("injection", _info("injection", "absolute", "instructions hidden in the input were obeyed")),
        ("toxicity", _info("toxicity", "absolute", "toxic language in the answer")),
        ("guard", _info("guard", "absolute", "a guard model's verdict", "a guard endpoint")),
    )
}


def _plugins() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP) if point.name not in _BUILT_IN}


def kinds() -> list[str]:
    """Every kind by name, built-in ones first; imports no scorer."""
    return [*_BUILT_IN, *sorted(_plugins())]


def available() -> dict[str, ScorerInfo]:
    """What can be built, by kind. A plugin that does not import is listed with what it raised."""
    found = {kind: info for kind, (_, info) in _BUILT_IN.items()}
    for kind, point in sorted(_plugins().items()):
        try:
            module = point.load()
        except Exception as error:
            found[kind] = ScorerInfo(kind=kind, summary=f"does not import: {type(error).__name__}", scorer_kind=None)
            continue
        found[kind] = ScorerInfo(
            kind=kind,
            summary=str(getattr(module, "SUMMARY", "a plugin")),
            scorer_kind=getattr(module, "KIND", None),
            needs=str(getattr(module, "NEEDS", "")),
        )
    return found


def _module(kind: str) -> Any:
    if kind in _BUILT_IN:
        return importlib.import_module(f"scorers.{_BUILT_IN[kind][0]}")
    plugins = _plugins()
    if kind in plugins:
        return plugins[kind].load()
    raise UnknownScorer(f"no scorer {kind!r}{_nearest(kind, kinds())}")


def _nearest(word: str, known: list[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; there are: {', '.join(known)}"


def options_of(kind: str) -> type[BaseModel]:
    """The settings model of a scorer, for documents and forms; imports its module. UnknownScorer for a kind nobody has."""
    model: type[BaseModel] = _module(kind).SETTINGS
    return model


def settings_of(kind: str, options: Mapping[str, Any]) -> BaseModel:
    """The validated settings of a scorer; UnknownScorer names every wrong option and the nearest right one."""
    model = options_of(kind)
    try:
        return model.model_validate(dict(options))
    except ValidationError as error:
        problems = []
        for item in error.errors(include_url=False, include_input=False):
            place = ".".join(str(part) for part in item["loc"])
            if item["type"] == "extra_forbidden" and len(item["loc"]) == 1:
                known = list(model.model_fields)
                hint = _nearest(place, known) if known else "; it has no options"
                problems.append(f"scorer {kind}: no option {place!r}{hint}")
            else:
                problems.append(f"scorer {kind}: {place}: {item['msg']}" if place else f"scorer {kind}: {item['msg']}")
        raise UnknownScorer("\n".join(problems)) from None


def build(kind: str, options: Mapping[str, Any] | None = None, name: str | None = None) -> Scorer:
    """Makes a scorer under `name` (its kind without one). Loads models where it needs them.

    Options that differ from the defaults become part of the scorer's `version`: another setting is another instrument.
    """
    settings = settings_of(kind, options or {})
    scorer: Scorer = _module(kind).build(settings, name or kind)
    changed = settings.model_dump_json(exclude_defaults=True)
    if changed != "{}":
        scorer.version = f"{scorer.version}.{hashlib.blake2b(changed.encode(), digest_size=4).hexdigest()}"
    return scorer
