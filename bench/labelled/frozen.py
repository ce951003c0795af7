"""The rules of a frozen tag on pairs of domains nobody had seen: the figure to expect on traffic that is not ours.

The rules are taken out of git at the tag and run in a process of their own, so that later changes cannot touch the figure.
"""

import io
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import NamedTuple

from bench.labelled import pairs
from bench.labelled.figures import Run
from scorers.base import Score

ROOT = Path(__file__).resolve().parents[2]
SCORERS = {
    name: spec
    for name, spec in {**pairs.LIGHT, **pairs.MODEL}.items()
    if name in ("checks", "agreement, no model", "agreement, MiniLM")
}
_PROGRAM = """
import json, sys, time
from scorers import registry
from scorers.base import Case, Reply
from scorers.running import run_scorer
kind, options, rows = json.load(sys.stdin)
cases = [Case(id=r["id"], prompt=r["prompt"], incumbent=Reply(text=r["a"]), candidate=Reply(text=r["b"])) for r in rows]
scorer = registry.build(kind, options)
spent = []
for _ in range(3):
    began = time.process_time()
    found = run_scorer(scorer, cases)
    spent.append(time.process_time() - began)
rows = [[getattr(r, "value", None), getattr(r, "label", None)] for r in found]
print(json.dumps([rows, 1000 * min(spent) / len(cases)]))
"""


class Unseen(NamedTuple):
    """A file of pairs, the tag that was frozen before anybody read it, and whether rules were changed because of it since."""

    name: str
    path: Path
    tag: str


_TESTS = ROOT / "tests/unit/quality"
SETS = (
    Unseen("agriculture, transport, law", _TESTS / "pairs_unseen.jsonl", "scorers-frozen-1"),
    Unseen("kitchen, energy, employment", _TESTS / "pairs_unseen_2.jsonl", "scorers-frozen-2"),
    Unseen("kitchen, energy, employment", _TESTS / "pairs_unseen_2.jsonl", "scorers-frozen-3"),
)


def absent(unseen: Unseen) -> str | None:
    """Why the set cannot be measured here; None when it can."""
    known = subprocess.run(
        ["git", "rev-parse", "-q", "--verify", f"{unseen.tag}^{{commit}}"], cwd=ROOT, capture_output=True
    )
    if known.returncode:
        return f"no git tag {unseen.tag} in this checkout"
    return None if unseen.path.exists() else f"{unseen.path.name} is not there"


def measure(unseen: Unseen, kind: str, options: object) -> Run:
    """The tag's own scorer on the pairs."""
    archive = subprocess.run(
        ["git", "archive", unseen.tag, "scorers"], cwd=ROOT, check=True, capture_output=True
    ).stdout
    with tempfile.TemporaryDirectory(prefix="frozen-") as folder:
        with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
            packed.extractall(folder, filter="data")
        done = subprocess.run(
            [sys.executable, "-P", "-c", f"import sys; sys.path.insert(0, {folder!r})\n{_PROGRAM}"],
            input=json.dumps([kind, options, pairs.load(unseen.path)]),
            capture_output=True,
            check=True,
            text=True,
            timeout=600,
            cwd=folder,
        )
    rows, spent = json.loads(done.stdout.strip().rsplit("\n", 1)[-1])
    return Run([Score(value=value, label=label, reason="") for value, label in rows], spent)


def section(*, model: bool) -> str:
    """The table by scorer and, for `agreement`, by kind of error."""
    parts = []
    for unseen in SETS:
        why = absent(unseen)
        if why is not None:
            parts.append(f"{unseen.name}: not measured, {why}")
            continue
        rows, lines, kinds = pairs.load(unseen.path), [], ""
        for name, (kind, options) in SCORERS.items():
            if not model and name in pairs.MODEL:
                continue
            measured = measure(unseen, kind, options)
            lines.append(pairs.line(unseen.name, f"{name}, at `{unseen.tag}`", rows, measured))
            if name == "agreement, no model":
                kinds = pairs.by_kind(rows, measured)
        parts += [pairs.table(pairs.HEAD, lines), f"Flagged by `agreement` without a model at `{unseen.tag}`:", kinds]
    return "\n\n".join(parts)
