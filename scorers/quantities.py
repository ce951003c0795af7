"""Numbers, units, clock times and dates of a text in one canonical form, so that "two weeks" equals "14 days".

Values are exact decimals (1234567 differs from 1234568) and keep their sign. A quantity is *optional* when its words also
have other uses ("a day", "second", "once"): it can satisfy a match and is never missed itself.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from scorers.units import CENTS, PENCE, POUND, UNITS

MAX_QUANTITIES = 200
_MAX_DIGITS = 30

_SMALL_TEXT = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
eighteen nineteen
"""
_SMALL = {word: value for value, word in enumerate(_SMALL_TEXT.split())}
_TENS = dict(
    zip(["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"], range(20, 100, 10), strict=True)
)
_SCALES = {
    "hundred": 100,
    "thousand": 1000,
    "million": 10**6,
    "mn": 10**6,
    "billion": 10**9,
    "bn": 10**9,
    "trillion": 10**12,
    "k": 1000,
    "lakh": 10**5,
    "crore": 10**7,
}
_VAGUE = {"once": 1, "twice": 2, "both": 2, "couple": 2, "pair": 2, "dozen": 12, "half": 50, "single": 1, "zero": 0}
_GROUPS = frozenset(("couple", "pair", "dozen"))
_ORDINALS = dict(
    zip(
        [
            "first",
            "second",
            "third",
            "fourth",
            "fifth",
            "sixth",
            "seventh",
            "eighth",
            "ninth",
            "tenth",
            "eleventh",
            "twelfth",
            "thirteenth",
            "fourteenth",
            "fifteenth",
            "sixteenth",
            "seventeenth",
            "eighteenth",
            "nineteenth",
            "twentieth",
        ],
        range(1, 21),
        strict=True,
    )
)
_STRESSED = frozenset(("full", "further", "whole", "single", "entire"))
_PARTS = {"third": Decimal(100) / 3, "quarter": Decimal(25), "fifth": Decimal(20), "tenth": Decimal(10)}
"""Hundredths; optional like everything that words say loosely."""
_WHOLES = {CENTS: ("usd", "eur"), PENCE: ("gbp", POUND)}
_MONTHS = {
    name: index
    for index, names in enumerate(
        (
            ("january", "jan"),
            ("february", "feb"),
            ("march", "mar"),
            ("april", "apr"),
            ("may",),
            ("june", "jun"),
            ("july", "jul"),
            ("august", "aug"),
            ("september", "sep", "sept"),
            ("october", "oct"),
            ("november", "nov"),
            ("december", "dec"),
        ),
        start=1,
    )
    for name in names
}
_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))
_DATE = re.compile(
    rf"\b(?P<y1>\d{{4}})-(?P<m1>\d{{1,2}})-(?P<d1>\d{{1,2}})\b"
    rf"|\b(?P<m2>{_MONTH})\.?\s+(?P<d2>\d{{1,2}})(?:st|nd|rd|th)?\b(?:,?\s+(?P<y2>\d{{4}})\b)?"
    rf"|\b(?P<d3>\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?(?P<m3>{_MONTH})\b\.?(?:,?\s+(?P<y3>\d{{4}})\b)?"
    rf"|\b(?P<d4>\d{{1,2}})/(?P<m4>\d{{1,2}})/(?P<y4>\d{{4}}|\d{{2}})\b"
)
_HOURS = {word: value for word, value in _SMALL.items() if 1 <= value <= 12}
_PAST = {"half past": 30, "quarter past": 15, "quarter to": -15}
_CLOCK = re.compile(
    r"\b(?P<h>\d{1,2})(?:(?::|(?<=[012]\d)h)(?P<m>\d{2}))(?::\d{2})?\s*(?P<half>[ap]\.?m\b\.?)?"
    r"|\b(?P<h2>\d{1,2})\s*(?P<half2>[ap]\.?m\b\.?)"
    r"|\b(?P<word>noon|midday|midnight)\b"
    rf"|\b(?P<part>half past|quarter past|quarter to) (?P<hour>\d{{1,2}}|{'|'.join(_HOURS)})\b"
)
_DIGITS = re.compile(r"\d[\d,.]*")
_CURRENCIES = frozenset("$€£¥₹")
_NUMBER = re.compile(
    r"(?P<n>\d{1,3}(?:\.\d{3})+,\d+|\d[\d,]*(?:\.\d+)?)(?P<ordinal>(?:st|nd|rd|th)\b)?"
    r"(?:\s?(?P<scale>k|thousand|million|mn|billion|bn|trillion|lakh|crore)\b)?"
    r"(?:[\s-]?(?:business\s|working\s|calendar\s|full\s|whole\s|more\s|further\s|additional\s|consecutive\s|us\s)?"
    r"(?P<unit>%|°\s?[cf]\b|[$€£¥₹]|km/h\b|m/s\b|[a-zµμ]{1,12}\b))?"
)
_ANY = re.compile(
    r"\d|\b(?:"
    + "|".join(
        (*_SMALL, *_TENS, *_VAGUE, *_ORDINALS, *_STRESSED, "a", "an", "per", "each", "noon", "midday", "midnight")
    )
    + r")\b"
)
_DIGIT = re.compile(r"\d")
# what the dearer expressions below need, looked for first
_COMPOUND_LIKE = re.compile(r"\d ?[hmf][a-z]*,? (?:and )?\d")
_RANGE_LIKE = re.compile(r"\d ?(?:-|to|and) ?\d")
_SPACED, _SHORT_MILLIONS = re.compile(r"\d \d{3}"), re.compile(r"\dm\b")
_THOUSANDS = re.compile(r"(?<![\d.,/:-])[1-9]\d{0,2}(?: \d{3})+(?![\d.,:/-]\d|\d)")
_DEGREES = re.compile(r"[\s-]degrees?\s(c|f)(?:elsius|ahrenheit)?\b")
_COMPOUND = re.compile(
    r"\b(?:(?P<hours>\d{1,4}) ?(?:hours?|hrs?|h)|(?P<minutes>\d{1,4}) ?(?:minutes?|mins?)|(?P<feet>\d{1,4}) ?(?:feet|foot|ft))"
    r",? (?:and )?(?P<rest>\d{1,2}) ?(?(hours)(?:minutes?|mins?|m)|(?(minutes)(?:seconds?|secs?|s)|(?:inch(?:es)?|in)))\b"
)
_RANGE = re.compile(
    r"(?<![\d.,/:-])(?P<low>\d[\d,]*(?:\.\d+)?) ?(?:-|to|and) ?(?P<high>\d[\d,]*(?:\.\d+)?) ?(?P<unit>%|° ?[cf]\b|[a-zµμ]{1,12}\b)"
)
_MINUS = re.compile(r"\bminus (?=\d)")
_MILLIONS = re.compile(r"([$€£]\d[\d.,]*|\b\d[\d.,]*(?=m (?:euros?|dollars?|pounds?|usd|eur|gbp)\b))m\b")
_SPEED = re.compile(r"\b(k(?:ilomet(?:re|er)s?|m)|m(?:iles?|i)|k(?:nots?)) (?:per|an) hour\b")
_SPEEDS = {"k": "km/h", "m": "mph"}
_DAYS_BEFORE = re.compile(rf"\b(\d{{1,2}}) ?(?:-|to|and|until) ?(\d{{1,2}} (?:of )?({_MONTH})\b)")
_DAYS_BEHIND = re.compile(rf"\b(({_MONTH}) \d{{1,2}}) ?(?:-|to|and|until) ?(?=\d{{1,2}}\b(?! ?[a-z%:]))")
_FRACTION = re.compile(r"(?<![\d/.,-])([1-9])/([2-9]|10)(?![\d/])")
_CLOCK_LIKE = re.compile(r"\d(?:[:h]\d\d|\s*[ap]\.?m)")
_CLOCK_WORDS = ("noon", "midday", "midnight", "half past", "quarter past", "quarter to")
_FILLERS = frozenset(
    ("business", "working", "calendar", "full", "whole", "more", "further", "additional", "consecutive")
)
_TELLING = frozenset((*_SMALL, *_TENS, *_VAGUE, *_ORDINALS, *_STRESSED, "a", "an", "per", "each"))
_SPELLED = re.compile(r"[a-z]+")


