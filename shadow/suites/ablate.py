"""Which layers and parts of a candidate an ablation visits. Pure."""

import re
from dataclasses import dataclass

from shadow.errors import ConfigurationError

PARTS = ("attn", "mlp")
WHOLE = "layer"
"""The word for both parts at once."""
_RANGE = re.compile(r"([0-9]{1,6})(?:-([0-9]{1,6}))?")


def chosen_layers(text: str, *, count: int | None) -> tuple[int, ...]:
    """The layers that `all` or a list such as `1,4-7` names, ascending and each once, of a model with `count` layers.

    Raises ConfigurationError for a word that is no range, a range that runs backwards or a layer that the model lacks. With
    `count` None (a model that is not loaded yet) only the words are judged, and nothing is returned for `all`.
    """
    if text.strip() == "all":
        return tuple(range(count or 0))
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
        if count is not None and last >= count:
            raise ConfigurationError(
                [f"--layers: {word.strip()!r} is beyond the model; its layers are 0 to {count - 1}"]
            )
        found.update(range(first, last + 1))
    return tuple(sorted(found))


def chosen_parts(text: str) -> tuple[str, ...]:
    """The words of --parts in a fixed order: `attn`, `mlp`, and `layer` for both at once; raises ConfigurationError for others."""
    known = (*PARTS, WHOLE)
    words = {word.strip() for word in text.split(",")}
    unknown = sorted(words - set(known))
    if unknown:
        raise ConfigurationError(
            [f"--parts: {unknown[0]!r} is no part of a layer; write one or more of {', '.join(known)}"]
        )
    return tuple(word for word in known if word in words)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ablation:
    """One thing to try: which (layer, part) pairs are scaled at once, and its name, such as `3.mlp` or `1-2,5.attn+mlp`."""

    name: str
    targets: tuple[tuple[int, str], ...]

    @property
    def layers(self) -> tuple[int, ...]:
        """The layers that it touches."""
        return tuple(sorted({layer for layer, _ in self.targets}))


def planned(layers: tuple[int, ...], words: tuple[str, ...], *, together: bool) -> tuple[Ablation, ...]:
    """Every ablation of a run in order: one for each layer and word, or a single one of everything at once."""
    if together:
        parts = tuple(part for part in PARTS if any(part in parts_of(word) for word in words))
        targets = tuple((layer, part) for layer in layers for part in parts)
        return (Ablation(name=f"{_compact(layers)}.{'+'.join(parts)}", targets=targets),)
    return tuple(
        Ablation(name=f"{layer}.{word}", targets=tuple((layer, part) for part in parts_of(word)))
        for layer in layers
        for word in words
    )


def parts_of(word: str) -> tuple[str, ...]:
    """The parts that a word of --parts stands for."""
    return PARTS if word == WHOLE else (word,)


def _compact(layers: tuple[int, ...]) -> str:
    runs: list[list[int]] = []
    for layer in layers:
        if runs and layer == runs[-1][1] + 1:
            runs[-1][1] = layer
        else:
            runs.append([layer, layer])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)
