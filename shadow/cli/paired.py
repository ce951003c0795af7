"""Reads paired outcomes from a JSONL file made anywhere, for `shadow judge`; a bad line is named with its field."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import msgspec

from shadow.errors import ShadowError
from shadow.stats.state import Pair

_MOST_EXPONENT = 30
_MILLISECONDS_FROM = 10**11

Number = int | float
Binary = bool | int | float


class Line(msgspec.Struct, kw_only=True):
    """One line as it is written. Candidate first in every pair; null, or a key left out, is unknown."""

    session: str | int | None = None
    segment: str | None = None
    weight: Number | None = None
    ts: str | Number | None = None
    score: tuple[Number | None, Number | None] | None = None
    violation: tuple[Binary | None, Binary | None] | None = None
    failure: tuple[Binary | None, Binary | None] | None = None
    latency_seconds: tuple[Number | None, Number | None] | None = None
    cost_usd: tuple[Number | None, Number | None] | None = None
    tokens: tuple[Number | None, Number | None] | None = None


FIELDS = tuple(Line.__struct_fields__)


@dataclass(frozen=True, slots=True)
class Unit:
    """One counted line: its pair, its weight class relative to the file's largest weight, its segment."""

    pair: Pair
    exponent: int
    segment: str | None


@dataclass(slots=True)
class PairedFile:
    """What a file holds. `repeated` lines were further turns of a session and are not counted; `ignored` keys mean nothing."""

    units: list[Unit]
    repeated: int = 0
    ignored: list[str] = field(default_factory=list)


def read_pairs(path: str) -> PairedFile:
    """All units of a file, in order. Raises ShadowError naming line and field of the first thing that is wrong.

    Sessions are the independent units: of a session the first line counts. Weights are powers of two (how many requests
    a line stands for, or any multiple of that).
    """
    ignored: dict[str, None] = {}
    found: list[tuple[Pair, int, str | None]] = []
    sessions: set[str | int] = set()
    repeated = 0
    for number, line in _lines(path, ignored):
        place = f"{path}:{number}"
        pair, exponent = _pair(line, place, number), _log2_weight(line, place)
        if line.session is not None:
            if line.session in sessions:
                repeated += 1
                continue
            sessions.add(line.session)
        found.append((pair, exponent, line.segment))
    heaviest = max((exponent for _, exponent, _ in found), default=0)
    units = [Unit(pair, heaviest - exponent, segment) for pair, exponent, segment in found]
    return PairedFile(units, repeated, list(ignored))


def _lines(path: str, ignored: dict[str, None]) -> Iterator[tuple[int, Line]]:
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError:
        raise ShadowError(f"{path}: there is no such file") from None
    except OSError as error:
        raise ShadowError(f"{path}: cannot be read ({error.strerror})") from None
    strict = msgspec.json.Decoder(_StrictLine)
    lenient = msgspec.json.Decoder(Line)
    for number, raw in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if not raw.strip():
            continue
        try:
            yield number, strict.decode(raw)
        except msgspec.ValidationError as error:
            if "unknown field" not in str(error):
                _refuse(f"{path}:{number}", error)
            yield number, _with_unknown(lenient, raw, ignored, f"{path}:{number}")
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            raise ShadowError(f"{path}:{number}: is no JSON object; write one object per line, NaN as null") from None


class _StrictLine(Line, forbid_unknown_fields=True, kw_only=True):
    """As Line, so that a misspelled key is noticed at no cost for the lines that have none."""


def _with_unknown(decoder: "msgspec.json.Decoder[Line]", raw: bytes, ignored: dict[str, None], place: str) -> Line:
    try:
        line = decoder.decode(raw)
        keys = msgspec.json.decode(raw)
    except msgspec.ValidationError as error:
        _refuse(place, error)
    except (msgspec.DecodeError, RecursionError):
        raise ShadowError(f"{place}: is no JSON object; write one object per line, NaN as null") from None
    for key in keys:
        if key not in FIELDS and len(ignored) < 20:
            ignored[str(key)[:40]] = None
    return line


