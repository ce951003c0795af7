"""Reads a server's metrics page over HTTP, on one connection that is kept."""

from typing import Self

import aiohttp

from shadow.replay.engine_metrics import MAX_PAGE_BYTES, Load, Unreadable, read_load


class PageReader:
    """An async context; `page` raises Unreadable or OSError, its caller sets the deadline."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(trust_env=False)
        return self

    async def __aexit__(self, *error: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def page(self) -> bytes:
        """The page as it is now."""
        if self._session is None:
            raise Unreadable("not open")
        try:
            async with self._session.get(self._url, allow_redirects=False) as answer:
                if answer.status != 200:
                    raise Unreadable(f"status {answer.status}")
                body = bytearray()
                async for chunk in answer.content.iter_any():
                    body += chunk
                    if len(body) > MAX_PAGE_BYTES:
                        raise Unreadable(f"more than {MAX_PAGE_BYTES} bytes")
        except aiohttp.ClientError as error:
            raise Unreadable(type(error).__name__) from None
        return bytes(body)


class LoadReader(PageReader):
    """The incumbent's load."""

    async def read(self) -> Load:
        """One reading; raises as `page` does."""
        return read_load(await self.page())
