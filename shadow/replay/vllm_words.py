"""Why an engine ended, in words that name the remedy. Pure: from its exit code and its last lines."""

import re
import signal
from collections.abc import Iterable

SHOWN_LINES = 12
MAX_LINE_CHARACTERS = 300
_TRAFFIC = re.compile(r"prompt|messages|received request|content", re.IGNORECASE)
"""Lines that may quote what was asked: production text has no place in our log."""
_ACCESS = re.compile(r'HTTP/1\.[01]" [23]\d\d')
"""The engine's access log would push out what it died of."""

_CAUSES = (
    (r"address already in use|errno 98", "its port is taken; free it, or set backend.port to 0 for a free one"),
    (
        r"no module named '?vllm|packagenotfounderror.*vllm",
        "its Python has no vLLM; set backend.python to that of an environment where `pip install vllm` was done",
    ),
    (
        r"out of memory|outofmemoryerror|no available memory for the cache|free memory on device|larger than the "
        r"available kv cache|insufficient memory|cannot allocate memory",
        "it ran out of memory; lower backend.gpu_memory_share or --max-model-len, or give it a GPU of its own",
    ),
    (
        r"unrecognized arguments|error: argument|invalid choice",
        "it does not know an argument; compare backend.args with `vllm serve --help` of this version",
    ),
    (
        r"repo id must be|is not a local folder|not a valid model identifier|config\.json|can't load the config|"
        r"repositorynotfounderror|incorrect path_or_model_id|localentrynotfounderror|no safetensors|"
        r"cannot find any model weights",
        "it cannot load the model; check the name or path in backend.model, and access to the hub",
    ),
    (
        r"no such device|invalid device ordinal|no cuda gpus|failed to infer device",
        "it finds no such GPU; check backend.gpus",
    ),
)


def why_it_ended(code: int | None, lines: Iterable[str]) -> str:
    """One clause. The last cause that the lines name counts: earlier ones may be warnings."""
    found = None
    for line in lines:
        for pattern, words in _CAUSES:
            if re.search(pattern, line, re.IGNORECASE):
                found = words
    ended = _how(code)
    return f"{ended}: {found}" if found else ended


def shown(lines: Iterable[str]) -> str:
    """The last lines for the log: bounded, and without any that may quote traffic."""
    kept = [line[:MAX_LINE_CHARACTERS] for line in lines if not _TRAFFIC.search(line) and not _ACCESS.search(line)]
    return "\n".join(f"    | {_plain(line)}" for line in kept[-SHOWN_LINES:])


def _how(code: int | None) -> str:
    if code is None:
        return "it did not end"
    if code == 128 + signal.SIGKILL:
        return "it was killed (SIGKILL: by somebody, or by the kernel for want of memory)"
    if code > 128:
        try:
            return f"it ended by {signal.Signals(code - 128).name}"
        except ValueError:
            return f"it ended with exit code {code}"
    return f"it ended with exit code {code}"


def _plain(line: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in line)
