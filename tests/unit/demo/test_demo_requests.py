"""What the model server accepts."""

import pytest

torch = pytest.importorskip("torch", reason="the model server needs torch (extra `demo`)")

from shadow.demo.serving import BadRequest, read_request  # noqa: E402

MESSAGES = [{"role": "user", "content": "hi"}]


def test_defaults_are_those_of_the_protocol():
    asked = read_request({"model": "m", "messages": MESSAGES, "logprobs": True})

    assert (asked.temperature, asked.seed, asked.stream, asked.usage) == (1.0, None, False, False)
    assert asked.prompt == "<|bos|><|user|>hi<|end|><|assistant|>"


def test_the_newer_name_of_the_limit_wins():
    assert read_request({"model": "m", "messages": MESSAGES, "max_tokens": 5, "max_completion_tokens": 7}).max_new == 7


@pytest.mark.parametrize(
    "body",
    [
        None, [], {}, {"model": 3, "messages": MESSAGES}, {"model": "m"}, {"model": "m", "messages": []},
        {"model": "m", "messages": ["x"]}, {"model": "m", "messages": [{"role": "tool", "content": "x"}]},
        {"model": "m", "messages": [{"role": "user", "content": None}]},
        {"model": "m", "messages": MESSAGES, "temperature": "hot"}, {"model": "m", "messages": MESSAGES, "temperature": 3},
        {"model": "m", "messages": MESSAGES, "temperature": True}, {"model": "m", "messages": MESSAGES, "max_tokens": 0},
        {"model": "m", "messages": MESSAGES, "max_tokens": 1.5}, {"model": "m", "messages": MESSAGES, "seed": 2**70},
        {"model": "m", "messages": MESSAGES, "n": 2},
    ],
)  # fmt: skip
def test_what_cannot_be_served_is_refused(body):
    with pytest.raises(BadRequest):
        read_request(body)
