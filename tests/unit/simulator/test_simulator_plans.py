"""What the simulator would send when: pure functions, no socket."""

import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.errors import ConfigurationError
from shadow.simulator import faults, plan
from shadow.simulator.answers import Answers, chunks, invented, well_formed
from shadow.simulator.behaviour import FAULT_KINDS, Behaviour, behaviour
from shadow.simulator.plan import Answer, Step, Timing
from shadow.simulator.request import Asked, BadRequest, read

ASKED = Asked(chat=True, model="m", prompt="hello", prompt_tokens=3, stream=True, include_usage=True)


def answer(*pieces: str) -> Answer:
    return Answer(id="chatcmpl-1", created=1, model="m", pieces=list(pieces), finish_reason="stop")


def context(asked: Asked = ASKED, *pieces: str, **switches: object) -> faults.Context:
    timing = Timing(0.1, 0.01)
    return faults.Context(asked, answer(*(pieces or ("a", " b", " c", " d"))), timing, behaviour(switches), False)


def sent(steps: Iterator[Step]) -> bytes:
    return b"".join(s.data or b"" for s in steps)


def content(raw: bytes) -> str:
    body = raw.partition(b"\r\n\r\n")[2]
    events = [e.removeprefix(b"data: ") for e in body.split(b"\n\n") if e]
    documents = [json.loads(e) for e in events if e != b"[DONE]"]
    return "".join(c["delta"].get("content", "") for d in documents for c in d["choices"])


@given(st.text())
def test_chunks_of_any_text_join_to_the_text(text: str) -> None:
    assert "".join(chunks(text)) == text


@given(st.text(alphabet=st.characters(exclude_categories=[])))
def test_a_recorded_answer_streams_to_the_same_bytes(text: str) -> None:
    text = well_formed(text)
    c = context(ASKED, *chunks(text))

    assert content(sent(faults.normal(c))) == ("a b c d" if not chunks(text) else text)


@given(st.integers(1, 200), st.floats(0, 5), st.floats(0, 1))
def test_a_token_is_due_by_its_index_alone(index: int, ttft: float, itl: float) -> None:
    assert Timing(ttft, itl).token(index) == ttft + itl * index


def test_each_token_has_its_own_step_at_its_own_time() -> None:
    steps = list(faults.normal(context()))

    assert [(round(s.at, 6), s.tokens) for s in steps] == [(0.1, 1), (0.11, 1), (0.12, 1), (0.13, 1), (0.13, 0)]


def test_without_a_delay_between_tokens_the_answer_is_one_write() -> None:
    steps = list(faults.normal(context()._replace(timing=Timing(0.1, 0.0))))

    assert [(s.at, s.tokens) for s in steps] == [(0.1, 4)]


def test_an_answer_in_one_body_comes_when_its_last_token_would() -> None:
    (step,) = faults.normal(context(Asked(chat=True, model="m", prompt="", prompt_tokens=3)))
    body = json.loads((step.data or b"").partition(b"\r\n\r\n")[2])

    assert step.at == pytest.approx(0.13)
    assert body["choices"][0]["message"]["content"] == "a b c d"
    assert body["usage"] == {
        "prompt_tokens": 3,
        "total_tokens": 7,
        "completion_tokens": 4,
        "prompt_tokens_details": None,
    }


def test_usage_is_streamed_only_when_asked_for() -> None:
    with_usage = sent(faults.normal(context()))
    silent = Asked(chat=True, model="m", prompt="hello", prompt_tokens=3, stream=True)

    assert b'"completion_tokens":4' in with_usage
    assert b"completion_tokens" not in sent(faults.normal(context(silent)))


def test_plain_completions_stream_text() -> None:
    raw = sent(faults.normal(context(Asked(chat=False, model="m", prompt="p", prompt_tokens=1, stream=True))))

    assert b'"object":"text_completion"' in raw
    assert raw.count(b'"text":') == 5


@given(st.text(), st.integers(0, 3))
def test_the_same_seed_and_prompt_give_the_same_answer_and_fault(prompt: str, seed: int) -> None:
    prompt = well_formed(prompt)
    shares = behaviour({"seed": seed, "faults": {"hang": 0.3, "close": 0.3}})

    assert invented(seed, prompt, 5) == invented(seed, prompt, 5)
    assert faults.choose(shares, prompt) == faults.choose(shares, prompt)


def test_faults_come_at_their_share() -> None:
    shares = behaviour({"faults": {"http_500": 0.1, "empty": 0.2}})
    met = [faults.choose(shares, f"prompt {i}") for i in range(5000)]

    assert met.count("http_500") == pytest.approx(500, abs=80)
    assert met.count("empty") == pytest.approx(1000, abs=110)
    assert set(met) == {None, "http_500", "empty"}


