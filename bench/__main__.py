"""Runs the benches and ends in one table: `python -m bench [NAME...] [--quick] [--list]`.

Measured benches (replay, pipeline, scrape, scraped, consume, memory) compare with a reference in the same run; every other script
of this folder that takes part (statistics, scorers) runs as it is, and its exit code is its verdict. The soak and the twenty
days of A/A take their minutes only when they are named. Exit code 1 when a goal is missed.
"""

import argparse
import multiprocessing
import os
import platform
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from bench.measure import Options, Row, load, rows_of

FOLDER = Path(__file__).parent
MEASURED = ("replay", "pipeline", "scrape", "scraped", "consume", "memory")
NOT_BENCHES = frozenset(("__init__", "__main__", "measure", "running", "statistics_picture", "statistics_streams"))
ONLY_WHEN_NAMED = frozenset(("soak", "aa_days"))


def names() -> list[str]:
    """Every bench of the folder: the measured ones first."""
    found = sorted(path.stem for path in FOLDER.glob("*.py"))
    return [*MEASURED, *(name for name in found if name not in NOT_BENCHES and name not in MEASURED)]


def script(name: str, options: Options) -> Row:
    """A script of the folder; its last line stands for it."""
    command = [sys.executable, "-m", f"bench.{name}"]
    if options.quick and '"--quick"' in (FOLDER / f"{name}.py").read_text(encoding="utf-8"):
        command.append("--quick")
    lines = [""]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=FOLDER.parent) as child:
        for line in child.stdout or ():
            print(f"    {line}", end="", flush=True)
            lines.append(line.strip() or lines[-1])
    return Row(
        id=name,
        what=lines[-1][:90],
        limit=0,
        values=(float(child.returncode != 0),),
        unit="exit",
        gated=False,
        load=load(),
    )


def table(rows: list[Row]) -> str:
    """The closing table."""
    lines = ["| goal | what | goal | measured (median, min-max) | verdict | load |", "|---|---|---:|---:|---|---:|"]
    for row in rows:
        middle = row.median
        shown = "-"
        if middle is not None:
            shown = f"{middle:.3g} {row.unit} ({min(row.values):.3g}-{max(row.values):.3g})"
        goal = "none" if row.limit == float("inf") else f"<= {row.limit:g} {row.unit}"
        note = f"; {row.note}" if row.note else ""
        lines.append(f"| {row.id} | {row.what}{note} | {goal} | {shown} | {row.verdict()} | {row.load:.1f} |")
    return "\n".join(lines)


def main() -> int:
    """The exit code: 0, or 1 when a goal is missed or a bench failed."""
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="benches to run; all of them without one")
    parser.add_argument("--quick", action="store_true", help="shorter windows, fewer pairs: to see that it works")
    parser.add_argument("--list", action="store_true", help="names them and ends")
    arguments = parser.parse_args()
    known = names()
    if arguments.list:
        print("\n".join(known))
        return 0
    unknown = sorted(set(arguments.names) - set(known))
    if unknown:
        parser.error(f"no bench is called {', '.join(unknown)}; known: {', '.join(known)}")
    options = Options(quick=arguments.quick)
    rows: list[Row] = []
    for name in arguments.names or [n for n in known if n not in ONLY_WHEN_NAMED]:
        started = time.monotonic()
        print(f"{name} (load {load():.1f})", flush=True)
        if name in MEASURED:
            context = multiprocessing.get_context("spawn")
            with ProcessPoolExecutor(1, mp_context=context) as pool:
                try:
                    rows += pool.submit(rows_of, name, options).result()
                except (Exception, SystemExit) as error:  # one bench that fails does not take the others' figures along
                    rows.append(
                        Row(id=name, what=f"failed: {error}"[:200], limit=0, values=(1.0,), unit="", gated=False)
                    )
        else:
            rows.append(script(name, options))
        print(f"    {time.monotonic() - started:.0f} s", flush=True)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    print(f"\n{platform.machine()}, {cores} cores, Python {platform.python_version()}, load {load():.1f}", end="")
    print("; a quick run: no figure of it counts" if options.quick else "")
    print(table(rows), flush=True)
    return 1 if any(row.verdict() == "MISSED" for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
