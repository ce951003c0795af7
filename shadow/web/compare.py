"""Two answers side by side, words that differ marked. Untrusted text: escaped here, bounded in time and length."""

import difflib
import re
from dataclasses import dataclass

from markupsafe import Markup, escape

from shadow.ledger.base import OutcomeRow
from shadow.records import INCUMBENT
from shadow.web.formats import visible
from shadow.web.state import CallView

LIST_CHARACTERS = 1_500
PAGE_CHARACTERS = 40_000
_ROUTE_CHARACTERS = 64
_COMPARED_WORDS = 600
_WORDS = re.compile(r"\S+|\s+")


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerView:
    """One arm's answer. `text` is safe markup; None where no text is kept."""

    arm: str
    role: str
    outcome: OutcomeRow | None
    text: Markup | None
    cut: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A request with the answers to it, incumbent first."""

    call: CallView
    path: str
    route: str | None
    request: Markup | None
    request_cut: int
    answers: tuple[AnswerView, ...]


def _tokens(text: str) -> list[str]:
    return _WORDS.findall(text)


def differences(before: str, after: str) -> tuple[Markup, Markup]:
    """Both texts escaped, with `del` and `ins` around what differs; unmarked where a comparison would take too long."""
    left, right = _tokens(before), _tokens(after)
    if max(len(left), len(right)) > 2 * _COMPARED_WORDS:
        return escape(before), escape(after)
    old, new = [], []
    for op, i, j, m, n in difflib.SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        gone, come = escape("".join(left[i:j])), escape("".join(right[m:n]))
        if op == "equal":
            old.append(gone)
            new.append(come)
        else:
            old.append(Markup("<del>{}</del>").format(gone) if gone else gone)
            new.append(Markup("<ins>{}</ins>").format(come) if come else come)
    return Markup("").join(old), Markup("").join(new)


def pair(call: CallView, candidate: str | None, most: int) -> Pair:
    """What the page shows of one call: every arm, or the incumbent and one candidate."""
    rows = {row.arm: row for row in call.outcomes}
    names = list(dict.fromkeys((INCUMBENT, *rows, *(arm for arm in call.texts if arm))))
    if candidate is not None:
        names = [name for name in names if name in (INCUMBENT, candidate)]
    shown = {name: visible(call.texts[name], most) for name in names if name in call.texts}
    marked: dict[str, Markup] = {name: escape(text) for name, (text, _) in shown.items()}
    others = [name for name in shown if name != INCUMBENT]
    if INCUMBENT in shown and len(others) == 1:
        marked[INCUMBENT], marked[others[0]] = differences(shown[INCUMBENT][0], shown[others[0]][0])
    request, cut = visible(call.texts.get("", ""), most)
    key = call.key
    return Pair(
        call=call,
        path=f"/calls/{key.topic}/{key.partition}/{key.offset}/{key.call}",
        route=next((visible(row.route, _ROUTE_CHARACTERS)[0] for row in call.outcomes if row.route), None),
        request=escape(request) if request else None,
        request_cut=cut,
        answers=tuple(
            AnswerView(
                arm=name,
                role=rows[name].role if name in rows else "",
                outcome=rows.get(name),
                text=marked.get(name),
                cut=shown[name][1] if name in shown else 0,
            )
            for name in names
        ),
    )
