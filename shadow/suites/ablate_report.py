"""An ablation's findings for people and scripts: one JSON object, and a drawing of one bar for each ablation. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from shadow.suites.ablate_effects import Effect, Finding
from shadow.suites.ablate_run import Restoration
from shadow.suites.ablate_state import Begun

WORDS = {"worse": "worse", "not_worse": "not worse", "undecided": "undecided", None: "not judged"}
_COLOURS = {"worse": "#c0392b", "not_worse": "#2e7d32", "undecided": "#b7791f", None: "#888888"}
_LEFT, _TOP, _HEIGHT, _STEP, _BOTTOM = 64, 56, 220, 34, 64


def as_json(
    found: Sequence[Finding],
    *,
    begun: Begun,
    about: Mapping[str, Any],
    restoration: Restoration | None,
) -> dict[str, Any]:
    """The report for scripts. `restored` is null when nothing had to be run: every figure was there already."""
    return {
        **about,
        "architecture": begun.model,
        "model_layers": len(begun.parts),
        "cases": begun.cases,
        "answers_repeated": begun.repeated,
        "ablations": [_row(finding) for finding in found],
        "restored": None if restoration is None else asdict(restoration),
    }


def _row(finding: Finding) -> dict[str, Any]:
    row = asdict(finding)
    del row["log_evidence"]
    return row


def picture(found: Sequence[Finding], *, quality: str, margin: float, title: str) -> str:
    """An SVG: per ablation the mean difference in quality as a bar, its interval as a line, the margin across."""
    width = max(420, _LEFT + _STEP * len(found) + 24)
    least = min([-margin * 1.5, *(e.lower for e in _effects(found, quality) if e.lower is not None)])
    most = max([margin * 0.5, *(e.upper for e in _effects(found, quality) if e.upper is not None)])

    def at(value: float) -> float:
        return round(_TOP + _HEIGHT * (most - value) / (most - least), 1)

    marks = [_scale_mark(value, at(value), width) for value in _ticks(least, most)]
    marks.append(
        f'<line x1="{_LEFT}" x2="{width - 12}" y1="{at(-margin)}" y2="{at(-margin)}" stroke="#c0392b" stroke-dasharray="5 4"/>'
        f'<text x="{width - 14}" y="{at(-margin) - 4}" text-anchor="end" fill="#c0392b">margin</text>'
    )
    for index, finding in enumerate(found):
        marks.append(_bar(finding, finding.effects.get(quality), _LEFT + _STEP * index + _STEP // 2, at))
    height = _TOP + _HEIGHT + _BOTTOM
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-label={quoteattr(title)} '
        f'font-family="system-ui, sans-serif" font-size="11" fill="#333333">\n'
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>\n'
        f'<text x="12" y="20" font-size="14" font-weight="600">{escape(title)}</text>\n'
        f'<text x="12" y="38">change of {escape(quality)} against the same engine untouched; thin lines are intervals</text>\n'
        + "\n".join(marks)
        + f"\n{_legend(height)}\n</svg>\n"
    )


def _effects(found: Sequence[Finding], quality: str) -> list[Effect]:
    return [finding.effects[quality] for finding in found if quality in finding.effects]


def _ticks(least: float, most: float) -> list[float]:
    step = next(s for s in (0.02, 0.05, 0.1, 0.25, 0.5, 1.0) if (most - least) / s <= 8)
    return [k * step for k in range(-100, 101) if least <= k * step <= most]


def _scale_mark(value: float, y: float, width: int) -> str:
    strong = abs(value) < 1e-9
    return (
        f'<line x1="{_LEFT}" x2="{width - 12}" y1="{y}" y2="{y}" stroke="{"#333333" if strong else "#dddddd"}"/>'
        f'<text x="{_LEFT - 8}" y="{y + 4}" text-anchor="end">{value:+.2f}</text>'
    )


def _bar(finding: Finding, effect: Effect | None, x: int, at: Any) -> str:
    colour = _COLOURS[finding.state]
    y = _TOP + _HEIGHT + 12
    label = f'<text x="{x}" y="{y}" text-anchor="end" transform="rotate(-45 {x} {y})">{escape(finding.name)}</text>'
    if effect is None or effect.point is None or effect.lower is None or effect.upper is None:
        return label
    top, bottom = sorted((at(0.0), at(effect.point)))
    words = f"{finding.name}: {effect.point:+.3f} ({effect.lower:+.3f} to {effect.upper:+.3f}), {WORDS[finding.state]}"
    return (
        f"<g><title>{escape(words)}</title>"
        f'<rect x="{x - 9}" y="{top}" width="18" height="{max(round(bottom - top, 1), 1.5)}" fill="{colour}"/>'
        f'<line x1="{x}" x2="{x}" y1="{at(effect.upper)}" y2="{at(effect.lower)}" stroke="#333333" stroke-width="1.5"/></g>{label}'
    )


def _legend(height: int) -> str:
    marks, x = [], _LEFT
    for state in ("worse", "undecided", "not_worse"):
        marks.append(
            f'<rect x="{x}" y="{height - 18}" width="10" height="10" fill="{_COLOURS[state]}"/>'
            f'<text x="{x + 15}" y="{height - 9}">{WORDS[state]}</text>'
        )
        x += 100
    return "".join(marks)
