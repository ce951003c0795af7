"""Marked stretches of text: what every finder of personal data and secrets returns, and how overlaps are settled.

Finders work on windows of bounded size, so that one hostile answer neither holds the interpreter lock for long nor
costs more than linear time.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

SensitiveKind = Literal[
    "private_key",
    "api_key",
    "token",
    "password",
    "secret",
    "url_credentials",
    "email",
    "iban",
    "card",
    "national_id",
    "ip",
    "mac",
    "phone",
]
"""Most telling first: where two finders claim the same characters, the earlier kind names them."""

_RANK: dict[str, int] = {
    kind: rank
    for rank, kind in enumerate(
        (
            "private_key",
            "api_key",
            "token",
            "password",
            "secret",
            "url_credentials",
            "email",
            "iban",
            "card",
            "national_id",
            "ip",
            "mac",
            "phone",
        )
    )
}
WINDOW_CHARACTERS = 65_536
OVERLAP_CHARACTERS = 4_096
EDGE_CHARACTERS = 96


@dataclass(frozen=True, slots=True)
class Span:
    """Characters `start` to `end` (exclusive) of a text hold a value of this kind."""

    start: int
    end: int
    category: SensitiveKind


def resolve(spans: Iterable[Span]) -> list[Span]:
    """Disjoint spans in order of position; overlapping ones become their union, so nothing that was found stays uncovered."""
    merged: list[Span] = []
    for span in sorted(spans, key=lambda s: (s.start, -s.end, _RANK[s.category])):
        if merged and span.start < merged[-1].end:
            last = merged[-1]
            kind = min(last.category, span.category, key=_RANK.__getitem__)
            merged[-1] = Span(last.start, max(last.end, span.end), kind)
        else:
            merged.append(span)
    return merged


def in_windows(text: str, find: Callable[[str], Iterator[Span]]) -> Iterator[Span]:
    """Runs `find` over overlapping windows of `text`; spans at a cut edge are left to the neighbour that sees them whole."""
    if len(text) <= WINDOW_CHARACTERS:
        yield from find(text)
        return
    step = WINDOW_CHARACTERS - OVERLAP_CHARACTERS
    for begin in range(0, max(1, len(text) - OVERLAP_CHARACTERS), step):
        window = text[begin : begin + WINDOW_CHARACTERS]
        first, last = begin == 0, begin + len(window) >= len(text)
        for span in find(window):
            cut_left = not first and span.start < EDGE_CHARACTERS
            cut_right = not last and span.end > len(window) - EDGE_CHARACTERS
            whole = span.end - span.start < OVERLAP_CHARACTERS - 2 * EDGE_CHARACTERS
            if not (whole and (cut_left or cut_right)):
                yield Span(begin + span.start, begin + span.end, span.category)
