"""Tells thoughts from answer in text that carries both: a leading `<think>` block, or text before a lone `</think>`."""

from typing import NamedTuple

_OPEN = "<think>"
_CLOSE = "</think>"


class Split(NamedTuple):
    """`offset` is where the answer begins in the text (its length when there is no answer)."""

    thoughts: str | None
    answer: str
    offset: int


def split(text: str) -> Split:
    """Thoughts and answer of a finished text; an unterminated leading block is all thoughts."""
    if _OPEN not in text and _CLOSE not in text:
        return Split(None, text, 0)
    position = _skip_space(text, 0)
    found: list[str] = []
    if not text.startswith(_OPEN, position):
        end = text.find(_CLOSE)
        if end < 0 or _OPEN in text[:end]:
            return Split(None, text, 0)
        found.append(text[:end])
        position = _skip_space(text, end + len(_CLOSE))
    while text.startswith(_OPEN, position):
        start = position + len(_OPEN)
        end = text.find(_CLOSE, start)
        if end < 0:
            found.append(text[start:])
            position = len(text)
            break
        found.append(text[start:end])
        position = _skip_space(text, end + len(_CLOSE))
    thoughts = "\n".join(stripped for part in found if (stripped := part.strip()))
    return Split(thoughts or None, text[position:], position)


def _skip_space(text: str, position: int) -> int:
    while position < len(text) and text[position].isspace():
        position += 1
    return position


class Watch:
    """Says of each piece of a running text whether it is (as far as can be known now) still thoughts.

    A lone `</think>` shows only afterwards that what came before were thoughts; `split` of the whole text corrects it.
    """

    __slots__ = ("_seen", "_state")

    def __init__(self) -> None:
        self._state = "start"
        self._seen = ""

    def thinking(self, piece: str) -> bool:
        """True while `piece` carries nothing of the answer."""
        if self._state == "answer":
            return False
        self._seen += piece
        if self._state == "start":
            begun = self._seen.lstrip()
            if not begun.startswith(_OPEN):
                if _OPEN.startswith(begun):
                    self._seen = begun
                    return bool(begun)
                self._state, self._seen = "answer", ""
                return False
            self._state = "thoughts"
            self._seen = begun[len(_OPEN) :]
        end = self._seen.find(_CLOSE)
        if end < 0:
            self._seen = self._seen[-len(_CLOSE) + 1 :]
            return True
        rest = self._seen[end + len(_CLOSE) :]
        self._state, self._seen = "start", ""
        return self.thinking(rest) if rest.strip() else True
