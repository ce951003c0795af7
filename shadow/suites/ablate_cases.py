"""Cases of an ablation from a JSONL file: lines as `shadow score` takes them, or envelopes of mirrored traffic."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shadow.errors import ConfigurationError, DecodeError
from shadow.records import Call
from shadow.sources.decode import decode

_OWN = ("expected", "schema", "rubric", "canary")
_PARAMETERS = ("max_tokens", "max_completion_tokens", "stop", "tools", "tool_choice", "response_format")


@dataclass(frozen=True, slots=True, kw_only=True)
class AblationCase:
    """One request, and what scorers with an expectation need."""

    call: Call
    expected: Any = None
    schema: dict[str, Any] | None = None
    rubric: str | None = None
    canary: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFile:
    """The cases in order; `skipped` counts what cannot be asked, by reason; `digest` names the content of the file."""

    cases: tuple[AblationCase, ...]
    skipped: dict[str, int]
    digest: str


def read_cases(path: str, *, max_output_tokens: int) -> CaseFile:
    """All cases of a file. Raises ConfigurationError naming the first bad line, or a file without any case.

    `{"id", "prompt" or "messages", ...}` is a case with `expected`, `schema`, `rubric`, `canary`, `route` and an output
    limit as it likes; whatever answers it carries are not used. Anything else has to be a record that `shadow decode` reads.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise ConfigurationError([f"--cases: {path} cannot be read ({error.strerror})"]) from None
    cases: list[AblationCase] = []
    skipped: dict[str, int] = {}
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            found, own = _calls(line, f"{path}:{number}", max_output_tokens)
        except DecodeError as error:
            raise ConfigurationError(
                [
                    f"--cases: {path}:{number} is neither a case nor a mirrored record ({error.reason}); try `shadow decode`"
                ]
            ) from None
        for call in found:
            if call.request is None:
                reason = call.reason or "heartbeat"
                skipped[reason] = skipped.get(reason, 0) + 1
            else:
                cases.append(AblationCase(call=call, **own))
    if not cases:
        raise ConfigurationError([f"--cases: {path} holds no request that can be asked"])
    return CaseFile(cases=tuple(cases), skipped=skipped, digest=hashlib.sha256(data).hexdigest())


def _calls(line: bytes, place: str, max_output_tokens: int) -> tuple[list[Call], dict[str, Any]]:
    row = _row(line)
    if row is None or not ("prompt" in row or "messages" in row) or "request" in row or "model" in row:
        return decode(line, max_output_tokens=max_output_tokens), {}
    prompt, messages = row.get("prompt"), row.get("messages")
    if messages is None and isinstance(prompt, list):
        messages = prompt
    if messages is None and not isinstance(prompt, str):
        raise ConfigurationError([f"--cases: {place}: prompt is neither text nor a list of messages"])
    request: dict[str, Any] = {"messages": messages or [{"role": "user", "content": prompt}]}
    request |= {key: row[key] for key in _PARAMETERS if key in row}
    identity = row.get("id")
    if not isinstance(identity, (str, int)) or isinstance(identity, bool):
        raise ConfigurationError([f'--cases: {place}: no "id"; give every case one'])
    for key, kind, what in (("schema", dict, "an object"), ("rubric", str, "text"), ("canary", str, "text")):
        if row.get(key) is not None and not isinstance(row[key], kind):
            raise ConfigurationError([f"--cases: {place}: {key} is not {what}"])
    envelope = {"id": str(identity), "request": request, "route": row.get("route")}
    encoded = json.dumps(envelope).encode()
    return decode(encoded, "native", max_output_tokens=max_output_tokens), {k: row[k] for k in _OWN if k in row}


def _row(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None
