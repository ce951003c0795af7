"""One JSON request to an OpenAI-compatible server, synchronous, with a deadline over everything and a cap on the reply."""

import http.client
import json
import os
import ssl
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

MAX_REPLY_BYTES = 4 * 2**20


class EndpointError(Exception):
    """No usable reply; `kind` is short, from a closed list, and quotes neither request nor reply."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


def api_key(env: str | None, file: str | None) -> str | None:
    """The key from a variable or a file; None where neither is named. The missing name is the operator's to read."""
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
    """Posts JSON below a base URL. A connection lives for one request; redirects are not followed. Safe between threads."""

    def __init__(self, url: str, *, key: str | None = None, timeout_seconds: float = 30.0) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"url {url!r} is no http or https address")
        self._secure, self._host, self._port = parts.scheme == "https", parts.hostname, parts.port
        self._base = parts.path.rstrip("/")
        self._key = key
        self._timeout_seconds = timeout_seconds

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """The reply's JSON. Raises EndpointError: timeout, connection, http_4xx, http_5xx, rate_limited, oversized, invalid."""
        deadline = time.monotonic() + self._timeout_seconds
        connection = self._connect()
        try:
            headers = {"Content-Type": "application/json", "Accept": "application/json", "Connection": "close"}
            if self._key:
                headers["Authorization"] = f"Bearer {self._key}"
            data = json.dumps(body).encode()
            connection.request("POST", self._base + path, body=data, headers=headers)
            _limit(connection, deadline)
            response = connection.getresponse()
            raw = _read(connection, response, deadline)
        except TimeoutError:
            raise EndpointError("timeout") from None
        except (OSError, http.client.HTTPException, ValueError):
            raise EndpointError("connection") from None
        finally:
            connection.close()
        if response.status == 429:
            raise EndpointError("rate_limited")
        if not 200 <= response.status < 300:
            raise EndpointError("http_5xx" if response.status >= 500 else "http_4xx")
        try:
            return json.loads(raw)
        except (ValueError, RecursionError):
            raise EndpointError("invalid") from None

    def _connect(self) -> http.client.HTTPConnection:
        if self._secure:
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(self._host, self._port, timeout=self._timeout_seconds, context=context)
        return http.client.HTTPConnection(self._host, self._port, timeout=self._timeout_seconds)


def _limit(connection: http.client.HTTPConnection, deadline: float) -> None:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    if connection.sock is not None:
        connection.sock.settimeout(left)


def _read(connection: http.client.HTTPConnection, response: http.client.HTTPResponse, deadline: float) -> bytes:
    """The body in pieces, so that a server that drips cannot outlive the deadline."""
    parts: list[bytes] = []
    size = 0
    while True:
        _limit(connection, deadline)
        part = response.read1(65_536)
        if not part:
            return b"".join(parts)
        size += len(part)
        if size > MAX_REPLY_BYTES:
            raise EndpointError("oversized")
        parts.append(part)
