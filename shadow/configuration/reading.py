"""One YAML file into `Settings`.

`${NAME}` and `${NAME:-default}` expand from the environment in any string. Messages show what stands in the file, never
what a variable expanded to: a secret does not leak through an error.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from shadow.configuration.expansion import Expansion, expand
from shadow.configuration.messages import explain, message, relevant, yaml_problem
from shadow.configuration.places import Location, dotted, untagged
from shadow.errors import ConfigurationError
from shadow.settings import Policy, Settings

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
_MAX_BYTES = 4 * 2**20


_PLAIN = Expansion(value=None)


@dataclass(frozen=True, slots=True)
class Document:
    """A configuration file that was read: the settings and where in the file each key stands."""

    path: str
    settings: Settings
    root: yaml.Node | None
    expansion: Expansion = _PLAIN

    def problem(self, location: Location, text: str, *, show_value: bool = True) -> str:
        """One complete message for a key found wrong later: "file:line: key: 'value' text"."""
        return message(self.path, self.root, self.expansion.locate(location), text, show_value=show_value)


def load(path: str | os.PathLike[str], environment: Mapping[str, str] | None = None) -> Settings:
    """The settings of a file. Raises ConfigurationError with one message for each problem."""
    return load_document(path, environment).settings


def load_document(path: str | os.PathLike[str], environment: Mapping[str, str] | None = None) -> Document:
    """As `load`, keeping the lines for checks that follow."""
    name = os.fspath(path)
    root = _compose(name, _read(name))
    problems: list[str] = []
    value = _construct(root, name, os.environ if environment is None else environment, problems, ())
    if problems:
        raise ConfigurationError(problems)
    expansion = expand(value)
    if expansion.problems:
        raise ConfigurationError([message(name, root, where, text) for where, text in expansion.problems])
    try:
        settings = Settings.model_validate(expansion.value)
    except ValidationError as error:
        found = relevant([{**e, "loc": expansion.locate(untagged(e["loc"]))} for e in error.errors()])
        raise ConfigurationError([explain(name, root, e, value) for e in found]) from None
    return Document(path=name, settings=settings, root=root, expansion=expansion)


def load_policy(path: str | os.PathLike[str], environment: Mapping[str, str] | None = None) -> Policy:
    """The policy of a file that holds one under `policy:` (a whole configuration does too)."""
    name = os.fspath(path)
    root = _compose(name, _read(name))
    problems: list[str] = []
    value = _construct(root, name, os.environ if environment is None else environment, problems, ())
    if problems:
        raise ConfigurationError(problems)
    if not isinstance(value, dict) or "policy" not in value:
        raise ConfigurationError(
            [f"{name}:1: holds no `policy:`; write the gates under that key, as in a configuration"]
        )
    try:
        return Policy.model_validate(value["policy"])
    except ValidationError as error:
        found = [{**e, "loc": ("policy", *e["loc"])} for e in relevant(error.errors())]
        raise ConfigurationError([explain(name, root, cast("ErrorDetails", e), value) for e in found]) from None


def _read(name: str) -> str:
    try:
        data = Path(name).read_bytes()
    except FileNotFoundError:
        raise ConfigurationError(
            [f"{name}: there is no such file; `shadow init --out {name}` writes one to start from"]
        ) from None
    except IsADirectoryError:
        raise ConfigurationError([f"{name}: is a folder; name the YAML file in it"]) from None
    except OSError as error:
        raise ConfigurationError([f"{name}: cannot be read ({error.strerror}); check owner and mode"]) from None
    if len(data) > _MAX_BYTES:
        raise ConfigurationError([f"{name}: is larger than {_MAX_BYTES // 2**20} MiB; that is no configuration"])
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ConfigurationError([f"{name}:{line}: is not UTF-8 text; save the file as UTF-8"]) from None


def _compose(name: str, text: str) -> yaml.Node:
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise ConfigurationError([yaml_problem(name, error)]) from None
    except RecursionError:
        raise ConfigurationError([f"{name}:1: is nested too deeply; a configuration needs about five levels"]) from None
    if root is None:
        raise ConfigurationError(
            [f"{name}:1: is empty; at least `candidates` has to be given (`shadow init` writes an example)"]
        )
    if not isinstance(root, yaml.MappingNode):
        raise ConfigurationError([f"{name}:1: holds no keys; write `key: value` lines, starting with `candidates:`"])
    return root


def _construct(
    node: yaml.Node, name: str, environment: Mapping[str, str], problems: list[str], location: Location
) -> Any:
    """Plain values of a node tree: environment expanded, a repeated key refused."""
    if isinstance(node, yaml.MappingNode):
        result: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
            if key is None or key == "<<":
                problems.append(
                    f"{name}:{key_node.start_mark.line + 1}: {dotted(location) or 'the file'}: keys have to be plain words"
                )
                continue
            if key in result:
                problems.append(
                    f"{name}:{key_node.start_mark.line + 1}: {dotted((*location, key))}: stands twice in the same place; keep one of them"
                )
            result[key] = _construct(value_node, name, environment, problems, (*location, key))
        return result
    if isinstance(node, yaml.SequenceNode):
        return [_construct(v, name, environment, problems, (*location, i)) for i, v in enumerate(node.value)]
    if not isinstance(node, yaml.ScalarNode):
        return None
    if node.tag == "tag:yaml.org,2002:str" or "${" in node.value:
        text, missing = _expand(node.value, environment)
        problems.extend(
            f"{name}:{node.start_mark.line + 1}: {dotted(location)}: the environment variable {m} is not set; "
            f"set it, or write ${{{m}:-default}}"
            for m in missing
        )
        if text != node.value and node.style is None:
            return yaml.safe_load(text) if text.strip() else text
        return text
    if node.tag == "tag:yaml.org,2002:timestamp":
        return node.value
    try:
        return yaml.SafeLoader("").construct_object(node)
    except (yaml.YAMLError, ValueError):
        problems.append(
            f"{name}:{node.start_mark.line + 1}: {dotted(location)}: {node.value!r} cannot be read; quote it if it is text"
        )
        return None


def _expand(text: str, environment: Mapping[str, str]) -> tuple[str, list[str]]:
    missing: list[str] = []

    def value(match: re.Match[str]) -> str:
        found = environment.get(match[1], match[2])
        if found is None:
            missing.append(match[1])
            return ""
        return found

    return _VARIABLE.sub(value, text), missing
