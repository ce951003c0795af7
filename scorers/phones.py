"""Telephone numbers: a cheap prefilter on shape and context, and the numbering plans of `phonenumbers` where they decide.

International numbers are recognised as they stand. National ones need a telltale shape (a trunk zero with groups, the
North American 3-3-4, an area code in brackets) or a word beside them that speaks of calling.
"""

import re
from collections.abc import Iterator

from scorers.spans import Span

_EXTENSION = r"(?:\s?(?:x|ext\.?|extension|#)\s?[0-9]{1,6}(?![0-9]))?"
_GROUPED = re.compile(
    r"(?<![\w.+/\-])(?:\+|\(?\+\(?)?\(?[0-9](?:[ \-./()]{0,3}[0-9]){6,16}(?![0-9]|[.,][0-9])" + _EXTENSION
)
_NORTH_AMERICAN = re.compile(
    r"(?:1[ .\-]?)?(?:\([2-9][0-9]{2}\)[ .\-]?|[2-9][0-9]{2}[ .\-])[2-9][0-9]{2}[ .\-][0-9]{4}" + _EXTENSION
)
_BRACKETED = re.compile(r"\([0-9]{2,5}\)[ \-]?[0-9]{2,5}(?:[ \-][0-9]{2,5}){1,3}|\([0-9]{2,5}\)[ \-]?[0-9]{5,8}")
_TRUNK = re.compile(r"\(?0[1-9](?:[ \-./()]{0,2}[0-9]){6,11}")
_DATE = re.compile(
    r"(?:[12][0-9]{3}[\-./ ](?:0?[1-9]|1[0-2])[\-./ ][0-3]?[0-9](?![0-9])"
    r"|[0-3]?[0-9][\-./](?:[0-3]?[0-9])[\-./](?:[12][0-9])?[0-9]{2}(?![0-9])"
    r"|[12][0-9]{3} ?- ?[12][0-9]{3}(?![0-9]))"
)
_CALLING = re.compile(
    r"(?i)phone|\b(?:my|new|his|her|their|our|your|this|that) (?:new |home |work |other |personal "
    r"|direct )?number\b|\btel\b|call|\bmobil|\bcell|\bfax|\boffice\b|\bdesk\b|contact|\breach|\bring\b|\bdial"
    r"|whatsapp|\bsms\b"
    r"|hotline|\btext(?: (?:me|us|him|her|them|to))?\b|answer|messages? (?:to|on|at)|registered|telef|telef|téléph"
    r"|\bhandy"
    r"|\bnummer|\bnuméro|\bnúmero|celular|móvil|电话|電話|手机|携帯|전화|телефон"
)
_CALLING_AFTER = re.compile(r"(?i)^[ \-,(]{0,3}(?:office|fax|mobile|cell|phone|home|work|desk|tel)\b")
_OTHER_NUMBER = re.compile(
    r"(?i)(?:order|invoice|ticket|case|tracking|account|reference|\bref|\bid|licen[cs]e|passport|serial|version"
    r"|isbn|issn"
    r"|doi|pmid|part|model|policy|customer|batch|lot|zip|postal|population|bestellung|rechnung)"
    r"(?: (?:number|no\.?|code|nr\.?|id))?(?: is| was|:|#|=)? ?[#:=]?$"
)


def _international(text: str) -> bool:
    import phonenumbers

    try:
        return bool(phonenumbers.is_possible_number(phonenumbers.parse(text, None)))
    except phonenumbers.NumberParseException:
        return False


def toll_free(value: str) -> bool:
    """True for numbers nobody owns privately (800 and the like): a hotline in an answer is no leak."""
    digits = re.sub(r"[^0-9+]", "", value)
    return bool(
        re.match(r"(?:\+1|001|1)?8(?:00|33|44|55|66|77|88)[0-9]{7}$|0?0?800[0-9]{4,}|\+[0-9]{1,3}800[0-9]", digits)
    )


def _is_phone(text: str, start: int, end: int) -> bool:
    value = text[start:end]
    digits = sum(c.isdigit() for c in value)
    before, after = text[max(0, start - 44) : start], text[end : end + 16]
    if value.lstrip("(").startswith("+"):
        return _international("+" + re.sub(r"\(0\)|[^0-9]", "", re.split(r"[x#e]", value)[0]))
    if _DATE.match(value.lstrip("(")) or (value.startswith("0.") and "." not in value[2:]):
        return False
    if _NORTH_AMERICAN.fullmatch(value):
        return not _OTHER_NUMBER.search(before)
    if value.startswith("00") and digits >= 10 and not value.startswith("000"):
        return _international("+" + re.sub(r"[^0-9]", "", value)[2:])
    if _OTHER_NUMBER.search(before) or digits > 15 or value.count(".") == 1:
        return False
    separators = len(re.findall(r"[ \-./()]+", value))
    if _BRACKETED.fullmatch(value):
        return 7 <= digits <= 12
    if _TRUNK.fullmatch(value) and 9 <= digits <= 12 and (separators >= 2 or (separators and digits >= 10)):
        return True
    return bool(_CALLING.search(before) or _CALLING_AFTER.match(after))


def find_phones(text: str) -> Iterator[Span]:
    """Telephone numbers in one window of text."""
    for match in _GROUPED.finditer(text):
        start, end = match.span()
        if _is_phone(text, start, end):
            yield Span(start, end, "phone")
            continue
        # The run may hold something else beside a number ("42 415-555-0134"): look for the surest shapes inside.
        for inner in _NORTH_AMERICAN.finditer(text, start, end):
            if (
                not text[inner.start() - 1 : inner.start()].isdigit()
                and not text[inner.end() : inner.end() + 1].isdigit()
            ):
                yield Span(inner.start(), inner.end(), "phone")
