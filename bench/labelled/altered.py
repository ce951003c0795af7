"""Scorers of structured answers, on values that a seeded generator wrote and then changed in form only, or in one detail.

Nobody labelled these and no model wrote them: they show that a rule does what it says, not how often models err so.
"""

import copy
import json
import random
from collections.abc import Callable
from typing import Any

from bench.labelled.figures import auc, run, share, table
from scorers import registry
from scorers.base import Case, Reply, Score, ToolCall

PAIRS = 200  # of each side
_KEYS = ("id", "name", "total", "currency", "items", "status", "due", "paid", "notes", "owner")
_WORDS = ("amber", "boat", "cedar", "delta", "ember", "fjord", "grove", "harbor", "inlet", "jetty")
_NAMES = ("search", "book", "cancel", "quote", "notify")
_SCHEMA = {
    "type": "object",
    "required": ["id", "status"],
    "additionalProperties": False,
    "properties": {
        "id": {"type": "integer", "minimum": 1},
        "status": {"enum": ["open", "closed"]},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
}
_CODE = (
    "def area(w, h):\n    if w < 0 or h < 0:\n        raise ValueError('negative')\n    return w * h\n",
    "def total(rows):\n    s = 0\n    for row in rows:\n        s += row['price'] * row['count']\n    return s\n",
    "def first(xs, default=None):\n    for x in xs:\n        return x\n    return default\n",
    "def mean(xs):\n    xs = list(xs)\n    return sum(xs) / len(xs)\n",
)
_EDITS = (
    ("<", "<="),
    ("*", "+"),
    ("0", "1"),
    ("return ", "yield "),
    ("/", "//"),
    ("for ", "while "),
    (" or ", " and "),
)
Made = tuple[Case, bool]


def _scalar(draw: random.Random) -> Any:
    return draw.choice([draw.randint(-500, 500), draw.choice(_WORDS), draw.random() < 0.5, round(draw.random(), 3)])


def _record(draw: random.Random) -> dict[str, Any]:
    keys = draw.sample(_KEYS, draw.randint(3, 7))
    made: dict[str, Any] = {key: _scalar(draw) for key in keys}
    made["lines"] = [
        {"id": i, "label": draw.choice(_WORDS), "n": draw.randint(1, 9)} for i in range(draw.randint(1, 5))
    ]
    return made


def _shuffled(value: Any, draw: random.Random) -> Any:
    if isinstance(value, dict):
        items = [(k, _shuffled(v, draw)) for k, v in value.items()]
        draw.shuffle(items)
        return dict(items)
    if isinstance(value, list):
        return [_shuffled(v, draw) for v in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) and draw.random() < 0.3 else value


def _broken(value: dict[str, Any], draw: random.Random) -> dict[str, Any]:
    """One detail changed: a leaf, its type, a key lost or added, a list's element lost."""
    made = copy.deepcopy(value)
    key = draw.choice([k for k in made if k != "lines"] or list(made))
    how = draw.choice(
        ("value", "type", "lost", "added", "element") if made.get("lines") else ("value", "lost", "added")
    )
    if how == "value":
        made[key] = f"{made[key]}x"
    elif how == "type":
        made[key] = [made[key]]
    elif how == "lost":
        del made[key]
    elif how == "added":
        made["extra"] = _scalar(draw)
    else:
        made["lines"] = made["lines"][:-1]
    return made


def _case(a: Reply, b: Reply, **more: Any) -> Case:
    return Case(id="1", prompt="Give me the record.", incumbent=a, candidate=b, **more)


def _json(draw: random.Random, same: bool) -> Case:
    record = _record(draw)
    other = _shuffled(record, draw) if same else _broken(record, draw)
    text = json.dumps(other, indent=draw.choice((None, 2)))
    text = f"```json\n{text}\n```" if draw.random() < 0.3 else text
    return _case(Reply(text=json.dumps(record)), Reply(text=text))


def _schema(draw: random.Random, same: bool) -> Case:
    value: dict[str, Any] = {"id": draw.randint(1, 99), "status": draw.choice(("open", "closed"))}
    if draw.random() < 0.5:
        value["tags"] = draw.sample(_WORDS, 2)
    text = json.dumps(value)
    if not same:
        wrong: list[Callable[[], str]] = [
            lambda: json.dumps({**value, "id": str(value["id"])}),
            lambda: json.dumps({**value, "id": 0}),
            lambda: json.dumps({**value, "status": "Open "}),
            lambda: json.dumps({**value, "more": 1}),
            lambda: json.dumps({"id": value["id"]}),
            lambda: text[:-1],
            lambda: f"Here you are: {text}",
        ]
        text = draw.choice(wrong)()
    return _case(Reply(text="{}"), Reply(text=text), schema=_SCHEMA)


def _tools(draw: random.Random, same: bool) -> Case:
    calls = [ToolCall(name=n, arguments=_record(draw)) for n in draw.sample(_NAMES, draw.randint(1, 3))]
    if same:
        others = [ToolCall(name=c.name, arguments=_shuffled(c.arguments, draw)) for c in calls]
        draw.shuffle(others)
    else:
        others = list(calls)
        how = draw.choice(("argument", "function", "lost", "added", "unparseable"))
        if how == "argument":
            others[0] = ToolCall(name=calls[0].name, arguments=_broken(calls[0].arguments, draw))
        elif how == "function":
            others[0] = ToolCall(name="archive", arguments=calls[0].arguments)
        elif how == "lost":
            others.pop()
        elif how == "added":
            others.append(ToolCall(name="archive", arguments={}))
        else:
            others[0] = ToolCall(name=calls[0].name, arguments="{broken")
    text = "" if others else "Done."
    return _case(Reply(tool_calls=tuple(calls)), Reply(text=text, tool_calls=tuple(others)))


def _final(draw: random.Random, same: bool) -> Case:
    n = draw.choice((draw.randint(2, 9_999), round(draw.random() * 100, 2)))
    m = n if same else draw.choice((n + 1, -n, n * 10, round(n / 3, 2)))
    steps = f"We take {draw.randint(2, 9)} and {draw.randint(10, 99)}. "
    forms = ("The answer is {}.", "#### {}", "so \\boxed{{{}}}", "In total that comes to {}", "**{}**")
    text = steps + draw.choice(forms).format(f"{m:,}" if draw.random() < 0.5 else m)
    return _case(Reply(text=steps + f"The answer is {n}."), Reply(text=text))


def _code(draw: random.Random, same: bool) -> Case:
    code = draw.choice(_CODE)
    if same:
        other = code.replace("    ", "\t") if draw.random() < 0.3 else code.replace("\n", "  # note\n", 1)
        other = other.replace("'", '"')
    else:
        old, new = draw.choice([edit for edit in _EDITS if edit[0] in code])
        other = code.replace(old, new, 1)
    return _case(Reply(text=f"```python\n{code}```"), Reply(text=f"```python\n{other}```"))


MAKERS: dict[str, Callable[[random.Random, bool], Case]] = {
    "structure": _json,
    "schema": _schema,
    "tools": _tools,
    "final_answer": _final,
    "code": _code,
}


def section() -> str:
    """AUC, and how often a change of form or of one detail was taken for a difference."""
    rows = []
    for kind, make in MAKERS.items():
        draw = random.Random(f"{kind}-7")
        made = [(make(draw, same), same) for same in (True, False) for _ in range(PAIRS)]
        measured = run(registry.build(kind), [case for case, _ in made])
        scored = [
            (r.value, same)
            for r, (_, same) in zip(measured.results, made, strict=True)
            if isinstance(r, Score) and r.value is not None
        ]
        good, bad = ([v for v, same in scored if same is side] for side in (True, False))
        figures = (auc(good, bad), share(sum(v < 1 for v in bad), len(bad)), share(sum(v < 1 for v in good), len(good)))
        rows.append([kind, len(scored), *(f.shown() for f in figures), f"{measured.milliseconds:.2f}"])
    return table(("scorer", "scored", "AUC", "recall", "false", "CPU ms per case"), rows)
