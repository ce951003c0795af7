import copy
from typing import Any

import pytest
from builders import a_call
from hypothesis import given
from hypothesis import strategies as st

from shadow.records import Call
from shadow.replay.variants import body_for, limit_is_ours, problems
from shadow.settings import Baseline, Candidate, Replay

USER = {"role": "user", "content": "Hello"}


def candidate(**keys: Any) -> Candidate:
    backend = keys.pop("backend", {"kind": "openai", "url": "http://h/v1", "model": "m2"})
    return Candidate.model_validate({"name": "cand", "backend": backend, **keys})


def asked(request: dict[str, Any], **keys: Any) -> Call:
    return a_call(request=request, **keys)


def test_model_and_streaming_are_ours_and_the_rest_is_productions() -> None:
    call = asked({"model": "prod", "messages": [USER], "stream": False, "temperature": 0.3, "top_k": 5})

    body, notes = body_for(call, candidate(), Replay())

    assert body == {
        "model": "m2",
        "messages": [USER],
        "temperature": 0.3,
        "top_k": 5,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    assert notes == ()


def test_without_streaming_no_stream_keys_travel() -> None:
    call = asked({"messages": [USER], "stream": True, "stream_options": {}})

    assert body_for(call, candidate(), Replay(stream=False)).body == {"model": "m2", "messages": [USER]}


def test_one_choice_for_every_arm() -> None:
    body, notes = body_for(asked({"messages": [USER], "n": 4}), candidate(), Replay())

    assert "n" not in body
    assert notes == ("n",)


def test_logit_bias_travels_only_where_tokenizers_are_equal() -> None:
    call = asked({"messages": [USER], "logit_bias": {"50256": -100}})

    assert "logit_bias" not in body_for(call, candidate(), Replay()).body
    assert body_for(call, candidate(), Replay()).notes == ("logit_bias",)
    assert "logit_bias" in body_for(call, candidate(), Replay(tokenizers_equal=True)).body


@pytest.mark.parametrize(
    ("mode", "messages", "expected"),
    [
        ("replace", [USER], [{"role": "system", "content": "S"}, USER]),
        (
            "replace",
            [{"role": "system", "content": "old"}, {"role": "developer", "content": "old"}, USER],
            [{"role": "system", "content": "S"}, USER],
        ),
        (
            "replace",
            [USER, {"role": "system", "content": "mid"}],
            [{"role": "system", "content": "S"}, USER, {"role": "system", "content": "mid"}],
        ),
        ("prepend", [USER], [{"role": "system", "content": "S"}, USER]),
        (
            "prepend",
            [{"role": "developer", "content": "old"}, USER],
            [{"role": "developer", "content": "S\n\nold"}, USER],
        ),
        (
            "prepend",
            [{"role": "system", "content": [{"type": "text", "text": "old"}]}, USER],
            [{"role": "system", "content": [{"type": "text", "text": "S"}, {"type": "text", "text": "old"}]}, USER],
        ),
        ("prepend", [{"role": "system", "content": None}, USER], [{"role": "system", "content": "S"}, USER]),
    ],
)
def test_the_system_prompt_of_a_variant(mode: str, messages: list[Any], expected: list[Any]) -> None:
    arm = candidate(variant={"system_prompt": "S", "system_prompt_mode": mode})

    assert body_for(asked({"messages": messages}), arm, Replay()).body["messages"] == expected


def test_a_completion_has_no_system_prompt_and_that_is_counted() -> None:
    arm = candidate(variant={"system_prompt": "S", "template": "{{ messages }}"})

    body, notes = body_for(asked({"prompt": "Once"}, endpoint="completions"), arm, Replay())

    assert body["prompt"] == "Once"
    assert notes == ("system_prompt:not_applied", "template:not_applied")


def test_sampling_of_a_variant_overrides_and_null_removes() -> None:
    arm = candidate(variant={"sampling": {"temperature": 0.0, "top_p": None, "max_tokens": 9}})
    call = asked({"messages": [USER], "temperature": 1, "top_p": 0.5, "max_completion_tokens": 100})

    body = body_for(call, arm, Replay()).body

    assert body["temperature"] == 0.0
    assert body["max_tokens"] == 9
    assert not {"top_p", "max_completion_tokens"} & body.keys()
    assert limit_is_ours(call, arm)


def test_the_limit_is_ours_when_reading_said_so() -> None:
    assert limit_is_ours(a_call(notes=("limit_is_ours",)), candidate())
    assert not limit_is_ours(a_call(), candidate())


def test_an_adapter_is_the_model_that_is_asked_for() -> None:
    assert body_for(a_call(), candidate(variant={"lora": "adapter-1"}), Replay()).body["model"] == "adapter-1"


def test_a_template_travels_as_chat_template() -> None:
    body = body_for(a_call(), candidate(variant={"template": "{{ x }}"}), Replay()).body

    assert body["chat_template"] == "{{ x }}"


def test_drop_and_map_see_the_final_body_and_are_counted() -> None:
    arm = candidate(drop=["stream_options"], map={"max_tokens": "max_completion_tokens"})
    call = asked({"messages": [USER], "max_tokens": 5, "logprobs": True, "seed": 1})

    body, notes = body_for(call, arm, Replay(drop=["logprobs"], map={"seed": "random_seed", "max_tokens": "x"}))

    assert body == {"model": "m2", "messages": [USER], "stream": True, "max_completion_tokens": 5, "random_seed": 1}
    assert notes == ("drop:logprobs", "drop:stream_options", "map:seed", "map:max_tokens")


def test_the_baseline_gets_the_plain_request() -> None:
    arm = Baseline(url="http://i/v1", model="prod")

    assert body_for(asked({"messages": [USER]}), arm, Replay(stream=False)).body == {
        "model": "prod",
        "messages": [USER],
    }


def test_what_a_variant_may_not_ask_for_is_named() -> None:
    arm = candidate(variant={"sampling": {"n": 3}}, drop=["messages"])

    first, second = problems(arm)

    assert "'n'" in first
    assert "'messages'" in second
    assert problems(candidate()) == []


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(["messages", "model", "n", "stream", "logit_bias", "max_tokens", "seed", "x"])


@given(st.dictionaries(NAMES, VALUES, max_size=6), st.lists(NAMES, max_size=3))
def test_the_calls_own_request_is_never_changed(request: dict[str, Any], drop: list[str]) -> None:
    before = copy.deepcopy(request)
    arm = candidate(variant={"system_prompt": "S", "system_prompt_mode": "prepend"}, drop=drop, map={"seed": "x"})

    body_for(asked(request), arm, Replay())

    assert request == before
