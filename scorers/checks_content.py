"""What the candidate left out (omission) and what it made up (addition), by words; meaning needs `semantic` beside it."""

import re

from scorers.differences import Passage
from scorers.lexicon import narrows
from scorers.objections import POSSIBLE, Objection, Pair, content_stems
from scorers.words import Analysed, stem

_COURTESY = re.compile(
    r"\b(?:let me know|hope (?:this|that)|feel free|happy to help|glad to help|great question|good question|you're welcome|you are welcome"
    r"|any (?:other|further|more) questions|anything else|here(?:'s| is| are) |sure[,!]|of course[,!]|certainly[,!]|thank you|thanks for"
    r"|happy (?:coding|cooking|travels)|please (?:let|contact|reach)|in summary|to summari[sz]e|reach out|sorry for|apologi[sz]e)\b"
    r"|\?\s*$",
    re.I,
)
_COVERED = 0.34
_ENOUGH_WORDS = 12
_UNRELATED = 0.08
_OMITTED_WORDS = 3
_ADDED_WORDS = 4  # a fuller answer is common, a cut one is not


def unrelated(pair: Pair) -> bool:
    """True when two answers of some length share next to no content words: one of them is on another subject."""
    a, b = pair.content
    return min(len(a), len(b)) >= _ENOUGH_WORDS and len(a & b) <= _UNRELATED * min(len(a), len(b))


def coverage(pair: Pair) -> float:
    """Share of the shorter side's content words that the other side says too; 1.0 where it has none."""
    a, b = pair.content
    return len(a & b) / min(len(a), len(b)) if a and b else 1.0


def same_words(pair: Pair) -> bool:
    """True when neither side says a content word that is not in the other or in the prompt: another form of the same."""
    asked = {stem(w) for w in pair.prompt_words}
    a, b = pair.content
    return bool(a & b) and a <= b | asked and b <= a | asked


def _uncovered(text: Analysed, sentences: tuple[int, ...], known: set[str]) -> int:
    """How many of the sentences say something of which next to nothing stands in `known`."""
    rows = text.sentence_words()
    count = 0
    for index in sentences:
        own = content_stems([text.lower[i] for i in rows[index]])
        if (
            len(own) >= 3
            and not _COURTESY.search(text.sentences[index][:300])
            and len(own & known) <= _COVERED * len(own)
        ):
            count += 1
    return count


def _dropped(passage: Passage, own: set[str], elsewhere: set[str], *, backwards: bool) -> bool:
    """A condition ("unless", "except", "only"), or several content words found nowhere else, stand on one side alone.

    Where the other side says something new in the same passage, the words were replaced and not dropped.
    """
    swapped = [(e.after, e.before) if backwards else (e.before, e.after) for e in passage.edits]
    new = [content_stems(w.lower() for w in other) - own for _, other in swapped]
    reworded = sum(map(len, new)) > 1
    needed = _ADDED_WORDS if backwards else _OMITTED_WORDS
    for (only, _), others in zip(swapped, new, strict=True):
        extra = [w.lower() for w in only]
        if others or _COURTESY.search(" ".join(only)[:300] + " "):
            continue
        if any(narrows(w) for w in extra) and (len(extra) >= 3 or extra == ["only"]):
            return True
        if not reworded and len(content_stems(extra) - elsewhere) >= needed:
            return True
    return False


def _mostly_aligned(pair: Pair) -> bool:
    """Sentence by sentence, at least half of the shorter side has a near copy: what is alone was left out or added."""
    differences = pair.differences
    shorter = min(len(pair.a.sentences), len(pair.b.sentences))
    return not differences.whole and 2 * len(differences.passages) >= shorter


def omission(pair: Pair) -> list[Objection]:
    """A condition or a whole sentence of the incumbent is missing from an otherwise aligned answer: possible."""
    if pair.code or not pair.differences.passages:
        return []
    differences = pair.differences
    if any(_dropped(p, *pair.content, backwards=False) for p in differences.passages):
        return [Objection(category="omission", value=POSSIBLE)]
    if _mostly_aligned(pair) and _uncovered(pair.a, differences.lost, pair.content[1]):
        return [Objection(category="omission", value=POSSIBLE)]
    return []


def addition(pair: Pair) -> list[Objection]:
    """A condition or a whole sentence stands in the candidate alone, in an otherwise aligned answer: possible."""
    if pair.code or not pair.differences.passages:
        return []
    differences = pair.differences
    known = pair.content[0] | {stem(w) for w in pair.prompt_words}
    if any(_dropped(p, *reversed(pair.content), backwards=True) for p in differences.passages):
        return [Objection(category="addition", value=POSSIBLE)]
    if _mostly_aligned(pair) and _uncovered(pair.b, differences.gained, known):
        return [Objection(category="addition", value=POSSIBLE)]
    return []
