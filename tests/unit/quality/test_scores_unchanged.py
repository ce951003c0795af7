"""A rule that changes a score is a new version: the scores of the labelled pairs are kept beside the version they are of.

After a wanted change: raise `VERSION` in `scorers/checks.py`, then `python tests/unit/quality/test_scores_unchanged.py`.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from scorers import registry
from scorers.base import Case, Reply, Score
from scorers.checks import VERSION
from scorers.running import run_scorer

HERE = Path(__file__).parent
KEPT = HERE / "scores_of_pairs.json"
OWN = ("pairs.jsonl", "pairs_fresh.jsonl", "pairs_unseen.jsonl", "pairs_unseen_2.jsonl")
PROBE = HERE.parents[3] / "shared" / "reference" / "scorers-examples" / "probe.jsonl"


def scores_of(path: Path) -> dict[str, list[Any]]:
    """Value, label and findings of `checks` and of `agreement` without a model, by pair."""
    rows = [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]
    cases = [
        Case(id=r["id"], prompt=r["prompt"], incumbent=Reply(text=r["a"]), candidate=Reply(text=r["b"])) for r in rows
    ]
    found: dict[str, list[Any]] = {row["id"]: [] for row in rows}
    for kind, options in (("checks", {}), ("agreement", {"similarity": "off"})):
        for row, score in zip(rows, run_scorer(registry.build(kind, options), cases), strict=True):
            assert isinstance(score, Score)
            value = None if score.value is None else round(score.value, 6)
            found[row["id"]] += [value, score.label, [f.category for f in score.findings]]
    return found


def digest(scores: dict[str, list[Any]]) -> str:
    return hashlib.blake2b(json.dumps(scores, sort_keys=True).encode(), digest_size=16).hexdigest()


def kept() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(KEPT.read_text("utf-8"))
    return loaded


def test_the_kept_scores_are_of_this_version() -> None:
    assert kept()["version"] == VERSION


@pytest.mark.parametrize("name", OWN)
def test_every_pair_scores_as_in_this_version(name: str) -> None:
    assert scores_of(HERE / name) == kept()[name]


def test_the_probe_scores_as_in_this_version() -> None:
    if not PROBE.exists():
        pytest.skip("the shared probe is not beside the checkout")

    assert digest(scores_of(PROBE)) == kept()["probe"]


if __name__ == "__main__":
    lines: list[str] = [f'"version": {json.dumps(VERSION)}', f'"probe": "{digest(scores_of(PROBE))}"']
    for own in OWN:
        rows = ",\n".join(f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in scores_of(HERE / own).items())
        lines.append(f'"{own}": {{\n{rows}\n}}')
    KEPT.write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")
