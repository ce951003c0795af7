"""Takes credentials out of a request body, wherever they stand: a client's key never travels to a candidate."""

from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, urlsplit

_NAMES = frozenset(
    (
        "authorization",
        "proxyauthorization",
        "apikey",
        "xapikey",
        "accesstoken",
        "authtoken",
        "bearertoken",
        "refreshtoken",
        "sessiontoken",
        "idtoken",
        "clientsecret",
        "secretkey",
        "accesskey",
        "accesskeyid",
        "secretaccesskey",
        "awsaccesskeyid",
        "awssecretaccesskey",
        "awssessiontoken",
        "azureadtoken",
        "hftoken",
        "password",
        "passwd",
        "vertexcredentials",
        "credentials",
        "privatekey",
        "signature",
        "sig",
        "xamzsignature",
        "xamzsecuritytoken",
        "xamzcredential",
        "xgoogsignature",
        "xgoogcredential",
        "cookie",
        "setcookie",
        "secret",
        "connectionstring",
    )
)
_HEADER_MAPS = frozenset(("headers", "extraheaders", "defaultheaders", "httpheaders", "requestheaders", "extraquery"))
_IN_URL = _NAMES | {"token", "key", "auth"}


def clean(value: Any, *, values: bool = True) -> tuple[Any, bool]:
    """`value` without credentials, and whether there were any; the same object when there were none.

    Names decide, and with `values` also text that looks like an Authorization header. In JSON Schemas a property may be
    *named* like a credential: names are judged only where a plain value stands.
    """
    if isinstance(value, dict):
        return _clean_dict(value, values)
    if isinstance(value, list):
        cleaned = [clean(item, values=values) for item in value]
        if any(found for _, found in cleaned):
            return [item for item, _ in cleaned], True
    return value, False


def _clean_dict(value: dict[str, Any], values: bool) -> tuple[dict[str, Any], bool]:
    kept: dict[str, Any] | None = None
    for name, child in value.items():
        if isinstance(child, dict | list):
            if _plain(name) in _HEADER_MAPS and not _is_schema(child):
                kept = {k: v for k, v in (value if kept is None else kept).items() if k != name}
                continue
            cleaned, found = clean(child, values=values)
            if found:
                kept = dict(value) if kept is None else kept
                kept[name] = cleaned
        elif isinstance(child, str) and (_plain(name) in _NAMES or (values and _is_bearer(child))):
            kept = {k: v for k, v in (value if kept is None else kept).items() if k != name}
    return (value, False) if kept is None else (kept, True)


def _is_bearer(text: str) -> bool:
    """An Authorization value under whatever name; a sentence that begins with the word has blanks in the rest."""
    return text[:7].lower() == "bearer " and len(text) > 12 and " " not in text[7:].strip()


def in_url(url: str) -> bool:
    """True for a URL that carries a user, password, key or signature: the link itself is the credential."""
    if url[:5].lower() == "data:" or len(url) > 16384:
        return False
    try:
        parts = urlsplit(url)
        return parts.username is not None or any(_plain(name) in _IN_URL for name, _ in parse_qsl(parts.query))
    except ValueError:
        return False


@lru_cache(maxsize=2048)
def _plain(name: str) -> str:
    return name.replace("-", "").replace("_", "").lower() if len(name) <= 32 else ""


def _is_schema(value: Any) -> bool:
    return isinstance(value, dict) and ("type" in value or "$ref" in value or "anyOf" in value)
