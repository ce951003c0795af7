"""Redaction: nothing found survives, whatever it is wrapped in; the rest stays as it was."""

import json
import random
import string
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shadow.redaction import CUT, MARKERS, MEDIA, TOO_DEEP, Redactor, redact, redact_json, redact_request

EMAIL = "jane.doe@corp.example"
CARD = "4111111111111111"
KEY = "sk-" + "proj-" + "aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY"


@pytest.mark.parametrize(
    "text",
    [
        f"mail {EMAIL} now",
        "mail jane.doe%40corp.example now",
        "mail jane.doe%2540corp.example now",
        "mail jane.doe&#64;corp.example now",
        "mail jane.doe&commat;corp.example now",
        'mail "jane.doe\\u0040corp.example" now',
        "mail jane.doe\u200b@corp.example now",
        "mail jane.doe\uff20corp.example now",
    ],
)
def test_an_address_does_not_survive_its_escapes(text: str) -> None:
    clean = redact(text)

    assert clean.count("[EMAIL]") == 1
    assert "jane" not in clean
    assert clean.startswith("mail ")
    assert clean.endswith(" now")


@pytest.mark.parametrize(
    "digits",
    [
        "4111111111111111",
        "4111-1111-1111-1111",
        "4111\u00a01111\u00a01111\u00a01111",
        "４１１１１１１１１１１１１１１１",
    ],
)
def test_a_card_in_any_spelling_becomes_its_marker(digits: str) -> None:
    assert redact(f"card {digits}.") == "card [CARD]."


def test_a_value_keeps_what_stands_around_it() -> None:
    assert redact('password = "hunter2secret!" # mine') == 'password = "[PASSWORD]" # mine'
    assert redact("postgres://admin:s3cr3tpw@db.internal/prod") == "postgres://[CREDENTIALS]/prod"


def test_clean_text_is_returned_as_it_is() -> None:
    text = "The rain in Spain, 3.14 and 50 % off; see §4.\n\ttabs stay"

    assert redact(text) == text


def test_redaction_of_redacted_text_changes_nothing() -> None:
    once = redact(f"{EMAIL} {CARD} {KEY} password=abc123! call +1 415 555 0134")

    assert redact(once) == once


def test_json_is_redacted_in_keys_values_numbers_and_nested_strings() -> None:
    value = {
        EMAIL: "owner",
        "card": int(CARD),
        "nested": [{"note": f"send to {EMAIL}"}, 3, None, True, 2.5],
        "arguments": json.dumps({"to": EMAIL, "n": 3}),
        "escaped": json.dumps(json.dumps({"to": f"Käthe {EMAIL}"})),
    }

    clean = redact_json(value)

    assert EMAIL not in json.dumps(clean)
    assert CARD not in json.dumps(clean)
    assert json.loads(clean["arguments"]) == {"to": "[EMAIL]", "n": 3}
    assert clean["nested"][1:] == [3, None, True, 2.5]
    assert value[EMAIL] == "owner"


def test_a_field_name_is_context() -> None:
    clean = redact_json(
        {"password": "swordfish", "phone": "780 6326", "ssn": 536228726, "clientSecret": "zzz", "token_count": 812}
    )

    assert clean == {
        "password": "[PASSWORD]",
        "phone": "[PHONE]",
        "ssn": "[NATIONAL_ID]",
        "clientSecret": "[SECRET]",
        "token_count": 812,
    }


def test_two_addresses_as_keys_do_not_fall_together() -> None:
    assert len(redact_json({"a.b@corp.example": 1, "c.d@corp.example": 2})) == 2


def test_depth_is_bounded() -> None:
    value: Any = EMAIL
    for _ in range(500):
        value = [value]

    text = json.dumps(redact_json(value))

    assert TOO_DEEP in text
    assert EMAIL not in text


def test_a_request_keeps_its_protocol_and_its_shape() -> None:
    body = {
        "model": "prod-v1",
        "max_tokens": 64,
        "seed": 1234567890123,
        "user": EMAIL,
        "messages": [
            {"role": "system", "content": f"Internal key {KEY}"},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": f"I am {EMAIL}"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "iVBOR" * 100}},
                ],
            },
            {
                "role": "assistant",
                "tool_calls": [
                    {
                        "id": "call_9aB3dE5fG7hJ9kL1mN3pQ",
                        "type": "function",
                        "function": {"name": "send", "arguments": json.dumps({"to": EMAIL})},
                    }
                ],
            },
            {"role": "tool", "tool_call_id": "call_9aB3dE5fG7hJ9kL1mN3pQ", "content": f"sent to {EMAIL}"},
        ],
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "send",
                    "parameters": {"type": "object", "properties": {"password": {"type": "string"}}},
                },
            }
        ],
    }

    clean = redact_request(body)

    text = json.dumps(clean)
    assert EMAIL not in text
    assert KEY not in text
    assert clean["model"] == "prod-v1"
    assert clean["max_tokens"] == 64
    assert clean["tools"] == body["tools"]
    assert clean["messages"][1]["content"][1] == body["messages"][1]["content"][1]
    assert (
        clean["messages"][2]["tool_calls"][0]["id"]
        == clean["messages"][3]["tool_call_id"]
        == "call_9aB3dE5fG7hJ9kL1mN3pQ"
    )