@dataclass(frozen=True, slots=True)
class Quantity:
    """`dimension` is "" for a bare number; `value` is in the dimension's base unit, `written` as it stood."""

    dimension: str
    value: Decimal
    written: Decimal
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Moment:
    """A date (year None when absent) or a clock time (minutes after midnight, `half_known` when am or pm is clear)."""

    kind: str
    year: int | None = None
    month: int = 0
    day: int = 0
    minutes: int = 0
    half_known: bool = True
    ambiguous: bool = False


@dataclass(frozen=True, slots=True)
class Measured:
    """What a text states in figures."""

    quantities: tuple[Quantity, ...]
    moments: tuple[Moment, ...]


def _decimal(written: str) -> Decimal | None:
    if re.fullmatch(r"\d{1,3}(?:\.\d{3})+,\d+", written):
        written = written.replace(".", "").replace(",", ".")
    digits = written.replace(",", "")
    if not digits or len(digits) > _MAX_DIGITS:
        return None
    try:
        return Decimal(digits).normalize()
    except InvalidOperation:
        return None


def _take_moments(text: str) -> tuple[str, list[Moment]]:
    moments: list[Moment] = []

    def date(match: re.Match[str]) -> str:
        g = match.groupdict()
        for i in "1234":
            if g[f"d{i}"]:
                year, month, day = g[f"y{i}"], g[f"m{i}"], int(g[f"d{i}"])
                number = _MONTHS.get(month) or (int(month) if month.isdigit() else 0)
                full = None if year is None else int(year) + (2000 if len(year) == 2 else 0)
                both = i == "4" and day <= 12 and number <= 12
                if i == "4" and number > 12:
                    number, day = day, number
                moments.append(Moment("date", full, number, day, ambiguous=both))
        return " "

    def clock(match: re.Match[str]) -> str:
        if match["word"]:
            moments.append(Moment("clock", minutes=0 if match["word"] == "midnight" else 720))
            return " "
        if match["part"]:
            full = _HOURS.get(match["hour"]) or int("".join(filter(str.isdigit, match["hour"])) or 0)
            moments.append(Moment("clock", minutes=full * 60 + _PAST[match["part"]], half_known=False))
            return " "
        hours, minutes = int(match["h"] or match["h2"]), int(match["m"] or 0)
        half = match["half"] or match["half2"]
        if hours > 24 or minutes > 59:
            return match[0]
        if half:
            hours = hours % 12 + (12 if half.startswith("p") else 0)
        moments.append(Moment("clock", minutes=hours * 60 + minutes, half_known=bool(half) or hours > 12))
        return " "

    if _DIGIT.search(text):
        rest = _DATE.sub(date, text)
        if moments:
            spelled = _DAYS_BEHIND.sub(r"\1 to \2 ", _DAYS_BEFORE.sub(r"\1 \3 to \2", text))
            if spelled != text:  # "1 to 5 May" names two days
                moments.clear()
                rest = _DATE.sub(date, spelled)
        text = rest
    if _CLOCK_LIKE.search(text) or any(word in text for word in _CLOCK_WORDS):
        text = _CLOCK.sub(clock, text)
    return text, moments


