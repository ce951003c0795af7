"""A JSON endpoint as scorers use one: synchronous, one deadline over everything, a cap on the reply, no redirects.

Unlike a timeout per read, the deadline also holds against a server that drips; every fault has a short kind of its own,
because guards export their failure rates by kind. Proxy settings of the environment are not read.
"""

import contextlib
import http.client
import json
import os
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

MAX_REPLY_BYTES = 64 * 2**20
"""Of a batch of embeddings; who expects a sentence asks for less."""


class EndpointError(RuntimeError):
    """No usable reply; `kind` is short, from a closed list, and quotes neither request nor reply."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


def api_key(env: str | None, file: str | None = None) -> str | None:
    """The key from a variable or a file; None where neither is named. ValueError names what is missing."""
    if env is not None:
        if not os.environ.get(env):
            raise ValueError(f"api_key_env: the variable {env!r} is not set")
        return os.environ[env]
    if file is not None:
        try:
            return Path(file).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ValueError(f"api_key_file: {file!r} cannot be read: {error.strerror}") from None
    return None


class Endpoint:
    """Posts JSON below a base URL. A connection lives for one request; nothing to close. Safe between threads."""

    def __init__(
        self, url: str, *, key: str | None = None, timeout_seconds: float = 30.0, max_reply_bytes: int = MAX_REPLY_BYTES
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"url {url!r} is no http or https address")
        self._secure, self._host, self._port = parts.scheme == "https", parts.hostname, parts.port
        self._base = parts.path.rstrip("/")
        self._key = key
        self._timeout_seconds = timeout_seconds
        self._most = max_reply_bytes

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """The reply's JSON. Raises EndpointError: timeout, connection, http_4xx, http_5xx, rate_limited, oversized, invalid."""
        deadline = time.monotonic() + self._timeout_seconds
        connection = self._connect()
        try:
            headers = {"Content-Type": "application/json", "Accept": "application/json", "Connection": "close"}
            if self._key:
                headers["Authorization"] = f"Bearer {self._key}"
            connection.request("POST", self._base + path, body=json.dumps(body).encode("ascii"), headers=headers)
            raw, status = _answer(connection, deadline, self._most)
        except TimeoutError:
            raise EndpointError("timeout") from None
        except (OSError, http.client.HTTPException, ValueError):
            raise EndpointError("timeout" if time.monotonic() >= deadline else "connection") from None
        finally:
            connection.close()
        if status == 429:
            raise EndpointError("rate_limited")
        if not 200 <= status < 300:
            raise EndpointError("http_5xx" if status >= 500 else "http_4xx")
        try:
            return json.loads(raw)
        except (ValueError, RecursionError):
            raise EndpointError("invalid") from None

    def _connect(self) -> http.client.HTTPConnection:
        if self._secure:
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(self._host, self._port, timeout=self._timeout_seconds, context=context)
        return http.client.HTTPConnection(self._host, self._port, timeout=self._timeout_seconds)


def _answer(connection: http.client.HTTPConnection, deadline: float, most: int) -> tuple[bytes, int]:
    """Body and status. A socket's timeout holds per read only, so the line is cut at the deadline whatever drips in."""
    sock = connection.sock
    left = deadline - time.monotonic()
    if left <= 0 or sock is None:
        raise TimeoutError
    cut = threading.Timer(left, _cut, (sock,))
    cut.daemon = True
    cut.start()
    try:
        response = connection.getresponse()
        parts: list[bytes] = []
        size = 0
        while not response.isclosed() and (part := response.read1(65_536)):
            size += len(part)
            if size > most:
                raise EndpointError("oversized")
            parts.append(part)
        if time.monotonic() >= deadline:
            raise TimeoutError
        return b"".join(parts), response.status
    finally:
        cut.cancel()


def _cut(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it ended by itself meanwhile
        sock.shutdown(socket.SHUT_RDWR)
