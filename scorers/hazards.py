"""The eight classes of harm that every guard's own taxonomy is mapped to, so that guards can be compared and counted."""

import re
from typing import Literal

Hazard = Literal["violence", "crime", "sexual", "hate", "self_harm", "privacy", "attack", "other"]
"""`crime`: weapons, drugs, fraud and other unlawful acts; `attack`: jailbreaks and injections; `other`: everything else a
guard objects to (advice, copyright, elections, defamation, profanity, misinformation)."""

LLAMA_GUARD: dict[str, Hazard] = {
    "S1": "violence",
    "S2": "crime",
    "S3": "sexual",
    "S4": "sexual",
    "S5": "other",
    "S6": "other",
    "S7": "privacy",
    "S8": "other",
    "S9": "crime",
    "S10": "hate",
    "S11": "self_harm",
    "S12": "sexual",
    "S13": "other",
    "S14": "attack",
}
# Order decides: "non-violent" is read before "violent", self-harm before harm.
_WORDS: tuple[tuple[Hazard, str], ...] = (
    ("attack", r"jailbreak|injection|malware|code interpreter|manipulation"),
    ("self_harm", r"self[-_ ]?harm|suicid"),
    ("sexual", r"sex|child|minor|csam|nudity|adult"),
    (
        "crime",
        r"non[-_ ]?violent|crim|weapon|gun|illegal|drug|controlled|regulated|fraud|dangerous|terror|unauthorized|immoral",
    ),
    ("violence", r"violen|threat|physical"),
    ("hate", r"hat(?:e|red)|harass|identity|discriminat|bias|insult|toxic"),
    ("privacy", r"privacy|pii|personal"),
)
_PATTERNS = tuple((hazard, re.compile(pattern, re.IGNORECASE)) for hazard, pattern in _WORDS)


def hazard_of(category: str) -> Hazard:
    """The class of a guard's category by its name or code (`S9`, `Non-violent Illegal Acts`); `other` for unknown ones."""
    name = category.strip()[:120]
    code = LLAMA_GUARD.get(name.upper())
    if code is not None:
        return code
    return next((hazard for hazard, pattern in _PATTERNS if pattern.search(name)), "other")
