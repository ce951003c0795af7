"""Writes docs/configuration.md from the settings models: `python -m shadow.cli.reference > docs/configuration.md`."""

import types
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from scorers.registry import available, options_of
from shadow import settings
from shadow.cli.reference_words import MEANINGS
from shadow.settings import DEFAULT_GATES, DEFAULT_SCORERS, Settings

_INTRODUCTION = """# Configuration

One YAML file. Only `candidates` has to be given; everything else has a default. `shadow init` writes a file to start
from, `shadow check -c FILE` says what is wrong with one and what can be decided with it, `shadow check -c FILE --connect`
asks broker, servers and database, and `shadow plan -c FILE` says how long a decision takes.

`${NAME}` and `${NAME:-default}` expand from the environment in any value. Unknown keys are errors. A duration is a number
with a unit (`90s`, `15m`, `24h`, `7d`) or a number of seconds; keys that end in `_seconds` take numbers only.

This page is generated from the models that read the file: `python -m shadow.cli.reference > docs/configuration.md`.

## How a secret comes in

1. **From a file**: `api_key_file`, `token_file`, and the Kafka client's `ssl_keyfile`. Read at the start; a server's key is
   read again when the server refuses it, so that keys can be rotated without a restart. Best where files are mounted.
2. **From an environment variable by name**: `api_key_env: HOSTED_KEY`. The file then holds no secret and may be committed.
3. **Expanded into the file**: `sasl_plain_password: "${KAFKA_PASSWORD}"`, and the password in `ledger.url`. For what has no
   key of its own.

No message, page, log line or metric shows a secret: passwords are blanked, URLs lose user, password and query, and an
error shows what stands in the file, never what a variable expanded to.
"""

_MESSAGES = """## Messages and what they mean

A message names the file, the line, the key, the value as it stands in the file, and the remedy. Several problems give
several lines. `shadow check` leaves with 2 then, as every other command does.

| message | meaning |
|---|---|
| `is not a known key; did you mean ...` | a misspelling, or a key of another section; unknown keys are never ignored |
| `is required; add it` | the key has no default |
| `is required; add kind: ...` | this section comes in several kinds, and nobody can guess which |
| `has to be one of: ...` | a closed list; the words are all there are |
| `has to hold key: value lines` | a single value or a list stands where a section belongs |
| `has to be a list` | write `- ` before each entry, or `[a, b]` |
| `is empty; write something under it` | the key stands there without a value |
| `stands twice in the same place` | YAML would take the last one silently; keep one |
| `the environment variable ... is not set` | export it, or give a default with `${NAME:-default}` |
| `is not valid YAML: ...` | the line where reading stopped; the fault may be just above |
| `is no option of the scorer ...` | scorers have keys of their own, see above |
| `is no option of the Kafka client` | `source.security` takes the options of kafka-python for TLS and SASL |
| `cannot be read; check the path and its mode` | the file is missing, or belongs to somebody else |
| `carries a user or a password` | a secret in a URL reaches logs; use the keys made for it |
| `means nothing for kind ...` | a gate has a key that its kind does not use; it would be believed to work |

With `--connect` a line begins with `OK`, `FIX` or `NOTE`, and `FIX` leaves with 3.

| FIX line | meaning |
|---|---|
| `nothing listens on port ... (connection refused)` | the machine is there, the service is not, or listens elsewhere |
| `does not answer; a firewall drops the packets` | nothing came back at all |
| `the host name ... is unknown here` | DNS; names inside a cluster are unknown outside it |
| `this listener expects TLS` | the port is a TLS listener and the configuration says plaintext |
| `this listener speaks without TLS` | the reverse; do not send a password there |
| `comes from an authority that is unknown here` | give its file as `ssl_cafile` |
| `the certificate is not made for the name ...` | connect by a name the certificate holds |
| `the broker wants a certificate from us` | mutual TLS: `ssl_certfile` and `ssl_keyfile` |
| `this listener asks for a login` | SASL is expected; the mechanisms it offers are named |
| `does not offer the mechanism` | choose one of those it names |
| `the broker refuses the login` | user, password or credentials of that mechanism; the broker does not say which |
| `does not exist; create it with ...` | Shadow never creates the topic it reads |
| `may not read it` | the ACL that is missing, as a command; a broker shows a forbidden topic as missing |
| `the cluster sends clients to this address` | `advertised.listeners` of the broker names what cannot be reached from here |
| `asks for a key (401)`, `refuses our key` | no key is sent, or a wrong one |
| `url has to end in /v1` | the server answers 404 below this URL; the right one is named where it was found |
| `the model ... is not served; it serves ...` | `model` has to be one of those names |
| `a call of one token is refused with 400` | the server's own words follow; often `variant`, or a field that `drop` has to leave out |
| `the folder ... does not exist`, `cannot be written` | the ledger's place |
| `the password is refused` | PostgreSQL: user or password in `ledger.url` |
| `has the newer schema` | an older program on a newer ledger; upgrade the program |
"""


def document() -> str:
    """The whole page."""
    sections = _all_sections()
    places = dict(reversed([(model, place) for place, model in sections]))
    parts = [_INTRODUCTION, "## Sections\n", _table(Settings, places)]
    for place, model in sections:
        kind = model.model_fields.get("kind")
        fixed = kind is not None and isinstance(kind.default, str) and len(get_args(kind.annotation)) == 1
        chosen = f" (`kind: {kind.default}`)" if kind is not None and fixed else ""
        about = " ".join((model.__doc__ or "").split())
        parts.append(f"## `{place}`{chosen}\n\n{about}\n\n{_table(model, places)}")
    parts += [_scorers(), _gates(), _MESSAGES]
    return "\n".join(parts)


