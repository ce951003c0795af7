"""Variants from one file: a candidate with axes is every combination, each named, each said before anything starts."""

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.app import foreseeing
from shadow.app.checking import validated
from shadow.configuration import load
from shadow.configuration.expansion import MOST_ARMS, expand
from shadow.errors import ConfigurationError
from shadow.records import Call
from shadow.replay.variants import body_for
from shadow.replay.vllm_plan import engine_plans
from shadow.settings import Candidate, Replay, Settings

AXES = {
    "checkpoint": {"8b": {"backend": {"gpus": [1]}}, "4b": {"backend": {"model": "Qwen/Qwen3-4B", "gpus": [2]}}},
    "adapter": {"plain": {}, "tuned": {"variant": {"lora": "mine"}}},
    "prompt": {
        "own": None,
        "other": {"variant": {"system_prompt": "Be brief."}},
        "more": {"variant": {"system_prompt": "Be brief.", "system_prompt_mode": "prepend"}},
        "shape": {"variant": {"template": "{{ messages }}"}},
    },
    "sampling": {"t0": {"variant": {"sampling": {"temperature": 0}}}, "t7": {"variant": {"sampling": {"top_p": 0.7}}}},
    "quantisation": {"bf16": {}, "fp8": {"backend": {"args": ["--quantization", "fp8"]}}},
}
BACKEND = {"kind": "vllm", "model": "Qwen/Qwen3-8B", "args": ["--lora-modules", "mine=/adapters/7"]}


def a_file(tmp_path, *candidates, **sections):
    path = tmp_path / "shadow.yaml"
    source = {"kind": "jsonl", "path": str(tmp_path / "x.jsonl")}
    ledger = {"url": f"sqlite:///{tmp_path}/shadow.db"}
    path.write_text(json.dumps({"source": source, "ledger": ledger, "candidates": candidates, **sections}))
    return path


def q(**changes):
    return {"name": "q", "backend": BACKEND, "axes": AXES, **changes}


def test_five_axes_are_every_combination_under_its_own_name(tmp_path):
    arms = {c.name: c for c in load(a_file(tmp_path, q())).candidates}

    assert len(arms) == 2 * 2 * 4 * 2 * 2
    one = arms["q-4b-tuned-more-t7-fp8"]
    assert (one.backend.model, one.backend.gpus) == ("Qwen/Qwen3-4B", [2])
    assert one.backend.args == [*BACKEND["args"], "--quantization", "fp8"]
    assert one.variant.model_dump(exclude_unset=True) == {
        "lora": "mine",
        "system_prompt": "Be brief.",
        "system_prompt_mode": "prepend",
        "sampling": {"top_p": 0.7},
    }
    assert arms["q-8b-plain-own-t0-bf16"].backend.args == BACKEND["args"]


def test_arms_alike_in_their_backend_share_a_server(tmp_path):
    plans = engine_plans(load(a_file(tmp_path, q())))

    assert sorted((plan.backend.gpus, "fp8" in plan.backend.args, len(plan.candidates)) for plan in plans) == [
        ([1], False, 16),
        ([1], True, 16),
        ([2], False, 16),
        ([2], True, 16),
    ]


def test_every_arm_is_asked_its_own_variant(tmp_path):
    messages = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "hi"}]
    call = Call(index=0, id="x", request={"messages": messages, "temperature": 1})
    arms = {c.name: c for c in load(a_file(tmp_path, q())).candidates}
    bodies = {name: body_for(call, arm, Replay()).body for name, arm in arms.items()}

    assert bodies["q-8b-plain-own-t0-bf16"]["temperature"] == 0
    assert bodies["q-8b-tuned-other-t7-bf16"]["messages"][0] == {"role": "system", "content": "Be brief."}
    assert bodies["q-8b-tuned-other-t7-bf16"]["model"] == "mine"
    assert bodies["q-8b-plain-shape-t7-bf16"]["chat_template"] == "{{ messages }}"
    backends = {name: arm.backend.model_dump_json() for name, arm in arms.items()}
    whole = {(backends[name], json.dumps(body, sort_keys=True)) for name, body in bodies.items()}
    assert len(whole) == len(arms)  # no two arms are the same question to the same server


def test_plain_candidates_beside_it_stay_where_they_are(tmp_path):
    plain = {"name": "plain", "backend": {"kind": "openai", "url": "http://127.0.0.1:9/v1", "model": "m"}}
    names = [
        c.name
        for c in load(a_file(tmp_path, plain, q(axes={"p": {"a": {}, "b": {}}}), {**plain, "name": "z"})).candidates
    ]

    assert names == ["plain", "q-a", "q-b", "z"]


