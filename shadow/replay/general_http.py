"""HTTP through aiohttp: TLS, and everything that is asked rarely (probes)."""

import asyncio
import io
import math
import time
from collections.abc import Mapping

import aiohttp
from yarl import URL

from shadow.replay.transport import AFTER_DONE_SECONDS, CONNECT_SECONDS, Attempt, Done

_READ_BYTES = 2**20
_LARGE_BODY_BYTES = 2**20  # aiohttp warns about larger ones in one piece
_SHORTEST_SECONDS = 0.001  # zero would mean no limit at all
_STALE_SECONDS = 0.25
_KEEPALIVE_SECONDS = {
    "http": 4.0,
    "https": 15.0,
}  # vLLM closes idle connections after 5 s; a request must not meet that


class GeneralTransport:
    """Follows no redirects, keeps no cookies, reads no proxy or netrc settings of the environment."""

    def __init__(self, base: URL) -> None:
        self._origin = base.origin()
        self._session: aiohttp.ClientSession | None = None
        self._answered = False

    async def post(
        self, path: str, payload: bytes, headers: Mapping[str, str], attempt: Attempt, seconds: float
    ) -> Done:
        data: bytes | io.BytesIO = payload if len(payload) < _LARGE_BODY_BYTES else io.BytesIO(payload)
        url = self._origin.join(URL(path, encoded=True))
        begun = time.monotonic()
        try:
            async with self._open().post(
                url, data=data, headers=headers, allow_redirects=False, timeout=_limits(seconds)
            ) as response:
                await self._receive(attempt, response)
                self._answered = True
        except (aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectorError):
            return Done("connection")
        except TimeoutError:
            return Done("timeout")
        except aiohttp.ClientResponseError:  # not HTTP, or headers beyond all measure
            return Done("invalid")
        except (aiohttp.ClientError, OSError):
            quick = (
                time.monotonic() - begun < _STALE_SECONDS
            )  # aiohttp does not say whether the connection was an old one
            return Done("connection", stale=attempt.status is None and self._answered and quick)
        return Done()

    async def status_of(self, path: str, headers: Mapping[str, str], seconds: float) -> int | None:
        """The status of a GET; None when there was no answer in time."""
        url = self._origin.join(URL(path, encoded=True))
        try:
            async with self._open().get(
                url, headers=headers, allow_redirects=False, timeout=_limits(seconds)
            ) as response:
                return response.status
        except (TimeoutError, aiohttp.ClientError, OSError):
            return None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            keepalive = _KEEPALIVE_SECONDS[self._origin.scheme]
            connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=keepalive)  # the default of 100 queues silently
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                auto_decompress=False,  # unpacked by the reader, within bounds
                read_bufsize=_READ_BYTES,
            )
        return self._session

    async def _receive(self, attempt: Attempt, response: aiohttp.ClientResponse) -> None:
        attempt.head(response.status, response.headers)
        content = response.content
        while data := await (_briefly(content) if attempt.over else content.readany()):
            if not attempt.data(data, time.monotonic_ns()):
                break
        if not content.at_eof():
            response.close()


def _limits(seconds: float) -> aiohttp.ClientTimeout:
    """The total to the millisecond; aiohttp would round it up to a full second."""
    total = max(_SHORTEST_SECONDS, seconds)
    return aiohttp.ClientTimeout(total=total, sock_connect=CONNECT_SECONDS, ceil_threshold=math.inf)


async def _briefly(content: aiohttp.StreamReader) -> bytes:
    """What still comes after the end mark."""
    if content.at_eof():
        return b""
    try:
        async with asyncio.timeout(AFTER_DONE_SECONDS):
            return await content.readany()
    except (TimeoutError, aiohttp.ClientError):
        return b""
