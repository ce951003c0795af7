"""The default quality on labelled pairs: 1 the same answer, 0 a regression."""

import json
from pathlib import Path

import pytest

from scorers import registry
from scorers.base import Case, Reply, Score
from scorers.running import run_scorer

HERE = Path(__file__).parent
PROBE = HERE.parents[3] / "shared" / "reference" / "scorers-examples" / "probe.jsonl"


def rows(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]


def judged(pairs: list[dict[str, object]]) -> list[Score]:
    scorer = registry.build("agreement", {"similarity": "off"})
    cases = [
        Case(
            id=str(p["id"]),
            prompt=str(p["prompt"]),
            incumbent=Reply(text=str(p["a"])),
            candidate=Reply(text=str(p["b"])),
        )
        for p in pairs
    ]
    results = run_scorer(scorer, cases)
    assert all(isinstance(r, Score) for r in results)
    return [r for r in results if isinstance(r, Score)]


def auc(good: list[float], bad: list[float]) -> float:
    return sum((g > b) + 0.5 * (g == b) for g in good for b in bad) / (len(good) * len(bad))


def assert_quality(pairs: list[dict[str, object]], *, least_auc: float, most_false: float) -> None:
    scores = judged(pairs)
    values = [(s.value or 0.0, p["label"], s.label) for s, p in zip(scores, pairs, strict=True)]
    good, bad = [v for v, label, _ in values if label == 1], [v for v, label, _ in values if label == 0]

    assert auc(good, bad) >= least_auc
    assert sum(word == "flagged" for _, label, word in values if label == 1) <= most_false * len(good)


@pytest.mark.parametrize("name", ["pairs.jsonl", "pairs_fresh.jsonl"])
def test_own_pairs_are_ranked_without_a_model(name: str) -> None:
    assert_quality(rows(HERE / name), least_auc=0.96, most_false=0.04)


def test_the_probe_is_ranked_without_a_model() -> None:
    if not PROBE.exists():
        pytest.skip("the shared probe is not beside the checkout")

    assert_quality(rows(PROBE), least_auc=0.95, most_false=0.05)


@pytest.mark.semantic
def test_the_model_does_not_make_the_ranking_worse() -> None:
    pytest.importorskip("sentence_transformers")
    pairs = rows(HERE / "pairs_fresh.jsonl")
    scorer = registry.build("agreement", {"similarity": "on"})
    cases = [
        Case(
            id=str(p["id"]),
            prompt=str(p["prompt"]),
            incumbent=Reply(text=str(p["a"])),
            candidate=Reply(text=str(p["b"])),
        )
        for p in pairs
    ]

    results = [r for r in run_scorer(scorer, cases) if isinstance(r, Score)]

    good = [r.value or 0.0 for r, p in zip(results, pairs, strict=True) if p["label"] == 1]
    bad = [r.value or 0.0 for r, p in zip(results, pairs, strict=True) if p["label"] == 0]
    assert auc(good, bad) >= 0.97
    assert "minilm" in scorer.version
