"""Valid JSON, and JSON that fits a JSON Schema: `schema` (absolute). The schema comes from the case or the option."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import regex
from pydantic import BaseModel, ConfigDict, Field, field_validator

from scorers.base import Case, Finding, Score, ScorerFailure, ScorerKind
from scorers.running import one_by_one
from scorers.structure import NotJson, find_json

MAX_ERRORS = 20
_PATTERN_SECONDS = 0.05
_SIMPLE = re.compile(r"^\^?(?:[\w\s:/@.-]|\\[dws.]|\[[^\[\]]{1,60}\])*(?:[*+?]|\{\d{1,3}(?:,\d{0,3})?\})?[\w:/@-]*\$?$")
_REFERENCE = re.compile(r"^(?:#|$)")


class Settings(BaseModel):
    """Options of `schema`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    json_schema: dict[str, Any] | None = Field(
        None, description="the schema for cases that bring none; absent: any JSON fits"
    )
    embedded: bool = Field(False, description="take the first JSON value inside prose; else prose around it is a fault")

    @field_validator("json_schema")
    @classmethod
    def _usable(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        if value is not None:
            validator_for(value)
        return value


def _pattern(_validator: Any, pattern: str, instance: Any, _schema: Any) -> Iterator[Any]:
    """`pattern` with a time limit: a schema that travels in a request is somebody else's expression."""
    from jsonschema import ValidationError

    if isinstance(instance, str) and not regex.search(pattern, instance, timeout=_PATTERN_SECONDS):
        yield ValidationError("does not match")


def _refuse_unsafe(node: Any, depth: int = 0) -> None:
    """Only references inside the schema are followed, and key patterns, which have no time limit, have to be simple."""
    if depth > 60:
        raise ValueError("the schema is nested too deeply")
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key in ("$ref", "$dynamicRef") and isinstance(value, str) and not _REFERENCE.match(value):
                raise ValueError("the schema refers to another document; write its parts under $defs")
            if key == "patternProperties" and isinstance(value, Mapping) and not all(map(_SIMPLE.match, value)):
                raise ValueError("the schema's patternProperties hold a pattern with more than one repetition")
            _refuse_unsafe(value, depth + 1)
    elif isinstance(node, list):
        for value in node:
            _refuse_unsafe(value, depth + 1)


def validator_for(schema: Mapping[str, Any]) -> Any:
    """A validator of a schema (2020-12 unless `$schema` says otherwise); ValueError for one that cannot be used."""
    from jsonschema import Draft202012Validator, SchemaError, validators

    _refuse_unsafe(schema)
    base = validators.validator_for(schema, default=Draft202012Validator)
    try:
        base.check_schema(dict(schema))
    except SchemaError as error:
        raise ValueError(
            f"is no JSON Schema: {error.validator} at {'/'.join(map(str, error.path)) or 'the top'}"
        ) from None
    from referencing import Registry

    extend: Any = validators.extend

    return extend(base, {"pattern": _pattern})(schema, registry=Registry())


class Schema:
    """1.0 for JSON that fits, 0.5 for JSON that does not, 0.0 for no JSON. Labels: valid, invalid, not_json."""

    kind: ScorerKind = "absolute"
    version = "1"

    def __init__(self, settings: Settings, name: str) -> None:
        self.settings = settings
        self.name = name
        self._own = validator_for(settings.json_schema) if settings.json_schema is not None else None

    def score(self, cases: Sequence[Case]) -> list[Score | ScorerFailure]:
        """Judges each case; a crash of one is that case's failure."""
        return one_by_one(self._one, cases)

    def _one(self, case: Case) -> Score:
        try:
            validator = validator_for(case.schema) if case.schema is not None else self._own
        except ValueError:
            return Score(value=None, reason="the case's schema cannot be used")
        try:
            value = find_json(case.candidate.text, embedded=self.settings.embedded)
        except NotJson:
            return Score(
                value=0.0, label="not_json", reason="the answer is not JSON", findings=(Finding(category="not_json"),)
            )
        if validator is None:
            return Score(value=1.0, label="valid", reason="valid JSON; no schema was given")
        try:
            errors = [
                str(error.validator) for error, _ in zip(validator.iter_errors(value), range(MAX_ERRORS), strict=False)
            ]
        except RecursionError:
            return Score(value=None, reason="the schema refers to itself without end")
        if not errors:
            return Score(value=1.0, label="valid", reason="fits the schema")
        kinds = ", ".join(dict.fromkeys(errors))
        return Score(
            value=0.5,
            label="invalid",
            reason=f"{len(errors)} violations of the schema: {kinds}",
            findings=(Finding(category="invalid", count=len(errors)),),
        )


SETTINGS = Settings


def build(settings: Settings, name: str | None = None) -> Schema:
    """The scorer under its name."""
    return Schema(settings, name or "schema")
