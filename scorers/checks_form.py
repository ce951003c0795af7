"""How an answer ends and repeats itself: truncation, repetition, language, refusal, thoughts that leaked."""

import re
from functools import lru_cache

from scorers.base import Reply
from scorers.language import surely_not
from scorers.objections import CERTAIN, LIKELY, POSSIBLE, Objection, Pair
from scorers.words import MAX_CHARS

REFUSAL = re.compile(
    r"\b(?:i(?:'m| am)? (?:sorry|unable|afraid|not able)|(?:i |we )?(?:can(?:'t|not)|can not|won't|will not|am not able to"
    r"|'m not able to|unable to|must decline to|have to decline to) (?:help|assist|share|provide|comply|fulfil|fulfill|answer|do that"
    r"|support|create|write|give|engage|offer|discuss|tell)"
    r"|as an ai\b|against (?:my|our) (?:policy|policies|guidelines|principles)|not (?:appropriate|able to (?:help|assist))"
    r"|(?:must|have to) (?:respectfully )?decline|not comfortable (?:with|providing|helping))\b",
    re.I,
)
_FINISHED = re.compile(r"[.!?:)\]}`\"'*>|;…。！？]\s*$")
_THOUGHTS = re.compile(r"</?(?:think|thinking|reasoning|scratchpad)>", re.I)


def is_refusal(text: str) -> bool:
    """True when the first 400 characters decline to help; a rough test, the `refusal` scorer is the thorough one."""
    return _declines_at_sight(text[:400])


@lru_cache(maxsize=4)
def _declines_at_sight(head: str) -> bool:
    """Kept for the two texts of one pair, of which several checks ask the same."""
    return bool(REFUSAL.search(head.replace("\u2019", "'")))


def declines(text: str, prompt: str) -> bool:
    """What the `refusal` scorer says of a text; dearer than `is_refusal`, so asked only where that one sees something."""
    from scorers.refusal import Settings, judge

    judged = judge(Reply(text=text[:MAX_CHARS]), Settings.model_validate({}), prompt)
    return judged is not None and judged[0] == "refusal"


def both_decline(pair: Pair) -> bool:
    """Both sides turn the request down."""
    seen = is_refusal(pair.text_a), is_refusal(pair.text_b)
    return any(seen) and all(
        s or declines(t, pair.prompt) for s, t in zip(seen, (pair.text_a, pair.text_b), strict=True)
    )


def refusal(pair: Pair) -> list[Objection]:
    """One side declines and the other answers: certain."""
    if is_refusal(pair.text_a) != is_refusal(pair.text_b) and declines(pair.text_a, pair.prompt) != declines(
        pair.text_b, pair.prompt
    ):
        apology = min(len(pair.a.words), len(pair.b.words)) > 80
        return [Objection(category="refusal", value=POSSIBLE if apology else CERTAIN)]
    return []


def language(pair: Pair) -> list[Objection]:
    """Both languages are known and differ: certain."""
    a, b = pair.languages
    if pair.code or a == b:
        return []
    if a and b:
        return [Objection(category="language", value=CERTAIN)]
    known, other = (a, pair.text_b) if a else (b, pair.text_a)
    return [Objection(category="language", value=LIKELY)] if known and surely_not(other, known) else []


def _finished(text: str) -> bool:
    return bool(_FINISHED.search(text[-200:]))


def truncation(pair: Pair) -> list[Objection]:
    """The output limit cut the candidate, or its last sentence has no end while the incumbent's has one."""
    if pair.finish_reason == "length":
        return [Objection(category="truncation", value=LIKELY)]
    if pair.code or len(pair.b.words) < 6 or not _finished(pair.text_a) or _finished(pair.text_b):
        return []
    last = pair.text_b.rstrip().rsplit("\n", 1)[-1]
    listing = "\n" in pair.text_b.strip() and (
        last.lstrip()[:1] in "-*•+|" or last.lstrip()[:1].isdigit() or len(last.split()) < 4
    )
    if listing or len(pair.text_b) >= 0.97 * len(pair.text_a):
        return []
    return [Objection(category="truncation", value=LIKELY)]


def repeats(words: tuple[str, ...]) -> bool:
    """True when an answer of at least 12 words goes round in circles: at most 60 % of its word triples are distinct."""
    if len(words) < 12:
        return False
    grams = list(zip(words, words[1:], words[2:], strict=False))
    tail = grams[-60:]
    return len(set(grams)) <= 0.6 * len(grams) or (len(tail) >= 40 and len(set(tail)) <= 0.4 * len(tail))


def repetition(pair: Pair) -> list[Objection]:
    """The candidate repeats itself and the incumbent does not: certain."""
    if repeats(pair.b.lower) and not repeats(pair.a.lower):
        return [Objection(category="repetition", value=CERTAIN)]
    return []


def thoughts(pair: Pair) -> list[Objection]:
    """Marks of hidden reasoning stand in the candidate's answer and not in the incumbent's: likely."""
    if _THOUGHTS.search(pair.text_b[:MAX_CHARS]) and not _THOUGHTS.search(pair.text_a[:MAX_CHARS]):
        return [Objection(category="thoughts", value=LIKELY)]
    return []
