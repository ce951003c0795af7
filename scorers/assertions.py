"""A list of assertions per route, as suites of other tools write them: `assertions` (absolute).

    options:
      assertions:                                     # for every case without a list of its route
        - {type: contains, value: refund}
        - {type: not-regex, value: "(?i)as an ai"}
      routes:
        extract: [{type: is-json, weight: 2}, {type: python, value: "checks.invoice:totals_add_up"}]

The value is the weighted mean of the assertions; the label is `pass` when it reaches `threshold` (default: all pass).
"""

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from scorers.assertion_kinds import KINDS, NEEDS_EMBEDDER, Assertion, Judgement, similar
from scorers.base import Case, Finding, Score, ScorerFailure, ScorerKind
from scorers.embedding import Embedder, build_embedder
from scorers.embedding import Settings as EmbeddingSettings
from scorers.running import one_by_one

MAX_ASSERTIONS = 200


class Item(BaseModel):
    """One assertion. `threshold` is for graded types; `assert-set` holds further ones under `assert`."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
    type: str
    value: Any = None
    threshold: float | None = Field(None, ge=0)
    weight: float = Field(1.0, ge=0)
    inner: list["Item"] = Field([], alias="assert")

    @field_validator("type")
    @classmethod
    def _known(cls, value: str) -> str:
        bare = value.removeprefix("not-")
        known = {*KINDS, *NEEDS_EMBEDDER, "python", "assert-set"}
        if bare not in known:
            import difflib

            near = difflib.get_close_matches(bare, known, n=1)
            raise ValueError(
                f"no assertion {value!r}"
                + (f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(sorted(known))}")
            )
        return value


class Settings(BaseModel):
    """Options of `assertions`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    assertions: list[Item] = Field(
        [], max_length=MAX_ASSERTIONS, description="for cases whose route has no list of its own"
    )
    routes: dict[str, list[Item]] = Field({}, description="lists by route")
    threshold: float | None = Field(
        None, ge=0, le=1, description="weighted mean from which a case passes; absent: all must pass"
    )
    embedding: EmbeddingSettings = EmbeddingSettings.model_validate({})

    @field_validator("routes")
    @classmethod
    def _bounded(cls, value: dict[str, list[Item]]) -> dict[str, list[Item]]:
        if any(len(items) > MAX_ASSERTIONS for items in value.values()):
            raise ValueError(f"a route has more than {MAX_ASSERTIONS} assertions")
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bound:
    """An assertion ready to run: `judge` gives its grade in [0, 1], None where it does not apply."""

    name: str
    judge: Callable[[Case], float | None]
    threshold: float
    weight: float
    negated: bool

    def passes(self, grade: float) -> bool:
        return (grade >= self.threshold) != self.negated


def load_hook(reference: str) -> Callable[[Case], Any]:
    """The function behind "module:function"; ValueError when there is none. Operators name it, never traffic."""
    module, separator, attribute = reference.partition(":")
    if not separator or not module or not attribute:
        raise ValueError(f"{reference!r}: write module:function")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"{reference!r} does not load: {error}") from None
    if not callable(found):
        raise ValueError(f"{reference!r} is no function")
    hook: Callable[[Case], Any] = found
    return hook


def _of_hook(reference: Any) -> Callable[[Case], float | None]:
    hook = load_hook(str(reference))

    def judge(case: Case) -> float | None:
        result = hook(case)
        if result is None:
            return None
        grade = float(result)
        if not 0 <= grade <= 1:  # also refuses NaN
            raise ValueError("a hook's grade lies in [0, 1]")
        return grade

    return judge


def _of_kind(kind: Judgement, value: Any) -> Callable[[Case], float | None]:
    prepared: Assertion = kind.prepare(value)
    return lambda case: prepared(case)


def _bind(item: Item, embedder: Embedder | None) -> _Bound:
    bare = item.type.removeprefix("not-")
    default = 1.0
    if bare == "python":
        judge, default = _of_hook(item.value), 0.5
    elif bare == "assert-set":
        judge = _of_set([_bind(inner, embedder) for inner in item.inner])
    elif bare in NEEDS_EMBEDDER:
        if embedder is None:
            raise ValueError(f"assertion {bare!r} needs an embedder")
        judge, default = similar(embedder, bare, item.value), 0.75
    else:
        judge, default = _of_kind(KINDS[bare], item.value), KINDS[bare].threshold
    threshold = default if item.threshold is None else item.threshold
    return _Bound(name=item.type, judge=judge, threshold=threshold, weight=item.weight, negated=bare != item.type)


def _of_set(inner: list[_Bound]) -> Callable[[Case], float | None]:
    return lambda case: _mean([(b, b.judge(case)) for b in inner])


def _mean(graded: Sequence[tuple[_Bound, float | None]]) -> float | None:
    """Weighted share of assertions that pass; those that do not apply are left out; None when none applies."""
    known = [(b, g) for b, g in graded if g is not None]
    total = sum(b.weight for b, _ in known)
    return sum(b.weight * b.passes(g) for b, g in known) / total if total else None


class Assertions:
    """Weighted share of assertions that hold. Labels: pass, fail; findings name the types that failed."""

    kind: ScorerKind = "absolute"
    version = "1"

    def __init__(self, settings: Settings, name: str, embedder: Embedder | None) -> None:
        self.settings = settings
        self.name = name
        if embedder is not None:
            self.version = f"1+{embedder.identity}"
        self._default = [_bind(item, embedder) for item in settings.assertions]
        self._routes = {route: [_bind(item, embedder) for item in items] for route, items in settings.routes.items()}

    def score(self, cases: Sequence[Case]) -> list[Score | ScorerFailure]:
        """Judges each case; a crash of one, a hook's included, is that case's failure."""
        return one_by_one(self._one, cases)

    def _one(self, case: Case) -> Score:
        bound = self._routes.get(case.route or "", self._default)
        graded = [(b, b.judge(case)) for b in bound]
        value = _mean(graded)
        if value is None:
            return Score(value=None, reason="no assertion applies to this case")
        failed = [b.name for b, g in graded if g is not None and not b.passes(g)]
        good = not failed if self.settings.threshold is None else value >= self.settings.threshold
        held = sum(g is not None for _, g in graded) - len(failed)
        return Score(
            value=value,
            label="pass" if good else "fail",
            reason=f"{held} of {held + len(failed)} assertions hold"
            + (f"; failed: {', '.join(dict.fromkeys(failed))}" if failed else ""),
            findings=tuple(Finding(category=name, count=failed.count(name)) for name in dict.fromkeys(failed)),
        )


def _wants_embedder(items: Sequence[Item]) -> bool:
    return any(i.type.removeprefix("not-") in NEEDS_EMBEDDER or _wants_embedder(i.inner) for i in items)


SETTINGS = Settings


def build(settings: Settings, name: str | None = None) -> Assertions:
    """The scorer with hooks imported and, where an assertion needs it, the model loaded."""
    lists = [settings.assertions, *settings.routes.values()]
    if not any(lists):
        raise ValueError("assertions: give `assertions`, `routes` or both")
    embedder = build_embedder(settings.embedding) if any(map(_wants_embedder, lists)) else None
    return Assertions(settings, name or "assertions", embedder)
