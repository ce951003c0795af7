"""Which kind of failure an error is: from status, code and wording, in every spelling that servers use."""

from typing import Any

from shadow.records import FailureKind

_SCAN_CHARS = 4096

_RATE = ("rate_limit", "rate limit", "ratelimit", "too many requests", "quota", "overloaded")
_FULL = ("queue is full", "queue full", "capacity", "no slot", "slot unavailable", "busy", "too many", "exhausted")
_CONTEXT = (
    "context length",
    "context_length",
    "context size",
    "context_size",
    "context window",
    "contextwindow",
    "maximum context",
    "max_model_len",
    "maximum model length",
    "max model len",
    "prompt is too long",
    "prompt too long",
    "input is too long",
    "input too long",
    "string_above_max_length",
    "too many tokens",
    "token limit",
    "maximum sequence length",
    "maximum input length",
    "maximum prompt length",
    "reduce the length",
    "must have less than",
    "inputs tokens + max_new_tokens",
)
_MEMORY = ("out of memory", "outofmemory", "out_of_memory", "alloc_failed", "oom-kill", "oomkilled")
_TIMEOUT = ("timeout", "timed out", "deadline exceeded", "deadline_exceeded")
_CONNECTION = ("connection", "connect error", "connecterror", "econnrefused", "econnreset", "unreachable", "dns")
_CALLER = (
    "invalid_request",
    "invalid request",
    "badrequest",
    "bad_request",
    "bad request",
    "notfound",
    "not_found",
    "not found",
    "authentication",
    "permission",
    "unauthorized",
    "forbidden",
    "unprocessable",
    "validation",
    "invalid_argument",
    "unsupported",
    "contentpolicy",
    "content_policy",
    "content_filter",
)


def is_error(body: dict[str, Any]) -> bool:
    """True for a JSON object that reports an error, whatever its spelling."""
    if body.get("error"):
        return True
    if body.get("choices"):
        return False
    if body.get("object") == "error" or body.get("type") == "error":
        return True
    return bool(body.get("detail")) or (isinstance(body.get("message"), str) and ("code" in body or "type" in body))


def is_filter(error: Any) -> bool:
    """True when the provider's content filter refused the prompt: a class of its own beside its 4xx."""
    inner = error.get("error", error) if isinstance(error, dict) else error
    return isinstance(inner, dict) and inner.get("code") in ("content_filter", "content_policy_violation")


def classify(status: int | None, error: Any = None) -> FailureKind:
    """The kind of one failed answer. `error` is the parsed body, its error part, or plain text; `status` 0 is "no answer"."""
    words: list[str] = []
    inner = _read(error, words, 0)
    code = status if status is not None and not 200 <= status < 300 else None
    if code is None:
        code = inner
    text = " ".join(words).lower()
    if code in (429, 529) or inner == 429 or any(w in text for w in _RATE):
        return "rate_limited"
    if any(w in text for w in _CONTEXT):
        return "context_length"
    if any(w in text for w in _MEMORY):
        return "out_of_memory"
    if code == 503 and any(w in text for w in _FULL):
        return "rate_limited"
    if code in (408, 504, 524) or ((code is None or code >= 500) and any(w in text for w in _TIMEOUT)):
        return "timeout"
    if code == 0 or (code is None and any(w in text for w in _CONNECTION)):
        return "connection"
    if code is not None and 300 <= code < 400:
        return "invalid"
    if code is not None:
        return "http_4xx" if 400 <= code < 500 else "http_5xx"
    return "http_4xx" if any(w in text for w in _CALLER) else "http_5xx"


def _read(error: Any, words: list[str], depth: int) -> int | None:
    """Collects wording into `words` and returns the numeric HTTP code that the error names, None when there is none."""
    if isinstance(error, str):
        words.append(error[:_SCAN_CHARS])
        return _http_code(error)
    if isinstance(error, list):
        return _read(error[0], words, depth + 1) if error and depth < 4 else None
    if not isinstance(error, dict) or depth >= 4:
        return _http_code(error)
    found = None
    for key in ("code", "status", "status_code", "http_status", "error_code", "type", "error_class", "message", "msg"):
        value = error.get(key)
        if isinstance(value, str):
            words.append(value[:_SCAN_CHARS])
        if found is None and key not in ("message", "msg"):
            found = _http_code(value)
    for key in ("error", "detail", "error_message", "metadata", "reason"):
        if key in error:
            nested = _read(error[key], words, depth + 1)
            found = nested if found is None else found
    return found


def _http_code(value: Any) -> int | None:
    if isinstance(value, str):
        value = int(value) if len(value) == 3 and value.isascii() and value.isdigit() else None
    elif isinstance(value, float):
        value = int(value) if 400 <= value < 600 else None
    return value if type(value) is int and 400 <= value < 600 else None