@pytest.mark.parametrize(
    ("axes", "said"),
    [
        (
            {"p": {"a": {"variant": {"sytem_prompt": "x"}}}},
            "axes.p.a.variant.sytem_prompt: is not a known key; did you mean `system_prompt`",
        ),
        ({"p": {"a": {"name": "x"}}}, "axes.p.a.name: 'x' cannot be varied"),
        ({"p": {"a": 4}}, "axes.p.a: '4' has to hold what changes"),
        ({"p": {}}, "axes.p: has to hold named values"),
        ({"p": {"a b": {}}}, "candidates[0].name"),
        (
            {"p": {str(i): {} for i in range(9)}, "r": {str(i): {} for i in range(9)}},
            f"81 arms of one candidate, at most {MOST_ARMS}",
        ),
        (
            {"p": {"a": {"backend": {"model": "./nowhere"}}, "b": {}}},
            "axes.p.a.backend.model: is no folder with a model",
        ),
    ],
)
def test_a_mistake_is_shown_where_it_stands(tmp_path, axes, said):
    with pytest.raises(ConfigurationError) as caught:
        validated(str(a_file(tmp_path, q(axes=axes))))

    assert any(said in problem for problem in caught.value.problems), caught.value.problems


def test_a_mistake_of_the_candidate_is_said_once_and_not_for_every_arm(tmp_path):
    backend = {**BACKEND, "model": "./nowhere", "args": []}
    with pytest.raises(ConfigurationError) as caught:
        validated(str(a_file(tmp_path, q(backend=backend, axes={"p": {"a": {}, "b": {}, "c": {}}}))))

    assert len(caught.value.problems) == 1
    assert "candidates[0].backend.model" in caught.value.problems[0]


def test_axes_are_never_taken_silently_for_a_plain_candidate():
    with pytest.raises(ValueError, match="multiplied out"):
        Candidate.model_validate(q())


PARTS = st.dictionaries(st.sampled_from("abcdef"), st.just({}), min_size=1, max_size=3)


@given(st.dictionaries(st.sampled_from(["x", "y", "z"]), PARTS, min_size=1, max_size=3))
def test_names_are_distinct_and_the_file_is_not_changed(axes):
    value = {"candidates": [{"name": "n", "axes": axes}]}
    before = json.dumps(value)
    found = expand(value)

    names = [c["name"] for c in found.value["candidates"]]
    assert len(set(names)) == len(names) == len(found.origins)
    assert json.dumps(value) == before


def priced(*candidates, **sections):
    return Settings.model_validate({"candidates": list(candidates), **sections})


def test_what_it_costs_is_said_by_the_hour_by_the_token_and_where_unknown():
    server = {"kind": "openai", "url": "http://127.0.0.1:9/v1", "model": "m"}
    settings = priced(
        {"name": "a", "backend": server, "price": {"gpu_usd_per_hour": 2.5, "gpus": 2}},
        {"name": "b", "backend": server, "price": {"input_usd_per_million": 1, "output_usd_per_million": 3}},
        {"name": "c", "backend": server, "price": {"input_usd_per_million": 2, "output_usd_per_million": 4}},
        {"name": "d", "backend": server},
        budget={"usd_per_day": 50},
    )

    said = foreseeing.cost(settings)
    assert "5 USD per hour (120 a day)" in said
    assert "3 USD per million tokens in and 7 out" in said
    assert "unknown for d" in said
    assert "stops at 50 USD a day" in said


def test_a_gpu_paid_for_twice_or_wanted_by_two_servers_is_said():
    hourly = {"gpu_usd_per_hour": 2.5, "gpus": 1}
    one = {"kind": "vllm", "model": "m", "gpus": [0]}
    shared = priced({"name": "a", "backend": one, "price": hourly}, {"name": "b", "backend": one, "price": hourly})
    both = priced({"name": "a", "backend": one}, {"name": "b", "backend": {**one, "model": "n"}})
    fair = priced(*({"name": n, "backend": one, "price": {**hourly, "gpus": 0.5}} for n in "ab"))

    assert "price.gpus: 0.5" in " ".join(foreseeing.notes(shared))
    assert "2 servers want GPU 0" in " ".join(foreseeing.notes(both))
    assert not list(foreseeing.notes(fair))


def test_shadow_check_prints_every_arm_its_servers_and_their_cost(tmp_path):
    axes = {key: AXES[key] for key in ("checkpoint", "sampling")}
    path = a_file(tmp_path, q(axes=axes, price={"gpu_usd_per_hour": 2.5, "gpus": 0.5}))
    done = subprocess.run(
        [sys.executable, "-m", "shadow", "check", "-c", str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "axes         q: 4 arms = checkpoint (8b, 4b) x sampling (t0, t7)" in done.stdout
    assert [f"q-{c}-{s}: " in done.stdout for c in ("8b", "4b") for s in ("t0", "t7")] == [True] * 4
    assert "engines      2 vLLM servers that `shadow run` starts, on GPU 1, 2" in done.stdout
    assert "cost         5 USD per hour (120 a day)" in done.stdout
