"""What a configuration amounts to, before anything runs: arms, scorers, gates and what each of them lacks. No secrets."""

import importlib.util
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from scorers import embedding
from scorers.registry import available, settings_of
from shadow.app import foreseeing
from shadow.app.checking import scorer_kinds
from shadow.exporters.catalogue import series_count
from shadow.records import BASELINE
from shadow.settings import (
    Candidate,
    JsonlSource,
    KafkaSource,
    OpenAIBackend,
    Price,
    ScorerEntry,
    Settings,
    Variant,
    VllmBackend,
)
from shadow.verdict import words
from shadow.verdict.gates import limit_of
from shadow.verdict.mixed import unfixed
from shadow.verdict.policy import evaluable, unheard

GateState = Literal["decidable", "not_evaluable", "uncalibrated"]
_SHOWN_CHARACTERS = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class GateSummary:
    """One gate, or the utility: can it be decided, and if not what to add. `candidates` lack it; empty means all alike."""

    id: str
    asks: str
    hard: bool
    state: GateState
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScorerSummary:
    """One scorer; `fix` is a complete sentence when it cannot work on this machine."""

    name: str
    kind: str
    judges: str
    needs: str
    fix: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmSummary:
    """One arm: where it is and what is known of its price. `variant` lists what differs from the plain request."""

    name: str
    server: str
    price: str
    variant: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Everything `shadow check` says of a valid file; every text may be shown to anybody."""

    source: str
    sampling: str
    incumbent: ArmSummary
    arms: tuple[ArmSummary, ...]
    engines: str | None
    cost: str
    scorers: tuple[ScorerSummary, ...]
    gates: tuple[GateSummary, ...]
    text: str
    dead_letters: str
    ledger: str
    pages: str
    series: int
    notes: tuple[str, ...]

    @property
    def fixes(self) -> tuple[str, ...]:
        """What keeps this configuration from running on this machine."""
        return tuple(f"scorer {s.name}: {s.fix}" for s in self.scorers if s.fix is not None)

    @property
    def open_gates(self) -> tuple[GateSummary, ...]:
        """Gates that can never be decided with this file."""
        return tuple(g for g in self.gates if g.state != "decidable")


def summarise(settings: Settings) -> Summary:
    """Reads settings that were validated; contacts nobody, builds nothing."""
    return Summary(
        source=_source(settings),
        sampling=_sampling(settings),
        incumbent=ArmSummary(
            name=settings.incumbent.name,
            server="as recorded in the mirrored traffic",
            price=_price(settings.incumbent.price),
        ),
        arms=tuple(_arms(settings)),
        engines=foreseeing.engines(settings),
        cost=foreseeing.cost(settings),
        scorers=tuple(_scorer(entry) for entry in settings.scorers),
        gates=tuple(_gates(settings)),
        text=_text(settings),
        dead_letters=_dead_letters(settings),
        ledger=shown_url(settings.ledger.url),
        pages=f"http://{settings.web.host}:{settings.web.port or '<a free port>'}/"
        + ("" if settings.web.token_file is None else ", with a token"),
        series=series_count(settings),
        notes=(*foreseeing.notes(settings), *_notes(settings)),
    )


def shown_url(url: str) -> str:
    """A URL without password, query and fragment: fit for a ticket."""
    if url.startswith("sqlite"):
        return url.partition("?")[0]
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    name = user.partition(":")[0]
    kept = f"{name}@" if at and name and not parts.scheme.startswith("http") else ""
    return f"{parts.scheme}://{kept}{host}{parts.path}"


def _source(settings: Settings) -> str:
    source = settings.source
    if isinstance(source, JsonlSource):
        return f"the file {source.path}, format {source.format}"
    servers = ", ".join(s.strip().rpartition("@")[2] for s in source.bootstrap_servers.split(","))
    security = source.security
    login = f" as {security.get('sasl_plain_username')}" if "sasl_mechanism" in security else ""
    return (
        f"Kafka topic {source.topic} at {servers} ({security.get('security_protocol', 'PLAINTEXT')}{login}), "
        f"group {source.group_id}, first start from {source.start}, format {source.format}"
    )


def _sampling(settings: Settings) -> str:
    sampling = settings.sampling
    turn = "the first turn" if sampling.counted_turn == "first" else "one turn, drawn by the session's key,"
    parts = [
        f"{words.percent(sampling.rate)} of sessions",
        f"of each {turn} counts; a call without a session key is a unit of its own",
    ]
    for stratum in sampling.strata:
        when = json.dumps(stratum.when.model_dump(exclude_defaults=True))
        parts.append(f"{stratum.times} times as many ({words.percent(sampling.rate * stratum.times)}) where {when}")
    if sampling.replay_turns == "all":
        parts.append("every turn of a chosen session is replayed")
    return "; ".join(parts)


def _arms(settings: Settings) -> Iterator[ArmSummary]:
    baseline = settings.baseline
    if baseline is not None:
        yield ArmSummary(
            name=BASELINE,
            server=f"{shown_url(baseline.url)}, model {baseline.model}, on {words.percent(baseline.rate)} of replayed calls, "
            f"at most {baseline.max_requests_per_second:g} a second",
            price=_price(baseline.price),
        )
    if settings.duplicates.enabled:
        yield ArmSummary(
            name=BASELINE,
            server="nobody is asked: production's earlier answer to a repeated request, "
            f"at most {settings.duplicates.max_bytes / 2**20:.3g} MiB of them in memory",
            price="none",
        )
    for candidate in settings.candidates:
        yield ArmSummary(
            name=candidate.name,
            server=_server(candidate),
            price=_price(candidate.price),
            variant=tuple(_variant(candidate)),
        )


def _server(candidate: Candidate) -> str:
    backend = candidate.backend
    if isinstance(backend, VllmBackend):
        return f"a vLLM that `shadow run` starts, model {backend.model}"
    return f"{shown_url(backend.url)}, model {backend.model}, {_key(backend)}"


def _key(backend: OpenAIBackend) -> str:
    if backend.api_key_file is not None:
        return "key from a file"
    return "without a key" if backend.api_key_env is None else f"key from ${backend.api_key_env}"


def _variant(candidate: Candidate) -> Iterator[str]:
    variant: Variant = candidate.variant
    if variant.system_prompt is not None:
        verb = "replaced by" if variant.system_prompt_mode == "replace" else "preceded by"
        yield f"system prompt {verb} one of {len(variant.system_prompt)} characters"
    if variant.template is not None:
        yield f"a chat template of {len(variant.template)} characters"
    for key, value in variant.sampling.items():
        yield f"{key} {_short(value)}" if value is not None else f"without {key}"
    if variant.lora is not None:
        yield f"adapter {variant.lora}"
    if candidate.drop:
        yield f"never sends {', '.join(candidate.drop)}"
    for old, new in candidate.map.items():
        yield f"sends {old} as {new}"


def _short(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "..."


def _price(price: Price | None) -> str:
    if price is None:
        return "unknown"
    if price.gpu_usd_per_hour is not None:
        return f"{price.gpu_usd_per_hour:g} USD per GPU-hour x {price.gpus:g}"
    known = (
        ("in", price.input_usd_per_million),
        ("cached in", price.cached_input_usd_per_million),
        ("out", price.output_usd_per_million),
        ("reasoning", price.reasoning_usd_per_million),
    )
    shown = ", ".join(f"{value:g} {name}" for name, value in known if value is not None)
    return f"USD per million tokens: {shown}" if shown else "unknown"


def _scorer(entry: ScorerEntry) -> ScorerSummary:
    info = available()[entry.kind]
    fix, note = _lacks(entry)
    return ScorerSummary(
        name=entry.label, kind=entry.kind, judges=info.scorer_kind or "unknown", needs=info.needs, fix=fix, note=note
    )


def _lacks(entry: ScorerEntry) -> tuple[str | None, str | None]:
    """(what to fix, what to know) of a scorer on this machine."""
    options = settings_of(entry.kind, entry.options)
    variable, file = getattr(options, "api_key_env", None), getattr(options, "api_key_file", None)
    if variable is not None and variable not in os.environ:
        return f"the environment variable {variable} is not set; export it", None
    if file is not None and not os.access(file, os.R_OK):
        return "its api_key_file cannot be read; check the path and its mode", None
    if isinstance(options, embedding.Settings) and options.endpoint is None and not embedding.installed():
        similarity = getattr(options, "similarity", "on")
        install = "pip install 'shadow-monitor[semantic]'"
        if similarity == "on":
            return f"the extra `semantic` is not installed; `{install}`, or name an `endpoint`", None
        if similarity == "auto":
            return None, f"{entry.label} judges without similarity of meaning: the extra is absent (`{install}`)"
    if entry.kind == "entailment" and (path := getattr(options, "path", None)) is not None:
        if importlib.util.find_spec("torch") is None or importlib.util.find_spec("transformers") is None:
            return (
                "torch and transformers are not installed; `pip install torch transformers`, or name an `endpoint`",
                None,
            )
        if not Path(path).is_dir():
            return f"its model folder {path} does not exist; correct `path`", None
    return None, None


def _gates(settings: Settings) -> Iterator[GateSummary]:
    policy, kinds = settings.policy, scorer_kinds(settings)
    blocked = evaluable(
        policy,
        kinds,
        has_baseline=settings.baseline is not None,
        has_prices=_has_prices(settings),
        has_duplicates=settings.duplicates.enabled,
    )
    for gate in policy.gates:
        found = blocked.get(gate.id)
        yield GateSummary(
            id=gate.id,
            asks=words.asks(gate, limit_of(gate), gate.q, gate.against),
            hard=gate.hard,
            state=_state(found.state if found is not None else None),
            reason=None if found is None else found.reason,
        )
    if policy.utility is not None:
        found = blocked.get("utility")
        yield GateSummary(
            id="utility",
            asks="better in sum of quality, cost and robustness"
            if policy.utility.kind == "log"
            else "worth more a call in dollars",
            hard=False,
            state=_state(found.state if found is not None else None),
            reason=None if found is None else found.reason,
        )


def _state(state: str | None) -> GateState:
    if state is None:
        return "decidable"
    return "uncalibrated" if state == "uncalibrated" else "not_evaluable"


def _has_prices(settings: Settings) -> bool:
    return settings.incumbent.price is not None and all(c.price is not None for c in settings.candidates)


def _text(settings: Settings) -> str:
    ledger = settings.ledger
    kept = {
        "none": "no text is kept",
        "redacted": f"prompts and answers are kept in the ledger, redacted, for {ledger.text_days:g} days",
        "full": f"prompts and answers are kept in the ledger as they are, for {ledger.text_days:g} days",
    }[ledger.text]
    days = "for ever" if ledger.outcome_days is None else f"for {ledger.outcome_days:g} days"
    return f"{kept}; outcomes (numbers, ids, scores) {days}"


def _dead_letters(settings: Settings) -> str:
    source = settings.source
    payload = "with" if source.dead_letter_payload else "without"
    if isinstance(source, KafkaSource) and source.dead_letter_topic is not None:
        return f"to the topic {source.dead_letter_topic}, {payload} payload"
    url = settings.ledger.url
    folder = Path(url.removeprefix("sqlite:///")).parent if url.startswith("sqlite:///") else Path()
    return f"to the file {folder / 'dead-letter.jsonl'}, {payload} payload"


def _floor(settings: Settings) -> Iterator[str]:
    """What a comparative quality is measured against, and where it counts."""
    policy = settings.policy
    comparative = scorer_kinds(settings).get(policy.quality) == "comparative"
    if settings.duplicates.enabled:
        yield (
            f"{policy.quality if comparative else 'the noise floor'} is calibrated by repeated requests alone (duplicates): "
            "it says nothing of requests that come once, and an answer from a cache that does not say so looks like a model "
            "that never varies; `baseline` says more, and is needed for latency"
        )
    elif settings.baseline is None and comparative:
        yield (
            "where nobody may ask the incumbent again, repeated requests can be the noise floor: duplicates: {enabled: true}"
        )
    if comparative and (settings.baseline is not None or settings.duplicates.enabled):
        stated = ", ".join(f"{name} ({kind.replace('_', '-')})" for name, kind in sorted(policy.routes.items()))
        yield (
            f"{policy.quality} counts on routes where the incumbent agrees with itself, found out from about 50 answers each"
            + (f"; stated in policy.routes: {stated}" if stated else "")
        )


def _notes(settings: Settings) -> Iterator[str]:
    for name in unheard(settings.policy, scorer_kinds(settings)):
        yield f"policy.violation names {name}, which no scorer hears: add {{kind: {name}}} to `scorers`, or take it out"
    yield from _floor(settings)
    if settings.baseline is None and not settings.duplicates.enabled:
        yield "without `baseline` nobody knows how much two answers of one model differ, nor how its latency compares now"
    if settings.policy.utility is None:
        yield 'the policy has no `utility`: a promotion asks for "not worse" in every gate, not for "better in sum"'
    left = unfixed(settings.policy) if settings.policy.shares else ()
    if left:
        yield (
            f"policy.shares fixes no mix for {words.listed(left)} (quantiles and ratios are no sums over segments): when the traffic "
            "moves between those segments, these wait"
        )
    unpriced = [c.name for c in settings.candidates if c.price is None]
    if settings.incumbent.price is None or unpriced:
        who = ", ".join([*(["the incumbent"] if settings.incumbent.price is None else []), *unpriced])
        yield f"no price of {who}: its cost stays unknown"
    for index, entry in enumerate(settings.scorers):
        if (note := _lacks(entry)[1]) is not None and entry not in settings.scorers[:index]:
            yield note
    if settings.ledger.text == "full":
        yield "texts are kept as they are (ledger.text: full): personal data stands in the ledger"
