"""Which layers and parts of a candidate an ablation visits. Pure."""

import re

from shadow.errors import ConfigurationError

PARTS = ("attn", "mlp")
_RANGE = re.compile(r"([0-9]{1,6})(?:-([0-9]{1,6}))?")


def chosen_layers(text: str, *, count: int) -> tuple[int, ...]:
    """The layers that `all` or a list such as `1,4-7` names, ascending and each once, of a model with `count` layers.

    Raises ConfigurationError for a word that is no range, a range that runs backwards or a layer that the model lacks.
    """
    if text.strip() == "all":
        return tuple(range(count))
    found: set[int] = set()
    for word in text.split(","):
        match = _RANGE.fullmatch(word.strip())
        if match is None:
            raise ConfigurationError(
                [f"--layers: {word.strip()!r} is no layer; write all, or numbers and ranges such as 1,4-7"]
            )
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise ConfigurationError([f"--layers: {word.strip()!r} runs backwards; write {last}-{first}"])
        if last >= count:
            raise ConfigurationError(
                [f"--layers: {word.strip()!r} is beyond the model; its layers are 0 to {count - 1}"]
            )
        found.update(range(first, last + 1))
    return tuple(sorted(found))


def chosen_parts(text: str) -> tuple[str, ...]:
    """The parts of a layer that a list such as `attn,mlp` names, in the order of PARTS; raises ConfigurationError for any other word."""
    words = {word.strip() for word in text.split(",")}
    unknown = sorted(words - set(PARTS))
    if unknown:
        raise ConfigurationError([f"--parts: {unknown[0]!r} is no part of a layer; write {', '.join(PARTS)} or both"])
    return tuple(part for part in PARTS if part in words)
