"""What a client asked for, read strictly: a wrong type is a 400 here as it is in a real server."""

import json
from typing import Any

import msgspec

from shadow.simulator.answers import well_formed


class Message(msgspec.Struct):
    """One message of a conversation; content is text, a list of parts, or nothing."""

    role: str = ""
    content: str | list[dict[str, Any]] | None = None


class StreamOptions(msgspec.Struct):
    """Options of a stream."""

    include_usage: bool | None = None


class Body(msgspec.Struct):
    """The fields of a chat or plain completion request that the simulator honours; others are accepted and ignored."""

    model: str | None = None
    messages: list[Message] | None = None
    prompt: str | list[Any] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    n: int | None = None


class BadRequest(ValueError):
    """The request cannot be answered; the message goes to the client and holds none of its text."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A valid request: everything the plan of an answer depends on."""

    chat: bool
    model: str | None
    prompt: str
    prompt_tokens: int
    stream: bool = False
    include_usage: bool = False
    limit: int | None = None


_decoder = msgspec.json.Decoder(Body)


def read(raw: bytes, *, chat: bool) -> Asked:
    """The request in a body. Raises BadRequest.

    `prompt` is the text of the last user message (parts of type text joined), for plain completions the prompt.
    `prompt_tokens` is an estimate: one token for four characters.
    """
    body = _decode(raw)
    if body.n not in (None, 1):
        raise BadRequest("n: the simulator gives one choice only")
    limit = body.max_completion_tokens if body.max_completion_tokens is not None else body.max_tokens
    if limit is not None and limit < 1:
        raise BadRequest(f"max_tokens must be at least 1, got {limit}.")
    prompt, size = _conversation(body) if chat else _prompt(body)
    return Asked(
        chat=chat,
        model=body.model,
        prompt=well_formed(prompt),
        prompt_tokens=max(1, size // 4),
        stream=bool(body.stream),
        include_usage=bool(body.stream and body.stream_options and body.stream_options.include_usage),
        limit=limit,
    )


def _decode(raw: bytes) -> Body:
    try:
        return _decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise BadRequest(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:  # lone surrogates: msgspec refuses them, real servers do not
        return msgspec.convert(json.loads(raw), Body)
    except msgspec.ValidationError as error:
        raise BadRequest(str(error)) from None
    except (ValueError, RecursionError):
        raise BadRequest("the body is not a JSON object") from None


def _conversation(body: Body) -> tuple[str, int]:
    if not body.messages:
        raise BadRequest("messages: at least one is required")
    texts = [_text(m) for m in body.messages]
    last = next(
        (t for m, t in zip(reversed(body.messages), reversed(texts), strict=True) if m.role == "user"), texts[-1]
    )
    return last, sum(map(len, texts))


def _text(message: Message) -> str:
    if isinstance(message.content, list):
        parts = (p.get("text") for p in message.content if p.get("type") == "text")
        return "".join(p for p in parts if isinstance(p, str))
    return message.content or ""


def _prompt(body: Body) -> tuple[str, int]:
    prompt = body.prompt
    if isinstance(prompt, list) and len(prompt) == 1:
        prompt = prompt[0]
    if not isinstance(prompt, str):
        raise BadRequest("prompt: the simulator takes one text, no batch and no token ids")
    return prompt, len(prompt)
