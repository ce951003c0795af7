"""ASGI middleware for a gateway of your own: copies chat completions as native envelopes to a `send` of yours.

app = MirrorMiddleware(app, send=lambda key, value: producer.send("llm.mirror", value, key=key))

The answer passes through untouched and is copied on the way; `send` has to return at once and runs after the last byte.
"""

import json
import time
import uuid
from collections.abc import Callable
from typing import Any

MOST_BYTES = 8 * 2**20


class MirrorMiddleware:
    """Mirrors POST /v1/chat/completions and /v1/completions; everything else passes."""

    def __init__(self, app: Any, *, send: Callable[[bytes, bytes], Any]) -> None:
        self._app, self._mirror = app, send

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or not scope["path"].endswith("/completions"):
            await self._app(scope, receive, send)
            return
        asked, answered, started = bytearray(), bytearray(), time.monotonic()
        wall, status, first, whole = time.time(), 0, None, False

        async def reading() -> Any:
            message = await receive()
            if message["type"] == "http.request" and len(asked) <= MOST_BYTES:
                asked.extend(message.get("body", b""))
            return message

        async def writing(message: Any) -> None:
            nonlocal status, first, whole
            if message["type"] == "http.response.start":
                status = message["status"]
            elif body := message.get("body", b""):
                first = time.monotonic() if first is None else first
                if len(answered) <= MOST_BYTES:
                    answered.extend(body)
            await send(message)
            whole = whole or (message["type"] == "http.response.body" and not message.get("more_body", False))

        try:
            await self._app(scope, reading, writing)
        finally:
            if whole and max(len(asked), len(answered)) <= MOST_BYTES:
                headers = {k.lower(): v.decode("latin-1") for k, v in scope["headers"]}
                times = {"ts": wall, "latency_ms": 1000 * (time.monotonic() - started)}
                if first is not None:
                    times["ttft_ms"] = 1000 * (first - started)
                self._copy(bytes(asked), bytes(answered), status, times, headers)

    def _copy(
        self, asked: bytes, answered: bytes, status: int, times: dict[str, float], headers: dict[bytes, str]
    ) -> None:
        try:
            request = json.loads(asked)
            streamed = isinstance(request, dict) and request.get("stream") is True and status < 400
            response = {"sse": answered.decode("utf-8", "replace")} if streamed else json.loads(answered)
            if not streamed:
                times.pop("ttft_ms", None)  # one body has no first token
            name = headers.get(b"x-request-id") or str(uuid.uuid4())
            envelope = {"v": 1, "id": name, **times, "request": request, "response": response, "status": status}
            if session := headers.get(b"x-session-id"):
                envelope["session"] = session
            self._mirror((session or name).encode(), json.dumps(envelope).encode())
        except Exception:  # noqa: S110  production never notices its mirror; count lost copies in `send`
            pass
