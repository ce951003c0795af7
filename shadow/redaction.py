"""Removes personal data and secrets from everything that is kept, shown, or sent outside the trust boundary.

What is removed leaves a typed marker (`[EMAIL]`), never nothing. Redaction is a pure function of the text, so that all
arms get the same request. Escaped values (`%40`, `&#64;`, `\\u0040`, full-width digits) are removed as well; values in
base64, in images, or cut in two by message parts are not seen.
"""

import hashlib
import json
import re
import threading
from collections import OrderedDict
from typing import Any

from scorers import secrets, sensitive
from scorers.spans import Span

MARKERS: dict[str, str] = {
    "private_key": "[PRIVATE_KEY]",
    "api_key": "[API_KEY]",
    "token": "[TOKEN]",
    "password": "[PASSWORD]",
    "secret": "[SECRET]",
    "url_credentials": "[CREDENTIALS]",
    "email": "[EMAIL]",
    "iban": "[IBAN]",
    "card": "[CARD]",
    "national_id": "[NATIONAL_ID]",
    "ip": "[IP]",
    "mac": "[MAC]",
    "phone": "[PHONE]",
}
CUT = "[CUT]"
TOO_DEEP = "[TOO_DEEP]"
MEDIA = "[MEDIA]"
MAX_DEPTH = 64
KEPT_CHARACTERS = 1_000_000

_SECRET_FIELD = re.compile(
    r"(?i)(?:.*[_\-.])?(?:password|passwd|passwort|passphrase|passcode|pwd|secret|client_?secret|api_?key|apikey"
    r"|access_?key(?:_id)?|secret_?key|private_?key|auth(?:orization)?|(?:access|refresh|auth|id|api|bearer|session)?_?token"
    r"|x-api-key|cookie|set-cookie|credentials?|pin|cvv|cvc|otp)\Z"
)
_PERSONAL_FIELD = {
    "phone": re.compile(
        r"(?i)(?:.*[_\-.])?(?:phone|telephone|tel|mobile|cell|fax|msisdn|whatsapp)(?:_?(?:number|no))?\Z"
    ),
    "card": re.compile(r"(?i)(?:.*[_\-.])?(?:card|credit_?card|pan|cc)(?:_?(?:number|no))\Z|(?:.*_)?pan\Z"),
    "iban": re.compile(r"(?i)(?:.*[_\-.])?iban\Z"),
    "national_id": re.compile(
        r"(?i)(?:.*[_\-.])?(?:ssn|social_?security(?:_?number)?|passport(?:_?(?:number|no))?|tax_?id)\Z"
    ),
    "email": re.compile(r"(?i)(?:.*[_\-.])?e_?mail(?:_?address)?\Z"),
}
# Fields whose value the protocol gives: replacing them would break the request, and only a key's own form can be a secret there.
_PROTOCOL_FIELDS = frozenset(
    (
        "id",
        "tool_call_id",
        "call_id",
        "type",
        "role",
        "model",
        "object",
        "finish_reason",
        "system_fingerprint",
        "encoding_format",
        "format",
        "detail",
        "tool_choice",
        "reasoning_effort",
        "guided_regex",
        "guided_grammar",
        "pattern",
        "$ref",
        "$schema",
    )
)
_PROTOCOL_VALUE = re.compile(r"[A-Za-z0-9_.:/\-]{1,256}\Z")
_DATA_URI = re.compile(r"data:[\w.+/;=,\-]{0,200}base64,", re.IGNORECASE)


def _replace(text: str, spans: list[Span]) -> str:
    if not spans:
        return text
    parts: list[str] = []
    at = 0
    for span in spans:
        parts += (text[at : span.start], MARKERS[span.category])
        at = span.end
    parts.append(text[at:])
    return "".join(parts)


def redact(text: str, *, max_characters: int | None = KEPT_CHARACTERS) -> str:
    """`text` with every value found replaced by its marker; idempotent; what lies beyond `max_characters` becomes `[CUT]`.

    Linear in the length of the text (about a second per million characters of the worst kind). Never raises.
    """
    cut = ""
    if max_characters is not None and len(text) > max_characters:
        text, cut = text[:max_characters], CUT
    # A marker can join what stood on both sides of a value into a new one; the second look sees it.
    once = _replace(text, sensitive.find(text))
    return (once if once == text else _replace(once, sensitive.find(once))) + cut


