"""The demo's model server: every model of the roster in one process, on the CPU, offline, as an OpenAI-compatible API.

`python -m shadow.demo.serving [PORT]` prints its base URL and runs until SIGTERM, or until its standard input ends (so that it
never outlives the demo). Honoured: model, messages, max_tokens, max_completion_tokens, temperature, seed, stream,
stream_options. Errors: 400 what cannot be served, 404 unknown model, 503 too much waiting.
"""

import asyncio
import json
import signal
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from aiohttp import web

from shadow.demo.batching import Batcher
from shadow.demo.engine import MAX_TOKENS, Decoder, Generation, load_checkpoint
from shadow.demo.faults import FaultPlan
from shadow.demo.leash import on_parent_gone
from shadow.demo.roster import MODELS, SERVED, Served

_DEFAULT_NEW: Final = 96
_CHUNK_TOKENS: Final = 4
"""A stream's first token comes alone, the others four at a time: events cost more than tokens at this size."""
_BROKEN_AFTER_TOKENS: Final = 5
_MAX_BODY_BYTES: Final = 2**18


class BadRequest(ValueError):
    """What the client asked for cannot be served; the message says why and quotes nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A name, the lane that decodes it, and the faults it is played with."""

    lane: str
    faults: FaultPlan | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A validated request body."""

    model: str
    prompt: str
    max_new: int
    temperature: float
    seed: int | None
    stream: bool
    usage: bool


def read_request(body: Any) -> Asked:
    """Validates a chat completion's body; unknown fields are ignored, as real servers do. Raises BadRequest."""
    if not isinstance(body, dict) or not isinstance(body.get("model"), str):
        raise BadRequest("the body has to be a JSON object with a model")
    options = body.get("stream_options")
    limit = body.get("max_completion_tokens", body.get("max_tokens"))
    temperature, seed = body.get("temperature"), body.get("seed")
    temperature = 1.0 if temperature is None else temperature
    if isinstance(temperature, bool) or not isinstance(temperature, int | float) or not 0 <= temperature <= 2:
        raise BadRequest("temperature has to be a number between 0 and 2")
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
        raise BadRequest("max_tokens has to be a positive integer")
    if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int) or abs(seed) >= 2**63):
        raise BadRequest("seed has to be an integer of 64 bits")
    if body.get("n") not in (None, 1):
        raise BadRequest("n has to be 1")
    return Asked(
        model=body["model"],
        prompt=_prompt(body.get("messages")),
        max_new=_DEFAULT_NEW if limit is None else limit,
        temperature=float(temperature),
        seed=seed,
        stream=body.get("stream") is True,
        usage=isinstance(options, dict) and options.get("include_usage") is True,
    )


def _prompt(messages: Any) -> str:
    """The text the models were trained on; the same as their chat template gives."""
    if not isinstance(messages, list) or not messages:
        raise BadRequest("messages has to be a list that is not empty")
    parts = ["<|bos|>"]
    for message in messages:
        role = message.get("role") if isinstance(message, dict) else None
        content = message.get("content") if isinstance(message, dict) else None
        if role not in ("system", "user", "assistant") or not isinstance(content, str):
            raise BadRequest("a message needs a role (system, user, assistant) and a text")
        parts.append(f"<|{role}|>{content}<|end|>")
    return "".join([*parts, "<|assistant|>"])


class ModelServer:
    """The HTTP side; `app` is an aiohttp application. Owned by one loop."""

    def __init__(self, served: Sequence[Served], folder: Path = MODELS) -> None:
        self._models: dict[str, Model] = {}
        self._decoders: dict[str, Decoder] = {}
        for one in served:
            lane = f"{one.checkpoint}/{one.bits}"
            if lane not in self._decoders:
                model, self._tokenizer = load_checkpoint(folder / one.checkpoint, one.bits)
                self._decoders[lane] = Decoder(model)
            faults = None if one.fails_every is None else FaultPlan(one.fails_every)
            self._models[one.name] = Model(lane=lane, faults=faults)
        self._queues: dict[int, asyncio.Queue[tuple[int, str | None]]] = {}
        self._batcher: Batcher | None = None
        self.app = web.Application(client_max_size=_MAX_BODY_BYTES)
        self.app.add_routes(
            [
                web.get("/health", self._health),
                web.get("/v1/models", self._list),
                web.post("/v1/chat/completions", self._complete),
            ]
        )
        self.app.cleanup_ctx.append(self._decoding)

    async def _decoding(self, _app: web.Application) -> Any:
        self._batcher = Batcher(self._decoders, asyncio.get_running_loop(), self._on_advanced)
        self._batcher.start()
        yield
        await asyncio.to_thread(self._batcher.stop)

    def _on_advanced(self, generation: Generation, tokens: int, finish: str | None) -> None:
        queue = self._queues.get(id(generation))
        if queue is not None:
            queue.put_nowait((tokens, finish))

    async def _health(self, _request: web.Request) -> web.Response:
        broken = self._batcher is None or self._batcher.error is not None
        return web.json_response({"status": "broken" if broken else "ok"}, status=500 if broken else 200)

    async def _list(self, request: web.Request) -> web.Response:
        data = [{"id": name, "object": "model", "owned_by": "shadow-demo"} for name in self._models]
        return web.json_response({"object": "list", "data": data})

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        try:
            asked = read_request(json.loads(await request.read()))
            model = self._models.get(asked.model)
            if model is None:
                return _error(404, "no such model; GET /v1/models lists them")
            ids = self._tokenizer.encode(asked.prompt, add_special_tokens=False)
            if len(ids) + asked.max_new > MAX_TOKENS:
                raise BadRequest(f"prompt ({len(ids)} tokens) and max_tokens together exceed {MAX_TOKENS}")
        except (BadRequest, RecursionError) as error:
            return _error(400, str(error))
        except (json.JSONDecodeError, UnicodeDecodeError):
            return _error(400, "the body is not JSON")
        fault = None if model.faults is None else model.faults.fault(asked.prompt)
        if fault == "http_500":
            return _error(500, "the engine crashed on this request (a fault of the demo)")
        generator = None if asked.seed is None else torch.Generator().manual_seed(asked.seed)
        generation = Generation(ids=ids, max_new=asked.max_new, temperature=asked.temperature, generator=generator)
        queue: asyncio.Queue[tuple[int, str | None]] = asyncio.Queue()
        self._queues[id(generation)] = queue
        finished = False
        try:
            if self._batcher is None or not self._batcher.submit(model.lane, generation):
                finished = True
                return _error(503, "the engine is busy")
            answer = _Answer(asked, generation, self._tokenizer, broken=fault is not None)
            response = await (answer.stream(request, queue) if asked.stream else answer.whole(request, queue))
            finished = generation.finish is not None
            return response
        finally:
            del self._queues[id(generation)]
            if not finished and self._batcher is not None:
                self._batcher.leave(model.lane, generation)


