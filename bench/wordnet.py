"""Writes scorers/wordnet.txt, the general English word list of the checks: `python -m bench.wordnet DICT`.

DICT is the folder of WordNet 3.1's database files (`data.noun`, `index.sense`, ...). Only single words that WordNet's
tagged texts use are kept, in meanings that make up at least a tenth of a word's uses, and rarer nouns that share one.

    = a b c        may stand for each other (one meaning)
    > a b c        a is the wider word for b and c
    ! a b : c d    opposites: the words of one pole and of the other
    - a b c        words that are rarely nouns
    + a b c        words that mostly are
"""

import argparse
import re
import textwrap
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

OUT = Path(__file__).resolve().parents[1] / "scorers" / "wordnet.txt"
HEAD = """# Made from WordNet 3.1 by bench/wordnet.py; do not edit. = same meaning; > wider: narrower; ! opposites; - rarely nouns; + mostly
# WordNet 3.0 Copyright 2006 by Princeton University. All rights reserved. Licence: wordnet-licence.txt beside this file.
"""
_KINDS = {"noun": "n", "verb": "v", "adj": "a", "adv": "r"}
_LEAST_SHARE = 0.1
_WORD = re.compile(r"[a-z]{3,}")
_MARKER = re.compile(r"\(\w+\)$")


class Meaning(NamedTuple):
    """One meaning: its words in order, and pointers (symbol, meaning, number of the word here, of the word there)."""

    words: list[str]
    pointers: list[tuple[str, str, int, int]]


def meanings(folder: Path) -> dict[str, Meaning]:
    """All meanings by kind and offset."""
    found = {}
    for name, kind in _KINDS.items():
        for line in (folder / f"data.{name}").read_text("utf-8").splitlines():
            if line.startswith("  "):
                continue
            field = line.split("|")[0].split()
            count = int(field[3], 16)
            words = [_MARKER.sub("", field[4 + 2 * i]).lower() for i in range(count)]
            start = 5 + 2 * count
            pointers = []
            for i in range(start, start + 4 * int(field[start - 1]), 4):
                symbol, offset, other, which = field[i : i + 4]
                pointers.append((symbol, other.replace("s", "a") + offset, int(which[:2], 16), int(which[2:], 16)))
            found[kind + field[0]] = Meaning(words, pointers)
    return found


def uses(folder: Path) -> tuple[dict[str, dict[str, int]], dict[str, str]]:
    """How often the tagged texts use each single word in each meaning; and the first meaning of nouns they never use."""
    found: defaultdict[str, dict[str, int]] = defaultdict(dict)
    first: dict[str, str] = {}
    for line in (folder / "index.sense").read_text("utf-8").splitlines():
        key, offset, number, count = line.split()
        word, _, rest = key.partition("%")
        kind = "nvara"[int(rest[0]) - 1]
        if _WORD.fullmatch(word) and int(count):
            found[word][kind + offset] = int(count)
        elif _WORD.fullmatch(word) and number == "1" and kind == "n":
            first[word] = kind + offset
    return dict(found), {word: meaning for word, meaning in first.items() if word not in found}


def lines(known: dict[str, Meaning], used: dict[str, dict[str, int]], rare: dict[str, str]) -> list[str]:
    """The file's lines."""

    def usual(meaning: str, words: list[str]) -> list[str]:
        return [
            w for w in words if used.get(w, {}).get(meaning, 0) >= _LEAST_SHARE * sum(used.get(w, {"": 1}).values())
        ]

    made = []
    for name, meaning in known.items():
        words = usual(name, meaning.words)
        if len(words) > 1:
            made.append("= " + " ".join(words))
        if words and (unused := [w for w in meaning.words if rare.get(w) == name]):
            made.append("= " + " ".join(dict.fromkeys([*words, *unused])))
        if name[0] == "n" and words:
            below = [t for symbol, t, _, _ in meaning.pointers if symbol == "~"]
            narrower = [w for t in below for w in known[t].words if w in usual(t, known[t].words) or rare.get(w) == t]
            if 0 < len(narrower) <= 60:
                made.append(f"> {words[0]} {' '.join(dict.fromkeys(narrower))}")
        for symbol, other, here, there in meaning.pointers:
            left, right = meaning.words[here - 1], known[other].words[there - 1]
            if symbol != "!" or name > other or not (left in used and right in used):
                continue
            sides = []
            for pole, first in ((name, left), (other, right)):
                near = [w for s, t, _, _ in known[pole].pointers if s == "&" for w in usual(t, known[t].words)]
                sides.append(" ".join(dict.fromkeys([first, *near])))
            made.append(f"! {sides[0]} : {sides[1]}")
    rarely = [
        w for w, counts in used.items() if 2 * sum(n for m, n in counts.items() if m[0] == "n") < sum(counts.values())
    ]
    nouns = sorted(set(used) - set(rarely))
    made += [f"+ {part}" for part in textwrap.wrap(" ".join(nouns), 116)]
    made += [f"- {part}" for part in textwrap.wrap(" ".join(sorted(rarely)), 116)]
    return sorted(set(made))


def main() -> None:
    """Writes the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="DICT")
    folder = parser.parse_args().folder
    made = lines(meanings(folder), *uses(folder))
    OUT.write_text(HEAD + "\n".join(made) + "\n", "utf-8")
    print(f"{len(made)} lines, {OUT.stat().st_size} bytes: {OUT.name}")


if __name__ == "__main__":
    main()
