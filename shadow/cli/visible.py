"""Text from traffic, made harmless for a terminal: no escape sequence, no reordering, bounded length."""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

_INVISIBLE = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff\ufff9-\ufffb]"
)
_MAX_CHARACTERS = 20_000
_PIPED_COLUMNS = 120


def console() -> "Console":
    """A console that takes every text as text: no markup, no emoji codes; 120 columns where nobody sees a terminal."""
    import sys

    from rich.console import Console

    width = None if sys.stdout.isatty() else _PIPED_COLUMNS
    return Console(markup=False, highlight=False, emoji=False, width=width)


def visible(text: str, *, lines: bool = False, limit: int = _MAX_CHARACTERS) -> str:
    r"""`text` with control and direction characters written out as \xNN or \uNNNN; line ends too unless `lines`."""
    cut = text[:limit]
    shown = _INVISIBLE.sub(_escape, cut)
    if not lines:
        shown = shown.replace("\n", "\\n")
    left = len(text) - len(cut)
    return f"{shown} [... {left:,} more characters]" if left else shown


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
