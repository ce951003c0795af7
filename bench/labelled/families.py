"""Own labelled pairs by families: one answer, an honest paraphrase, a harmless edit, and harmful edits of either.

Every family is written once (`families.txt`) and expanded here, so that pairs which differ in the same words stand on both
sides of the label: neither "few words differ" nor "many words differ" says anything about it.

    Q the prompt    A the incumbent's answer    P the same in other words
    M harmless edit of A, `old => new`, several with `;;`
    W kind a|p old => new: a harmful edit of A or of P
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("families.txt")


def _edited(text: str, edit: str) -> str:
    """`text` with one `old => new`; ValueError unless `old` stands in it exactly once."""
    old, arrow, new = edit.partition(" => ")
    if not arrow or text.count(old) != 1:
        raise ValueError(f"{edit!r}: the part to replace has to stand exactly once in the answer")
    return text.replace(old, new).strip()


def _families(lines: Iterator[str]) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """(domain and number, its (letter, rest) lines)."""
    name, found = "", list[tuple[str, str]]()
    for line in lines:
        if line.startswith("#") or not line.strip("\n"):
            continue
        letter, _, rest = line.rstrip("\n").partition(" ")
        if letter in "QAPMW":
            found.append((letter, rest))
            continue
        if found:
            yield name, found
        name, found = line.strip().replace(" ", "-"), []
    yield name, found


def rows(path: Path = FILE) -> list[dict[str, Any]]:
    """The pairs: id, domain, cat, prompt, a (incumbent), b (candidate), label (1 the same, 0 different)."""
    made: list[dict[str, Any]] = []
    with path.open(encoding="utf-8") as file:
        for name, lines in _families(iter(file)):
            said = {letter: rest for letter, rest in lines if letter in "QAP"}
            candidates = [("paraphrase", said["P"], 1)]
            for letter, rest in lines:
                if letter == "M":
                    text = said["A"]
                    for edit in rest.split(";;"):
                        text = _edited(text, edit)
                    candidates.append(("harmless edit", text, 1))
                elif letter == "W":
                    kind, side, edit = rest.split(" ", 2)
                    where = "edited" if side == "a" else "reworded"
                    candidates.append((f"{kind}, {where}", _edited(said[side.upper()], edit), 0))
            made += [
                {
                    "id": f"{name}-{number}",
                    "domain": name.rsplit("-", 1)[0],
                    "cat": kind,
                    "prompt": said["Q"],
                    "a": said["A"],
                    "b": text,
                    "label": label,
                }
                for number, (kind, text, label) in enumerate(candidates)
            ]
    return made
