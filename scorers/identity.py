"""Numbers a state or a bank gave to a person: cards, IBANs, social security and other national numbers.

Check digits decide wherever the number has them: Luhn (ISO/IEC 7812-1), mod 97-10 (ISO 13616), and the national rules.
"""

import re
from collections.abc import Iterator

from scorers.spans import Span

# Countries by the length of their IBAN (ISO 13616 registry).
_COUNTRIES: dict[int, str] = {
    15: "NO",
    16: "BE",
    18: "DK FI FK FO GL NL SD",
    19: "MK SI",
    20: "AT BA EE KZ LT LU MN XK",
    21: "CH HR LI LV",
    22: "BG BH CR DE GB GE IE ME RS VA",
    23: "AE GI IL IQ OM SO TL",
    24: "AD CZ ES MD PK RO SA SE SK TN VG",
    25: "LY PT ST",
    26: "IS TR",
    27: "BI DJ FR GR IT MC MR SM",
    28: "AL AZ BY CY DO GT HU LB NI PL SV",
    29: "BR EG PS QA UA",
    30: "JO KW MU YE",
    31: "MT SC",
    32: "LC",
    33: "RU",
}
_IBAN_LENGTH = {country: length for length, countries in _COUNTRIES.items() for country in countries.split()}
_IBAN = re.compile(r"(?<![A-Za-z0-9])(?P<country>[A-Za-z]{2})[0-9]{2}(?:[ \-]?[A-Za-z0-9]){11,30}")
# A lookahead, so that a candidate that fails its check digit does not hide the one that begins inside it.
_CARD = re.compile(
    r"(?<![0-9+])(?<![0-9][.,])(?<!\b[A-Z])(?=(?P<n>[0-9]{12,19}(?![0-9])"
    r"|[0-9]{4}(?P<s>[ \-./_])[0-9]{4}(?P=s)[0-9]{4}(?P=s)[0-9]{1,4}(?:(?P=s)[0-9]{1,3})?(?![0-9])"
    r"|[0-9]{4}(?P<t>[ \-.])[0-9]{6}(?P=t)[0-9]{4,5}(?![0-9])"
    r"|[0-9](?P<u>[ \-])(?:[0-9](?P=u)){11,17}[0-9](?![0-9])))"
)
_ISSUER = re.compile(r"3(?:[0-9])|4|5[0-9]|6[0-9]|2[1-7]|1800|8[0-9]|9[0-9]")
_CARD_WORD = re.compile(
    r"(?i)card|visa|master|amex|american express|maestro|diners|discover|jcb|cvv|karte|carte|tarjeta|cart[ãa]o"
)
_CARD_CODE = re.compile(r"(?i)\b(?:cvv2?|cvc2?|security code)(?: is|:|=|#)?[ \t]{0,2}(?P<n>[0-9]{3,4})(?![0-9])")
_SSN = re.compile(
    r"(?<![0-9\-])(?!000|666|9[0-9]{2})[0-9]{3}(?P<s>[ \-])(?!00)[0-9]{2}(?P=s)(?!0000)[0-9]{4}(?![0-9]|-[0-9])"
)
_NAMED_NUMBER = re.compile(
    r"(?i)\b(?P<what>ssn|social security(?: number| no\.?)?|passport(?: number| no\.?)?"
    r"|national insurance(?: number| no\.?)?"
    r"|driv(?:er'?s?|ing)(?:'s)? licen[cs]e(?: number| no\.?)?|tax(?:payer)? id|itin|aadhaar(?: number)?"
    r"|steuer-?(?:id|identifikationsnummer)|reisepass(?:nummer)?|passeport|pasaporte|passaporto)"
    r"(?:\s{0,2}(?:is|:|=|#|-|number|no\.?"
    r"|nr\.?))*\s{0,2}(?P<n>[A-Z]{0,3}[0-9](?:[ \-]?[A-Z0-9]){5,15})(?![A-Za-z0-9])"
)
_NINO = re.compile(
    r"(?<![A-Za-z0-9])(?!BG|GB|NK|KN|TN|NT|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]"
    r"(?: ?[0-9]{2}){3} ?[A-D](?![A-Za-z0-9])"
)
_FISCAL_CODE = re.compile(r"(?<![A-Za-z0-9])[A-Z]{6}[0-9]{2}[A-EHLMPRST][0-9]{2}[A-Z][0-9]{3}[A-Z](?![A-Za-z0-9])")
_DNI = re.compile(r"(?<![A-Za-z0-9])(?P<lead>[XYZ]?)(?P<n>[0-9]{7,8})-?(?P<check>[A-Z])(?![A-Za-z0-9])")
_CPF = re.compile(r"(?<![0-9.])[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}(?![0-9])")


