"""What travels to every arm, and why some calls cannot be replayed."""

import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.wire.requests import DROPPED, Limits, travelling_body

USER = {"role": "user", "content": "Which bus?"}
LIMITS = Limits(max_output_tokens=2048)


def chat(*messages, **more):
    return {"model": "m-1", "messages": list(messages) or [USER], "max_tokens": 64, **more}


def sent(request, **limits):
    body, reason, _, _ = travelling_body(request, Limits(**limits))
    assert reason is None
    return body


def test_the_body_travels_as_it_was_sent_less_bookkeeping_and_transport():
    extensions = {
        "temperature": 0.2,
        "top_k": 20,
        "min_p": 0.1,
        "repetition_penalty": 1.1,
        "reasoning_effort": "high",
        "chat_template_kwargs": {"enable_thinking": False},
        "continue_final_message": True,
        "stop": "\n",
        "extra_body": {"top_k": 3},
    }
    request = chat(
        **extensions,
        user="u",
        metadata={"a": "b"},
        store=True,
        safety_identifier="s",
        prompt_cache_key="k",
        service_tier="auto",
        stream=True,
        stream_options={"include_usage": True},
        n=1,
    )

    assert sent(request) == chat(**extensions)


def test_absent_and_null_fields_are_the_same():
    assert sent(chat(stop=None)) == chat()


@pytest.mark.parametrize(
    ("given_limits", "key", "limit", "ours"),
    [
        ({"max_tokens": 64}, "max_tokens", 64, False),
        ({"max_completion_tokens": 32, "max_tokens": 64}, "max_completion_tokens", 32, False),
        ({"max_tokens": None, "max_completion_tokens": 64}, "max_completion_tokens", 64, False),
        ({"max_tokens": 64.0}, "max_tokens", 64, False),
        ({"max_tokens": "64"}, "max_tokens", 64, False),
        ({}, "max_tokens", 2048, True),
        ({"max_tokens": -1}, "max_tokens", 2048, True),
        ({"max_tokens": 0}, "max_tokens", 2048, True),
        ({"max_tokens": True}, "max_tokens", 2048, True),
    ],
)
def test_one_output_limit_the_callers_or_ours(given_limits, key, limit, ours):
    request = {"model": "m-1", "messages": [USER], **given_limits}

    body, _, notes, _ = travelling_body(request, LIMITS)

    assert {k: v for k, v in body.items() if "max" in k} == {key: limit}
    assert type(body[key]) is int
    assert ("limit_is_ours" in notes) is ours


def test_numbers_that_came_as_text_are_numbers_for_every_arm():
    body, _, notes, _ = travelling_body(chat(temperature="0.2", top_k=40.0, seed="7"), LIMITS)

    assert (body["temperature"], body["top_k"], body["seed"]) == (0.2, 40, 7)
    assert "numbers_coerced" in notes


def test_logit_bias_travels_only_when_token_ids_mean_the_same():
    request = chat(logit_bias={"1234": -100})

    assert travelling_body(request, LIMITS).notes == ("logit_bias_dropped",)
    assert "logit_bias" not in sent(request)
    assert "logit_bias" in sent(request, tokenizers_equal=True)


def test_several_choices_become_one_and_are_noted():
    assert travelling_body(chat(n=3), LIMITS).notes == ("one_choice",)


def test_thoughts_of_earlier_answers_do_not_travel():
    history = [
        USER,
        {"role": "assistant", "content": "<think>hm</think>Four", "reasoning_content": "hm", "reasoning": "hm"},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "Four"}]},
        {"role": "user", "content": "<think>mine</think>"},
    ]

    body, _, notes, _ = travelling_body(chat(*history), LIMITS)

    assert body["messages"] == [
        USER,
        {"role": "assistant", "content": "Four"},
        {"role": "assistant", "content": [{"type": "text", "text": "Four"}]},
        history[3],
    ]
    assert notes == ("thoughts_removed",)


def test_a_prefill_that_opens_thoughts_stays():
    prefill = {"role": "assistant", "content": "<think>\n"}

    assert sent(chat(USER, prefill))["messages"][-1] == prefill


