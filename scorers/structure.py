"""JSON answers compared by value, field by field: `structure` (comparative). Lists are aligned by id or by common elements."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from rapidfuzz.distance import LCSseq

from scorers.base import Case, Finding, Score, ScorerFailure, ScorerKind
from scorers.running import one_by_one
from scorers.words import normalised

MAX_JSON_CHARS = 200_000
MAX_NODES = 5_000
MAX_DEPTH = 60
_MAX_STARTS = 8
_FENCE = re.compile(r"```(?:json|JSON)?[ \t]*\n(.*?)```", re.S)
_ID_KEYS = ("id", "_id", "uuid", "key", "name", "sku", "code", "slug", "title")


class NotJson(ValueError):
    """The text holds no JSON value that may be read."""


@dataclass(frozen=True, slots=True)
class Fields:
    """Leaves that agree, differ, are missing from the candidate, or are extra there."""

    same: int = 0
    changed: int = 0
    missing: int = 0
    extra: int = 0

    def __add__(self, other: "Fields") -> "Fields":
        return Fields(
            self.same + other.same, self.changed + other.changed, self.missing + other.missing, self.extra + other.extra
        )

    @property
    def ratio(self) -> float:
        """Share of agreeing leaves among all; 1.0 for two empty values."""
        total = self.same + self.changed + self.missing + self.extra
        return self.same / total if total else 1.0


def _refuse_constant(name: str) -> Any:
    raise NotJson("not_finite")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


def parse(text: str) -> Any:
    """Strict JSON of a whole text, or NotJson. NaN and infinities are refused, depth and length bounded, last key wins."""
    if len(text) > MAX_JSON_CHARS:
        raise NotJson("too_long")
    try:
        value = _DECODER.decode(text.strip().lstrip("\ufeff"))
    except (ValueError, RecursionError):
        raise NotJson("not_json") from None
    if too_deep(value):
        raise NotJson("too_deep")
    return value


def too_deep(value: Any) -> bool:
    """True for a value that nests deeper than is compared; everything below recurses over what passed here."""
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            return True
        level = [
            child
            for node in level
            if isinstance(node, (dict, list))
            for child in (node.values() if isinstance(node, dict) else node)
        ]
    return False


def find_json(text: str, *, embedded: bool = True) -> Any:
    """The JSON in an answer: the whole text, a fence, or (`embedded`) the first value inside prose. Raises NotJson."""
    kept = text[: MAX_JSON_CHARS + 1]
    fence = _FENCE.search(kept)
    for candidate in (kept, fence[1] if fence else None):
        if candidate is not None and candidate.strip()[:1] in set('{["-0123456789tfn'):
            try:
                return parse(candidate)
            except NotJson:
                continue
    if embedded:
        for count, match in enumerate(re.finditer(r"[{\[]", kept)):
            if count >= _MAX_STARTS:
                break
            try:
                value = _DECODER.raw_decode(kept, match.start())[0]
            except (ValueError, RecursionError):
                continue
            if not too_deep(value):
                return value
    raise NotJson("not_json")


def is_container_json(text: str) -> bool:
    """True when the whole answer (or its one fence) is a JSON object or array."""
    stripped = text.strip()
    if stripped[:1] not in "{[" and not stripped.startswith("```"):
        return False
    try:
        return isinstance(find_json(text, embedded=False), (dict, list))
    except NotJson:
        return False


def same_leaf(a: Any, b: Any) -> bool:
    """Equal scalars: 1 equals 1.0, true is not 1, strings equal after normalisation only where they are prose (4+ words)."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        return a == b
    if isinstance(a, str) and isinstance(b, str):
        return a == b or a.strip() == b.strip() or (len(a.split()) >= 4 and normalised(a) == normalised(b))
    return type(a) is type(b) and a == b


def _size(value: Any) -> int:
    if isinstance(value, dict):
        return sum(map(_size, value.values())) or 1
    if isinstance(value, list):
        return sum(map(_size, value)) or 1
    return 1


def _count(value: Any) -> int:
    return min(_size(value), MAX_NODES)


