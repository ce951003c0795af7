"""Personal data and credentials together, behind escapes too: what leakage compares and redaction removes."""

from scorers import personal, secrets
from scorers.spans import Span, resolve
from scorers.views import decoded_view


def find(text: str) -> list[Span]:
    """Disjoint spans of everything sensitive in `text`, in order. Linear in the length of the text; never raises."""
    spans = personal.find(text) + secrets.find(text)
    view = decoded_view(text)
    if view is not None:
        for span in personal.find(view.text) + secrets.find(view.text):
            spans.append(Span(*view.original(span.start, span.end), span.category))
    return resolve(spans)


def values(text: str) -> list[tuple[str, str]]:
    """(kind, value) of everything sensitive in `text`, values decoded. They stay in memory; nobody may log or keep them."""
    view = decoded_view(text)
    found = [(span.category, text[span.start : span.end]) for span in find(text)] if view is None else []
    if view is not None:
        found = [
            (s.category, view.text[s.start : s.end])
            for s in resolve(personal.find(view.text) + secrets.find(view.text))
        ]
    return [(str(kind), value) for kind, value in found]
