"""Names that the ledger keeps."""

from hypothesis import given
from hypothesis import strategies as st

from shadow.ledger.identity import MAX_NAME_BYTES, erased_name, hidden_name, storable, storable_name, user_key


@given(st.text())
def test_a_storable_text_is_utf_8_without_nul(text: str) -> None:
    result = storable(text)

    assert "\x00" not in result
    result.encode()
    assert storable(result) == result


@given(st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), max_size=100))
def test_an_ordinary_name_is_kept_as_it_is(text: str) -> None:
    assert storable_name(text) == text


@given(st.text(min_size=1), st.integers(200, 600))
def test_a_name_is_bounded_and_stable(text: str, times: int) -> None:
    name = storable_name(text * times)

    assert len(name.encode()) <= MAX_NAME_BYTES
    assert storable_name(name) == name
    assert storable_name(text * times) == name


def test_long_names_that_differ_at_the_end_stay_different() -> None:
    assert storable_name("é" * 5000 + "a") != storable_name("é" * 5000 + "b")


def test_a_pair_of_surrogates_becomes_its_character() -> None:
    assert storable("\ud83d\ude00 \ud83d") == "\U0001f600 \ufffd"


def test_a_user_has_unrelated_keys_in_two_ledgers() -> None:
    assert user_key("jane", "ledger-1") == user_key("jane", "ledger-1")
    assert len({user_key(user, ledger) for user in ("jane", "joe") for ledger in ("a" * 32, "b" * 32)}) == 4
    assert hidden_name("jane", "a") == f"h-{user_key('jane', 'a')}"


def test_an_erased_name_leads_nowhere() -> None:
    assert erased_name() != erased_name()