def luhn(digits: str) -> bool:
    """The check sum of ISO/IEC 7812-1 holds."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        number = ord(digit) - 48
        if place % 2:
            number = number * 2 - 9 if number > 4 else number * 2
        total += number
    return total % 10 == 0


def mod97(iban: str) -> bool:
    """The check sum of ISO 13616 holds for an IBAN without spaces, in capitals."""
    return int("".join(str(int(c, 36)) for c in iban[4:] + iban[:4])) % 97 == 1


def _cards(text: str) -> Iterator[Span]:
    last = 0
    for match in _CARD.finditer(text):
        start, end = match.span("n")
        digits = "".join(c for c in match["n"] if c.isdigit())
        if start < last or not 12 <= len(digits) <= 19 or len(set(digits)) < 2 or not luhn(digits):
            continue
        near = text[max(0, start - 40) : start]
        likely = _ISSUER.match(digits) and (len(digits) >= 14 or digits[0] in "456")
        if likely or _CARD_WORD.search(near):
            yield Span(start, end, "card")
            last = end


def _card_codes(text: str) -> Iterator[Span]:
    for match in _CARD_CODE.finditer(text):
        yield Span(*match.span("n"), "card")


def _ibans(text: str) -> Iterator[Span]:
    for match in _IBAN.finditer(text):
        length = _IBAN_LENGTH.get(match["country"].upper())
        if length is None:
            continue
        kept = [(i, c) for i, c in enumerate(match[0]) if c.isalnum()][:length]
        if len(kept) == length and mod97("".join(c for _, c in kept).upper()):
            end = match.start() + kept[-1][0] + 1
            if not text[end : end + 1].isalnum():
                yield Span(match.start(), end, "iban")


def _national(text: str) -> Iterator[Span]:
    for match in _SSN.finditer(text):
        if match["s"] == "-" or re.search(r"(?i)ssn|social", text[max(0, match.start() - 40) : match.start()]):
            yield Span(*match.span(), "national_id")
    for match in _NAMED_NUMBER.finditer(text):
        yield Span(*match.span("n"), "national_id")
    for pattern in (_NINO, _FISCAL_CODE):
        for match in pattern.finditer(text):
            yield Span(*match.span(), "national_id")
    for match in _DNI.finditer(text):
        number = {"": "", "X": "0", "Y": "1", "Z": "2"}[match["lead"]] + match["n"]
        if len(number) == 8 and "TRWAGMYFPDXBNJZSQVHLCKE"[int(number) % 23] == match["check"]:
            yield Span(*match.span(), "national_id")
    for match in _CPF.finditer(text):
        digits = [int(c) for c in match[0] if c.isdigit()]
        checks = [(sum(d * (n + 1 - i) for i, d in enumerate(digits[:n])) * 10) % 11 % 10 for n in (9, 10)]
        if checks == digits[9:] and len(set(digits)) > 1:
            yield Span(*match.span(), "national_id")


def find_identity_numbers(text: str) -> Iterator[Span]:
    """Card, bank and national numbers in one window of text."""
    yield from _cards(text)
    yield from _card_codes(text)
    yield from _ibans(text)
    yield from _national(text)
