"""Writes the dashboards: `python -m grafana.build`; with `--check` it only says which committed ones differ (exit 1)."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from grafana_foundation_sdk.builders import dashboard as d

from grafana import candidate, health, overview, safety, segments
from grafana.boards import to_json

FOLDER = Path(__file__).parent / "dashboards"
BOARDS: dict[str, Callable[[], d.Dashboard]] = {
    "overview": overview.build,
    "candidate": candidate.build,
    "safety": safety.build,
    "health": health.build,
    "segments": segments.build,
}


def built() -> dict[str, str]:
    """Every dashboard as its file should be, by file name."""
    return {f"shadow-{name}.json": to_json(build()) for name, build in BOARDS.items()}


def differing(folder: Path = FOLDER) -> list[str]:
    """File names that are missing, differ from what the code builds, or that no code builds any more."""
    wanted = built()
    there = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.json")}
    return sorted(name for name in {*wanted, *there} if wanted.get(name) != there.get(name))


def main(arguments: list[str] | None = None) -> int:
    """Builds or checks; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m grafana.build", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when the committed files differ")
    if parser.parse_args(arguments).check:
        names = differing()
        sys.stdout.write("".join(f"differs: {name} (run python -m grafana.build)\n" for name in names))
        return 1 if names else 0
    FOLDER.mkdir(exist_ok=True)
    for name, text in built().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
