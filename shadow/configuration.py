"""One YAML file into `Settings`, with messages that name the key, its line, the value and the remedy.

`${NAME}` and `${NAME:-default}` expand from the environment in any string. Messages show what stands in the file, never
what a variable expanded to: a secret does not leak through an error.
"""

import difflib
import os
import re
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Union, cast, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from shadow.errors import ConfigurationError
from shadow.settings import Policy, Settings

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
_MAX_BYTES = 4 * 2**20

Location = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A configuration file that was read: the settings and where in the file each key stands."""

    path: str
    settings: Settings
    root: yaml.Node | None

    def problem(self, location: Location, message: str) -> str:
        """One complete message for a key found wrong later: "file:line: key: message"."""
        return _message(self.path, self.root, location, message)


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
    try:
        settings = Settings.model_validate(value)
    except ValidationError as error:
        raise ConfigurationError([_explain(name, root, e) for e in _relevant(error.errors())]) from None
    return Document(path=name, settings=settings, root=root)


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
        found = [{**e, "loc": ("policy", *e["loc"])} for e in _relevant(error.errors())]
        raise ConfigurationError([_explain(name, root, cast("ErrorDetails", e)) for e in found]) from None


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
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        what = error.problem or "cannot be parsed"
        hint = (
            "; use spaces, YAML allows no tabs for indentation"
            if "\\t" in what
            else "; check indentation, colons and quotes there"
        )
        raise ConfigurationError([f"{name}:{line}: is not valid YAML: {what}{hint}"]) from None
    except yaml.YAMLError:
        raise ConfigurationError([f"{name}:1: is not valid YAML: it holds characters that YAML forbids"]) from None
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
                    f"{name}:{key_node.start_mark.line + 1}: {_dotted(location) or 'the file'}: keys have to be plain words"
                )
                continue
            if key in result:
                problems.append(
                    f"{name}:{key_node.start_mark.line + 1}: {_dotted((*location, key))}: stands twice in the same place; keep one of them"
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
            f"{name}:{node.start_mark.line + 1}: {_dotted(location)}: the environment variable {m} is not set; "
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
            f"{name}:{node.start_mark.line + 1}: {_dotted(location)}: {node.value!r} cannot be read; quote it if it is text"
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


def _relevant(errors: list[ErrorDetails]) -> Iterator[ErrorDetails]:
    """One message per place: a key that is missing because its parent is wrong is not news."""
    seen: set[Location] = set()
    for error in errors:
        if error["loc"] not in seen:
            seen.add(error["loc"])
            yield error


def _explain(name: str, root: yaml.Node, error: ErrorDetails) -> str:
    location, kind = error["loc"], error["type"]
    if kind == "extra_forbidden":
        known = _keys_at(Settings, location[:-1])
        near = difflib.get_close_matches(str(location[-1]), known, n=1, cutoff=0.5)
        hint = f"did you mean `{near[0]}`?" if near else f"known here: {', '.join(known)}" if known else "remove it"
        return _message(name, root, location, f"is not a known key; {hint}", show_value=False)
    if kind == "missing":
        return _message(name, root, location, f"is required; add it{_example(location)}", show_value=False)
    if kind in ("union_tag_not_found", "union_tag_invalid"):
        tags = str(error.get("ctx", {}).get("expected_tags", "")).replace("'", "")
        inner = (*location, "kind")
        return _message(name, root, inner, f"has to be one of: {tags}")
    return _message(name, root, location, _plain(error))


def _plain(error: ErrorDetails) -> str:
    context: dict[str, Any] = error.get("ctx", {})
    remedies = {
        "literal_error": f"has to be one of: {str(context.get('expected', '')).replace(' or ', ', ')}",
        "greater_than": f"has to be greater than {context.get('gt')}",
        "greater_than_equal": f"has to be at least {context.get('ge')}",
        "less_than": f"has to be less than {context.get('lt')}",
        "less_than_equal": f"has to be at most {context.get('le')}",
        "int_parsing": "has to be a whole number",
        "int_type": "has to be a whole number",
        "int_from_float": "has to be a whole number",
        "float_parsing": "has to be a number",
        "float_type": "has to be a number",
        "bool_parsing": "has to be true or false",
        "bool_type": "has to be true or false",
        "string_type": "has to be text; quote it",
        "list_type": "has to be a list: write `- ` before each entry",
        "dict_type": "has to hold `key: value` lines",
        "model_type": "has to hold `key: value` lines",
        "too_short": "needs at least one entry",
        "string_too_short": "may not be empty",
    }
    if error["type"] in remedies:
        return remedies[error["type"]]
    if error["type"] == "string_pattern_mismatch":
        return _pattern_hint(error["loc"], str(context.get("pattern", "")))
    if error["type"] == "value_error":
        return str(context.get("error", error["msg"]))
    return error["msg"][:1].lower() + error["msg"][1:]


def _pattern_hint(location: Location, pattern: str) -> str:
    key = str(location[-1])
    if "https?" in pattern:
        return 'has to be a URL such as "http://127.0.0.1:8001/v1"'
    if "sqlite" in pattern:
        return 'has to begin with sqlite:/// or postgresql://, such as "sqlite:///shadow.db"'
    if key == "topic":
        return "may hold letters, digits, dot, underscore and dash only"
    return "may hold letters, digits and . _ : - only, beginning with a letter or digit"


def _example(location: Location) -> str:
    if location == ("candidates",):
        return ', such as `candidates: [{name: cand-b, backend: {kind: openai, url: "http://127.0.0.1:8001/v1", model: cand-b}}]`'
    if location and location[-1] == "backend":
        return ', such as `backend: {kind: openai, url: "http://127.0.0.1:8001/v1", model: cand-b}`'
    return ""


def _keys_at(model: Any, location: Location) -> list[str]:
    """The keys that a settings model knows at a location (tags of unions and list positions included)."""
    candidates = [model]
    for part in location:
        candidates = [inner for m in candidates for inner in _step(m, part)]
    return sorted({k for m in candidates for k in m.model_fields})


def _step(model: Any, part: str | int) -> list[Any]:
    if isinstance(part, int):
        return [model]  # a list of models answers as the model does
    if _is_model(model):
        if part in model.model_fields:
            return _models_in(model.model_fields[part].annotation)
        kind = model.model_fields.get("kind")
        return [model] if kind is not None and part == kind.default else []
    return []


def _models_in(annotation: Any) -> list[Any]:
    if _is_model(annotation):
        return [annotation]
    origin = get_origin(annotation)
    if origin is None:
        return []
    if origin is list:
        return _models_in(get_args(annotation)[0])
    if origin in (Union, types.UnionType, Annotated):
        return [m for a in get_args(annotation) for m in _models_in(a)]
    return []


def _is_model(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, BaseModel)


def _message(name: str, root: yaml.Node | None, location: Location, message: str, *, show_value: bool = True) -> str:
    line, path, raw = _find(root, location)
    value = f" {raw!r}" if show_value and raw is not None else ""
    return f"{name}:{line}: {_dotted(path) or 'configuration'}:{value} {message}"


def _find(root: yaml.Node | None, location: Location) -> tuple[int, Location, str | None]:
    """Line, the path as the file spells it, and the raw text of a scalar, for the deepest part that exists."""
    node, line = root, 1
    path: list[str | int] = []
    for position, part in enumerate(location):
        if isinstance(node, yaml.MappingNode):
            found = next(((k, v) for k, v in node.value if k.value == part), None)
            if found is None:
                if position == len(location) - 1:
                    path.append(part)
                    return line, tuple(path), None
                continue  # the tag of a union: not spelled in the file
            line, node = found[0].start_mark.line + 1, found[1]
            path.append(part)
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
            path.append(part)
    raw = node.value if isinstance(node, yaml.ScalarNode) else None
    return line, tuple(path), raw if raw is None or len(raw) <= 80 else raw[:77] + "..."


def _dotted(location: Location) -> str:
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text
