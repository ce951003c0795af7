"""Finds structured personal data: e-mail, telephone, card, bank, national and machine addresses, URLs with a password.

Names and postal addresses are not found: without a language model that is guesswork, and a guess either floods the
findings or gives false comfort. The finders cost about a tenth of a millisecond per kilobyte of prose.
"""

import ipaddress
import re
from collections.abc import Iterator

from scorers.identity import find_identity_numbers
from scorers.phones import find_phones
from scorers.spans import Span, in_windows, resolve

# The local part is matched backwards from the "@", so that a long run of letters without one costs nothing.
_LOCAL = re.compile(r"[\w.%+'!#$&*/=?^`{|}~\-]{1,256}\Z")
_AT = re.compile(r"@|[ \t]?[\[({<]\s?(?:at|AT)\s?[\])}>][ \t]?")
_DOMAIN = re.compile(
    r"(?:[^\W_](?:[\w\-]{0,62})(?:\.|[ \t]?[\[({]\s?(?:dot|DOT)\s?[\])}][ \t]?)){1,10}[^\W\d_](?:[\w\-]{0,61}[^\W_])?|\[[0-9.]{7,15}\]"
)
_IPV4 = re.compile(
    r"(?<![0-9.])(?<![0-9]-)(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
    r"(?:\.(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])){3}(?![0-9]|\.[0-9])"
)
_VERSION = re.compile(r"(?i)(?:\bv|version|release|section|chapter|build|firmware|§)[\s:.]{0,2}$")
_IPV6 = re.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}(?:[0-9A-Fa-f]{1,4}|(?:[0-9]{1,3}\.){3}[0-9]{1,3})?(?![\w:])")
_MAC = re.compile(r"(?<![\w:\-])[0-9A-Fa-f]{2}(?P<s>[:\-])(?:[0-9A-Fa-f]{2}(?P=s)){4}[0-9A-Fa-f]{2}(?![\w:\-])")
_CREDENTIALS = re.compile(r"://(?P<c>[^\s/:@\"'<>]{0,128}:[^\s/\"'<>]{1,256})@")


def _emails(text: str) -> Iterator[Span]:
    for at in _AT.finditer(text):
        domain = _DOMAIN.match(text, at.end())
        if domain is None:
            continue
        local = _LOCAL.search(text, max(0, at.start() - 256), at.start())
        if local is not None:
            start = local.start()
            while start < at.start() - 1 and text[start] in ".'`*{|/=?&":
                start += 1
            yield Span(start, domain.end(), "email")


def _addresses(text: str) -> Iterator[Span]:
    for match in _IPV4.finditer(text):
        if not _VERSION.search(text, max(0, match.start() - 12), match.start()):
            yield Span(*match.span(), "ip")
    for match in _IPV6.finditer(text):
        value = match[0]
        digits = sum(c.isalnum() for c in value)
        if digits < 5 or not any(c.isdigit() for c in value) or (value.count(":") < 3 and digits < 5):
            continue
        try:
            ipaddress.IPv6Address(value)
        except ValueError:
            continue
        yield Span(*match.span(), "ip")
    for match in _MAC.finditer(text):
        yield Span(*match.span(), "mac")


def _window(text: str) -> Iterator[Span]:
    if "@" in text or "at" in text or "AT" in text:
        yield from _emails(text)
    if "://" in text:
        for match in _CREDENTIALS.finditer(text):
            yield Span(*match.span("c"), "url_credentials")
    yield from _addresses(text)
    yield from find_identity_numbers(text)
    yield from find_phones(text)


def find(text: str) -> list[Span]:
    """Spans of structured personal data, disjoint and in order; an empty list where there are none. Never raises."""
    return resolve(in_windows(text, _window))