def _refuse(place: str, error: msgspec.ValidationError) -> NoReturn:
    text = str(error)
    what, _, where = text.partition(" - at `$.")
    field_name = where.rstrip("`")
    hint = "; a pair is [candidate, incumbent], null is unknown" if "[" in field_name or "array" in what else ""
    raise ShadowError(f"{place}: {field_name or 'the line'}: {what[:1].lower() + what[1:]}{hint}") from None


def _pair(line: Line, place: str, number: int) -> Pair:
    score = _numbers(line.score, "score", place, 0.0, 1.0)
    failure = _flags(line.failure, "failure", place)
    latency = _numbers(line.latency_seconds, "latency_seconds", place, 0.0, 1e9)
    tokens = _numbers(line.tokens, "tokens", place, 0.0, 1e15)
    candidate, reference = score
    if failure[1]:
        reference = None  # an answer that never came is nothing to be compared with
    elif failure[0] and candidate is None:
        candidate = 0.0
    return Pair(
        id=str(number),
        ts_unix_ms=_timestamp(line.ts, place),
        score=(candidate, reference),
        violation=_flags(line.violation, "violation", place),
        failure=failure,
        latency_seconds=latency,
        recorded_seconds=latency[1],
        cost_usd=_numbers(line.cost_usd, "cost_usd", place, 0.0, 1e9),
        tokens=(None if tokens[0] is None else round(tokens[0]), None if tokens[1] is None else round(tokens[1])),
    )


def _numbers(
    pair: tuple[Number | None, Number | None] | None, name: str, place: str, least: float, most: float
) -> tuple[float | None, float | None]:
    if pair is None:
        return None, None
    for index, value in enumerate(pair):
        if value is not None and not least <= value <= most:
            shown = f"{value!r:.40}"
            raise ShadowError(f"{place}: {name}[{index}]: {shown} has to be between {least:g} and {most:g}")
    return pair


def _flags(pair: tuple[Binary | None, Binary | None] | None, name: str, place: str) -> tuple[bool | None, bool | None]:
    if pair is None:
        return None, None
    for index, value in enumerate(pair):
        if value not in (None, 0, 1):
            raise ShadowError(f"{place}: {name}[{index}]: {value!r:.40} has to be 0, 1, true, false or null")
    return (None if pair[0] is None else bool(pair[0])), (None if pair[1] is None else bool(pair[1]))


def _log2_weight(line: Line, place: str) -> int:
    if line.weight is None:
        return 0
    bounded = 0 < line.weight <= 2.0**_MOST_EXPONENT
    mantissa, exponent = math.frexp(line.weight) if bounded else (0.0, 0)
    if mantissa != 0.5 or abs(exponent - 1) > _MOST_EXPONENT:
        raise ShadowError(
            f"{place}: weight: {line.weight!r:.40} has to be a power of two (1, 2, 0.5, ...): how many requests the line "
            "stands for, the inverse of its sampling probability"
        )
    return exponent - 1


def _timestamp(value: str | Number | None, place: str) -> int | None:
    """Unix milliseconds of ISO 8601 (UTC where it names no zone) or seconds; integers above 10^11 are milliseconds."""
    if value is None:
        return None
    try:
        if isinstance(value, str):
            time = datetime.fromisoformat(value)
            return round((time if time.tzinfo is not None else time.replace(tzinfo=UTC)).timestamp() * 1000)
        milliseconds = value if isinstance(value, int) and value > _MILLISECONDS_FROM else value * 1000
        if 0 <= milliseconds < 1e15:
            return round(milliseconds)
    except (ValueError, OverflowError):
        pass
    raise ShadowError(f"{place}: ts: {value!r:.40} is no time; write ISO 8601 or seconds since 1970")