class _Answer:
    """One answer on its way out."""

    def __init__(self, asked: Asked, generation: Generation, tokenizer: Any, *, broken: bool) -> None:
        self._asked, self._generation, self._tokenizer, self._broken = asked, generation, tokenizer, broken
        self._base = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": asked.model}

    def _text(self, tokens: int) -> str:
        text: str = self._tokenizer.decode(self._generation.out[:tokens], skip_special_tokens=True)
        return text

    def _usage(self, tokens: int) -> dict[str, int]:
        prompt = len(self._generation.ids)
        return {"prompt_tokens": prompt, "completion_tokens": tokens, "total_tokens": prompt + tokens}

    def _chunk(self, delta: Mapping[str, str], finish: str | None = None) -> bytes:
        choices = [{"index": 0, "delta": dict(delta), "finish_reason": finish}]
        return _event({**self._base, "object": "chat.completion.chunk", "choices": choices})

    async def whole(self, request: web.Request, queue: asyncio.Queue[tuple[int, str | None]]) -> web.Response:
        """Everything in one body."""
        tokens, finish = 0, None
        while finish is None:
            tokens, finish = await queue.get()
            if self._broken and tokens >= _BROKEN_AFTER_TOKENS:
                return await _hang_up(request)
        message = {"role": "assistant", "content": self._text(tokens)}
        choices = [{"index": 0, "message": message, "finish_reason": finish}]
        return web.json_response(
            {**self._base, "object": "chat.completion", "choices": choices, "usage": self._usage(tokens)}
        )

    async def stream(self, request: web.Request, queue: asyncio.Queue[tuple[int, str | None]]) -> web.StreamResponse:
        """Server-sent events in vLLM's order: role, text, finish reason, usage, [DONE]."""
        response = web.StreamResponse(headers={"content-type": "text/event-stream", "cache-control": "no-cache"})
        await response.prepare(request)
        await response.write(self._chunk({"role": "assistant", "content": ""}))
        sent, written = "", 0
        while True:
            tokens, finish = await queue.get()
            while not queue.empty():  # several tokens came while the last event was written
                tokens, finish = queue.get_nowait()
            if finish is None and written and tokens - written < _CHUNK_TOKENS:
                continue
            text = self._text(tokens)
            if len(text) > len(sent) and not (finish is None and text.endswith("\ufffd")):
                await response.write(self._chunk({"content": text[len(sent) :]}))
                sent, written = text, tokens
            if self._broken and tokens >= _BROKEN_AFTER_TOKENS:
                return await _hang_up(request)
            if finish is not None:
                break
        tail = self._chunk({}, finish)
        if self._asked.usage:
            usage = {**self._base, "object": "chat.completion.chunk", "choices": [], "usage": self._usage(tokens)}
            tail += _event(usage)
        await response.write(tail + b"data: [DONE]\n\n")
        await response.write_eof()
        return response


async def _hang_up(request: web.Request) -> web.Response:
    """Cuts the connection, as a crashing engine does."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


def _event(body: Mapping[str, Any]) -> bytes:
    return b"data: " + json.dumps(body).encode() + b"\n\n"


def _error(status: int, message: str) -> web.Response:
    kind = "invalid_request_error" if status < 500 else "server_error"
    error = {"message": message, "type": kind, "param": None, "code": status}
    return web.json_response({"error": error}, status=status)


async def run(server: ModelServer, port: int = 0) -> None:
    """Serves on the loopback until SIGTERM, SIGINT, or the end of standard input."""
    runner = web.AppRunner(server.app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        bound = runner.addresses[0][1]
        stopping, loop = asyncio.Event(), asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        on_parent_gone(lambda: loop.call_soon_threadsafe(stopping.set))
        sys.stdout.write(f"http://127.0.0.1:{bound}/v1\n")
        sys.stdout.flush()
        await stopping.wait()
    finally:
        await runner.cleanup()


def main() -> int:
    """Loads every model of the roster and serves it."""
    import uvloop

    torch.set_num_threads(1)
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    uvloop.run(run(ModelServer(SERVED), port))
    return 0


if __name__ == "__main__":
    sys.exit(main())
