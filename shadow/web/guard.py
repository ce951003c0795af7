"""Who may read: the token, the Host header, the origin of a form, and the headers of every answer."""

import hashlib
import hmac
import json
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "shadow_session"
OPEN_PATHS = frozenset({"/healthz", "/readyz", "/metrics", "/login", "/favicon.ico"})
"""Probes and scrapers rarely carry a token; what they read holds counts and names, never text."""

HEADERS: list[tuple[bytes, bytes]] = [
    (
        b"content-security-policy",
        b"default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
]


def session_cookie(token: str) -> str:
    """What a browser keeps instead of the token: it cannot be turned back, and a new token ends every session."""
    return hmac.new(token.encode(), b"shadow session v1", hashlib.sha256).hexdigest()


def same(one: str, other: str) -> bool:
    """Equal, in time that does not depend on where they differ."""
    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode("utf-8", "replace"))


class SecureHeaders:
    """Adds the security headers to every answer; pages are not cached."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                kept = [*message["headers"], *HEADERS]
                if not any(name == b"cache-control" for name, _ in kept):
                    kept.append((b"cache-control", b"no-store"))
                message["headers"] = kept
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)


class Guard:
    """Refuses foreign hosts, foreign forms and readers without the token."""

    def __init__(self, app: ASGIApp, *, token: str | None, allowed_hosts: tuple[str, ...]) -> None:
        self._app = app
        self._token = token
        self._hosts = frozenset(allowed_hosts)
        self._cookie = session_cookie(token) if token else ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(HTTPConnection(scope), scope["method"])
        await (refusal or self._app)(scope, receive, send)

    def _refusal(self, request: HTTPConnection, method: str) -> Response | None:
        host = request.headers.get("host", "")
        if self._hosts and _name(host) not in self._hosts:
            return PlainTextResponse("This address is not served here.\n", 421)
        if method not in ("GET", "HEAD") and not _same_origin(request.headers.get("origin"), host):
            return PlainTextResponse("Forms are taken from this site only.\n", 403)
        path = request.scope["path"]
        if self._token is None or path in OPEN_PATHS or path.startswith("/static/") or self._knows(request):
            return None
        if path.startswith("/api/"):
            body = json.dumps({"error": "a token is needed: send it as Authorization: Bearer TOKEN"})
            return Response(body, 401, {"www-authenticate": "Bearer"}, "application/json")
        return RedirectResponse("/login", 303)

    def _knows(self, request: HTTPConnection) -> bool:
        scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return same(credentials.strip(), self._token or "")
        return same(request.cookies.get(COOKIE, ""), self._cookie)


def _name(host: str) -> str:
    """The Host header without its port."""
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0].lower()


def _same_origin(origin: str | None, host: str) -> bool:
    """Browsers send Origin with every form; what is no browser sends none and has no cookie to steal."""
    if origin is None:
        return True
    try:
        return urlsplit(origin).netloc == host
    except ValueError:
        return False