def _spelled(text: str) -> list[Quantity]:
    """Numbers in words: "twenty-five", "three hundred", "two weeks"; vague ones are optional."""
    words = _SPELLED.findall(text)
    found: list[Quantity] = []
    i = 0
    while i < len(words) and len(found) < MAX_QUANTITIES:
        word = words[i]
        if word not in _TELLING:
            i += 1
            continue
        if word in _SMALL or word in _TENS:
            start, total, current = i, 0, 0
            while i < len(words):
                w = words[i]
                if (
                    w in _SMALL
                    and (current % 10 == 0 or current == 0)
                    and (current == 0 or _SMALL[w] < 10 or current % 100 == 0)
                ):
                    current += _SMALL[w]
                elif w in _TENS and current % 100 == 0:
                    current += _TENS[w]
                elif w in _SCALES and w != "k":
                    current = max(current, 1) * _SCALES[w]
                    if _SCALES[w] >= 1000:
                        total, current = total + current, 0
                elif not (
                    w == "and"
                    and i + 1 < len(words)
                    and words[i - 1] in _SCALES
                    and words[i + 1] in {**_SMALL, **_TENS}
                ):
                    break
                i += 1
            value = Decimal(total + current) * (-1 if words[start - 1 : start] == ["minus"] else 1)
            if words[i : i + 2] in (["quarter", "of"], ["quarters", "of"]):
                part = _unit_after_half(words[i + 2 : i + 4])
                if part is not None:  # "three quarters of an hour"
                    found.append(_quantity(value / 4, part))
                    continue
            if words[i : i + 3] == ["and", "a", "half"]:  # "two and a half weeks"
                value, i = value + Decimal("0.5"), i + 3
                if i < len(words) and words[i] in _SCALES and words[i] != "k":
                    value, i = value * _SCALES[words[i]], i + 1
            if i < len(words) and words[i].removesuffix("s") in _PARTS and i - start == 1:  # "two thirds"
                found.append(_quantity(value * _PARTS[words[i].removesuffix("s")], UNITS["%"], optional=True))
                i += 1
                continue
            after = i + 1 if i + 1 < len(words) and words[i] in _FILLERS else i
            unit = UNITS.get(words[after]) if after < len(words) and len(words[after]) > 1 else None
            vague = i - start == 1 and word in ("one", "zero") and unit is None
            found.append(_quantity(value, unit, optional=vague))
            continue
        if (
            word in ("a", "an", "per", "each")
            and i + 1 < len(words)
            and words[i + 1] in UNITS
            and len(words[i + 1]) > 2
        ):
            found.append(_quantity(Decimal(1), UNITS[words[i + 1]], optional=True))
            if words[i + 2 : i + 5] == ["and", "a", "half"]:  # "an hour and a half"
                found.append(_quantity(Decimal("1.5"), UNITS[words[i + 1]], optional=True))
            if words[i + 1 : i + 3] == ["quarter", "of"] and (part := _unit_after_half(words[i + 3 : i + 5])):
                found.append(_quantity(Decimal("0.25"), part, optional=True))
            elif words[i + 1] == "quarter":
                found.append(_quantity(_PARTS["quarter"], UNITS["%"], optional=True))
        elif word == "a" and i + 1 < len(words) and words[i + 1] in _SCALES and len(words[i + 1]) > 2:
            unit = UNITS.get(words[i + 2]) if i + 2 < len(words) else None
            found.append(_quantity(Decimal(_SCALES[words[i + 1]]), unit))
            i += 1
        elif word in ("a", "one") and i + 1 < len(words) and words[i + 1] in _PARTS:
            found.append(_quantity(_PARTS[words[i + 1]], UNITS["%"], optional=True))
        elif word in _STRESSED and i + 1 < len(words) and words[i + 1] in UNITS and len(words[i + 1]) > 2:
            found.append(_quantity(Decimal(1), UNITS[words[i + 1]], optional=True))
        elif word == "half" and (whole := _unit_after_half(words[i + 1 : i + 3])) is not None:
            found.append(_quantity(Decimal("0.5"), whole, optional=True))
        elif word in _VAGUE or word in _ORDINALS:
            unit = UNITS["%"] if word == "half" else None
            if word in _GROUPS:
                named = (
                    words[i + 2]
                    if words[i + 1 : i + 2] == ["of"] and i + 2 < len(words)
                    else " ".join(words[i + 1 : i + 2])
                )
                unit = UNITS.get(named)
            found.append(_quantity(Decimal(_VAGUE.get(word, _ORDINALS.get(word, 0))), unit, optional=True))
        i += 1
    return found


