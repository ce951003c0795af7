"""Runs inside vLLM's workers: scales or silences parts of layers of the served model, and puts them back.

Given to the engine as `--worker-extension-cls`; vLLM makes the class a base of its worker and `/collective_rpc` calls its
methods. The engine's environment has no Shadow, so this file is copied there and imports nothing but the standard library.

A part's *output* is scaled, by a hook on the module, and no weight is ever written: it works for packed weights (vLLM's CPU
build leaves `weight` empty), for quantised ones, for experts and under tensor parallelism (the hook sees the reduced sum),
and taking the hook away restores the model. Hooks are seen by an engine that runs eagerly only (`--enforce-eager`).
"""

import ctypes
import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

LAYER_LISTS = ("layers", "h", "blocks")
NAMES = {
    "attn": ("self_attn", "attn", "attention", "self_attention", "linear_attn"),
    "mlp": ("mlp", "feed_forward", "ffn", "block_sparse_moe"),
}
"""What models call the two parts of a decoder layer."""


class AblationExtension:
    """Methods for `/collective_rpc`; all names start with `shadow_`, since vLLM refuses any that the worker has already.

    Expected faults are values ({"error": words}): an exception would be a bare 500 for the caller.
    """

    model_runner: Any
    vllm_config: Any

    def shadow_describe(self) -> dict[str, Any]:
        """What is served: class, number of layers, which parts each layer has, and what is ablated now."""
        layers = self._shadow_layers()
        if layers is None:
            return {"error": f"{type(self._shadow_model()).__name__} has no list of decoder layers that is known here"}
        return {
            "model": type(self._shadow_model()).__name__,
            "layers": len(layers),
            "parts": [[part for part in NAMES if _part(layer, part) is not None] for layer in layers],
            "eager": self._shadow_eager(),
            "ablated": sorted(self._shadow_hooks()),
        }

    def shadow_ablate(self, targets: list[list[Any]], scale: float) -> dict[str, Any]:
        """Scales the output of every [layer, part] of `targets` by `scale`, in place of what was ablated before.

        A target that this worker does not hold (pipeline parallelism) is left to the worker that does.
        """
        if not self._shadow_eager():
            return {"error": "the engine runs compiled graphs, which pass hooks by; it needs --enforce-eager"}
        self.shadow_restore()
        layers, held = self._shadow_layers() or [], []
        for layer, part in targets:
            module = _part(layers[int(layer)], str(part)) if int(layer) < len(layers) else None
            if module is not None:
                key = f"{layer}.{part}"
                self._shadow_calls()[key] = 0
                self._shadow_hooks()[key] = module.register_forward_hook(self._shadow_scaled(key, float(scale)))
                held.append(key)
        return {"ablated": held}

    def shadow_restore(self) -> dict[str, Any]:
        """Takes every hook away; says how often each was passed, so that an ablation that never took effect is noticed."""
        calls = dict(self._shadow_calls())
        for handle in self._shadow_hooks().values():
            handle.remove()
        self._shadow_hooks().clear()
        self._shadow_calls().clear()
        return {"calls": calls}

    def shadow_fingerprint(self, layers: list[int] | None = None) -> dict[str, Any]:
        """Hashes of the whole model or of some layers: `bytes` over every tensor that exists, `probes` over what packed
        weights make of a fixed input, `wiring` over the modules' own hooks and packed closures (this process only)."""
        found = self._shadow_layers() or []
        roots = [self._shadow_model()] if layers is None else [found[i] for i in layers if i < len(found)]
        content, probes, wiring = hashlib.sha256(), hashlib.sha256(), hashlib.sha256()
        tensors = packed = 0
        for root in roots:
            for name, tensor in _tensors(root):
                content.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
                _hash_bytes(content, tensor)
                tensors += tensor.numel() > 0
            for name, module in root.named_modules():
                hooks = [id(hook) for hook in module._forward_hooks.values()]
                closure = getattr(module, "cpu_linear", None)
                forward = getattr(module.forward, "__func__", module.forward)
                wiring.update(f"{name} {hooks} {id(forward)} {id(closure)}".encode())
                output = _probe(module, closure)
                if output is not None:
                    probes.update(name.encode())
                    _hash_bytes(probes, output)
                    packed += 1
        return {
            "bytes": content.hexdigest(),
            "probes": probes.hexdigest(),
            "wiring": wiring.hexdigest(),
            "tensors": tensors,
            "packed": packed,
        }

    def _shadow_model(self) -> Any:
        get = getattr(self.model_runner, "get_model", None)
        return self.model_runner.model if get is None else get()

    def _shadow_layers(self) -> Any:
        """The decoder's layers: the longest list of modules under a known name."""
        lists = [
            m for n, m in self._shadow_model().named_modules() if n.rsplit(".", 1)[-1] in LAYER_LISTS and len(_kids(m))
        ]
        decoders = [m for m in lists if any(_part(layer, part) is not None for layer in _kids(m) for part in NAMES)]
        return max(map(_kids, decoders), key=len, default=None)

    def _shadow_eager(self) -> bool:
        return bool(self.vllm_config.model_config.enforce_eager)

    def _shadow_hooks(self) -> dict[str, Any]:
        if not hasattr(self, "_shadow_hooks_kept"):
            self._shadow_hooks_kept: dict[str, Any] = {}
        return self._shadow_hooks_kept

    def _shadow_calls(self) -> dict[str, int]:
        if not hasattr(self, "_shadow_calls_kept"):
            self._shadow_calls_kept: dict[str, int] = {}
        return self._shadow_calls_kept

    def _shadow_scaled(self, key: str, scale: float) -> Any:
        calls = self._shadow_calls()

        def hook(module: Any, given: Any, output: Any) -> Any:
            calls[key] += 1
            if isinstance(output, tuple):
                return (_scaled(output[0], scale), *output[1:])
            return _scaled(output, scale)

        return hook


def _scaled(output: Any, scale: float) -> Any:
    """Zero is written, not multiplied: zero times infinity is no number."""
    return output.new_zeros(output.shape) if scale == 0 else output * scale


def _kids(module: Any) -> list[Any]:
    return list(module.children())


def _part(layer: Any, part: str) -> Any:
    return next((m for name in NAMES[part] if (m := getattr(layer, name, None)) is not None), None)


def _tensors(root: Any) -> Iterator[tuple[str, Any]]:
    named: list[Iterable[tuple[str, Any]]] = [root.named_parameters(), root.named_buffers()]
    for tensors in named:
        yield from tensors


def _hash_bytes(digest: Any, tensor: Any) -> None:
    """The tensor's own bytes, without a copy where it lies in main memory."""
    plain = tensor.detach().cpu().contiguous()
    size = plain.numel() * plain.element_size()
    if size:
        digest.update(memoryview((ctypes.c_char * size).from_address(plain.data_ptr())))


def _probe(module: Any, closure: Any) -> Any:
    """What a packed linear layer answers to a fixed input; None for any other module."""
    weight = getattr(module, "weight", None)
    width = getattr(module, "input_size_per_partition", None) or getattr(module, "input_size", None)
    if closure is None or weight is None or weight.numel() or not width:
        return None
    inputs = weight.detach().new_ones((4 * int(width),)).cumsum(0).sin().view(4, int(width))
    return closure(inputs, weight, None)
