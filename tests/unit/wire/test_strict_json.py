"""JSON is read in one way: `loads` says what `loads_exactly` says, and both refuse what is not JSON."""

import json
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shadow.errors import DecodeError
from shadow.wire import strict_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)
FRAGMENTS = st.sampled_from(
    [
        '{"a":',
        "1",
        "-0",
        "1e999",
        "-1e-400",
        '"\\ud83d"',
        '"\\ude8c"',
        '"\\ud83d\\ude8c"',
        "NaN",
        "[",
        "]",
        "}",
        ",",
        ":",
        '"a"',
        '"\x01"',
        "\ufeff",
        "null",
        "true",
        " ",
        "\n",
        "\x0b",
        "01",
        "1.",
        '"\\x"',
        "1" + "0" * 25,
        '"é\u2028"',
        "Infinity",
    ]
)


def outcome(read, data):
    try:
        return "value", json.dumps(read(data))
    except DecodeError as error:
        return "refused", error.reason


@given(VALUES.map(json.dumps))
def test_both_parsers_agree_on_whatever_json_writes(text):
    assert outcome(strict_json.loads, text.encode()) == outcome(strict_json.loads_exactly, text.encode())


@given(st.lists(FRAGMENTS, max_size=12).map("".join))
@example('{"a":1,"a":2}')
def test_both_parsers_agree_on_broken_json(text):
    assert outcome(strict_json.loads, text.encode()) == outcome(strict_json.loads_exactly, text.encode())


@given(VALUES.map(lambda v: json.dumps(v, ensure_ascii=False).encode("utf-8", "surrogatepass")), st.data())
def test_both_parsers_agree_on_damaged_bytes(document, data):
    position = data.draw(st.integers(0, len(document)))
    damaged = document[:position] + data.draw(st.binary(max_size=3)) + document[position:]

    assert outcome(strict_json.loads, damaged) == outcome(strict_json.loads_exactly, damaged)


@given(st.binary(max_size=40))
def test_any_bytes_give_a_value_or_a_named_refusal(data):
    kind, detail = outcome(strict_json.loads, data)

    assert kind == "value" or detail in ("not_json", "invalid_unicode")


@pytest.mark.parametrize(
    "text",
    ["NaN", "[Infinity]", "-Infinity", "1e999", "[-1e999]", "1 2", "", " ", "{'a':1}", '"\x01"', "1" + "0" * 5000],
)
def test_what_is_not_strict_json_is_refused(text):
    with pytest.raises(DecodeError, match="not_json"):
        strict_json.loads(text.encode())


def test_invalid_utf8_has_a_name_of_its_own():
    with pytest.raises(DecodeError, match="invalid_unicode"):
        strict_json.loads(b'"\xff"')


def test_a_byte_order_mark_is_accepted():
    assert strict_json.loads(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


def test_the_last_duplicate_key_wins():
    assert strict_json.loads(b'{"a": 1, "a": 2}') == {"a": 2}


def test_large_integers_stay_exact():
    assert strict_json.loads(b"123456789012345678901234567890") == 123456789012345678901234567890


def test_lone_surrogates_become_the_replacement_character():
    assert strict_json.loads(b'{"\\ud83d": ["a\\ude8cb"]}') == {"\ufffd": ["a\ufffdb"]}


def test_surrogate_halves_can_be_kept_for_joining():
    halves = strict_json.loads_exactly(b'["\\ud83d", "\\ude8c"]', keep_surrogates=True)

    assert strict_json.repair("".join(halves)) == "\U0001f68c"


@given(st.text(st.characters()))
def test_repaired_text_always_encodes(text):
    assert strict_json.repair(text).encode().decode() == strict_json.repair(text)


@pytest.mark.parametrize("depth", [strict_json.MAX_DEPTH, strict_json.MAX_DEPTH + 1])
def test_depth_is_bounded_at_one_figure(depth):
    document = b"[" * depth + b"]" * depth

    assert (outcome(strict_json.loads, document)[0] == "value") is (depth <= strict_json.MAX_DEPTH)


@pytest.mark.parametrize("document", [b"[" * 100_000, b"[" * 100_000 + b"]" * 100_000, b'{"a":' * 100_000])
def test_a_hundred_thousand_brackets_are_refused_in_no_time(document):
    started = time.process_time()

    assert outcome(strict_json.loads, document) == ("refused", "not_json")
    assert time.process_time() - started < 2


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ('{"a": "b', True),
        ('{"a": ', True),
        ("[1, 2", True),
        ('{"a": tru', True),
        ("{a}" + " " * 9, False),
        ("{]  x x x x", False),
        ("{}", False),
    ],
)
def test_a_document_that_just_ends_is_told_from_a_broken_one(text, cut):
    assert strict_json.looks_cut(text) is cut
