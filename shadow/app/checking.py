"""A configuration that is more than well-formed: its files exist, its scorers, metrics and Kafka options are known."""

import difflib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from scorers.base import ScorerKind
from scorers.registry import UnknownScorer, available, settings_of
from shadow.anchors.cases import anchors_of
from shadow.configuration import Document, load_document
from shadow.errors import ConfigurationError
from shadow.replay import variants, vllm_plan
from shadow.settings import Baseline, KafkaSource, OpenAIBackend, ScorerEntry, Settings

Place = tuple[str | int, ...]

_PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
_SECURITY_FILES = ("ssl_cafile", "ssl_certfile", "ssl_keyfile", "ssl_crlfile")
_UNKNOWN_OPTION = re.compile(r"scorer \S+: no option '([^']*)'; (.*)")
_WRONG_OPTION = re.compile(r"scorer \S+: (?:([A-Za-z0-9_.]+): )?(.*)")


def validated(path: str) -> Document:
    """The document of a configuration that can be run. Raises ConfigurationError with every problem at once."""
    document = load_document(path)
    problems = list(  # arms made by axes share their mistakes
        dict.fromkeys([*_source(document), *_arms(document), *_scorers(document), *_rest(document)])
    )
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


def _source(document: Document) -> Iterator[str]:
    source = document.settings.source
    if not isinstance(source, KafkaSource) or not source.security:
        return
    from kafka import KafkaConsumer

    place: Place = ("source", "security")
    known = sorted(k for k in KafkaConsumer.DEFAULT_CONFIG if k.startswith(("ssl_", "sasl_", "security_")))
    for key, value in source.security.items():
        if key not in KafkaConsumer.DEFAULT_CONFIG:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean `{near[0]}`?" if near else f"known are {', '.join(known)}"
            yield document.problem((*place, key), f"is no option of the Kafka client; {hint}", show_value=False)
        elif key in _SECURITY_FILES and value is not None and not _readable(value):
            yield document.problem(
                (*place, key),
                f"names a file that cannot be read ({value}); check the path and its mode",
                show_value=False,
            )
    protocol = source.security.get("security_protocol", "PLAINTEXT")
    if protocol not in _PROTOCOLS:
        yield document.problem(
            (*place, "security_protocol"), f"{protocol!r} has to be one of: {', '.join(_PROTOCOLS)}", show_value=False
        )
    elif "sasl_mechanism" in source.security and not str(protocol).startswith("SASL_"):
        better = "SASL_SSL" if protocol == "SSL" else "SASL_PLAINTEXT"
        yield document.problem(
            (*place, "sasl_mechanism"),
            f"has no effect with security_protocol {protocol}: nobody logs in; write security_protocol: {better}",
            show_value=False,
        )


def _arms(document: Document) -> Iterator[str]:
    settings = document.settings
    if settings.baseline is not None:
        yield from _server(document, ("baseline",), settings.baseline)
    for index, where, text in vllm_plan.problems(settings):
        yield document.problem(("candidates", index, *where.split(".")), text, show_value=False)
    for index, candidate in enumerate(settings.candidates):
        place: Place = ("candidates", index)
        if isinstance(candidate.backend, OpenAIBackend):
            yield from _server(document, (*place, "backend"), candidate.backend)
        for text in variants.problems(candidate):
            part = "variant" if "variant." in text else "drop" if candidate.drop else "map"
            yield document.problem((*place, part), text.partition(": ")[2], show_value=False)


def _server(document: Document, place: Place, server: OpenAIBackend | Baseline) -> Iterator[str]:
    try:
        parts = urlsplit(server.url)
        well_formed = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        well_formed = False
    if not well_formed:
        yield document.problem((*place, "url"), 'names no host or a wrong port; write "http://host:8000/v1"')
    elif parts.username is not None or parts.password is not None:
        yield document.problem(
            (*place, "url"),
            "carries a user or a password; move it to api_key_file or api_key_env, or to a header",
            show_value=False,
        )
    variable = server.api_key_env
    if variable is not None and variable not in os.environ:
        yield document.problem((*place, "api_key_env"), "is not set in the environment; export it, or use api_key_file")
    if server.api_key_file is not None and not _readable(server.api_key_file):
        yield document.problem((*place, "api_key_file"), "cannot be read; check the path and its mode")


def _rest(document: Document) -> Iterator[str]:
    settings = document.settings
    if settings.web.token_file is not None and not _readable(settings.web.token_file):
        yield document.problem(("web", "token_file"), "cannot be read; check the path and its mode")
    if settings.governor is not None and metrics_url(settings) is None:
        yield document.problem(
            ("governor", "metrics_url"), "is required where there is no baseline; write the incumbent's metrics page"
        )
    yield from _budget(document)
    yield from _anchors(document)
    url = settings.ledger.url
    if not url.startswith("sqlite"):
        return
    path = url.partition("://")[2].removeprefix("/")
    if path in ("", ":memory:") or path.startswith("file:"):
        yield document.problem(
            ("ledger", "url"), "names no file; a ledger in memory would not outlive a restart: sqlite:///shadow.db"
        )
    elif not (folder := Path(path).parent).is_dir():
        yield document.problem(("ledger", "url"), f"the folder {folder} does not exist; create it")


