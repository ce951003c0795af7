"""What is wrong with a file, said so that the reader can mend it: file, line, key, value, remedy.

A value is shown as it stands in the file, never what a variable expanded to, and never where it may be a secret.
"""

import difflib
import re
from collections.abc import Iterator, Sequence
from typing import Any

import yaml
from pydantic_core import ErrorDetails

from shadow.configuration.places import Location, dotted, find, keys_at, kinds_at, models_at, untagged

_SHOWN_CHARACTERS = 80
_SECRET_KEYS = ("password", "secret", "token", "api_key", "authorization", "headers", "security")
_LOGIN_IN_URL = re.compile(r"(?<=://)[^/@\s]*@")
_LOOKS_LIKE_A_KEY = re.compile(r"(sk|pk|hf|gsk|xai|ghp|glpat|AKIA)[-_A-Za-z0-9]{8,}|[A-Za-z0-9+_=-]{32,}")
_EMPTY = ("", "null", "Null", "NULL", "~")
_OWN_FIELD = re.compile(r"([a-z_]+): (.+)", re.DOTALL)

_YAML_HINTS: tuple[tuple[str, str], ...] = (
    ("\\t", "a line is indented with a tab; use spaces, YAML allows no tabs for indentation"),
    ("undefined alias", "a value begins with `*`, which YAML takes for a reference; put it in quotes"),
    ("cannot start any token", "a value begins with a character that means something to YAML; put it in quotes"),
    ("mapping values are not allowed", "there is a second colon on one line; quote the text, or begin a new line"),
    ("could not find expected ':'", "a line holds no `key: value`; add the colon, or indent the text under its key"),
    ("<stream end>", "a bracket or a brace is opened here and never closed; check brackets and quotes"),
    ("unexpected end of stream", "a quote is opened here and never closed; close it"),
    ("expected ',' or", "a comma, a bracket or a brace is missing here; check brackets and quotes"),
    ("expected <block end>", "the indentation does not fit the lines above; line it up with its neighbours"),
)


def message(name: str, root: yaml.Node | None, location: Location, text: str, *, show_value: bool = True) -> str:
    """One complete message: "file:line: key: 'value' text"."""
    line, path, raw = find(root, location)
    value = "" if raw is None or not show_value else f" {shown(path, raw)}"
    return f"{name}:{line}: {dotted(path) or 'the file'}:{value} {text}"


def shown(path: Location, raw: str) -> str:
    """A value in quotes, shortened; blanked where the key or the look of it says that it may be a secret."""
    words = [str(part).lower() for part in path]
    if any(secret in word and not word.endswith(("_file", "_env")) for word in words for secret in _SECRET_KEYS):
        return "'***'"
    clean = _LOGIN_IN_URL.sub("***@", raw)
    if _LOOKS_LIKE_A_KEY.fullmatch(clean):
        return "'***'"
    return repr(clean if len(clean) <= _SHOWN_CHARACTERS else clean[: _SHOWN_CHARACTERS - 3] + "...")


def relevant(errors: Sequence[ErrorDetails]) -> Iterator[ErrorDetails]:
    """One message per place: a key that is missing because its parent is wrong is not news."""
    seen: set[Location] = set()
    for error in errors:
        if error["loc"] not in seen:
            seen.add(error["loc"])
            yield error


def explain(name: str, root: yaml.Node, error: ErrorDetails, value: Any) -> str:
    """The message for one finding of the settings models; `value` is the whole content of the file."""
    location, kind = untagged(error["loc"]), error["type"]
    raw = find(root, location)[2]
    if kind == "extra_forbidden":
        known = keys_at(location[:-1])
        near = difflib.get_close_matches(str(location[-1]), known, n=1, cutoff=0.5)
        hint = f"did you mean `{near[0]}`?" if near else f"known here: {', '.join(known)}" if known else "remove it"
        return message(name, root, location, f"is not a known key; {hint}", show_value=False)
    if kind == "missing":
        return message(name, root, location, f"is required; add it{_example(location)}", show_value=False)
    if kind == "union_tag_not_found":
        choices = " or ".join(f"`kind: {k}`" for k in kinds_at(location))
        return message(name, root, (*location, "kind"), f"is required; add {choices}", show_value=False)
    if kind == "union_tag_invalid":
        return message(name, root, (*location, "kind"), f"has to be one of: {', '.join(kinds_at(location))}")
    if (
        raw is not None
        and raw.strip() in _EMPTY
        and kind in ("model_type", "list_type", "dict_type", "model_attributes_type")
    ):
        remedy = f"write something under it{_example(location) or ', or remove it'}"
        return message(name, root, location, f"is empty; {remedy}", show_value=False)
    if kind == "value_error":
        return _from_a_validator(name, root, location, str(error.get("ctx", {}).get("error", error["msg"])), value)
    return message(name, root, location, _plain(error, location))


