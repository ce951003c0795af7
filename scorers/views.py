"""The text behind escapes: percent, HTML, JSON and look-alike characters undone, with the way back to the original.

A value that travels as `jane%40corp.test`, `&#64;`, `\\u0040` or in full-width digits is the same value. Finders search
the decoded view as well; what they find there is mapped to the characters of the original.
"""

import re
import unicodedata
from bisect import bisect_right
from dataclasses import dataclass

_NAMED = {
    "amp": "&",
    "lt": "<",
    "gt": ">",
    "quot": '"',
    "apos": "'",
    "commat": "@",
    "period": ".",
    "colon": ":",
    "sol": "/",
    "hyphen": "-",
    "dash": "-",
    "lowbar": "_",
    "plus": "+",
    "equals": "=",
    "nbsp": " ",
}
_BACKSLASH = {"n": "\n", "r": "\r", "t": "\t", "b": " ", "f": " "}
# Repeated backslashes and repeated "25" undo double and triple encoding in one pass.
_ESCAPE = re.compile(
    r"%(?:25){0,3}(?P<percent>[0-9A-Fa-f]{2})"
    r"|&(?:amp;){0,2}(?:#(?P<dec>[0-9]{1,7})|\#[xX](?P<hex>[0-9A-Fa-f]{1,6})|(?P<name>[a-z]{2,6}));"
    r"|\\{1,8}(?:u(?P<unicode>[0-9A-Fa-f]{4})|x(?P<byte>[0-9A-Fa-f]{2})|(?P<plain>[nrtbf\"'/\\]))"
    r"|(?P<invisible>[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff])"
    r"|(?P<dash>[\u2010-\u2015\u2212\ufe58\ufe63\uff0d])"
    r"|(?P<space>[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000])"
    r"|(?P<similar>[\uff01-\uff5e\U0001d400-\U0001d7ff\u2460-\u2473]|(?![0-9])\d)"
)


@dataclass(frozen=True, slots=True)
class View:
    """A decoded text; `starts` and `pieces` say where each of its stretches came from."""

    text: str
    starts: tuple[int, ...]
    pieces: tuple[tuple[int, int, bool], ...]  # begin and end in the original, verbatim or decoded

    def original(self, start: int, end: int) -> tuple[int, int]:
        """The characters of the original that hold the view's characters `start` to `end`."""
        first, last = bisect_right(self.starts, start) - 1, bisect_right(self.starts, end - 1) - 1
        begin, _, verbatim = self.pieces[first]
        low = begin + start - self.starts[first] if verbatim else begin
        begin, finish, verbatim = self.pieces[last]
        high = begin + end - self.starts[last] if verbatim else finish
        return low, high


def _decoded(match: re.Match[str]) -> str:
    kind, value = match.lastgroup, match[match.lastgroup or 0]
    if kind in ("percent", "byte", "unicode", "hex"):
        code = int(value, 16)
    elif kind == "dec":
        code = int(value)
    elif kind == "name":
        return _NAMED.get(value, match[0])
    elif kind == "plain":
        return _BACKSLASH.get(value, value)
    elif kind == "similar":
        plain = unicodedata.normalize("NFKC", value)
        return str(unicodedata.digit(value, plain)) if value.isdigit() else plain
    else:
        return {"invisible": "", "dash": "-", "space": " "}[kind or ""]
    return chr(code) if 0 < code < 0x110000 and not 0xD800 <= code < 0xE000 else "\ufffd"


def decoded_view(text: str) -> View | None:
    """The decoded view of `text`, or None where nothing is escaped. Linear in time; memory grows with the escapes only."""
    if text.isascii() and not ("%" in text or "&" in text or "\\" in text):
        return None
    parts: list[str] = []
    starts: list[int] = []
    pieces: list[tuple[int, int, bool]] = []
    at = out = 0
    for match in _ESCAPE.finditer(text):
        begin, end = match.span()
        if begin > at:
            parts.append(text[at:begin])
            starts.append(out)
            pieces.append((at, begin, True))
            out += begin - at
        value = _decoded(match)
        if value:
            parts.append(value)
            starts.append(out)
            pieces.append((begin, end, False))
            out += len(value)
        at = end
    if at == 0:
        return None
    if at < len(text):
        parts.append(text[at:])
        starts.append(out)
        pieces.append((at, len(text), True))
    return View("".join(parts), tuple(starts), tuple(pieces))