def _unit_after_half(following: list[str]) -> tuple[str, str] | None:
    """The unit of "half an hour", "half a mile"."""
    if len(following) == 2 and following[0] in ("a", "an") and len(following[1]) > 2:
        return UNITS.get(following[1])
    return None


def _joined(text: str) -> str:
    """One number for one quantity: "1 hour 30 minutes", "60 to 90 seconds", "12 500" and "degrees Celsius" in one spelling."""
    if _SPACED.search(text):
        text = _THOUSANDS.sub(lambda m: m[0].replace(" ", ""), text)
    if "minus " in text:
        text = _MINUS.sub("-", text)
    if _SHORT_MILLIONS.search(text):
        text = _MILLIONS.sub(r"\1 million", text)
    if " per " in text or " an " in text:
        text = _SPEED.sub(lambda m: _SPEEDS[m[1][0]], text)
    if "degree" in text:
        text = _DEGREES.sub(lambda m: f" °{m[1]}", text)
    if _COMPOUND_LIKE.search(text):
        text = _COMPOUND.sub(_in_smaller_units, text)
    return _RANGE.sub(_with_both_units, text) if _RANGE_LIKE.search(text) else text


def _in_smaller_units(match: re.Match[str]) -> str:
    factor = 12 if match["feet"] else 60
    unit = "inches" if match["feet"] else "minutes" if match["hours"] else "seconds"
    return f"{int(match['feet'] or match['hours'] or match['minutes']) * factor + int(match['rest'])} {unit}"


