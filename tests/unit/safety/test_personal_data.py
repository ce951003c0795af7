"""Structured personal data: what is found, what is left alone, and the labelled sentences."""

import json
from pathlib import Path

import pytest

from scorers import personal
from scorers.identity import luhn, mod97

DATA = Path(__file__).parents[4] / "shared" / "data" / "personal-data-spans.jsonl"
KIND = {
    "PHONE_NUMBER": "phone",
    "CREDIT_CARD": "card",
    "EMAIL_ADDRESS": "email",
    "IBAN_CODE": "iban",
    "US_SSN": "national_id",
    "IP_ADDRESS": "ip",
}


def found(text: str) -> list[tuple[str, str]]:
    return [(span.category, text[span.start : span.end]) for span in personal.find(text)]


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("mail jane.doe+x@corp.example now", "email", "jane.doe+x@corp.example"),
        ("mail jürgen@müller.de, danke", "email", "jürgen@müller.de"),
        ("write to jane [at] corp [dot] example", "email", "jane [at] corp [dot] example"),
        ("card 4111 1111 1111 1111 exp 12/30", "card", "4111 1111 1111 1111"),
        ("order 12 4111111111111111 paid", "card", "4111111111111111"),
        ("amex 3714 496353 98431.", "card", "3714 496353 98431"),
        ("IBAN GB82 WEST 1234 5698 7654 32 please", "iban", "GB82 WEST 1234 5698 7654 32"),
        ("iban de89370400440532013000", "iban", "de89370400440532013000"),
        ("call (212) 555-0134 today", "phone", "(212) 555-0134"),
        ("at +44 20 7946 0958.", "phone", "+44 20 7946 0958"),
        ("Tel.: 030 901820", "phone", "030 901820"),
        ("appelez le 01 84 17 61 18", "phone", "01 84 17 61 18"),
        ("my number is 415-555-0134 x12, thanks", "phone", "415-555-0134 x12"),
        ("SSN 536-22-8726", "national_id", "536-22-8726"),
        ("passport number: C01X00T47", "national_id", "C01X00T47"),
        ("CPF 529.982.247-25", "national_id", "529.982.247-25"),
        ("host 203.0.113.7 is down", "ip", "203.0.113.7"),
        ("ping 2001:db8:85a3::8a2e:370:7334 now", "ip", "2001:db8:85a3::8a2e:370:7334"),
        ("nic 3c:5a:b4:01:02:03 up", "mac", "3c:5a:b4:01:02:03"),
        ("postgres://admin:s3cr3tpw@db.internal:5432/prod", "url_credentials", "admin:s3cr3tpw"),
    ],
)
def test_a_value_is_found_with_its_kind_and_its_ends(text: str, kind: str, value: str) -> None:
    hits = found(text)

    assert kind in {k for k, _ in hits}
    assert any(value in v for _, v in hits)


@pytest.mark.parametrize(
    "text",
    [
        "It happened in 1998-2004 and cost 1,250,000.00 dollars.",
        "Version 10.2.3.4 of the driver",
        "550e8400-e29b-41d4-a716-446655440000",
        "On 2024-01-15 at 10:30:45 we shipped order 12345678.",
        "pi is 3.14159265358979 and e is 2.718281828",
        "std::vector<int> a; x ? y::z : 0",
        "Order number 4111111111111112",
        "1111111111111111 and 0000 0000 0000 0000",
        "The ratio 16:9, verse 3:16, 12:30:45",
        "ISBN 978-3-16-148410-0",
        "@decorator and a@ b @c",
    ],
)
def test_ordinary_numbers_are_left_alone(text: str) -> None:
    assert found(text) == []


def test_check_digits_decide() -> None:
    assert luhn("4111111111111111")
    assert not luhn("4111111111111112")
    assert mod97("GB82WEST12345698765432")
    assert not mod97("GB83WEST12345698765432")


@pytest.mark.skipif(not DATA.exists(), reason="the labelled sentences are not on this machine")
def test_labelled_sentences_reach_recall_95_at_precision_90() -> None:
    hits = misses = false = 0
    for line in DATA.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        spans = [s for s in personal.find(row["text"]) if s.category in KIND.values()]
        matched = set()
        for truth in row["spans"]:
            if truth["type"] not in KIND:
                continue
            cover = [
                s
                for s in spans
                if s.category == KIND[truth["type"]] and s.start <= truth["start"] and truth["end"] <= s.end
            ]
            hits, misses = hits + bool(cover), misses + (not cover)
            matched.update((s.start, s.end) for s in cover)
        licences = [t for t in row["spans"] if t["type"] == "US_DRIVER_LICENSE"]
        false += sum(
            (s.start, s.end) not in matched
            for s in spans
            if not any(t["start"] < s.end and s.start < t["end"] for t in licences)
        )

    assert hits / (hits + misses) >= 0.95
    assert hits / (hits + false) >= 0.9
