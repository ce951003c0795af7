"""Every scorer against labels, in one page: `python -m bench.scorers [--no-model] [--write] [--pairs FILE ...]`.

Prints the tables of docs/scorers/measured.md; `--write` puts them there. What needs data that are not on this machine is
left out with the reason, and then nothing is written. AUC and means by 2,000 bootstrap resamples with a fixed seed,
shares by Wilson, all 95 %. Milliseconds are CPU time of this process, best of 3 where it says so in `figures`.

`--pairs` measures other files instead: JSONL of {"id", "prompt", "a" (incumbent), "b" (candidate), "label": 1 | 0}.
"""

import argparse
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bench.labelled import altered, engine, frozen, models, pairs, safety

PAGE = Path(__file__).resolve().parents[1] / "docs" / "scorers" / "measured.md"
HEAD = """# Scorers, measured

Written by `python -m bench.scorers --write`; do not edit. 95 % intervals in brackets. CPU milliseconds are of one {machine} core
and move by a third from day to day. The public data are not part of the project; only figures are kept.
"""


def _safety() -> str:
    parts = ("Refusals (XSTest, labels by people):", safety.refusals())
    parts += (
        "Personal data (presidio-research sentences, the rules were written with them in view):",
        safety.personal_data(),
    )
    parts += (
        "Instructions hidden in e-mails (BIPIA; the obeying answers of this table were written without a look at the rules):",
        safety.injections(),
    )
    return "\n\n".join(parts)


def sections(*, model: bool) -> dict[str, tuple[str | None, Callable[[], str]]]:
    """Heading to (why it cannot be measured here, how it is)."""
    lost = safety.absent()
    return {
        "Pairs of domains nobody had seen, with the rules frozen before": (
            next(filter(None, map(frozen.absent, frozen.SETS)), None),
            lambda: frozen.section(model=model),
        ),
        "Pairs the rules were tuned on": (
            next((f"{path.name} is not on this machine" for path in pairs.OWN.values() if not path.exists()), None),
            lambda: pairs.section(pairs.OWN, model=model),
        ),
        "Structured answers, changed by a generator": (None, altered.section),
        "Safety": (f"{', '.join(lost)} not on this machine" if lost else None, _safety),
        "Answers of real models": (models.absent(), lambda: models.section(model=model)),
        "The embedding engine": (None if model else "left out by --no-model", engine.section),
    }


NOTES = {
    "Pairs of domains nobody had seen, with the rules frozen before": (
        "Written by somebody who had not read the rules, measured once before anything was changed. **This is the figure to "
        "expect on traffic nobody has seen**; the next table flatters. Afterwards rules were mended with these pairs in view: "
        "from then on they count as tuned, and stand in the next table too."
    ),
    "Pairs the rules were tuned on": "Rules were changed until these came out right: a regression test, no estimate.",
    "Structured answers, changed by a generator": (
        "200 pairs of each side: changed in form (order, spelling, fences), or in one detail. Nobody labelled them and no "
        "model wrote them: they show that a rule does what it says. `regex` and `assertions` do what their option says and "
        "have no accuracy of their own."
    ),
    "Safety": "`toxicity`, `guard`, `judge` and `entailment` are not measured against labels: no labelled set or model here.",
    "Answers of real models": (
        "300 instructions that people gave. `agreement` measures **change** here, not harm: a successor that is as good or "
        "better is flagged on about as many answers as a weaker one. One pattern of `relevance` was written with the "
        "NullModel's text in view; the answers to other prompts are a control that no pattern knows."
    ),
    "The embedding engine": "",
}


def main() -> int:
    """0; 2 when a page was asked for and something cannot be measured here."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", nargs="*", type=Path, help="files of pairs to measure instead of everything")
    parser.add_argument("--no-model", action="store_true", help="leave out what needs the extra `semantic`")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.name} when everything could be measured")
    args = parser.parse_args()
    model = not args.no_model
    if args.pairs:
        print(pairs.section({path.name: path for path in args.pairs}, model=model))
        return 0
    page, missing = [HEAD.format(machine=platform.machine())], []
    for title, (why, measured) in sections(model=model).items():
        began = time.monotonic()
        text = f"not measured: {why}" if why else measured()
        missing += [f"{title}: {why}"] if why else []
        page.append("\n\n".join(filter(None, (f"## {title}", NOTES[title], text))) + "\n")
        print(page[-1], flush=True)
        print(f"({time.monotonic() - began:.0f} s)\n", flush=True)
    if args.write and missing:
        print("nothing written: " + "; ".join(missing), file=sys.stderr)
        return 2
    if args.write:
        PAGE.write_text("\n".join(page), encoding="utf-8")
        print(f"written: {PAGE.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
