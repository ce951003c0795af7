"""The simulator: routes, admission as in an engine, faults, statistics; all of it in one loop."""

import asyncio
import socket
from collections import Counter, OrderedDict, deque
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from math import exp
from statistics import NormalDist
from time import monotonic, time
from typing import Any, NamedTuple

from shadow.simulator import faults, plan
from shadow.simulator.answers import Answers, chunks, draw, invented
from shadow.simulator.behaviour import Behaviour, FaultKind
from shadow.simulator.connection import Connection, Played, Request
from shadow.simulator.control import control
from shadow.simulator.metrics import EngineMetrics
from shadow.simulator.plan import Answer, Plan, Step, Timing, refusal, whole
from shadow.simulator.request import Asked, BadRequest, read

_CHAT, _PLAIN = "/v1/chat/completions", "/v1/completions"
_NORMAL = NormalDist()
_REMEMBERED_PROMPTS = 100_000
_KEPT_BODY_BYTES = 2**20
_TOKENS_PER_CACHE = 100_000  # pretended size of the cache, for `kv_cache_usage_perc`


@dataclass(slots=True)
class Stats:
    """What the simulator has seen. `recent` holds the last requests: method, path, headers, body (up to 1 MiB)."""

    requests: int = 0
    completions: int = 0
    finished: int = 0
    aborted: int = 0
    inflight: int = 0
    waiting: int = 0
    max_inflight: int = 0
    connections: int = 0
    unknown_prompts: int = 0
    max_lateness_seconds: float = 0.0
    faults: Counter[FaultKind] = field(default_factory=Counter)
    paths: Counter[str] = field(default_factory=Counter)
    recent: deque[Request] = field(default_factory=lambda: deque(maxlen=64))

    @property
    def last(self) -> Request | None:
        """The newest request, None before the first."""
        return self.recent[-1] if self.recent else None


class _Job(NamedTuple):
    asked: Asked
    connection: Connection
    arrived: float
    chunked: bool
    behaviour: Behaviour


