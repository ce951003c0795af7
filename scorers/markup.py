"""Whether a text is SQL, XML or HTML, by form; nothing is executed, no entity expanded, nothing fetched."""

import re
from html.parser import HTMLParser
from xml.parsers import expat

from scorers.code import code_of, compare_code

MAX_MARKUP_CHARS = 200_000
_MAX_DEPTH = 200
_SQL = re.compile(
    r"\s*(?:with\s.{1,4000}?\)\s*)?(?:select\b.{1,8000}|insert\s+into\b.{1,8000}?\b(?:values|select)\b.*|update\b.{1,4000}?\bset\b.*"
    r"|delete\s+from\b.*|create\s+(?:or\s+replace\s+)?(?:table|view|index|unique|temp\w*)\b.*|alter\s+table\b.*|drop\s+\w+\b.*)\s*\Z",
    re.I | re.S,
)
_VOID = frozenset(
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"]
)
_FREE = frozenset(
    ["li", "p", "td", "th", "tr", "dt", "dd", "option", "thead", "tbody", "tfoot", "colgroup", "html", "head", "body"]
)


def is_sql(text: str) -> bool:
    """True for one statement of SQL with balanced quotes and brackets."""
    code = code_of(text).strip()[:20_000]
    return bool(_SQL.match(code)) and _balanced(code)


def _balanced(code: str) -> bool:
    bare = re.sub(r"'(?:[^']|'')*'|\"[^\"]*\"|--[^\n]*", "", code)
    depth = 0
    for ch in bare:
        depth += (ch == "(") - (ch == ")")
        if depth < 0:
            return False
    return depth == 0 and "'" not in bare and '"' not in bare


def same_sql(a: str, b: str) -> bool:
    """True for statements of the same tokens, whatever their case and spacing."""
    return is_sql(a) and is_sql(b) and compare_code(a, b)[1] == "equal"


class _Refused(ValueError):
    """Document types are refused: they are how XML expands without end."""


def is_xml(text: str) -> bool:
    """True for one well-formed XML element without a document type, nested at most 200 deep."""
    body = code_of_markup(text)
    if not body.lstrip().startswith("<") or len(body) > MAX_MARKUP_CHARS:
        return False
    parser = expat.ParserCreate()
    depth = 0

    def start(_name: str, _attributes: object) -> None:
        nonlocal depth
        depth += 1
        if depth > _MAX_DEPTH:
            raise _Refused

    def end(_name: str) -> None:
        nonlocal depth
        depth -= 1

    def doctype(*_args: object) -> None:
        raise _Refused

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.StartDoctypeDeclHandler = doctype
    try:
        parser.Parse(body.strip().encode("utf-8", "replace"), True)
    except (expat.ExpatError, _Refused):
        return False
    return True


class _Tags(HTMLParser):
    """Collects whether tags close in order; optional end tags may be left out."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.seen = 0
        self.wrong = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen += 1
        if tag not in _VOID and len(self.open) < 10_000:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open[-1] != tag and self.open[-1] in _FREE:
            self.open.pop()
        if self.open and self.open[-1] == tag:
            self.open.pop()
        elif tag not in _VOID and tag not in _FREE:
            self.wrong = True


def is_html(text: str) -> bool:
    """True for text that begins with a tag and whose tags close in order."""
    body = code_of_markup(text).strip()
    if not body.startswith("<") or len(body) > MAX_MARKUP_CHARS:
        return False
    parser = _Tags()
    parser.feed(body)
    return parser.seen > 0 and not parser.wrong and all(tag in _FREE for tag in parser.open)


def code_of_markup(text: str) -> str:
    """The content of a fence around the whole answer, or the answer."""
    stripped = text.strip()
    match = re.match(r"```\w*[ \t]*\n", stripped)
    if match is not None and stripped.endswith("```"):
        return stripped[match.end() : -3]
    return stripped