@pytest.mark.parametrize("kind", [k for k in FAULT_KINDS if k.startswith("http_")])
def test_a_status_fault_answers_its_status_at_once(kind: str) -> None:
    (step,) = faults.PLANS[kind](context())  # type: ignore[index]

    assert step.at == 0
    assert (step.data or b"").startswith(b"HTTP/1.1 " + kind[5:].encode())


@pytest.mark.parametrize("stream", [True, False])
def test_a_cut_stream_ends_in_a_cut_before_its_finish(stream: bool) -> None:
    asked = Asked(chat=True, model="m", prompt="p", prompt_tokens=1, stream=stream)
    steps = list(faults.PLANS["close_mid_stream"](context(asked)))

    assert steps[-1].data is None
    assert sent(iter(steps)).startswith(b"HTTP/1.1 200")
    assert b'"finish_reason":"stop"' not in sent(iter(steps))


def test_no_done_is_a_stream_with_a_finish_reason_and_no_end_mark() -> None:
    raw = sent(faults.PLANS["no_done"](context()))

    assert b'"finish_reason":"stop"' in raw
    assert b"[DONE]" not in raw


@pytest.mark.parametrize("stream", [True, False])
def test_huge_is_made_block_by_block_and_its_length_is_true(stream: bool) -> None:
    asked = Asked(chat=True, model="m", prompt="p", prompt_tokens=1, stream=stream)
    steps = list(faults.PLANS["huge"](context(asked, huge_bytes=1_000_000)))
    raw = sent(iter(steps))

    assert len(raw) > 1_000_000
    assert max(len(s.data or b"") for s in steps) < 80_000
    if not stream:
        head, _, body = raw.partition(b"\r\n\r\n")
        assert f"content-length: {len(body)}".encode() in head
        assert len(json.loads(body)["choices"][0]["message"]["content"]) >= 1_000_000


def test_slow_multiplies_the_delays() -> None:
    steps = list(faults.PLANS["slow"](context(slow_factor=3)))

    assert steps[0].at == pytest.approx(0.3)


def test_empty_has_no_content_and_a_finish_reason() -> None:
    raw = sent(faults.PLANS["empty"](context()))

    assert content(raw) == ""
    assert b'"finish_reason":"stop"' in raw


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"ttft_ms": -1}, "ttft_ms"),
        ({"faults": {"nonsense": 1}}, "nonsense"),
        ({"faults": {"hang": 0.7, "close": 0.7}}, "above 1"),
        ({"unknown": 1}, "unknown"),
    ],
)
def test_a_wrong_switch_is_named(changes: dict[str, object], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        Behaviour().changed(changes)


@pytest.mark.parametrize(
    ("body", "prompt"),
    [
        ('{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}', "a"),
        (
            '{"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}]}',
            "ab",
        ),
        ('{"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]}', ""),
        ('{"messages": [{"role": "system", "content": "only"}]}', "only"),
        ('{"messages": [{"role": "user", "content": "x\\ud800y"}]}', "x\ufffdy"),
    ],
)
def test_the_key_is_the_text_of_the_last_user_message(body: str, prompt: str) -> None:
    assert read(body.encode(), chat=True).prompt == prompt


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b"\xff", b"{}", b'{"messages": []}', b'{"messages": "x"}', b"[" * 100_000]
    + [b'{"messages": [{"role": "user", "content": "a"}], "max_tokens": %b}' % v for v in (b"0", b'"5"', b"1.5")]
    + [b'{"messages": [{"role": "user", "content": "a"}], "n": 2}'],
)
def test_what_is_no_request_is_refused(body: bytes) -> None:
    with pytest.raises(BadRequest):
        read(body, chat=True)


@given(st.binary())
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    try:
        read(body, chat=True)
    except BadRequest:
        return


def test_the_newer_name_of_the_limit_wins() -> None:
    body = b'{"messages": [{"role": "user", "content": "a"}], "max_tokens": 9, "max_completion_tokens": 4}'

    assert read(body, chat=True).limit == 4


def test_a_line_that_is_no_answer_is_named_and_not_quoted(tmp_path) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "answers.jsonl"
    file.write_text('{"prompt": "a", "answer": "b"}\n\n{"prompt": "secret"}\n')

    with pytest.raises(ConfigurationError) as caught:
        Answers.read(file)
    assert f"{file}:3" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_the_last_answer_of_a_repeated_prompt_counts(tmp_path) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "answers.jsonl"
    file.write_text('{"prompt": "a", "answer": "1"}\n{"prompt": "a", "answer": "2"}\n')
    answers = Answers.read(file)

    assert (answers.find("a"), answers.repeated, len(answers)) == ("2", 1, 1)


def test_error_bodies_have_the_shape_of_vllm() -> None:
    assert plan.error_body(400, "m", "BadRequestError") == {
        "error": {"message": "m", "type": "BadRequestError", "param": None, "code": 400}
    }