class Redactor:
    """Redaction with a memory: a text that repeats (a system prompt, the incumbent's answer per arm) is searched once.

    Keeps redacted texts only, under a digest of the raw one, at most `cache_characters` of them. Safe between threads.
    """

    def __init__(self, *, cache_characters: int = 4_000_000, max_characters: int | None = KEPT_CHARACTERS) -> None:
        self._cache_characters = cache_characters
        self._max_characters = max_characters
        self._known: OrderedDict[bytes, str] = OrderedDict()
        self._held = 0
        self._lock = threading.Lock()  # protects _known and _held

    def redact(self, text: str) -> str:
        """As the function `redact`."""
        if len(text) < 6:
            return text
        key = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        with self._lock:
            known = self._known.get(key)
            if known is not None:
                self._known.move_to_end(key)
                return known
        result = redact(text, max_characters=self._max_characters)
        with self._lock:
            if key not in self._known:
                self._known[key] = result
                self._held += len(result)
            while self._held > self._cache_characters and self._known:
                self._held -= len(self._known.popitem(last=False)[1])
        return result

    def redact_json(self, value: Any, *, keep_media: bool = False) -> Any:
        """A JSON value with every string, key and telling number redacted; the input is left as it is.

        A field's name is context: `{"password": "x"}` and `{"phone": 7806326}` are replaced although the value alone
        tells nothing. Strings that hold JSON (tool arguments) are redacted as JSON and stay JSON. Inline media become
        `[MEDIA]` unless `keep_media`. Below depth 64 everything becomes `[TOO_DEEP]`.
        """
        return self._json(value, None, 0, keep_media)

    def redact_request(self, body: dict[str, Any]) -> dict[str, Any]:
        """A request body for candidates outside the trust boundary: same shape, same protocol fields, no values found.

        Images and audio travel as they are: they cannot be searched.
        """
        redacted = self.redact_json(body, keep_media=True)
        return redacted if isinstance(redacted, dict) else {}

    def _json(self, value: Any, field: str | None, depth: int, keep_media: bool) -> Any:
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return self._string(value, field, depth, keep_media)
        if isinstance(value, int | float):
            return self._number(value, field)
        if depth >= MAX_DEPTH:
            return TOO_DEEP
        if isinstance(value, dict):
            return self._object(value, depth, keep_media)
        if isinstance(value, list | tuple):
            return [self._json(item, field, depth + 1, keep_media) for item in value]
        return self.redact(str(value))

    def _object(self, value: dict[Any, Any], depth: int, keep_media: bool) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key, item in value.items():
            name = clean = self.redact(str(key))
            twin = 2
            while clean in result:  # two addresses as keys must not fall together
                clean, twin = f"{name}#{twin}", twin + 1
            result[clean] = self._json(item, str(key), depth + 1, keep_media)
        return result

    def _number(self, value: int | float, field: str | None) -> Any:
        if field is not None and (kind := _kind_of_field(field)) is not None and abs(value) > 99:
            return MARKERS[kind]
        if isinstance(value, float) or abs(value) < 10**8:
            return value
        try:
            text = str(value)
        except ValueError:  # more digits than the interpreter prints
            return CUT
        return value if (clean := self.redact(text)) == text else clean

    def _string(self, value: str, field: str | None, depth: int, keep_media: bool) -> str:
        if field in _PROTOCOL_FIELDS and _PROTOCOL_VALUE.match(value):
            return _replace(
                value, [s for s in secrets.find(value) if s.category in ("api_key", "token", "private_key")]
            )
        if len(value) > 256 and _DATA_URI.match(value):
            return value if keep_media else MEDIA
        if field is not None and value and (kind := _kind_of_field(field)) is not None:
            return self._named(value, kind)
        if value[:1] in "{[" and value[-1:] in "}]" and 2 < len(value) <= KEPT_CHARACTERS and depth < MAX_DEPTH:
            try:
                inner = json.loads(value)
            except (ValueError, RecursionError):
                return self.redact(value)
            if isinstance(inner, dict | list):
                clean = self._json(inner, field, depth + 1, keep_media)
                # As JSON or as text, whichever finds something: a fragment can tell more in its surroundings.
                text = value if clean == inner else json.dumps(clean, ensure_ascii=False)
                return self.redact(text)
        return self.redact(value)

    def _named(self, value: str, kind: str) -> str:
        clean = self.redact(value)
        marked = clean != value
        if kind in ("email", "card", "iban", "national_id", "phone"):
            digits = sum(c.isdigit() for c in value)
            bare = digits >= 6 and len(value) <= 40
            return MARKERS[kind] if bare and not marked else clean
        prose = len(value.split()) > 4 or value.startswith(("[", "$", "{"))
        return clean if marked or prose else MARKERS[kind]


def _kind_of_field(field: str) -> str | None:
    if len(field) > 64:
        return None
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", field)
    if _SECRET_FIELD.match(name):
        return "password" if "pass" in name.lower() or name.lower().endswith(("pwd", "pin")) else "secret"
    return next((kind for kind, pattern in _PERSONAL_FIELD.items() if pattern.match(name)), None)


def redact_json(value: Any) -> Any:
    """As `Redactor.redact_json`, without a memory between calls."""
    return Redactor().redact_json(value)


def redact_request(body: dict[str, Any]) -> dict[str, Any]:
    """As `Redactor.redact_request`, without a memory between calls; nothing is cut."""
    return Redactor(max_characters=None).redact_request(body)
