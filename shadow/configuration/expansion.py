"""A candidate with `axes` stands for many: one arm for every combination of one value of each axis.

Pure, and before validation: what comes out is a list of plain candidates. A value of an axis is a part of a candidate that
is laid over it: sections are merged, `args` are appended, anything else is replaced.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

from shadow.configuration.places import Location

MOST_ARMS = 64
"""From one candidate. Every arm is asked every replayed request."""
_APPENDED = "args"

Chosen = tuple[tuple[str, str], ...]
"""(axis, value) of an arm, in the order of the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expansion:
    """The content of a file with plain candidates. `origins`: of each its place in the file and what was chosen for it."""

    value: Any
    origins: tuple[tuple[int, Chosen], ...] = ()
    problems: tuple[tuple[Location, str], ...] = ()
    written: tuple[Any, ...] = ()  # the candidates as they stand in the file

    def locate(self, location: Location) -> Location:
        """Where in the file stands what came to stand at `location` of the expanded content."""
        if len(location) < 2 or location[0] != "candidates" or not isinstance(location[1], int):
            return location
        if location[1] >= len(self.origins):
            return location
        index, chosen = self.origins[location[1]]
        rest = location[2:]
        if rest:
            for axis, value in reversed(chosen):
                if _reaches(self.written[index]["axes"][axis][value], rest):
                    return ("candidates", index, "axes", axis, value, *rest)
        return ("candidates", index, *rest)


def expand(value: Any) -> Expansion:
    """Every candidate with `axes` multiplied out. What is no list of candidates at all is left for validation to refuse."""
    candidates = value.get("candidates") if isinstance(value, dict) else None
    if not isinstance(candidates, list) or not any(isinstance(c, dict) and c.get("axes") for c in candidates):
        return Expansion(value=value)
    arms: list[Any] = []
    origins: list[tuple[int, Chosen]] = []
    problems: list[tuple[Location, str]] = []
    for index, candidate in enumerate(candidates):
        axes = candidate.get("axes") if isinstance(candidate, dict) else None
        if not axes:
            arms.append(candidate)
            origins.append((index, ()))
            continue
        found = [((("candidates", index, *place), text)) for place, text in _problems(axes)]
        problems += found
        if not found:
            for arm, chosen in _arms(candidate, axes):
                arms.append(arm)
                origins.append((index, chosen))
    return Expansion(
        value={**value, "candidates": arms},
        origins=tuple(origins),
        problems=tuple(problems),
        written=tuple(candidates),
    )


def _arms(
    candidate: Mapping[str, Any], axes: Mapping[str, Mapping[str, Any]]
) -> Iterator[tuple[dict[str, Any], Chosen]]:
    plain = {key: part for key, part in candidate.items() if key != "axes"}
    for values in product(*(axis.items() for axis in axes.values())):
        arm = plain
        for _, part in values:
            arm = _laid_over(arm, part or {})
        words = [str(candidate.get("name", "")), *(str(value) for value, _ in values)]
        yield {**arm, "name": "-".join(words)}, tuple(zip(axes, (str(value) for value, _ in values), strict=True))


def _laid_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(below)
    for key, part in above.items():
        old = result.get(key)
        if isinstance(old, dict) and isinstance(part, dict):
            result[key] = _laid_over(old, part)
        elif key == _APPENDED and isinstance(old, list) and isinstance(part, list):
            result[key] = [*old, *part]
        else:
            result[key] = part
    return result


def _problems(axes: Any) -> Iterator[tuple[Location, str]]:
    if not isinstance(axes, dict):
        yield ("axes",), "has to hold axes with named values: {prompt: {own: {}, brief: {variant: {...}}}}"
        return
    for axis, values in axes.items():
        if not isinstance(values, dict) or not values:
            yield ("axes", axis), "has to hold named values: {own: {}, brief: {variant: {system_prompt: ...}}}"
            continue
        for value, part in values.items():
            if part is not None and not isinstance(part, dict):
                yield (
                    ("axes", axis, value),
                    "has to hold what changes of the candidate: backend, variant, price, drop or map",
                )
            elif unknown := sorted(set(part or {}) - {"backend", "variant", "price", "drop", "map"}):
                yield ("axes", axis, value, unknown[0]), "cannot be varied; backend, variant, price, drop and map can"
    if all(isinstance(values, dict) for values in axes.values()):
        many = prod(len(values) for values in axes.values())
        if many > MOST_ARMS:
            yield ("axes",), f"makes {many} arms of one candidate, at most {MOST_ARMS} are allowed; leave values out"


def _reaches(part: Any, location: Location) -> bool:
    """Whether the value of an axis says something at this place of the candidate."""
    for key in location:
        if not isinstance(part, dict) or key not in part:
            return False
        part = part[key]
        if isinstance(part, list):
            return True
    return True