def meaning(model: type[BaseModel], name: str) -> str:
    """What a key means; empty when nobody has said it."""
    return model.model_fields[name].description or MEANINGS.get(f"{model.__name__}.{name}", "")


def models() -> Iterator[type[BaseModel]]:
    """Every settings model that the page shows."""
    yield Settings
    for _, model in _all_sections():
        yield model


def _all_sections() -> list[tuple[str, type[BaseModel]]]:
    """(place, model) of every section, each model at the first place it stands."""
    seen: set[type[BaseModel]] = {Settings}
    return [found for name, field in Settings.model_fields.items() for found in _sections(name, field.annotation, seen)]


def _sections(place: str, annotation: Any, seen: set[type[BaseModel]]) -> Iterator[tuple[str, type[BaseModel]]]:
    for model in _models(annotation):
        if model in seen:
            continue
        seen.add(model)
        place_here = f"{place}[]" if get_origin(annotation) is list else place
        yield place_here, model
        for name, field in model.model_fields.items():
            yield from _sections(f"{place_here}.{name}", field.annotation, seen)


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in (Union, types.UnionType, Annotated, list):
        return [m for part in get_args(annotation) for m in _models(part)]
    return []


def _table(model: type[BaseModel], places: Mapping[type[BaseModel], str]) -> str:
    rows = ["| key | type | default | meaning |", "|---|---|---|---|"]
    for name, field in model.model_fields.items():
        words = _cell(meaning(model, name))
        inner = _models(field.annotation)
        where = f" (`{places[inner[0]]}`)" if inner else ""
        rows.append(f"| `{name}` | {_cell(_type(field))}{where} | {_cell(_default(field))} | {words} |")
    return "\n".join(rows) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _type(field: FieldInfo) -> str:
    if field.annotation is float and any(getattr(m, "func", None) is settings.seconds for m in field.metadata):
        return "duration"
    shown = _plain_type(field.annotation)
    limits = _limits(field.metadata)
    return f"{shown}, {limits}" if limits else shown


def _plain_type(annotation: Any) -> str:
    origin, inside = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _plain_type(inside[0])
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in inside)
    if origin is list:
        return f"list of {_plain_type(inside[0])}"
    if origin is dict:
        return f"`key: value` lines, values {_plain_type(inside[1])}"
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(_plain_type(part) for part in inside if part is not type(None)))
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "section"
    names: dict[Any, str] = {str: "text", int: "whole number", float: "number", bool: "true or false"}
    return names.get(annotation, "any")


def _limits(metadata: list[Any]) -> str:
    found = []
    for item in metadata:
        match item:
            case annotated_types.Gt(gt=bound):
                found.append(f"> {bound}")
            case annotated_types.Ge(ge=bound):
                found.append(f"≥ {bound}")
            case annotated_types.Lt(lt=bound):
                found.append(f"< {bound}")
            case annotated_types.Le(le=bound):
                found.append(f"≤ {bound}")
    return ", ".join(found)


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "required" if field.default_factory is None else "see below"
    value = field.default
    if value is None:
        return ""
    if isinstance(value, BaseModel):
        return "its defaults"
    if isinstance(value, list) and value and isinstance(value[0], BaseModel):
        return "see below"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, list):
        return f"`[{', '.join(map(str, value))}]`"
    return f"`{value}`" if value != "" else '`""`'


def _scorers() -> str:
    default = ", ".join(entry.kind for entry in DEFAULT_SCORERS)
    lines = [
        "## The scorers\n",
        f"Default: {default}. *Absolute* scorers judge an answer by itself, *comparative* ones how much it differs from the "
        "incumbent's (change, not harm: a gate on one needs `baseline`), *preference* ones which of two is better.\n",
    ]
    for kind, info in available().items():
        needs = f" Needs {info.needs}." if info.needs else ""
        lines.append(f"### `{kind}`\n\n{(info.scorer_kind or 'unknown').capitalize()}: {info.summary}.{needs}\n")
        model = options_of(kind)
        if model.model_fields:
            lines.append(_options(model))
    return "\n".join(lines)


def _options(model: type[BaseModel]) -> str:
    rows = ["| option | type | default | meaning |", "|---|---|---|---|"]
    for name, field in model.model_fields.items():
        if name == "kind":
            continue
        words = _cell(field.description or "")
        rows.append(f"| `{name}` | {_cell(_type(field))} | {_cell(_default(field))} | {words} |")
    return "\n".join(rows) + "\n"


def _gates() -> str:
    lines = ["## The default gates\n", "```yaml"]
    for gate in DEFAULT_GATES:
        given = gate.model_dump(exclude_defaults=True)
        lines.append(f"- {{{', '.join(f'{k}: {_yaml(v)}' for k, v in given.items())}}}")
    return "\n".join([*lines, "```\n"])


def _yaml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return (
        f'"{value}"'
        if isinstance(value, str) and "<" in value
        else f"{value:g}"
        if isinstance(value, float)
        else str(value)
    )


if __name__ == "__main__":
    import sys

    sys.stdout.write(document())