def metrics_url(settings: Settings) -> str | None:
    """Where the governor reads the incumbent's load; None without a governor, or when nobody says where."""
    return None if settings.governor is None else incumbent_page(settings)


def incumbent_page(settings: Settings) -> str | None:
    """The incumbent's metrics page: the governor's, else that of the baseline's server."""
    given = None if settings.governor is None else settings.governor.metrics_url
    if given is not None or settings.baseline is None:
        return given
    parts = urlsplit(settings.baseline.url)
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/').removesuffix('/v1')}/metrics"


def _budget(document: Document) -> Iterator[str]:
    """A limit that nothing can reach is a wish, not a limit."""
    settings = document.settings
    prices = [arm.price for arm in (*settings.candidates, settings.baseline) if arm is not None]
    if settings.budget.usd_per_day is not None and not any(prices):
        yield document.problem(
            ("budget", "usd_per_day"), "can never be reached: no candidate has a price; give one, or limit tokens"
        )
    if settings.budget.gpu_seconds_per_day is not None and not any(p.gpu_usd_per_hour for p in prices if p is not None):
        yield document.problem(
            ("budget", "gpu_seconds_per_day"),
            "can never be reached: no candidate is priced by the hour; set price.gpu_usd_per_hour, or limit tokens",
        )


def _anchors(document: Document) -> Iterator[str]:
    try:
        anchors_of(document.settings.anchors.path)
    except ConfigurationError as error:
        for problem in error.problems:
            yield document.problem(("anchors", "path"), problem.removeprefix("anchors.path: "), show_value=False)


def _readable(name: object) -> bool:
    return isinstance(name, str) and os.access(name, os.R_OK)


def _scorers(document: Document) -> Iterator[str]:
    for index, entry in enumerate(document.settings.scorers):
        try:
            settings_of(entry.kind, entry.options)
        except UnknownScorer as error:
            for line in str(error).splitlines():
                yield _scorer_problem(document, index, entry, line)
        except Exception as error:  # a plugin's import is somebody else's code
            yield document.problem(
                ("scorers", index, "kind"), f"does not import ({type(error).__name__}); install what it needs"
            )


def _scorer_problem(document: Document, index: int, entry: ScorerEntry, line: str) -> str:
    """A finding of the scorers' library, at the option it means."""
    place: Place = ("scorers", index)
    if unknown := _UNKNOWN_OPTION.fullmatch(line):
        text = f"is no option of the scorer {entry.kind}; {unknown[2]}"
        return document.problem((*place, unknown[1]), text, show_value=False)
    wrong = _WRONG_OPTION.fullmatch(line)
    if wrong is None:
        return document.problem(
            (*place, "kind"), line.partition("; ")[2] and f"is no scorer; {line.partition('; ')[2]}"
        )
    text = wrong[2].removeprefix("Value error, ")
    if wrong[1] is None:
        return document.problem((*place, "kind"), text)
    option = tuple(int(part) if part.isdigit() else part for part in wrong[1].split("."))
    text = "is required; add it" if text == "Field required" else text[:1].lower() + text[1:]
    return document.problem((*place, *option), text)


def _policy(document: Document) -> list[str]:
    from shadow.verdict.policy import problems

    found = []
    for message in problems(document.settings.policy, scorer_kinds(document.settings), known_scorers=available()):
        location, _, rest = message.partition(": ")
        if location == "policy.quality" and "quality" not in document.settings.policy.model_fields_set:
            continue  # the default's scorer is not configured: its gates are not evaluable, and `check` says so
        place = _location(document.settings, location)
        if place[:2] == ("policy", "gates") and len(place) == 3:
            place = (*place, "metric") if rest.startswith("no metric") else place
        found.append(document.problem(place, rest, show_value=False) if rest else message)
    return found


def _location(settings: Settings, dotted: str) -> Place:
    """The place of "policy.gates.ID", "policy.gates.ID.key" or "policy.quality" in the file."""
    parts: list[str | int] = list(dotted.split("."))
    if parts[:2] != ["policy", "gates"] or len(parts) < 3:
        return tuple(parts)
    rest = dotted.removeprefix("policy.gates.")
    for index, gate in enumerate(settings.policy.gates):
        if rest == gate.id:
            return ("policy", "gates", index)
        if rest.startswith(f"{gate.id}."):
            return ("policy", "gates", index, rest.removeprefix(f"{gate.id}."))
    return ("policy", "gates")