def test_private_bookkeeping_inside_messages_is_dropped_and_names_stay():
    assert sent(chat({**USER, "name": "rider", "metadata": {"row": "17"}}))["messages"] == [{**USER, "name": "rider"}]


def test_legacy_functions_are_translated_to_tools():
    function = {"name": "find", "parameters": {"type": "object"}}
    request = chat(
        USER,
        {"role": "assistant", "content": None, "function_call": {"name": "find", "arguments": "{}"}},
        {"role": "function", "name": "find", "content": "line 4"},
        functions=[function],
        function_call={"name": "find"},
    )

    body, _, notes, _ = travelling_body(request, LIMITS)

    assert body["tools"] == [{"type": "function", "function": function}]
    assert body["tool_choice"] == {"type": "function", "function": {"name": "find"}}
    assert body["messages"][1]["tool_calls"][0] == {
        "id": "call_1",
        "type": "function",
        "function": {"name": "find", "arguments": "{}"},
    }
    assert body["messages"][2] == {"role": "tool", "tool_call_id": "call_1", "content": "line 4"}
    assert "functions" not in body
    assert "function_call" not in body
    assert notes == ("functions_translated",)


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "https://pictures.example/a.png"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,aaaa"}},
        {"type": "input_audio", "input_audio": {"data": "aaaa", "format": "wav"}},
    ],
)
def test_pictures_and_sounds_travel_as_they_are(part):
    request = chat({"role": "user", "content": [part, {"type": "text", "text": "What is this?"}]})

    assert sent(request) == request


def content(part):
    return chat({"role": "user", "content": [part, {"type": "text", "text": "What is this?"}]})


