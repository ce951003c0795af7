"""Which engines a configuration needs, and how they are called."""

import json
from dataclasses import replace

import pytest

from shadow.replay.variants import model_of
from shadow.replay.vllm_plan import engine_plans, problems, served, values_of
from shadow.replay.vllm_words import shown, why_it_ended
from shadow.settings import Candidate, Settings, Variant, VllmBackend


def settings(*candidates):
    return Settings(candidates=list(candidates))


def cand(name, lora=None, **backend):
    return Candidate(name=name, backend=VllmBackend(**{"model": "org/m", **backend}), variant=Variant(lora=lora))


def adapter(folder, rank=8):
    folder.mkdir()
    (folder / "adapter_config.json").write_text(json.dumps({"r": rank}))
    return str(folder)


def test_candidates_with_one_backend_share_one_engine():
    plans = engine_plans(settings(cand("a"), cand("b"), cand("c", args=["--dtype", "float32"])))

    assert [p.candidates for p in plans] == [("a", "b"), ("c",)]


def test_the_command_names_model_address_share_and_what_the_operator_added():
    (plan,) = engine_plans(settings(cand("a", gpu_memory_share=0.4, args=["--dtype", "float32"])))

    assert plan.arguments(8123) == (
        ["org/m", "--host", "127.0.0.1", "--port", "8123", "--gpu-memory-utilization", "0.4", "--dtype", "float32"]
    )


def test_gpus_are_chosen_by_environment_and_keys_of_other_servers_stay_out():
    (plan,) = engine_plans(settings(cand("a", gpus=[1, 3], env={"HF_HUB_OFFLINE": "1"})))
    found = plan.environment({"PATH": "/bin", "PROD_KEY": "s", "VLLM_API_KEY": "k"}, frozenset({"PROD_KEY"}))

    assert found["CUDA_VISIBLE_DEVICES"] == "1,3"
    assert found["HF_HUB_OFFLINE"] == found["VLLM_NO_USAGE_STATS"] == "1"
    assert not {"PROD_KEY", "VLLM_API_KEY"} & found.keys()


def test_only_an_ablations_engine_has_the_extension_and_the_development_routes(tmp_path):
    (plan,) = engine_plans(settings(cand("a", env={"PYTHONPATH": "/mine", "VLLM_SERVER_DEV_MODE": "0"})))
    ablating = replace(plan, ablation=tmp_path)
    plain, found = plan.environment({}, frozenset()), ablating.environment({}, frozenset())

    assert plain["VLLM_SERVER_DEV_MODE"] == "0"
    assert "--worker-extension-cls" not in plan.arguments(1)
    assert found["VLLM_SERVER_DEV_MODE"] == "1"
    assert found["PYTHONPATH"] == f"{tmp_path}:/mine"
    assert ablating.arguments(1)[5:] == [
        "--enforce-eager",
        "--worker-extension-cls",
        "shadow_ablation.AblationExtension",
    ]


def test_adapters_of_all_candidates_are_loaded_into_their_shared_engine(tmp_path):
    one, two = adapter(tmp_path / "one"), adapter(tmp_path / "two", rank=24)
    base, a, b = cand("base"), cand("a", lora=one), cand("b", lora=two)
    (plan,) = engine_plans(settings(base, a, b))

    assert plan.arguments(1)[5:] == ["--enable-lora", "--max-lora-rank", "32", "--lora-modules", f"a={one}", f"b={two}"]
    assert [model_of(served(c, "http://x/v1")) for c in (base, a, b)] == ["org/m", "a", "b"]


def test_a_served_name_of_the_operators_is_what_is_asked_for():
    candidate = served(cand("a", args=["--served-model-name", "mine", "other"]), "http://127.0.0.1:9/v1")

    assert model_of(candidate) == "mine"
    assert candidate.backend.url == "http://127.0.0.1:9/v1"


def test_values_of_an_argument_are_read_in_both_spellings():
    assert values_of(["--a", "1", "2", "--b=3", "4"], "--a") == ["1", "2"]
    assert values_of(["--a", "1", "--b=3"], "--b") == ["3"]


@pytest.mark.parametrize(
    ("candidate", "where", "words"),
    [
        (cand("a", args=["--port", "1"]), "backend.args", "backend.port"),
        (cand("a", args=["--api-key=x"]), "backend.args", "127.0.0.1 only"),
        (cand("a", args=["--gpu-memory-utilization=0.5"], gpu_memory_share=0.4), "backend.args", "keep one"),
        (cand("a", model="/no/such/model"), "backend.model", "config.json"),
        (cand("a", python="/no/such/python"), "backend.python", "does not exist"),
        (cand("a", lora="tuned"), "variant.lora", "--lora-modules tuned=FOLDER"),
        (cand("a", lora="/no/such/adapter"), "variant.lora", "adapter_config.json"),
    ],
)
def test_what_cannot_run_is_said_with_its_place_and_its_remedy(candidate, where, words):
    ((index, place, text),) = problems(settings(candidate))

    assert (index, place) == (0, where)
    assert words in text


def test_two_engines_cannot_have_one_port():
    found = list(problems(settings(cand("a", port=8001), cand("b", port=8001, args=["--x"]), cand("c", port=8001))))

    assert [(i, where) for i, where, _ in found] == [(1, "backend.port")]


@pytest.mark.parametrize(
    ("code", "line", "words"),
    [
        (1, "OSError: [Errno 98] Address already in use", "port is taken"),
        (1, "ModuleNotFoundError: No module named 'vllm'", "pip install vllm"),
        (1, "torch.OutOfMemoryError: CUDA out of memory.", "gpu_memory_share"),
        (1, "ValueError: No available memory for the cache blocks.", "gpu_memory_share"),
        (2, "vllm: error: unrecognized arguments: --typo", "backend.args"),
        (1, "OSError: x is not a local folder and is not a valid model identifier", "backend.model"),
        (137, "", "SIGKILL"),
        (139, "", "SIGSEGV"),
        (1, "something new", "exit code 1"),
    ],
)
def test_why_an_engine_ended_names_the_remedy(code, line, words):
    assert words in why_it_ended(code, ["INFO fine", line])


def test_the_lines_that_are_shown_are_bounded_and_quote_no_traffic():
    lines = [f"line {i} " + "x" * 1000 for i in range(100)] + ['INFO: 127.0.0.1:4 - "GET /health HTTP/1.1" 200 OK']
    lines += ["Received request: prompt: 'private'", "a\x1b[31mred"]
    text = shown(lines)

    assert len(text) < 5000
    assert "private" not in text
    assert "/health" not in text
    assert "\x1b" not in text
