"""Run by the engine's Python as a file: writes a copy of a model with parts of its layers scaled, as safetensors.

`python ablated_checkpoint.py '{"model": ..., "out": ..., "layers": "1,4-7", "parts": ["attn"], "scale": 0.0}'`. What is
scaled is the last projection of a part, so that the part's output is scaled, as the live ablation does. Exit code 2 with one
line on standard error for what cannot be done; the folder appears whole or not at all.
"""

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

PROJECTION = re.compile(
    r"(?:^|\.)(?:layers|h|blocks)\.(?P<layer>\d+)\."
    r"(?:(?P<attn>self_attn|attn|attention|self_attention|linear_attn)|(?P<mlp>mlp|feed_forward|ffn|block_sparse_moe))\."
    r"(?:[\w.]+\.)?(?:o_proj|out_proj|c_proj|dense|dense_4h_to_h|down_proj|fc2|fc_out|w2|wo)\.(?P<kind>\w+)$"
)
LAYER = re.compile(r"(?:^|\.)(?:layers|h|blocks)\.(\d+)\.")
QUANTISED = ("qweight", "qzeros", "scales", "weight_scale", "weight_packed", "g_idx")


class Refused(Exception):
    """What cannot be done, in words that name the option."""


def target_of(name: str) -> tuple[int, str, str] | None:
    """(layer, part, kind of tensor) of a tensor that ends a part; None for any other."""
    match = PROJECTION.search(name)
    if match is None:
        return None
    return int(match["layer"]), "attn" if match["attn"] else "mlp", match["kind"]


def layers_of(text: str, count: int) -> set[int]:
    """As --layers writes them. Raises Refused for what the model lacks."""
    if text.strip() == "all":
        return set(range(count))
    found: set[int] = set()
    for word in text.split(","):
        match = re.fullmatch(r"([0-9]{1,6})(?:-([0-9]{1,6}))?", word.strip())
        if match is None or int(match[2] or match[1]) < int(match[1]):
            raise Refused(f"--layers: {word.strip()!r} is no layer; write all, or numbers and ranges such as 1,4-7")
        if int(match[2] or match[1]) >= count:
            raise Refused(f"--layers: {word.strip()!r} is beyond the model; its layers are 0 to {count - 1}")
        found.update(range(int(match[1]), int(match[2] or match[1]) + 1))
    return found


def write(order: dict[str, Any]) -> dict[str, int]:
    """Writes the copy beside its place and moves it there; {"changed", "tensors"}."""
    from safetensors import safe_open
    from safetensors.torch import save_file

    source, out = _folder(order["model"]), Path(order["out"])
    if out.exists() and any(out.iterdir()):
        raise Refused(f"--write-checkpoint: {out} is not empty; name a new folder")
    files = sorted(source.glob("*.safetensors"))
    if not files:
        raise Refused(f"--write-checkpoint: {source} holds no *.safetensors; convert the model first")
    names: dict[str, Path] = {}
    for file in files:
        with safe_open(file, framework="pt") as opened:
            names |= dict.fromkeys(opened.keys(), file)
    count = 1 + max((int(m[1]) for name in names if (m := LAYER.search(name))), default=-1)
    wanted = {(layer, part) for layer in layers_of(order["layers"], count) for part in order["parts"]}
    _refuse_what_is_missing(wanted, names)
    building = out.with_name(out.name + ".partial")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    changed = 0
    for file in files:
        with safe_open(file, framework="pt") as opened:
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118  # no mapping
            metadata = opened.metadata()
        for name, tensor in tensors.items():
            found = target_of(name)
            if found is not None and found[:2] in wanted:
                tensors[name] = tensor.new_zeros(tensor.shape) if order["scale"] == 0 else tensor * order["scale"]
                changed += 1
        save_file(tensors, building / file.name, metadata=metadata)
    for other in source.iterdir():
        if other.is_file() and other.suffix not in {".safetensors", ".bin", ".pt", ".pth", ".gguf"}:
            shutil.copyfile(other, building / other.name)
    (building / "ablation.json").write_text(json.dumps({key: order[key] for key in ("layers", "parts", "scale")}))
    if out.exists():
        out.rmdir()
    building.rename(out)
    return {"changed": changed, "tensors": len(names)}


def _refuse_what_is_missing(wanted: set[tuple[int, str]], names: dict[str, Path]) -> None:
    found: dict[tuple[int, str], set[str]] = {}
    for name in names:
        target = target_of(name)
        if target is not None:
            found.setdefault(target[:2], set()).add(target[2])
    for layer, part in sorted(wanted):
        kinds = found.get((layer, part), set())
        if kinds & set(QUANTISED):
            raise Refused(
                f"--write-checkpoint: layer {layer} is quantised ({', '.join(sorted(kinds))}); copy the full model"
            )
        if "weight" not in kinds:
            raise Refused(f"--parts: no weight of the model is known to end {part} of layer {layer}")


def _folder(model: str) -> Path:
    folder = Path(model).expanduser()
    if folder.is_dir():
        return folder
    from huggingface_hub import snapshot_download

    return Path(snapshot_download(model))


if __name__ == "__main__":
    try:
        print(json.dumps(write(json.loads(sys.argv[1]))))  # noqa: T201  # its answer
    except Refused as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