def yaml_problem(name: str, error: yaml.YAMLError) -> str:
    """The message for a file that is no YAML; quotes nothing of it."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return f"{name}:1: is not valid YAML: it holds characters that YAML forbids; remove them"
    problem = error.problem or ""
    open_ended = "end" in problem and "stream" in problem
    mark = (error.context_mark if open_ended else None) or error.problem_mark or error.context_mark
    hint = next((text for words, text in _YAML_HINTS if words in problem), "check indentation, colons and quotes there")
    return f"{name}:{mark.line + 1 if mark else 1}: is not valid YAML: {hint}"


def _from_a_validator(name: str, root: yaml.Node, location: Location, text: str, value: Any) -> str:
    """A rule over several keys: the message names the one to change where it is known."""
    culprit = _culprit(text, value)
    if culprit is not None:
        return message(name, root, culprit, text, show_value=False)
    own = _OWN_FIELD.fullmatch(text)
    if own is not None and own[1] in keys_at(location):
        rest = f"cannot be used; {own[2]}" if own[2].startswith("write ") else own[2]
        return message(name, root, (*location, own[1]), rest)
    return message(name, root, location, text, show_value=not models_at(location))


def _culprit(text: str, value: Any) -> Location | None:
    """The entry that a rule over a whole list means: the second of a pair, or the one with the reserved name."""
    if not isinstance(value, dict):
        return None
    if text.startswith("gate ids"):
        policy = value.get("policy")
        gates = _entries(policy, "gates") if isinstance(policy, dict) else []
        return _second(("policy", "gates"), [g.get("id") for g in gates], "id")
    if text.startswith("candidate names"):
        return _second(("candidates",), [c.get("name") for c in _entries(value, "candidates")], "name")
    if text.startswith("a candidate may not be called"):
        incumbent = value.get("incumbent")
        taken = {"incumbent", "baseline", incumbent.get("name") if isinstance(incumbent, dict) else None}
        for index, candidate in enumerate(_entries(value, "candidates")):
            if candidate.get("name") in taken:
                return ("candidates", index, "name")
    if text.startswith("scorers have to be unique"):
        return _second(("scorers",), [s.get("name") or s.get("kind") for s in _entries(value, "scorers")], "kind")
    return None


def _entries(value: dict[Any, Any], key: str) -> list[dict[Any, Any]]:
    found = value.get(key)
    return [e if isinstance(e, dict) else {} for e in found] if isinstance(found, list) else []


def _second(place: Location, names: list[Any], key: str) -> Location | None:
    for index, entry in enumerate(names):
        if entry is not None and entry in names[:index]:
            return (*place, index, key)
    return None


def _plain(error: ErrorDetails, location: Location) -> str:
    context: dict[str, Any] = error.get("ctx", {})
    kind = error["type"]
    if kind == "literal_error":
        choices = [c.strip(" '") for c in re.split(r",| or ", str(context.get("expected", ""))) if c.strip(" '")]
        return f"has to be one of: {', '.join(choices)}" if len(choices) > 1 else f"has to be {choices[0]}, or left out"
    limits = {
        "greater_than": ("has to be greater than", "gt"),
        "greater_than_equal": ("has to be at least", "ge"),
        "less_than": ("has to be less than", "lt"),
        "less_than_equal": ("has to be at most", "le"),
    }
    if kind in limits:
        words, bound = limits[kind]
        return f"{words} {context.get(bound):g}"
    key = str(location[-1]) if location else ""
    known = keys_at(location)
    mapping = "has to hold `key: value` lines" + (f" ({', '.join(known)})" if known else "")
    number = "has to be a number of seconds, without a unit" if key.endswith("_seconds") else "has to be a number"
    remedies = {
        "int_parsing": "has to be a whole number",
        "int_type": "has to be a whole number",
        "int_from_float": "has to be a whole number",
        "float_parsing": number,
        "float_type": number,
        "finite_number": "has to be a finite number",
        "bool_parsing": "has to be true or false",
        "bool_type": "has to be true or false",
        "string_type": "has to be text; put it in quotes",
        "list_type": "has to be a list: write `- ` before each entry, or put it in [ ]",
        "dict_type": mapping,
        "model_type": mapping,
        "model_attributes_type": mapping,
        "too_short": f"needs at least one entry{_example(location)}",
        "string_too_short": "may not be empty",
        "string_too_long": f"is too long; at most {context.get('max_length')} characters",
    }
    if kind in remedies:
        return remedies[kind]
    if kind == "string_pattern_mismatch":
        return _pattern_hint(key, str(context.get("pattern", "")))
    return error["msg"][:1].lower() + error["msg"][1:]


def _pattern_hint(key: str, pattern: str) -> str:
    if "https?" in pattern:
        return 'has to be a URL that begins with http:// or https://, such as "http://127.0.0.1:8001/v1"'
    if "sqlite" in pattern:
        return 'has to begin with sqlite:/// or postgresql://, such as "sqlite:///shadow.db"'
    if key == "topic":
        return "may hold letters, digits, dot, underscore and dash only"
    return "may hold letters, digits and . _ : - only, beginning with a letter or digit; at most 63 characters"


def _example(location: Location) -> str:
    if location == ("candidates",):
        return ', such as `candidates: [{name: cand-b, backend: {kind: openai, url: "http://127.0.0.1:8001/v1", model: cand-b}}]`'
    if location and location[-1] == "backend":
        return ', such as `backend: {kind: openai, url: "http://127.0.0.1:8001/v1", model: cand-b}`'
    if location and location[-1] == "url":
        return ', such as `url: "http://127.0.0.1:8001/v1"`'
    if location and location[-1] == "model":
        return ": the name under which the server lists its model"
    return ""
