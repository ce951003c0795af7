"""A configuration that is more than well-formed: its files exist, its scorers and metrics are known."""

import os
from pathlib import Path

from scorers.base import ScorerKind
from scorers.registry import UnknownScorer, available, settings_of
from shadow.configuration import Document, load_document
from shadow.errors import ConfigurationError
from shadow.settings import OpenAIBackend, Settings


def validated(path: str) -> Document:
    """The document of a configuration that can be run. Raises ConfigurationError with every problem at once."""
    document = load_document(path)
    problems = [*_files(document), *_scorers(document)]
    if problems:
        raise ConfigurationError(problems)
    problems = _policy(document)
    if problems:
        raise ConfigurationError(problems)
    return document


def scorer_kinds(settings: Settings) -> dict[str, ScorerKind]:
    """Label of every configured scorer to its kind (absolute, comparative, preference), without building any."""
    known = available()
    return {entry.label: known[entry.kind].scorer_kind or "absolute" for entry in settings.scorers}


def _files(document: Document) -> list[str]:
    settings = document.settings
    problems = []
    named: list[tuple[tuple[str | int, ...], str | None]] = [(("web", "token_file"), settings.web.token_file)]
    for index, candidate in enumerate(settings.candidates):
        if isinstance(candidate.backend, OpenAIBackend):
            named.append((("candidates", index, "backend", "api_key_file"), candidate.backend.api_key_file))
            variable = candidate.backend.api_key_env
            if variable is not None and variable not in os.environ:
                problems.append(
                    document.problem(
                        ("candidates", index, "backend", "api_key_env"),
                        "is not set in the environment; export it, or use api_key_file",
                    )
                )
    if settings.baseline is not None:
        named.append((("baseline", "api_key_file"), settings.baseline.api_key_file))
    for location, name in named:
        if name is not None and not os.access(name, os.R_OK):
            problems.append(document.problem(location, "cannot be read; check the path and its mode"))
    if settings.ledger.url.startswith("sqlite:///"):
        folder = Path(settings.ledger.url.removeprefix("sqlite:///")).parent
        if not folder.is_dir():
            problems.append(document.problem(("ledger", "url"), f"the folder {folder} does not exist; create it"))
    return problems


def _scorers(document: Document) -> list[str]:
    problems = []
    for index, entry in enumerate(document.settings.scorers):
        try:
            settings_of(entry.kind, entry.options)
        except UnknownScorer as error:
            problems += [document.problem(("scorers", index, "kind"), line) for line in str(error).splitlines()]
    return problems


def _policy(document: Document) -> list[str]:
    from shadow.verdict.policy import problems

    found = []
    for message in problems(document.settings.policy, scorer_kinds(document.settings), known_scorers=available()):
        location, _, rest = message.partition(": ")
        if location == "policy.quality" and "quality" not in document.settings.policy.model_fields_set:
            continue  # the default's scorer is not configured: its gates are not evaluable, and `check` says so
        found.append(document.problem(_location(document.settings, location), rest) if rest else message)
    return found


def _location(settings: Settings, dotted: str) -> tuple[str | int, ...]:
    """The place of "policy.gates.ID" or "policy.quality" in the file."""
    parts: list[str | int] = list(dotted.split("."))
    if parts[:2] == ["policy", "gates"] and len(parts) > 2:
        ids = [gate.id for gate in settings.policy.gates]
        gate = ".".join(str(p) for p in parts[2:])
        return ("policy", "gates", ids.index(gate)) if gate in ids else ("policy", "gates")
    return tuple(parts)