class Simulator:
    """An OpenAI-compatible server with set delays and faults. Every method belongs to its loop."""

    def __init__(self, behaviour: Behaviour, answers: Answers, models: tuple[str, ...] = ()) -> None:
        self.behaviour = behaviour
        self.stats = Stats()
        self._answers, self._models = answers, models
        self._metrics = EngineMetrics(models or ("simulated",))
        self._queue: deque[_Job] = deque()
        self._attempts: OrderedDict[bytes, int] = OrderedDict()
        self._connections: set[Connection] = set()
        self._started = int(time())
        self._kv_tokens = 0
        self._server: asyncio.Server | None = None
        self._admitting = False

    async def start(self, host: str, port: int) -> int:
        """Listens and returns the port in use. Raises OSError when the address is taken."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(partial(Connection, self, loop), host, port, backlog=1024)
        listening: socket.socket = self._server.sockets[0]
        return int(listening.getsockname()[1])

    async def stop(self) -> None:
        """Stops listening and cuts what is open."""
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections):
            connection.abort()
        await asyncio.sleep(0.01)  # transports report their end to the loop

    # ---- Handler
    def opened(self, connection: Connection) -> None:
        self._connections.add(connection)
        self.stats.connections = len(self._connections)

    def closed(self, connection: Connection) -> None:
        self._connections.discard(connection)
        self.stats.connections = len(self._connections)
        waiting = [job for job in self._queue if job.connection is not connection]
        self.stats.aborted += len(self._queue) - len(waiting)
        self._queue = deque(waiting)
        self.stats.waiting = len(waiting)

    def handle(self, request: Request, connection: Connection) -> None:
        stats, path = self.stats, request.path
        stats.requests += 1
        stats.recent.append(request._replace(body=request.body[:_KEPT_BODY_BYTES]))
        if path in (_CHAT, _PLAIN):
            if request.method == "POST":
                self._complete(request, connection, chat=path == _CHAT)
                return
            response = refusal(405, "Method Not Allowed", "MethodNotAllowed")
        else:
            response = self._page(request)
        if request.method == "HEAD":
            response = response[: response.index(b"\r\n\r\n") + 4]
        connection.play(iter([Step(0.0, response)]), _ignore)

    def _page(self, request: Request) -> bytes:
        path = request.path
        if path == "/control":
            return control(self, request)
        if path == "/metrics":
            return whole(200, self._exposition(), "text/plain; version=0.0.4; charset=utf-8")
        if path in ("/health", "/v1/models") and not self.behaviour.ready:
            return refusal(503, "The model is being loaded.", "ServiceUnavailableError")
        if path in ("/health", "/ping"):
            return whole(200, b"", "text/plain")
        if path == "/v1/models":
            return whole(200, plan.encode({"object": "list", "data": [self._model(m) for m in self._names]}))
        if path == "/version":
            return whole(200, b'{"version":"simulator"}')
        return refusal(404, "Not Found", "NotFoundError")

    @property
    def _names(self) -> tuple[str, ...]:
        return self._models or ("simulated",)

    def _model(self, name: str) -> dict[str, Any]:
        return {"id": name, "object": "model", "created": self._started, "owned_by": "simulator", "max_model_len": 4096}

    def _exposition(self) -> bytes:
        load, stats = self.behaviour.load, self.stats
        return self._metrics.render(
            running=stats.inflight + load.running,
            waiting=stats.waiting + load.waiting,
            kv_cache_usage_ratio=min(1.0, load.kv_cache_usage_ratio + self._kv_tokens / _TOKENS_PER_CACHE),
        )

    # ---- completions
    def _complete(self, request: Request, connection: Connection, *, chat: bool) -> None:
        behaviour = self.behaviour
        self.stats.completions += 1
        refused = self._refused(request, chat=chat)
        if isinstance(refused, bytes):
            connection.play(iter([Step(0.0, refused)]), _ignore)
            return
        job = _Job(refused, connection, request.arrived, request.chunked, behaviour)
        if behaviour.max_inflight is None or self.stats.inflight < behaviour.max_inflight:
            self._begin(job)
        elif behaviour.max_queue is None or len(self._queue) < behaviour.max_queue:
            self._queue.append(job)
            self.stats.waiting = len(self._queue)
        else:
            self._metrics.rejected()
            full = refusal(503, "The engine's queue is full.", "ServiceUnavailableError", "retry-after: 1\r\n")
            connection.play(iter([Step(0.0, full)]), _ignore)

    def _refused(self, request: Request, *, chat: bool) -> Asked | bytes:
        if not self.behaviour.ready:
            return refusal(503, "The model is being loaded.", "ServiceUnavailableError")
        try:
            asked = read(request.body, chat=chat)
        except BadRequest as error:
            return refusal(400, str(error), "BadRequestError")
        if self._models and asked.model not in self._models:
            return refusal(404, "The model does not exist.", "NotFoundError")
        return asked

    def _begin(self, job: _Job) -> None:
        stats, asked = self.stats, job.asked
        stats.inflight += 1
        stats.max_inflight = max(stats.max_inflight, stats.inflight)
        self._kv_tokens += asked.prompt_tokens
        answer = self._answer(asked, job.behaviour)
        kind = self._fault(asked.prompt, job.behaviour)
        timing = _timing(asked.prompt, job.behaviour, others=stats.inflight - 1)
        context = faults.Context(asked, answer, timing, job.behaviour, job.chunked)
        if kind is not None:
            stats.faults[kind] += 1
        played: Plan = faults.normal(context) if kind is None else faults.PLANS[kind](context)
        queue_seconds = monotonic() - job.arrived
        job.connection.play(played, partial(self._finished, asked, answer, kind, queue_seconds))

    def _answer(self, asked: Asked, behaviour: Behaviour) -> Answer:
        recorded = self._answers.find(asked.prompt)
        if recorded is None:
            self.stats.unknown_prompts += 1
            pieces = invented(behaviour.seed, asked.prompt, min(behaviour.tokens, asked.limit or behaviour.tokens))
            cut = asked.limit is not None and asked.limit < behaviour.tokens
        else:
            pieces = chunks(recorded)
            cut = asked.limit is not None and asked.limit < len(pieces)
            pieces = pieces[: asked.limit]
        return Answer(
            id=f"{'chatcmpl' if asked.chat else 'cmpl'}-{self.stats.completions:016x}",
            created=int(time()),
            model=asked.model or self._names[0],
            pieces=pieces,
            finish_reason="length" if cut else "stop",
            fingerprint=behaviour.system_fingerprint,
        )

    def _fault(self, prompt: str, behaviour: Behaviour) -> FaultKind | None:
        kind = faults.choose(behaviour, prompt)
        if kind is None or not behaviour.fail_attempts:
            return kind
        key = blake2b(prompt.encode(), digest_size=16).digest()
        seen = self._attempts.pop(key, 0) + 1
        self._attempts[key] = seen
        if len(self._attempts) > _REMEMBERED_PROMPTS:
            self._attempts.popitem(last=False)
        return kind if seen <= behaviour.fail_attempts else None

    def _finished(
        self, asked: Asked, answer: Answer, kind: FaultKind | None, queue_seconds: float, played: Played
    ) -> None:
        stats = self.stats
        stats.inflight -= 1
        self._kv_tokens -= asked.prompt_tokens
        stats.max_lateness_seconds = max(stats.max_lateness_seconds, played.lateness)
        if played.complete:
            stats.finished += 1
        else:
            stats.aborted += 1
        failed = kind is not None and not played.tokens
        reason: Any = answer.finish_reason if played.complete and not failed else "error" if failed else "abort"
        self._metrics.finished(
            reason,
            model=asked.model if asked.model in self._models else None,
            prompt_tokens=asked.prompt_tokens,
            output_tokens=played.tokens,
            queue_seconds=queue_seconds,
            ttft_seconds=played.first_token,
            e2e_seconds=queue_seconds + played.seconds,
        )
        self._admit()

    def _admit(self) -> None:
        if self._admitting:  # an answer that ended at once: the loop below goes on, instead of a recursion
            return
        self._admitting = True
        while self._queue and (
            self.behaviour.max_inflight is None or self.stats.inflight < self.behaviour.max_inflight
        ):
            job = self._queue.popleft()
            self.stats.waiting = len(self._queue)
            self._begin(job)
        self._admitting = False


def _ignore(_: Played) -> None:
    return None


def _timing(prompt: str, behaviour: Behaviour, *, others: int) -> Timing:
    factor = 1.0
    if behaviour.latency_jitter:
        u = min(max(draw(behaviour.seed, "latency", prompt), 1e-6), 1 - 1e-6)
        factor = exp(behaviour.latency_jitter * _NORMAL.inv_cdf(u))
    first_ms = (behaviour.ttft_ms + behaviour.load_ms * others) * factor
    return Timing(first_ms / 1000, behaviour.itl_ms * factor / 1000)
