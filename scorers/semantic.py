"""Similarity of meaning, window by window, so that a changed tail of a long answer is not invisible: `semantic`.

A model of 256 tokens sees the first 180 words of an answer and nothing else. Texts are cut into overlapping windows, every
window is matched with its best counterpart, and the worst match of each side is kept: of the incumbent's windows
(`recall_min`, low when something was left out) and of the candidate's (`precision_min`, low when something was made up).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import Field

from scorers import embedding
from scorers.base import Case, Finding, Score, ScorerFailure, ScorerKind
from scorers.embedding import Embedder, Vectors
from scorers.words import capped, plain

WINDOW_WORDS = 110
STRIDE_WORDS = 85
MAX_WINDOW_CHARS = 1_000
MAX_WINDOWS = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Similarity:
    """Cosines of two texts by windows. `mean` averages best matches of both sides, `least` is the worst match."""

    mean: float
    recall_min: float
    precision_min: float
    windows: int

    @property
    def least(self) -> float:
        """The worst best-match of either side."""
        return min(self.recall_min, self.precision_min)


def windows_of(text: str) -> list[str]:
    """Overlapping windows of at most 110 words and 1,000 characters; at least one, at most 24."""
    body = plain(capped(text)[0])
    words = [w[i : i + MAX_WINDOW_CHARS] for w in body.split() for i in range(0, len(w), MAX_WINDOW_CHARS)]
    if len(words) <= WINDOW_WORDS + 20:
        pieces = [" ".join(words)]
    else:
        pieces = [
            " ".join(words[i : i + WINDOW_WORDS])
            for i in range(0, len(words) - WINDOW_WORDS + STRIDE_WORDS, STRIDE_WORDS)
        ]
    found = [
        piece[i : i + MAX_WINDOW_CHARS] for piece in pieces for i in range(0, max(1, len(piece)), MAX_WINDOW_CHARS)
    ]
    return found[:MAX_WINDOWS] or [""]


def match(a: Vectors, b: Vectors) -> Similarity:
    """Best matches of each window of `a` in `b` and back."""
    cosines = np.clip(a @ b.T, -1.0, 1.0)
    recall, precision = cosines.max(axis=1), cosines.max(axis=0)
    return Similarity(
        mean=float((recall.mean() + precision.mean()) / 2),
        recall_min=float(recall.min()),
        precision_min=float(precision.min()),
        windows=max(len(a), len(b)),
    )


def similarities(embedder: Embedder, pairs: Sequence[tuple[str, str]]) -> list[Similarity]:
    """The similarity of each pair of texts, all windows encoded in one go."""
    cut = [(windows_of(a), windows_of(b)) for a, b in pairs]
    vectors = embedder.encode([w for both in cut for side in both for w in side])
    results: list[Similarity] = []
    at = 0
    for first, second in cut:
        middle, end = at + len(first), at + len(first) + len(second)
        results.append(match(vectors[at:middle], vectors[middle:end]))
        at = end
    return results


class Settings(embedding.Settings):
    """Options of `semantic`."""

    flag_below: float = Field(0.35, ge=0, le=1, description="similarity below which the answer is on another subject")


class Semantic:
    """Mean of aligned similarity and its worst match, in [0, 1]. Labels: equal, similar, flagged, unknown."""

    kind: ScorerKind = "comparative"

    def __init__(self, settings: Settings, name: str, embedder: Embedder) -> None:
        self.settings = settings
        self.name = name
        self.version = f"1+{embedder.identity}"
        self._embedder = embedder

    def score(self, cases: Sequence[Case]) -> list[Score | ScorerFailure]:
        """One batch for all cases; raises when the embedder does, so that the runner retries case by case."""
        todo = [c for c in cases if self._unscored(c) is None]
        found = iter(
            similarities(self._embedder, [(c.incumbent.text if c.incumbent else "", c.candidate.text) for c in todo])
        )
        return [self._unscored(case) or self._judged(next(found)) for case in cases]

    def _unscored(self, case: Case) -> Score | None:
        if case.incumbent is None or not case.incumbent.text.strip():
            return Score(value=None, label="unknown", reason="no incumbent text to compare with")
        if not case.candidate.text.strip():
            return Score(
                value=0.0, label="flagged", reason="the candidate gave no text", findings=(Finding(category="empty"),)
            )
        return None

    def _judged(self, similarity: Similarity) -> Score:
        value = float(np.clip((similarity.mean + similarity.least) / 2, 0.0, 1.0))
        flagged = value < self.settings.flag_below
        reason = f"similarity {similarity.mean:.2f}, worst window {similarity.least:.2f} of {similarity.windows}"
        label = "flagged" if flagged else "equal" if value > 0.999 else "similar"
        return Score(
            value=value, label=label, reason=reason, findings=(Finding(category="off_topic"),) if flagged else ()
        )


SETTINGS = Settings


def build(settings: Settings, name: str | None = None) -> Semantic:
    """The scorer with its model loaded; ImportError without the extra `semantic`."""
    return Semantic(settings, name or "semantic", embedding.build_embedder(settings))
