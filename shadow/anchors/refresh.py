"""Writes what today's scorers say of the built-in cases: `python -m shadow.anchors.refresh`; `--check` only says what differs.

For a release whose scorers changed on purpose: read the difference before it is committed.
"""

import json
import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

from scorers import agreement, relevance
from scorers.base import Score, Scorer
from scorers.registry import build
from scorers.running import run_scorer
from shadow.anchors.cases import anchors_of

LOCAL = ("agreement", "checks", "relevance", "exact", "structure", "refusal", "leakage", "injection", "toxicity")
"""Scorers that need nothing but the answer."""


def scorers() -> Iterator[tuple[str, Scorer]]:
    """Every local scorer with its default options, by kind; two of them once more without an embedding model."""
    for kind in LOCAL:
        yield kind, build(kind)
    yield "agreement", agreement.Agreement(agreement.Settings(), "agreement", None)
    yield "relevance", relevance.Relevance(relevance.Settings(), "relevance", None)


def references() -> dict[str, dict[str, dict[str, Any]]]:
    """`kind/version` to case id to value and label."""
    cases = [anchor.case for anchor in anchors_of(None)]
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for kind, scorer in scorers():
        results = run_scorer(scorer, cases)
        found[f"{kind}/{scorer.version}"] = {
            case.id: {"value": None if r.value is None else round(r.value, 4), "label": r.label}
            for case, r in zip(cases, results, strict=True)
            if isinstance(r, Score)
        }
    return found


def main(arguments: list[str]) -> int:
    """0; with --check 1 when the committed file lacks a scorer of this machine."""
    path = Path(str(files("shadow.anchors") / "references.json"))
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    now = references()
    if "--check" in arguments:
        missing = sorted(set(now) - set(known))
        sys.stdout.write(
            "".join(f"no reference for {name}: run python -m shadow.anchors.refresh\n" for name in missing)
        )
        return 1 if missing else 0
    kept = {name: values for name, values in known.items() if name.split("+")[0] in {n.split("+")[0] for n in now}}
    path.write_text(json.dumps({**kept, **now}, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
