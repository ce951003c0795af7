"""The worker extension on small modules of torch, without an engine."""

import ast
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from shadow.replay import vllm_ablation
from shadow.replay.vllm_ablation import AblationExtension

torch = pytest.importorskip("torch")


class Layer(torch.nn.Module):
    def __init__(self, pair):
        super().__init__()
        self.self_attn = torch.nn.Linear(4, 4)
        self.mlp = Pair() if pair else torch.nn.Linear(4, 4)

    def forward(self, x):
        x = x + self.self_attn(x)
        out = self.mlp(x)
        return x + (out[0] if isinstance(out, tuple) else out)


class Pair(torch.nn.Module):
    """A part that answers with a pair, as some of vLLM's modules do."""

    def __init__(self):
        super().__init__()
        self.inner = torch.nn.Linear(4, 4)

    def forward(self, x):
        return self.inner(x), None


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(7)
        self.layers = torch.nn.ModuleList([Layer(pair=False), Layer(pair=True)])

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


def worker(model, eager=True):
    made = AblationExtension()
    made.model_runner = SimpleNamespace(model=model)
    made.vllm_config = SimpleNamespace(model_config=SimpleNamespace(enforce_eager=eager))
    return made


@pytest.fixture
def model():
    return Model().requires_grad_(False)


X = torch.linspace(-1, 1, 8).reshape(2, 4)


def test_it_imports_nothing_that_an_engine_may_lack():
    tree = ast.parse(Path(vllm_ablation.__file__).read_text())
    imported = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    imported |= {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}

    assert {name.partition(".")[0] for name in imported} <= sys.stdlib_module_names


def test_it_says_what_is_served(model):
    about = worker(model).shadow_describe()

    assert (about["model"], about["layers"], about["parts"]) == ("Model", 2, [["attn", "mlp"]] * 2)


def test_a_silenced_layer_is_passed_untouched_and_its_return_is_exact(model):
    one = worker(model)
    before, print_before = model(X), one.shadow_fingerprint()
    one.shadow_ablate([[0, "attn"], [0, "mlp"]], 0.0)
    without = model(X)
    while_ablated = one.shadow_fingerprint()
    calls = one.shadow_restore()["calls"]

    assert torch.equal(without, model.layers[1](X))
    assert calls == {"0.attn": 1, "0.mlp": 1}
    assert while_ablated["bytes"] == print_before["bytes"]
    assert while_ablated["wiring"] != print_before["wiring"]
    assert one.shadow_fingerprint() == print_before
    assert torch.equal(model(X), before)


def test_a_scale_between_and_outputs_in_pairs(model):
    one = worker(model)
    x = X + model.layers[1].self_attn(X)
    one.shadow_ablate([[1, "mlp"]], 0.5)

    assert torch.equal(model.layers[1](X), x + 0.5 * model.layers[1].mlp.inner(x))


def test_silence_is_zero_even_where_the_output_is_not_finite(model):
    model.layers[0].mlp.bias.fill_(float("inf"))
    worker(model).shadow_ablate([[0, "mlp"]], 0.0)

    assert torch.isfinite(model(X)).all()


def test_the_next_ablation_takes_the_place_of_the_one_before(model):
    one = worker(model)
    one.shadow_ablate([[0, "mlp"]], 0.0)
    one.shadow_ablate([[1, "attn"]], 0.0)

    assert one.shadow_describe()["ablated"] == ["1.attn"]


def test_a_compiled_engine_is_refused(model):
    assert "--enforce-eager" in worker(model, eager=False).shadow_ablate([[0, "mlp"]], 0.0)["error"]


def test_a_model_without_known_layers_is_refused():
    assert "no list of decoder layers" in worker(torch.nn.Linear(1, 1)).shadow_describe()["error"]


def test_one_changed_bit_changes_the_fingerprint_of_its_layer_only(model):
    one = worker(model)
    before = [one.shadow_fingerprint([i])["bytes"] for i in (0, 1)]
    model.layers[1].self_attn.weight.view(-1)[3] += 2**-20

    assert [one.shadow_fingerprint([i])["bytes"] == before[i] for i in (0, 1)] == [True, False]


def test_a_packed_layer_is_fingerprinted_by_what_it_answers(model):
    hidden = torch.eye(4)
    packed = model.layers[0].mlp
    packed.weight = torch.nn.Parameter(torch.empty(0), requires_grad=False)
    packed.input_size = 4
    packed.cpu_linear = lambda x, weight, bias: x @ hidden
    one = worker(model)
    before = one.shadow_fingerprint()
    hidden[0, 0] = 2

    assert before["packed"] == 1
    assert one.shadow_fingerprint()["probes"] != before["probes"]
    assert one.shadow_fingerprint()["bytes"] == before["bytes"]
