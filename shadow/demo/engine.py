"""Decodes many answers at once with a small Llama checkpoint on the CPU: one forward pass serves every open request.

The checkpoint is read by transformers; the pass itself is written out here, for at this size the generic one spends nine
tenths of its time outside of arithmetic. Rows of a batch do not see each other: each has its own positions and attends to
its own cache alone, so that a greedy answer is the same whoever is decoded beside it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional

MAX_TOKENS: Final = 320
"""Prompt and answer together; the demo's own requests need 150."""
MAX_ROWS: Final = 24


@dataclass(slots=True, kw_only=True, eq=False)
class Generation:
    """One request under way. `ids` is the prompt; the answer's tokens come into `out`, without the end token."""

    ids: list[int]
    max_new: int
    temperature: float = 0.0
    generator: torch.Generator | None = None
    out: list[int] = field(default_factory=list)
    finish: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layer:
    norm: Tensor
    qkv: Tensor
    out: Tensor
    mlp_norm: Tensor
    gate_up: Tensor
    down: Tensor


def load_checkpoint(folder: Path, bits: int | None = None) -> tuple[Any, Any]:
    """(model, tokenizer) of a folder, offline, in float32. `bits`: every matrix is rounded to so many bits a weight, row by
    row, as weight-only quantisation does."""
    from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
    model.eval()
    if bits is not None:
        with torch.no_grad():
            for weight in model.parameters():
                if weight.dim() == 2:
                    weight.copy_(rounded(weight, bits))
    return model, PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)


def rounded(weight: Tensor, bits: int) -> Tensor:
    """Symmetric rounding with one scale a row: the nearest multiple of max|row| / (2^(bits-1) - 1)."""
    scale = weight.abs().amax(1, keepdim=True).clamp_min(1e-12) / (2 ** (bits - 1) - 1)
    nearest: Tensor = (weight / scale).round() * scale
    return nearest


