"""Turns one mirrored call into the body that one arm is sent. Pure: the call's own request is never changed."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from shadow.records import Call
from shadow.settings import Baseline, Candidate, OpenAIBackend, Replay, Variant

_OURS = frozenset({"model", "messages", "prompt", "stream", "stream_options", "n"})
_PROMPTS = frozenset({"messages", "prompt"})
_OUTPUT_LIMITS = ("max_completion_tokens", "max_tokens")
_SYSTEM_ROLES = ("system", "developer")


class ArmBody(NamedTuple):
    """What is sent, and what was adjusted on the way: words such as `drop:logprobs`, each to be counted."""

    body: dict[str, Any]
    notes: tuple[str, ...]


def problems(candidate: Candidate) -> list[str]:
    """What a candidate's variant, `drop` and `map` ask for that cannot be done; complete sentences, empty when all is well."""
    found = [
        f"candidate {candidate.name}: variant.sampling may not set {key!r}; Shadow sets it for every arm alike"
        for key in sorted(_OURS & candidate.variant.sampling.keys())
    ]
    found += [
        f"candidate {candidate.name}: {key!r} is the prompt itself and may be neither dropped nor mapped"
        for key in sorted(_PROMPTS & (set(candidate.drop) | candidate.map.keys() | set(candidate.map.values())))
    ]
    return found


def model_of(arm: Candidate | Baseline) -> str:
    """The model name an arm's server knows: its adapter's where one is set, else its backend's."""
    if isinstance(arm, Baseline):
        return arm.model
    return arm.variant.lora or arm.backend.model


def body_for(call: Call, arm: Candidate | Baseline, replay: Replay) -> ArmBody:
    """The body of `call` for `arm`: model, streaming, variant, and what this server refuses or names differently.

    Order: what is ours for every arm, the variant, then `drop` and `map` (so that they see the final body).
    """
    if call.request is None:
        raise ValueError("a call that is not replayable has no body")
    notes: list[str] = []
    body = dict(call.request)
    body["model"] = model_of(arm)
    if body.pop("n", 1) not in (1, None):
        notes.append("n")
    if not replay.tokenizers_equal and body.pop("logit_bias", None):
        notes.append("logit_bias")
    for key in ("stream", "stream_options"):
        body.pop(key, None)
    if replay.stream:
        body["stream"] = True
        body["stream_options"] = {"include_usage": True}
    if isinstance(arm, Candidate):
        _vary(body, call, arm.variant, notes)
        _adjust(body, (*replay.drop, *arm.drop), {**replay.map, **arm.map}, notes)
    else:
        _adjust(body, replay.drop, replay.map, notes)
    return ArmBody(body, tuple(notes))


def limit_is_ours(call: Call, arm: Candidate | Baseline) -> bool:
    """True when the output limit of this call was set by Shadow or by the arm's variant, not by the caller."""
    own = isinstance(arm, Candidate) and any(key in arm.variant.sampling for key in _OUTPUT_LIMITS)
    return own or "limit_is_ours" in call.notes


def warmup_call(number: int) -> Call:
    """The smallest chat request there is: it wakes a server up before anything is measured. The text differs each time, so
    that one prompt which a server cannot bear does not keep it out for ever."""
    request = {"messages": [{"role": "user", "content": f"Hi {number}"}], "max_tokens": 1}
    return Call(index=0, id="warm-up", request=request)


def openai_backend(baseline: Baseline) -> OpenAIBackend:
    """The baseline's server as a backend like every other."""
    return OpenAIBackend(
        url=baseline.url, model=baseline.model, api_key_file=baseline.api_key_file, api_key_env=baseline.api_key_env
    )


def _vary(body: dict[str, Any], call: Call, variant: Variant, notes: list[str]) -> None:
    if variant.system_prompt is not None:
        messages = body.get("messages")
        if call.endpoint == "chat" and isinstance(messages, list):
            body["messages"] = _with_system(messages, variant.system_prompt, variant.system_prompt_mode)
        else:
            notes.append("system_prompt:not_applied")
    if variant.template is not None:
        if call.endpoint == "chat":
            body["chat_template"] = variant.template
        else:
            notes.append("template:not_applied")
    for key, value in variant.sampling.items():
        if key in _OURS:
            continue  # refused by `problems` before anything runs
        if key in _OUTPUT_LIMITS:
            for other in _OUTPUT_LIMITS:
                body.pop(other, None)
        if value is None:
            body.pop(key, None)
        else:
            body[key] = value


def _with_system(messages: list[Any], text: str, mode: str) -> list[Any]:
    """The conversation under another system prompt. Only the leading system messages are one; later ones are conversation."""
    leading = 0
    while leading < len(messages) and _role(messages[leading]) in _SYSTEM_ROLES:
        leading += 1
    if mode == "replace" or leading == 0:
        return [{"role": "system", "content": text}, *messages[leading:]]
    first = messages[0]
    content = first.get("content")
    if isinstance(content, str):
        content = f"{text}\n\n{content}"
    elif isinstance(content, list):
        content = [{"type": "text", "text": text}, *content]
    else:
        content = text
    return [{**first, "content": content}, *messages[1:]]


def _role(message: Any) -> Any:
    return message.get("role") if isinstance(message, dict) else None


def _adjust(
    body: dict[str, Any], drop: tuple[str, ...] | list[str], renamed: Mapping[str, str], notes: list[str]
) -> None:
    for key in dict.fromkeys(drop):
        if key in body and key not in _PROMPTS:
            del body[key]
            notes.append(f"drop:{key}")
    for key, name in renamed.items():
        if key == name or key not in body or key in _PROMPTS or name in _PROMPTS:
            continue
        value = body.pop(key)
        body.setdefault(name, value)
        notes.append(f"map:{key}")