def test_all_arms_get_the_same_request() -> None:
    body = {"messages": [{"role": "user", "content": f"{EMAIL} {CARD} {KEY}"}]}

    assert redact_request(body) == redact_request(body) == Redactor(max_characters=None).redact_request(body)


def test_a_key_in_a_protocol_field_goes_too() -> None:
    assert redact_json({"id": KEY, "tool_call_id": "call_123"}) == {"id": "[API_KEY]", "tool_call_id": "call_123"}


def test_inline_media_are_not_kept() -> None:
    assert redact_json({"url": "data:image/png;base64," + "iVBOR" * 100}) == {"url": MEDIA}


def test_what_is_too_long_is_cut_and_says_so() -> None:
    assert redact("a " * 60 + EMAIL, max_characters=100) == "a " * 50 + CUT


def test_the_memory_gives_what_the_function_gives_and_stays_small() -> None:
    redactor = Redactor(cache_characters=1_000)
    texts = [f"mail {i} {EMAIL} " + "x" * 200 for i in range(50)]

    assert [redactor.redact(t) for t in texts * 2] == [redact(t) for t in texts * 2]
    assert redactor._held <= 1_000


def planted(g: random.Random) -> dict[str, str]:
    def letters(n: int, s: str = string.ascii_lowercase) -> str:
        return "".join(g.choice(s) for _ in range(n))

    def card() -> str:
        digits = [4, *(g.randrange(10) for _ in range(14))]
        total = sum(d if i % 2 else (d * 2 - 9 if d > 4 else d * 2) for i, d in enumerate(reversed(digits)))
        return "".join(map(str, digits)) + str(-total % 10)

    bban = letters(18, string.digits)
    mixed = string.ascii_letters + string.digits
    return {
        "email": f"{letters(9)}.{letters(7)}@{letters(8)}.example",
        "card": card(),
        "iban": f"DE{98 - int(bban + '131400') % 97:02d}{bban}",
        "phone": f"+1 415 {g.randint(200, 999)} {g.randint(1000, 9999)}",
        "ip": f"203.0.{g.randint(1, 254)}.{g.randint(100, 254)}",
        "openai": "sk-" + "proj-" + letters(48, mixed),
        "aws": "AK" + "IA" + letters(16, string.ascii_uppercase + "234567"),
        "github": "gh" + "p_" + letters(36, mixed),
        "quoted": letters(14, mixed),
    }


@pytest.mark.parametrize("seed", range(40))
def test_nothing_planted_survives_anywhere(seed: int) -> None:
    for kind, value in planted(random.Random(seed)).items():
        shown = f'password = "{value}"' if kind == "quoted" else value
        texts = [
            f"Case 7: my contact is {shown}, please confirm.",
            f"Order 7 goes to {shown}.",
            f"key {shown}",
            shown,
            json.dumps(f"x {shown}"),
        ]
        body = {
            "user": shown,
            "metadata": {"note": shown},
            "messages": [
                {"role": "user", "content": shown},
                {"role": "assistant", "tool_calls": [{"function": {"arguments": json.dumps({"to": shown})}}]},
            ],
        }

        assert all(value not in redact(text) for text in texts), kind
        assert value not in json.dumps(redact_json(body)), kind
        assert value not in json.dumps(redact_request(body)), kind


@settings(deadline=None, max_examples=150)
@given(st.text(max_size=400))
def test_any_text_is_redacted_without_a_crash_and_stably(text: str) -> None:
    once = redact(text)

    assert redact(text) == once


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=20,
)


@settings(deadline=None, max_examples=100)
@given(json_values, st.text(alphabet=string.ascii_letters + ' {}[]":,\\', max_size=12))
def test_an_address_beside_anything_in_json_does_not_survive(value: Any, noise: str) -> None:
    clean = redact_json({"a": value, "b": [f"{noise} {EMAIL} {noise}"], f"k {EMAIL}": 1})

    assert EMAIL not in json.dumps(clean)


def test_every_kind_has_a_marker() -> None:
    from scorers.spans import _RANK

    assert set(MARKERS) == set(_RANK)