class Decoder:
    """The forward pass of one checkpoint and the key-value cache of its open requests. Owned by one thread."""

    def __init__(self, model: Any, *, rows: int = MAX_ROWS, length: int = MAX_TOKENS) -> None:
        config = model.config
        self._heads, self._groups = config.num_attention_heads, config.num_key_value_heads
        self._size = config.hidden_size // self._heads
        self._eps = config.rms_norm_eps
        self._end = config.eos_token_id
        with torch.no_grad():
            self._layers = [_layer(block) for block in model.model.layers]
            self._embedding, self._head = model.model.embed_tokens.weight, model.lm_head.weight
            self._norm = model.model.norm.weight
        theta = (getattr(config, "rope_parameters", None) or {"rope_theta": config.rope_theta})["rope_theta"]
        inverse = theta ** -(torch.arange(0, self._size, 2).float() / self._size)
        angles = torch.outer(torch.arange(length).float(), inverse).repeat(1, 2)
        self._cos, self._sin = angles.cos(), angles.sin()
        shape = (len(self._layers), rows, self._groups, length, self._size)
        self._keys, self._values = torch.zeros(shape), torch.zeros(shape)
        self._rows = rows
        self._open: list[Generation] = []
        self._next: list[int] = []

    @property
    def free(self) -> int:
        """How many more requests may be admitted."""
        return self._rows - len(self._open)

    @property
    def busy(self) -> bool:
        """Whether anything is under way."""
        return bool(self._open)

    @torch.inference_mode()
    def admit(self, news: Sequence[Generation]) -> list[Generation]:
        """Reads the prompts of new requests, at most `free`, and gives each its first token. Returns those that advanced."""
        lengths = torch.tensor([len(g.ids) for g in news])
        width = int(lengths.max())
        padded = torch.tensor([g.ids + [0] * (width - len(g.ids)) for g in news])
        positions = torch.arange(width).expand(len(news), width)
        first = len(self._open)
        logits = self._forward(padded, positions, first, lengths - 1)
        self._open.extend(news)
        self._next.extend([0] * len(news))
        return self._take(logits, first)

    @torch.inference_mode()
    def step(self) -> list[Generation]:
        """One more token for every open request. Returns them; the finished ones have `finish` and are gone from here."""
        positions = torch.tensor([[len(g.ids) + len(g.out) - 1] for g in self._open])
        logits = self._forward(torch.tensor(self._next)[:, None], positions, 0, None)
        return self._take(logits, 0)

    def drop(self, generation: Generation) -> None:
        """Forgets a request whose client has left."""
        if generation in self._open:
            self._remove(self._open.index(generation))

    def _take(self, logits: Tensor, first: int) -> list[Generation]:
        """The next token of the rows from `first` on, and who is done by it."""
        advanced = self._open[first:]
        for row, token in enumerate(_choose(logits, advanced), start=first):
            generation = self._open[row]
            if token == self._end:
                generation.finish = "stop"
                continue
            generation.out.append(token)
            self._next[row] = token
            if len(generation.out) >= generation.max_new:
                generation.finish = "length"
        for row in range(len(self._open) - 1, first - 1, -1):
            if self._open[row].finish is not None:
                self._remove(row)
        return advanced

    def _remove(self, row: int) -> None:
        """Frees a row; the last one moves into its place, so that open rows stay one block that needs no copy to read."""
        last = len(self._open) - 1
        if row != last:
            used = len(self._open[last].ids) + len(self._open[last].out)
            for cache in (self._keys, self._values):
                cache[:, row, :, :used] = cache[:, last, :, :used]
            self._open[row], self._next[row] = self._open[last], self._next[last]
        self._open.pop()
        self._next.pop()

    def _forward(self, ids: Tensor, positions: Tensor, first: int, ends: Tensor | None) -> Tensor:
        """Logits of the last token of each row, prompts padded on the right (`ends`: where each ends) or one token each."""
        count, width = ids.shape
        rows, at = torch.arange(first, first + count), positions[:, 0]
        reach = int(positions.max()) + 1
        seen = None if ends is not None else (torch.arange(reach) <= positions)[:, None, None]
        cos, sin = self._cos[positions][:, None], self._sin[positions][:, None]
        x = functional.embedding(ids, self._embedding)
        for index, layer in enumerate(self._layers):
            mixed = functional.linear(self._normed(x, layer.norm), layer.qkv)
            mixed = mixed.view(count, width, self._heads + 2 * self._groups, self._size).transpose(1, 2)
            turned, values = mixed[:, : -self._groups], mixed[:, -self._groups :]
            low, high = turned.chunk(2, -1)
            turned = turned * cos + torch.cat([-high, low], -1) * sin
            queries, keys = turned[:, : self._heads], turned[:, self._heads :]
            if seen is None:
                self._keys[index, first : first + count, :, :width] = keys
                self._values[index, first : first + count, :, :width] = values
                told = functional.scaled_dot_product_attention(queries, keys, values, is_causal=True, enable_gqa=True)
            else:
                self._keys[index][rows, :, at] = keys[:, :, 0]
                self._values[index][rows, :, at] = values[:, :, 0]
                known = self._keys[index, :count, :, :reach], self._values[index, :count, :, :reach]
                told = functional.scaled_dot_product_attention(queries, *known, attn_mask=seen, enable_gqa=True)
            x = x + functional.linear(told.transpose(1, 2).reshape(count, width, -1), layer.out)
            gate, up = functional.linear(self._normed(x, layer.mlp_norm), layer.gate_up).chunk(2, -1)
            x = x + functional.linear(functional.silu(gate) * up, layer.down)
        last = x[:, -1] if ends is None else x[torch.arange(count), ends]
        return functional.linear(self._normed(last, self._norm), self._head)

    def _normed(self, x: Tensor, weight: Tensor) -> Tensor:
        return functional.rms_norm(x, (x.shape[-1],), weight, self._eps)


def _layer(block: Any) -> _Layer:
    attention, mlp = block.self_attn, block.mlp
    return _Layer(
        norm=block.input_layernorm.weight,
        qkv=torch.cat([attention.q_proj.weight, attention.k_proj.weight, attention.v_proj.weight]),
        out=attention.o_proj.weight,
        mlp_norm=block.post_attention_layernorm.weight,
        gate_up=torch.cat([mlp.gate_proj.weight, mlp.up_proj.weight]),
        down=mlp.down_proj.weight,
    )


def _choose(logits: Tensor, generations: Sequence[Generation]) -> list[int]:
    """Greedy where the temperature is 0; else drawn, each with its own generator where a seed was given."""
    chosen: list[int] = logits.argmax(-1).tolist()
    for row, generation in enumerate(generations):
        if generation.temperature > 0:
            shares = (logits[row] / generation.temperature).softmax(-1)
            chosen[row] = int(torch.multinomial(shares, 1, generator=generation.generator))
    return chosen
