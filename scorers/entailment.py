"""Does one answer follow from the other? Natural-language inference both ways, sentence against window: `entailment`.

Contradiction either way is a change of sense; what follows only from incumbent to candidate is an omission, the other way
round an addition. The model is a local cross-encoder or one behind vLLM's `/classify`; its labels are read by name, and a
model whose labels are not the three of NLI is refused at the start.
"""

import contextlib
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict, Field, model_validator

from scorers.base import Case, Finding, Score, ScorerFailure, ScorerKind
from scorers.endpoint import Endpoint, EndpointError, api_key
from scorers.semantic import windows_of
from scorers.words import capped, plain, sentences_of, unformatted

MAX_SENTENCES = 24
MAX_WINDOWS = 6
_SPECIAL = re.compile(r"<\|[^|>]{1,40}\|>|\[(?:SEP|CLS|PAD|MASK|UNK)\]|</?s>|<(?:pad|mask|unk|bos|eos)>", re.I)
_NAMES = ("contradiction", "entailment", "neutral")


class Inference(NamedTuple):
    """Probabilities of the three relations of a premise to a hypothesis."""

    contradiction: float
    entailment: float
    neutral: float


class NliModel(Protocol):
    """Judges (premise, hypothesis) pairs. May block; raises RuntimeError when it cannot answer."""

    identity: str

    def infer(self, pairs: Sequence[tuple[str, str]]) -> list[Inference]:
        """One result per pair, in order."""
        ...


class Settings(BaseModel):
    """Options of `entailment`; exactly one of `path` and `endpoint`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    path: str | None = Field(None, min_length=1, description="folder of a cross-encoder with NLI labels")
    endpoint: str | None = Field(
        None, pattern=r"^https?://[^\s]+$", description="base URL of a vLLM that serves /classify"
    )
    model: str = Field("nli", min_length=1, description="the endpoint's model name")
    separator: str = Field(
        " [SEP] ", description='joins premise and hypothesis for an endpoint; " </s></s> " for RoBERTa'
    )
    api_key_env: str | None = None
    timeout_seconds: float = Field(60, gt=0, le=600)
    contradiction: float = Field(0.5, gt=0, lt=1, description="probability from which a sentence contradicts")
    entailment: float = Field(0.5, gt=0, lt=1, description="probability from which a sentence follows")

    @model_validator(mode="after")
    def _one_model(self) -> "Settings":
        if (self.path is None) == (self.endpoint is None):
            raise ValueError("give `path` or `endpoint`, one of them")
        return self


def label_order(id2label: Mapping[Any, str]) -> tuple[int, int, int]:
    """Positions of contradiction, entailment and neutral; ValueError for a model with other labels."""
    places = {str(name).strip().lower(): int(index) for index, name in id2label.items()}
    if set(places) != set(_NAMES):
        raise ValueError(f"the model's labels are {sorted(places)}; an NLI model has {', '.join(_NAMES)}")
    return places["contradiction"], places["entailment"], places["neutral"]


def stripped(text: str) -> str:
    """The text without strings a tokenizer reads as special tokens: "[SEP]" in an answer would end it."""
    return _SPECIAL.sub(" ", text)


class LocalModel:
    """A sentence-transformers CrossEncoder from a folder; loads torch when it is built."""

    def __init__(self, path: str) -> None:
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        from sentence_transformers import CrossEncoder

        self._model = CrossEncoder(path, device="cpu", max_length=512, local_files_only=True)
        self._order = label_order(self._model.config.id2label)
        self.identity = os.path.basename(path.rstrip("/"))

    def infer(self, pairs: Sequence[tuple[str, str]]) -> list[Inference]:
        rows = self._model.predict(list(pairs), batch_size=8, apply_softmax=True, show_progress_bar=False)
        return [Inference(*(float(row[i]) for i in self._order)) for row in rows]


class ClassifyEndpoint:
    """A 3-label cross-encoder behind vLLM's `/classify`; its label order is learnt from the first answer."""

    def __init__(self, settings: Settings) -> None:
        if settings.endpoint is None:
            raise ValueError("an endpoint model needs `endpoint`")
        self._settings = settings
        self._endpoint = Endpoint(
            settings.endpoint.rstrip("/").removesuffix("/v1"),
            key=api_key(settings.api_key_env),
            timeout_seconds=settings.timeout_seconds,
        )
        self.identity = f"endpoint:{settings.model}"
        self._order: tuple[int, int, int] | None = None

    def check(self) -> None:
        """Learns the label order by classifying three plain pairs; ValueError when the labels are not those of NLI."""
        seen: dict[int, str] = {}
        probes = [("It rains.", "It does not rain."), ("It rains.", "It rains."), ("It rains.", "A dog sleeps.")]
        for item in self._classify(probes):
            with contextlib.suppress(KeyError, TypeError, ValueError):
                probabilities = [float(p) for p in item["probs"]]
                seen[probabilities.index(max(probabilities))] = str(item["label"])
        self._order = label_order(seen)

    def _classify(self, pairs: Sequence[tuple[str, str]]) -> list[Any]:
        texts = [f"{premise}{self._settings.separator}{hypothesis}" for premise, hypothesis in pairs]
        answer = self._endpoint.post("/classify", {"model": self._settings.model, "input": texts})
        data = answer.get("data") if isinstance(answer, dict) else None
        if not isinstance(data, list) or len(data) != len(texts) or not all(isinstance(d, dict) for d in data):
            raise EndpointError("invalid")
        return data

    def infer(self, pairs: Sequence[tuple[str, str]]) -> list[Inference]:
        if self._order is None:
            raise EndpointError("unchecked")
        found = []
        for start in range(0, len(pairs), 64):
            for item in self._classify(pairs[start : start + 64]):
                try:
                    found.append(Inference(*(float(item["probs"][i]) for i in self._order)))
                except (KeyError, TypeError, ValueError, IndexError):
                    raise EndpointError("invalid") from None
        return found


