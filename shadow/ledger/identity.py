"""Names that the ledger keeps: made storable on every database, hashed where only a match is needed, and erased for good."""

import hashlib
import secrets

MAX_NAME_BYTES = 512
"""Longer ids, sessions and segments are cut: an index entry of PostgreSQL holds about 2,700 bytes."""

ERASED_PREFIX = "erased-"


def user_key(user: str, ledger_id: str) -> str:
    """The keyed hash under which a user's calls are found again by `shadow forget`; 32 hex digits.

    The key is the ledger's own id, so that the same user has unrelated keys in two ledgers.
    """
    return hashlib.blake2b(
        user.encode("utf-8", "surrogatepass"), digest_size=16, key=ledger_id.encode()[:64], person=b"shadow.user"
    ).hexdigest()


def hidden_name(name: str, ledger_id: str) -> str:
    """What is kept instead of an id or session that is personal data itself: found again by who knows the name."""
    return f"h-{user_key(name, ledger_id)}"


def erased_name() -> str:
    """What stands in the place of a forgotten id or session: random, so that it leads nowhere."""
    return ERASED_PREFIX + secrets.token_hex(8)


def storable(text: str) -> str:
    """The same text with what a database refuses (NUL, lone surrogates) replaced by U+FFFD."""
    if "\x00" in text:
        text = text.replace("\x00", "\ufffd")
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def storable_name(text: str) -> str:
    """`storable`, and bounded: a name above MAX_NAME_BYTES keeps its beginning and a hash of the whole."""
    text = storable(text)
    if len(text) * 4 <= MAX_NAME_BYTES:
        return text
    data = text.encode()
    if len(data) <= MAX_NAME_BYTES:
        return text
    digest = hashlib.blake2b(data, digest_size=16).hexdigest()
    return f"{data[: MAX_NAME_BYTES - 33].decode('utf-8', 'ignore')}~{digest}"
