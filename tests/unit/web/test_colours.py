"""Every word on the pages can be read: contrast of at least 4.5 to 1 (WCAG AA) in the light and the dark look."""

import re
from pathlib import Path

import pytest

import shadow.web

CSS = (Path(shadow.web.__file__).parent / "static" / "site.css").read_text(encoding="utf-8")
LIGHT, DARK = (dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})[;\s]", block)) for block in CSS.split("@media")[:2])
PAIRS = [
    *((ink, ground) for ink in ("ink", "soft", "link", "good", "bad", "warn") for ground in ("page", "card")),
    *((ink, "track") for ink in ("ink", "soft")),
    *((tone, f"{tone}-bg") for tone in ("good", "bad", "warn", "neutral")),
    ("ink", "warn-bg"),
    ("ink", "neutral-bg"),
    ("card", "link"),
]


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("look", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(("ink", "ground"), PAIRS)
def test_contrast_is_enough(look: dict[str, str], ink: str, ground: str) -> None:
    high, low = sorted((luminance(look[ink]), luminance(look[ground])), reverse=True)

    assert (high + 0.05) / (low + 0.05) >= 4.5


def test_nothing_is_fetched_from_elsewhere() -> None:
    assert "url(" not in CSS
    assert "@import" not in CSS