class _Relation(NamedTuple):
    """Worst contradiction and least entailment over the sentences of a hypothesis text."""

    contradiction: float
    entailment: float


class Entailment:
    """1.0 when both answers follow from each other, 0 when they contradict.

    Labels: equivalent, omission, addition, different, contradiction.
    """

    kind: ScorerKind = "comparative"

    def __init__(self, settings: Settings, name: str, model: NliModel) -> None:
        self.settings = settings
        self.name = name
        self.version = f"1+{model.identity}"
        self._model = model

    def score(self, cases: Sequence[Case]) -> list[Score | ScorerFailure]:
        """One batch; raises when the model does, so that the runner retries case by case."""
        plans: list[list[tuple[str, str]] | None] = []
        shapes: list[tuple[int, int, int, int]] = []
        for case in cases:
            if case.incumbent is None or not case.incumbent.text.strip() or not case.candidate.text.strip():
                plans.append(None)
                continue
            a, b = stripped(case.incumbent.text), stripped(case.candidate.text)
            (wa, sa), (wb, sb) = _parts(a), _parts(b)
            plans.append([(w, s) for s in sb for w in wa] + [(w, s) for s in sa for w in wb])
            shapes.append((len(sb), len(wa), len(sa), len(wb)))
        found = self._model.infer([pair for plan in plans if plan for pair in plan])
        results: list[Score | ScorerFailure] = []
        at, queue = 0, iter(shapes)
        for case, plan in zip(cases, plans, strict=True):
            if plan is None:
                results.append(_unscored(case))
                continue
            heard, windows, back, back_windows = next(queue)
            middle = at + heard * windows
            end = middle + back * back_windows
            results.append(
                self._judge(_relation(found[at:middle], windows), _relation(found[middle:end], back_windows))
            )
            at = end
        return results

    def _judge(self, forwards: _Relation, backwards: _Relation) -> Score:
        against = max(forwards.contradiction, backwards.contradiction)
        ahead, back = forwards.entailment >= self.settings.entailment, backwards.entailment >= self.settings.entailment
        reason = f"contradiction {against:.2f}, follows {forwards.entailment:.2f}, back {backwards.entailment:.2f}"
        if against > self.settings.contradiction:
            return _labelled("contradiction", 1 - against, reason)
        if ahead and back:
            return Score(value=min(forwards.entailment, backwards.entailment), label="equivalent", reason=reason)
        if ahead != back:
            return _labelled("omission" if ahead else "addition", 0.5, reason)
        return Score(value=0.5 * (1 - against), label="different", reason=reason)


def _labelled(label: str, value: float, reason: str) -> Score:
    return Score(value=max(0.0, value), label=label, reason=reason, findings=(Finding(category=label),))


def _unscored(case: Case) -> Score:
    if case.incumbent is not None and case.incumbent.text.strip():
        return Score(value=0.0, label="different", reason="the candidate gave no text")
    return Score(value=None, reason="no incumbent text to compare with")


def _parts(text: str) -> tuple[list[str], list[str]]:
    """Windows (as premises) and sentences (as hypotheses) of a text."""
    body = unformatted(plain(capped(text)[0]))
    return windows_of(body)[:MAX_WINDOWS], [s[:1000] for s in sentences_of(body)[:MAX_SENTENCES]] or [body[:1000]]


def _relation(rows: Sequence[Inference], windows: int) -> _Relation:
    """Per sentence the window that supports it best; over sentences the worst. A supported sentence contradicts nothing."""
    contradiction, entailment = 0.0, 1.0
    for start in range(0, len(rows), windows):
        group = rows[start : start + windows]
        best = max(group, key=lambda r: r.entailment)
        entailment = min(entailment, best.entailment)
        contradiction = max(contradiction, min(max(r.contradiction for r in group), 1 - best.entailment))
    return _Relation(contradiction, entailment)


SETTINGS = Settings


def build(settings: Settings, name: str | None = None) -> Entailment:
    """The scorer with its model loaded or probed; ValueError for a model that is no NLI model."""
    model: NliModel
    if settings.path is not None:
        model = LocalModel(settings.path)
    else:
        model = endpoint = ClassifyEndpoint(settings)
        endpoint.check()
    return Entailment(settings, name or "entailment", model)