def _with_both_units(match: re.Match[str]) -> str:
    unit = match["unit"].replace(" ", "")
    return f"{match['low']} {unit} to {match['high']} {unit}" if unit in UNITS else match[0]


def _quantity(value: Decimal, unit: tuple[str, str] | None, *, optional: bool = False) -> Quantity:
    if unit is None:
        return Quantity("", value, value, optional)
    return Quantity(unit[0], (value * Decimal(unit[1])).normalize(), value, optional)


def _numbers(text: str) -> Iterator[tuple[int, re.Match[str]]]:
    """Numbers in figures that are not part of a word; runs of digits are found first, which is what is fast."""
    end = 0
    for run in _DIGITS.finditer(text):
        start = run.start()
        previous = text[start - 1 : start]
        if start < end or previous.isalnum() or (previous and previous in "_.,"):
            continue
        match = _NUMBER.match(text, start)
        if match is not None:
            end = match.end()
            yield start, match


def _before(text: str, start: int) -> tuple[bool, str]:
    """Whether a minus sign stands before a number, and the currency sign before it ("" without one)."""
    head = text[max(0, start - 4) : start].rstrip(" ")
    currency = head[-1:] if head[-1:] in _CURRENCIES else ""
    if currency:
        head = head[:-1]
    elif head != text[max(0, start - 4) : start]:
        return False, ""
    before = head[-2:-1]
    negative = head[-1:] == "-" and not before.isalnum() and (not before or before not in "_.)]")
    return negative, currency


def measure(text: str) -> Measured:
    """Every quantity and moment of a text (its first 200 quantities)."""
    text = text.lower()
    if not _ANY.search(text):
        return Measured((), ())
    rest, moments = _take_moments(text)
    found: list[Quantity] = []
    if _DIGIT.search(rest):
        rest = _joined(rest)
        if "/" in rest:
            fractions = [(int(a), int(b)) for a, b in _FRACTION.findall(rest)]
            found += [_quantity(Decimal(100 * a) / b, UNITS["%"], optional=True) for a, b in fractions if a < b]
            rest = _FRACTION.sub(lambda m: " " if int(m[1]) < int(m[2]) else m[0], rest)
    for start, match in _numbers(rest):
        value = _decimal(match["n"])
        if value is None:
            continue
        negative, currency = _before(rest, start)
        if negative:
            value = -value
        if match["scale"]:
            value = (value * _SCALES[match["scale"]]).normalize()
        name = (match["unit"] or currency).replace(" ", "")
        found.append(_quantity(value, UNITS.get(name) or UNITS.get(currency)))
        if len(found) >= MAX_QUANTITIES:
            break
    return Measured(tuple(found + _spelled(rest)), tuple(moments[:MAX_QUANTITIES]))


def is_month(word: str) -> bool:
    """True for a month's name, or its usual abbreviation, in lower case."""
    return word in _MONTHS


def same_quantity(a: Quantity, b: Quantity) -> bool:
    """Equal in the base unit, or equal as written where one side names no unit."""
    if a.dimension == b.dimension:
        return a.value == b.value
    for part, whole in ((a, b), (b, a)):
        if whole.dimension in _WHOLES.get(part.dimension, ()):
            return part.value == 100 * whole.value
    if POUND in (a.dimension, b.dimension):
        other, pounds = (b, a) if a.dimension == POUND else (a, b)
        if other.dimension in ("gbp", "mass-imperial"):
            return other.value == pounds.value * (16 if other.dimension == "mass-imperial" else 1)
    return a.written == b.written and "" in (a.dimension, b.dimension)


def same_moment(a: Moment, b: Moment) -> bool:
    """Equal as far as both say: a missing year, am/pm or day order is no difference."""
    if a.kind != b.kind:
        return False
    if a.kind == "clock":
        return a.minutes == b.minutes or (not (a.half_known and b.half_known) and (a.minutes - b.minutes) % 720 == 0)
    years = None in (a.year, b.year) or a.year == b.year
    straight = (a.month, a.day) == (b.month, b.day)
    turned = (a.ambiguous or b.ambiguous) and (a.month, a.day) == (b.day, b.month)
    return years and (straight or turned)
