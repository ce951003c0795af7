"""The copy of a model with parts scaled, written by a Python that has torch and safetensors."""

import json
from pathlib import Path

import pytest

from shadow.app.ablated_copy import write_checkpoint
from shadow.errors import ConfigurationError
from shadow.settings import Candidate, Variant, VllmBackend
from shadow.suites.ablate_run import Wish
from shadow.suites.ablated_checkpoint import target_of

MODEL = Path(__file__).resolve().parents[3] / "shadow/demo/models/incumbent"


def candidate(model=MODEL, **changes):
    return Candidate(name="a", backend=VllmBackend(model=str(model)), **changes)


def wish(layers="1-2", parts=("mlp",), scale=0.0):
    return Wish(layers=layers, parts=parts, scale=scale)


def tensors(folder):
    torch = pytest.importorskip("torch")
    safetensors = pytest.importorskip("safetensors.torch")
    found = {}
    for file in sorted(Path(folder).glob("*.safetensors")):
        found |= safetensors.load_file(file)
    return torch, found


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("model.layers.3.self_attn.o_proj.weight", (3, "attn", "weight")),
        ("model.layers.11.mlp.down_proj.bias", (11, "mlp", "bias")),
        ("model.language_model.layers.0.mlp.experts.7.down_proj.weight", (0, "mlp", "weight")),
        ("transformer.h.2.attn.c_proj.weight", (2, "attn", "weight")),
        ("model.layers.0.block_sparse_moe.experts.1.w2.weight", (0, "mlp", "weight")),
        ("model.layers.3.self_attn.q_proj.weight", None),
        ("model.layers.3.mlp.gate_proj.weight", None),
        ("model.embed_tokens.weight", None),
        ("lm_head.weight", None),
    ],
)
def test_only_what_ends_a_part_is_its_target(name, target):
    assert target_of(name) == target


@pytest.mark.parametrize("scale", [0.0, 0.5])
def test_the_chosen_are_scaled_and_everything_else_is_byte_identical(tmp_path, scale):
    torch, before = tensors(MODEL)
    written = write_checkpoint(candidate(), wish(scale=scale), tmp_path / "copy")
    _, after = tensors(tmp_path / "copy")
    chosen = {f"model.layers.{i}.mlp.down_proj.weight" for i in (1, 2)}

    assert written == {"changed": 2, "tensors": len(before)}
    assert before.keys() == after.keys()
    for name, tensor in before.items():
        assert torch.equal(after[name], tensor * scale if name in chosen else tensor)
    assert (tmp_path / "copy/config.json").read_bytes() == (MODEL / "config.json").read_bytes()


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (wish("4"), "--layers: '4' is beyond the model; its layers are 0 to 3"),
        (wish("2-1"), "--layers: '2-1' is no layer"),
    ],
)
def test_what_cannot_be_written_names_the_option_and_leaves_nothing(tmp_path, asked, words):
    tensors(MODEL)
    with pytest.raises(ConfigurationError, match=words):
        write_checkpoint(candidate(), asked, tmp_path / "copy")

    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_holds_something_is_never_written_to(tmp_path):
    tensors(MODEL)
    (tmp_path / "mine").write_text("x")

    with pytest.raises(ConfigurationError, match="is not empty; name a new folder"):
        write_checkpoint(candidate(), wish(), tmp_path)


def test_quantised_layers_are_refused(tmp_path):
    torch, _ = tensors(MODEL)
    import safetensors.torch

    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text(json.dumps({}))
    safetensors.torch.save_file(
        {"model.layers.0.mlp.down_proj.qweight": torch.zeros(2, 2, dtype=torch.int32)}, model / "model.safetensors"
    )

    with pytest.raises(ConfigurationError, match="layer 0 is quantised"):
        write_checkpoint(candidate(model), wish("0"), tmp_path / "copy")


def test_an_adapter_is_no_part_of_a_checkpoint(tmp_path):
    with pytest.raises(ConfigurationError, match=r"variant\.lora is no part of a checkpoint"):
        write_checkpoint(candidate(variant=Variant(lora="x")), wish(), tmp_path / "copy")
