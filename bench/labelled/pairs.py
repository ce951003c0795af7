"""Scorers that compare two answers, on pairs that people labelled: 1 says the same, 0 differs in something that matters."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.labelled import families
from bench.labelled.figures import SHARED, Estimate, Run, auc, run, share, table
from scorers import registry
from scorers.base import Case, Reply, Score

ROOT = Path(__file__).resolve().parents[2]
OWN = {
    "own, tuned on": ROOT / "tests/unit/quality/pairs.jsonl",
    "own, harder, tuned on": ROOT / "tests/unit/quality/pairs_fresh.jsonl",
    "agriculture, transport, law, tuned on since": ROOT / "tests/unit/quality/pairs_unseen.jsonl",
    "kitchen, energy, employment, tuned on since": ROOT / "tests/unit/quality/pairs_unseen_2.jsonl",
    "own, by families, tuned on": families.FILE,
    "probe, tuned on": SHARED / "reference/scorers-examples/probe.jsonl",
}
Scorers = Mapping[str, tuple[str, Mapping[str, Any]]]
LIGHT: Scorers = {
    "exact": ("exact", {}),
    "checks": ("checks", {}),
    "agreement, no model": ("agreement", {"similarity": "off"}),
}
MODEL: Scorers = {
    "semantic": ("semantic", {"cache_texts": 0}),
    "agreement, MiniLM": ("agreement", {"similarity": "on", "cache_texts": 0}),
}
DIFFERENT = frozenset(("flagged", "different"))
HEAD = ("pairs", "scorer", "scored", "AUC", "precision of a flag", "recall", "false flags", "CPU ms per pair")


def load(path: Path) -> list[dict[str, Any]]:
    """The rows of a file of pairs: id, prompt, a (incumbent), b (candidate), label, and cat where it is given."""
    if path.suffix == ".txt":
        return families.rows(path)
    return [json.loads(line) for line in path.read_text("utf-8").split("\n") if line.strip()]


def cases_of(rows: Sequence[Mapping[str, Any]]) -> list[Case]:
    """One case a pair."""
    return [
        Case(id=str(r["id"]), prompt=r["prompt"], incumbent=Reply(text=r["a"]), candidate=Reply(text=r["b"]))
        for r in rows
    ]


def ranked(rows: Sequence[Mapping[str, Any]], measured: Run) -> Estimate:
    """The AUC of the values; pairs without one are left out and counted by `scored`."""
    by_label: dict[int, list[float]] = {0: [], 1: []}
    for row, result in zip(rows, measured.results, strict=True):
        if isinstance(result, Score) and result.value is not None:
            by_label[row["label"]].append(result.value)
    return auc(by_label[1], by_label[0])


def line(name: str, scorer: str, rows: Sequence[Mapping[str, Any]], measured: Run) -> list[Any]:
    """One row of the table."""
    scored = [
        (r, row["label"])
        for r, row in zip(measured.results, rows, strict=True)
        if isinstance(r, Score) and r.value is not None
    ]
    flags = [(r.label in DIFFERENT, label) for r, label in scored]
    caught, wrong = (sum(flag for flag, label in flags if label == side) for side in (0, 1))
    bad, good = (sum(label == side for _, label in flags) for side in (0, 1))
    figures = (ranked(rows, measured), share(caught, caught + wrong), share(caught, bad), share(wrong, good))
    same = sum(row["label"] for row in rows)
    name = f"{name}: {same} the same, {len(rows) - same} different"
    return [name, scorer, len(scored), *(f.shown() for f in figures), f"{measured.milliseconds:.2f}"]


def by_kind(rows: Sequence[Mapping[str, Any]], measured: Run) -> str:
    """How many pairs of each kind were flagged: of different ones that is right, of equal ones wrong."""
    counts: defaultdict[tuple[int, str], list[int]] = defaultdict(lambda: [0, 0])
    for row, result in zip(rows, measured.results, strict=True):
        cell = counts[row["label"], str(row.get("cat", ""))]
        cell[0] += isinstance(result, Score) and result.label in DIFFERENT
        cell[1] += 1
    found = sorted(counts.items(), key=lambda item: (item[0][0], -item[1][1], item[0][1]))
    said = {0: "different", 1: "the same"}
    return table(("label", "kind", "flagged"), [(said[k[0]], k[1], f"{hits} of {n}") for k, (hits, n) in found])


def section(files: Mapping[str, Path], *, model: bool) -> str:
    """The table over every file that is there; an absent one is named."""
    wanted = {**LIGHT, **(MODEL if model else {})}
    built = {name: registry.build(kind, options) for name, (kind, options) in wanted.items()}
    lines, absent = [], []
    for name, path in files.items():
        if not path.exists():
            absent.append(f"{name}: not on this machine")
            continue
        rows = load(path)
        lines += [line(name, scorer, rows, run(built[scorer], cases_of(rows))) for scorer in built]
    return "\n".join([table(HEAD, lines), *(f"\n{reason}" for reason in absent)])