@pytest.mark.parametrize(
    ("request_body", "reason"),
    [
        (None, "no_prompt"),
        ({}, "no_prompt"),
        ("text", "invalid_request"),
        (chat(messages=[]), "no_prompt"),
        (chat(messages="hello"), "invalid_request"),
        (chat(messages=["hello"]), "invalid_request"),
        (chat(messages="redacted-by-litellm"), "redacted"),
        (chat({"role": "user", "content": "[REDACTED]"}), "redacted"),
        (chat({"role": "user", "content": "__REDACTED__"}), "redacted"),
        (chat({"role": "user", "content": "My card is [REDACTED:card]."}), "redacted"),
        (chat({"role": "user", "content": "List (litellm_truncated 5120 chars) all"}), "truncated_request"),
        (chat({"role": "user", "content": "A long story ...[truncated]"}), "truncated_request"),
        (chat({"role": "user", "content": [{"type": "text", "text": "redacted-by-litellm"}]}), "redacted"),
        ({"model": "m", "prompt": ""}, "no_prompt"),
        ({"model": "m", "prompt": [1, 2, 3]}, "token_ids"),
        ({"model": "m", "prompt": [[1, 2], [3]]}, "token_ids"),
        ({"model": "m", "prompt": ["a", "b"]}, "batch_prompt"),
        ({"model": "m", "prompt": "a cat", "size": "512x512"}, "not_a_generation"),
        (chat(prompt_token_ids=[1]), "token_ids"),
        ({"model": "m", "input": "Which bus?", "instructions": "Be brief."}, "unsupported_endpoint"),
        ({"model": "m", "input": "Which bus?", "previous_response_id": "resp_1"}, "external_state"),
        ({"model": "embed-1", "input": "Which bus?"}, "not_a_generation"),
        ({"model": "m", "input": ["a"], "encoding_format": "float"}, "not_a_generation"),
        ({"model": "m", "query": "a", "documents": ["b"]}, "not_a_generation"),
        ({"contents": [{"parts": [{"text": "a"}]}]}, "unsupported_endpoint"),
        (chat(system="Be brief."), "unsupported_endpoint"),
        (
            chat({"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "x"}]}),
            "unsupported_endpoint",
        ),
        (content({"type": "file", "file": {"file_id": "file-1"}}), "external_content"),
        (content({"type": "image_file", "image_file": {}, "file_id": "file-1"}), "external_content"),
        (
            content({"type": "image_url", "image_url": {"url": "https://u:p@pictures.example/a.png"}}),
            "external_content",
        ),
        (
            content({"type": "image_url", "image_url": {"url": "https://pictures.example/a.png?X-Amz-Signature=abc"}}),
            "external_content",
        ),
        (chat(web_search_options={}), "external_content"),
        (chat(model="m-1:online"), "external_content"),
        (chat(tools=[{"type": "web_search_preview"}]), "external_tools"),
        (chat(tools=[{"type": "mcp", "server_url": "https://tools.example"}]), "external_tools"),
        (chat(tools=[{"googleSearch": {}}]), "external_tools"),
        (chat(USER, {"role": "assistant", "audio": {"id": "audio_1"}}, USER), "external_state"),
        (chat(USER, {"role": "function", "name": "f", "content": "x"}), "legacy_functions"),
    ],
)
def test_what_cannot_be_replayed_says_why(request_body, reason):
    body, found, _, _ = travelling_body(request_body, LIMITS)

    assert (body, found) == (None, reason)


@pytest.mark.parametrize(
    "extra",
    [
        {"seed": 10**30},
        {"messages": [{**USER, "x": -(10**30)}]},
        {"tools": [{"type": "function", "function": {"max": 2**64}}]},
    ],
)
def test_integers_beyond_64_bits_are_refused_and_never_rounded(extra):
    assert travelling_body(chat(**extra), LIMITS).reason == "invalid_request"


def test_a_text_completion_travels_too():
    body, reason, _, endpoint = travelling_body(
        {"model": "m", "prompt": "Line", "max_tokens": 4, "suffix": "."}, LIMITS
    )

    assert (body, reason, endpoint) == (
        {"prompt": "Line", "model": "m", "max_tokens": 4, "suffix": "."},
        None,
        "completions",
    )


CANARY = "EXAMPLE-NOT-A-KEY"


@pytest.mark.parametrize(
    "extra",
    [
        {"api_key": CANARY},
        {"extra_headers": {"x-anything": CANARY}},
        {"Authorization": f"Bearer {CANARY}"},
        {"whatever": f"Bearer {CANARY}"},
        {"extra_body": {"nested": [{"x-api-key": CANARY}]}},
        {"metadata": {"token": CANARY}},
        {"user": CANARY},
        {"tools": [{"type": "function", "function": {"name": "f"}, "headers": {"Authorization": CANARY}}]},
        {"messages": [{**USER, "api_key": CANARY}]},
    ],
)
def test_credentials_do_not_travel(extra):
    assert CANARY not in json.dumps(sent(chat(**extra)))


def test_a_tool_parameter_that_is_named_like_a_credential_is_no_credential():
    tools = [
        {
            "type": "function",
            "function": {
                "name": "login",
                "parameters": {
                    "type": "object",
                    "properties": {"password": {"type": "string"}, "headers": {"type": "object"}},
                },
            },
        }
    ]

    assert sent(chat(tools=tools))["tools"] == tools


def test_what_a_user_wrote_is_the_task_and_stays():
    message = {"role": "user", "content": "Bearer abcdefghijklmnop"}

    assert sent(chat(message))["messages"] == [message]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda i: (
        st.lists(i, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "role",
                    "content",
                    "type",
                    "tool_calls",
                    "function_call",
                    "name",
                    "image_url",
                    "url",
                    "audio",
                    "id",
                    "text",
                ]
            ),
            i,
            max_size=4,
        )
    ),
    max_leaves=10,
)
REQUESTS = st.dictionaries(
    st.sampled_from(
        [
            "messages",
            "prompt",
            "input",
            "tools",
            "functions",
            "function_call",
            "max_tokens",
            "n",
            "model",
            "stop",
            "user",
            "logit_bias",
        ]
    ),
    JSON,
)


@given(REQUESTS | JSON)
def test_any_request_travels_or_has_a_reason_and_is_never_changed(request_body):
    before = copy.deepcopy(request_body)

    body, reason, _, _ = travelling_body(request_body, LIMITS)

    assert (body is None) is (reason is not None)
    assert request_body == before
    assert body is None or not DROPPED & body.keys()


@given(REQUESTS)
def test_what_travels_travels_again_unchanged(request_body):
    body, reason, _, _ = travelling_body(request_body, LIMITS)

    if reason is None:
        assert travelling_body(body, LIMITS).body == body
