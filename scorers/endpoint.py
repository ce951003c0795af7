"""A JSON endpoint as scorers use one: POST with a deadline, a bounded answer and no redirects; errors never quote texts."""

import json
import os
import urllib.error
import urllib.request
from typing import Any

MAX_ANSWER_BYTES = 64 * 2**20


class EndpointError(RuntimeError):
    """The endpoint did not answer as it should; the message names the status or the kind of fault, never a text."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the key and the texts to somewhere nobody configured."""

    def redirect_request(self, *_args: Any, **_kwargs: Any) -> None:
        return None


class Endpoint:
    """One base URL. Blocks for at most about `timeout_seconds` per read; nothing to close."""

    def __init__(self, url: str, *, api_key_env: str | None = None, timeout_seconds: float = 30) -> None:
        if not url.startswith(("http://", "https://")):
            raise ValueError("an endpoint's URL begins with http:// or https://")
        self._url = url.rstrip("/")
        self._key_env = api_key_env
        self._timeout = timeout_seconds
        self._opener = urllib.request.build_opener(_NoRedirect())

    def post(self, path: str, body: dict[str, Any], *, base: str | None = None) -> Any:
        """The parsed JSON answer; EndpointError for anything else."""
        headers = {"content-type": "application/json", "accept": "application/json"}
        key = os.environ.get(self._key_env) if self._key_env else None
        if key:
            headers["authorization"] = f"Bearer {key}"
        data = json.dumps(body).encode("ascii")
        request = urllib.request.Request((base or self._url) + path, data, headers)  # noqa: S310 checked in the constructor
        try:
            with self._opener.open(request, timeout=self._timeout) as answer:
                raw = answer.read(MAX_ANSWER_BYTES + 1)
        except urllib.error.HTTPError as error:
            error.close()
            raise EndpointError(f"answered {error.code}") from None
        except (OSError, ValueError) as error:
            raise EndpointError(f"did not answer: {type(error).__name__}") from None
        if len(raw) > MAX_ANSWER_BYTES:
            raise EndpointError("answered more than is read")
        try:
            return json.loads(raw)
        except (ValueError, RecursionError):
            raise EndpointError("answered no JSON") from None

    def root(self) -> str:
        """The URL without a trailing /v1: where servers keep routes of their own."""
        return self._url.removesuffix("/v1")
