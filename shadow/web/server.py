"""The HTTP side of the evaluator: metrics, probes, API and pages, and the server that runs them in its loop."""

import asyncio
import contextlib
import dataclasses
import math
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from shadow.errors import ShadowError
from shadow.web.guard import COOKIE, Guard, SecureHeaders, same, session_cookie
from shadow.web.render import Pages
from shadow.web.state import CallKey, WebState

_HERE = Path(__file__).parent
_MAX_FORM_BYTES = 4_096
_WRONG_TOKEN_SECONDS = 0.5
_STOP_SECONDS = 1.5


def plain(value: Any) -> Any:
    """Frozen values as JSON: dataclasses as objects, figures that are no number as null."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


class _Site:
    """The handlers. Scrapes have their own thread, pages that ask the ledger have two: neither waits for the other."""

    def __init__(self, state: WebState) -> None:
        self._state = state
        self._pages = Pages(state)
        self._scrapes = ThreadPoolExecutor(1, "scrape")
        self._readers = ThreadPoolExecutor(2, "pages")

    def close(self) -> None:
        """Lets threads end with what they do now."""
        self._scrapes.shutdown(wait=False, cancel_futures=True)
        self._readers.shutdown(wait=False, cancel_futures=True)

    async def _in(self, pool: ThreadPoolExecutor, work: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(pool, work, *arguments)

    async def metrics(self, request: Request) -> Response:
        body, content_type = await self._in(self._scrapes, self._state.metrics, request.headers.get("accept", ""))
        return Response(body, headers={"content-type": content_type})

    async def healthz(self, request: Request) -> Response:
        return _probe(self._state.health())

    async def readyz(self, request: Request) -> Response:
        return _probe(self._state.ready())

    async def snapshot(self, request: Request) -> Response:
        snapshot = self._state.snapshot()
        if snapshot is None:
            return JSONResponse({"error": "the monitor has not looked yet"}, 503, {"retry-after": "1"})
        return JSONResponse(plain(snapshot))

    async def verdict(self, request: Request) -> Response:
        snapshot = self._state.snapshot()
        if snapshot is None:
            return JSONResponse({"error": "the monitor has not looked yet"}, 503, {"retry-after": "1"})
        name = request.path_params["name"]
        for view in snapshot.candidates:
            if view.verdict.candidate == name:
                return JSONResponse(plain(view))
        return JSONResponse({"error": "no such candidate"}, 404)

    async def overview(self, request: Request) -> Response:
        return self._pages.overview()

    async def candidate(self, request: Request) -> Response:
        return await self._asked(self._pages.candidate, request.path_params["name"])

    async def calls(self, request: Request) -> Response:
        query = request.query_params
        ask = (query.get("candidate", ""), query.get("show", "worst"))
        return await self._asked(self._pages.calls, *ask)

    async def call(self, request: Request) -> Response:
        path = request.path_params
        key = CallKey(topic=path["topic"], partition=path["partition"], offset=path["offset"], call=path["call"])
        return await self._asked(self._pages.call, key)

    async def _asked(self, page: Callable[..., Response], *arguments: Any) -> Response:
        try:
            answer: Response = await self._in(self._readers, page, *arguments)
        except ShadowError as error:  # the ledger does not answer: said on the page, not as a stack trace
            return self._pages.problem(503, "The ledger does not answer", str(error))
        return answer

    async def about(self, request: Request) -> Response:
        return self._pages.about()

    async def icon(self, request: Request) -> Response:
        return FileResponse(_HERE / "static" / "icon.svg", media_type="image/svg+xml", headers=_CACHED)

    async def login(self, request: Request) -> Response:
        token = self._state.token
        if token is None:
            return RedirectResponse("/", 303)
        if request.method != "POST":
            return self._pages.login(wrong=False)
        length = request.headers.get("content-length", "")
        if not length.isascii() or not length.isdigit() or int(length) > _MAX_FORM_BYTES:
            return PlainTextResponse("The form is too large.\n", 413)
        async with request.form(max_files=0, max_fields=1) as form:
            given = form.get("token", "")
        if not isinstance(given, str) or not same(given.strip(), token):
            await asyncio.sleep(_WRONG_TOKEN_SECONDS)
            return self._pages.login(wrong=True)
        answer = RedirectResponse("/", 303)
        answer.set_cookie(
            COOKIE,
            session_cookie(token),
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
            max_age=7 * 86_400,
        )
        return answer

    async def logout(self, request: Request) -> Response:
        answer = RedirectResponse("/login", 303)
        answer.delete_cookie(COOKIE)
        return answer

    async def missing(self, request: Request, _error: Exception) -> Response:
        return self._pages.problem(404, "Nothing is here", "The address is wrong, or what it showed is gone.")


_CACHED = {"cache-control": "max-age=3600"}


def _probe(answer: Mapping[str, Any]) -> Response:
    return JSONResponse(plain(dict(answer)), 200 if answer.get("ok") else 503)


def create_app(state: WebState) -> Starlette:
    """The whole site over these ports; several may live in one process."""
    site = _Site(state)

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        site.close()

    return Starlette(
        routes=[
            Route("/", site.overview),
            Route("/candidates/{name}", site.candidate),
            Route("/calls", site.calls),
            Route("/calls/{topic}/{partition:int}/{offset:int}/{call:int}", site.call),
            Route("/about", site.about),
            Route("/login", site.login, methods=["GET", "POST"]),
            Route("/logout", site.logout, methods=["POST"]),
            Route("/metrics", site.metrics),
            Route("/healthz", site.healthz),
            Route("/readyz", site.readyz),
            Route("/api/v1/snapshot", site.snapshot),
            Route("/api/v1/candidates/{name}/verdict", site.verdict),
            Route("/favicon.ico", site.icon),
            Mount("/static", StaticFiles(directory=_HERE / "static")),
        ],
        middleware=[
            Middleware(SecureHeaders),
            Middleware(Guard, token=state.token, allowed_hosts=state.allowed_hosts),
        ],
        exception_handlers={404: site.missing},
        lifespan=lifespan,
    )


class _Uvicorn(uvicorn.Server):
    """Leaves signals alone: the process has an owner that stops it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Server:
    """A running site. `port` is the real one."""

    def __init__(self, server: _Uvicorn, task: asyncio.Task[None], listener: socket.socket) -> None:
        self._server = server
        self._task = task
        self._listener = listener
        self.host, self.port = listener.getsockname()[:2]

    async def stop(self) -> None:
        """Takes no more requests, lets open ones finish for a second, then ends them. Returns within two seconds."""
        self._server.should_exit = True
        try:
            await asyncio.wait_for(asyncio.shield(self._task), _STOP_SECONDS)
        except TimeoutError:
            self._server.force_exit = True
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self._listener.close()


async def serve(app: Starlette, host: str, port: int) -> Server:
    """Serves in the running loop and returns once requests are taken; OSError when the address is taken. Port 0: a free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=128)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="on",
        http="httptools",
        ws="none",
        timeout_keep_alive=15,
        timeout_graceful_shutdown=1,
        limit_concurrency=256,
        h11_max_incomplete_event_size=16_384,
    )
    server = _Uvicorn(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    give_up = time.monotonic() + 10
    while not server.started:
        if task.done():
            await task
            raise OSError("the web server ended while it started")
        if time.monotonic() > give_up:
            task.cancel()
            raise OSError("the web server did not start within 10 s")
        await asyncio.sleep(0.01)
    return Server(server, task, listener)