def compare_values(a: Any, b: Any) -> Fields:
    """Counts agreeing and differing leaves of two JSON values, neither of them `too_deep`."""
    if isinstance(a, dict) and isinstance(b, dict):
        total = Fields()
        for key in a.keys() | b.keys():
            if key not in b:
                total += Fields(missing=_count(a[key]))
            elif key not in a:
                total += Fields(extra=_count(b[key]))
            else:
                total += compare_values(a[key], b[key])
        return total if a or b else Fields(same=1)
    if isinstance(a, list) and isinstance(b, list):
        total = Fields()
        for x, y in _aligned(a, b):
            if y is _NOTHING:
                total += Fields(missing=_count(x))
            elif x is _NOTHING:
                total += Fields(extra=_count(y))
            else:
                total += compare_values(x, y)
        return total if a or b else Fields(same=1)
    if isinstance(a, (dict, list)) or isinstance(b, (dict, list)):
        return Fields(changed=max(_count(a), _count(b)))
    return Fields(same=1) if same_leaf(a, b) else Fields(changed=1)


_NOTHING = object()


def _id_key(a: list[Any], b: list[Any]) -> str | None:
    """A key that names every element of both lists uniquely."""
    if not a or not b or not all(isinstance(x, dict) for x in (*a, *b)):
        return None
    for key in _ID_KEYS:
        ids = [[x.get(key) for x in side] for side in (a, b)]
        if all(all(isinstance(i, (str, int)) for i in side) and len(set(side)) == len(side) for side in ids) and set(
            ids[0]
        ) & set(ids[1]):
            return key
    return None


def _aligned(a: list[Any], b: list[Any]) -> Iterator[tuple[Any, Any]]:
    key = _id_key(a, b)
    if key is not None:
        others = {x[key]: x for x in b}
        own = {x[key] for x in a}
        yield from ((x, others.get(x[key], _NOTHING)) for x in a)
        yield from ((_NOTHING, x) for x in b if x[key] not in own)
        return
    dumps = [[json.dumps(x, sort_keys=True) for x in side[:MAX_NODES]] for side in (a, b)]
    for i0, i1, j0, j1, equal in _merged(dumps[0], dumps[1]):
        if equal:
            yield from zip(a[i0:i1], b[j0:j1], strict=True)
            continue
        for k in range(max(i1 - i0, j1 - j0)):
            yield (a[i0 + k] if i0 + k < i1 else _NOTHING, b[j0 + k] if j0 + k < j1 else _NOTHING)


def _merged(a: list[str], b: list[str]) -> list[tuple[int, int, int, int, bool]]:
    """Opcodes with neighbouring deletions and insertions joined, so that a changed element meets its counterpart."""
    rows: list[tuple[int, int, int, int, bool]] = []
    for c in LCSseq.opcodes(a, b):
        equal = c.tag == "equal"
        if rows and not equal and not rows[-1][4]:
            last = rows[-1]
            rows[-1] = (last[0], c.src_end, last[2], c.dest_end, False)
        else:
            rows.append((c.src_start, c.src_end, c.dest_start, c.dest_end, equal))
    return rows


class Settings(BaseModel):
    """Options of `structure`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    embedded: bool = Field(True, description="take the first JSON value inside prose when the answer is not JSON alone")


class Structure:
    """Share of JSON leaves that agree with the incumbent's. Labels: equal, flagged, unknown."""

    kind: ScorerKind = "comparative"
    version = "1"

    def __init__(self, settings: Settings, name: str) -> None:
        self.settings = settings
        self.name = name

    def score(self, cases: Sequence[Case]) -> list[Score | ScorerFailure]:
        """Judges each case; a crash of one is that case's failure."""
        return one_by_one(self._one, cases)

    def _one(self, case: Case) -> Score:
        try:
            expected = find_json(case.incumbent.text if case.incumbent else "", embedded=self.settings.embedded)
        except NotJson:
            return Score(value=None, label="unknown", reason="the incumbent's answer is not JSON")
        return judge(expected, case.candidate.text, embedded=self.settings.embedded)


def judge(expected: Any, answer: str, *, embedded: bool = True) -> Score:
    """Compares an answer with an expected JSON value; the reason gives counts, never values."""
    try:
        actual = find_json(answer, embedded=embedded)
    except NotJson:
        return Score(
            value=0.0,
            label="flagged",
            reason="the candidate's answer is not JSON",
            findings=(Finding(category="not_json"),),
        )
    fields = compare_values(expected, actual)
    if fields.ratio == 1:
        return Score(value=1.0, label="equal", reason="equal as JSON")
    kinds = {"changed": fields.changed, "missing": fields.missing, "extra": fields.extra}
    return Score(
        value=fields.ratio,
        label="flagged",
        reason="JSON leaves " + ", ".join(f"{n} {kind}" for kind, n in kinds.items() if n),
        findings=tuple(Finding(category=kind, count=n) for kind, n in kinds.items() if n),
    )


SETTINGS = Settings


def build(settings: Settings, name: str | None = None) -> Structure:
    """The scorer under its name."""
    return Structure(settings, name or "structure")
