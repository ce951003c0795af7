"""Where in the file a setting stands: lines and paths as the file spells them, and which keys a place may have."""

import types
from typing import Annotated, Any, Union, get_args, get_origin

import yaml
from pydantic import BaseModel

from shadow.settings import Settings

Location = tuple[str | int, ...]


def find(root: yaml.Node | None, location: Location) -> tuple[int, Location, str | None]:
    """Line, the path as the file spells it, and the raw text of a scalar, for the deepest part that exists."""
    node, line = root, 1
    path: list[str | int] = []
    for position, part in enumerate(location):
        if isinstance(node, yaml.MappingNode):
            found = next(((k, v) for k, v in node.value if k.value == str(part)), None)
            if found is None:
                if position == len(location) - 1:
                    path.append(part)
                return line, tuple(path), None
            line, node = found[0].start_mark.line + 1, found[1]
            path.append(part)
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
            path.append(part)
    return line, tuple(path), node.value if isinstance(node, yaml.ScalarNode) else None


def dotted(location: Location) -> str:
    """A location as people write it: candidates[0].backend.url."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def untagged(location: Location) -> Location:
    """A location without the tags that a choice by `kind` puts into it: they are not spelled in the file."""
    models: list[Any] = [Settings]
    kept: list[str | int] = []
    for part in location:
        if isinstance(part, str) and models and not any(part in m.model_fields for m in models):
            chosen = [m for m in models if _kind(m) == part]
            if chosen:
                models = chosen
                continue
        models = [inner for m in models for inner in _step(m, part)]
        kept.append(part)
    return tuple(kept)


def keys_at(location: Location) -> list[str]:
    """The keys that may stand at a location (tags of a choice and positions in lists included)."""
    if location[2:3] == ("axes",) and len(location) > 4:  # the value of an axis is a part of its candidate
        location = (*location[:2], *location[5:])
    return sorted({k for m in models_at(location) for k in m.model_fields})


def kinds_at(location: Location) -> list[str]:
    """The values of `kind` at a location where it chooses; empty where nothing is chosen."""
    return [kind for m in models_at(location) if (kind := _kind(m)) is not None]


def models_at(location: Location) -> list[Any]:
    """The settings models that describe what stands at a location."""
    models: list[Any] = [Settings]
    for part in location:
        models = [inner for m in models for inner in _step(m, part)]
    return models


def _kind(model: Any) -> str | None:
    field = model.model_fields.get("kind")
    return field.default if field is not None and isinstance(field.default, str) else None


def _step(model: Any, part: str | int) -> list[Any]:
    if isinstance(part, int):
        return [model]  # a list of models answers as the model does
    if part in model.model_fields:
        return _models_in(model.model_fields[part].annotation)
    return [model] if _kind(model) == part else []


def _models_in(annotation: Any) -> list[Any]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    origin = get_origin(annotation)
    if origin is list:
        return _models_in(get_args(annotation)[0])
    if origin in (Union, types.UnionType, Annotated):
        return [m for a in get_args(annotation) for m in _models_in(a)]
    return []
