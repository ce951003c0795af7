"""Repeated requests as a noise floor: disjoint pairs from the past alone, in bounded memory, stored nowhere twice."""

import pytest
from builders import a_call, a_finished_call, an_outcome
from hypothesis import given, settings
from hypothesis import strategies as st

from shadow.loops.repeated import RepeatedRequests
from shadow.records import Answer, Call, Selection
from shadow.rows import RowMaker, ScoredCall, Segments

COUNTED = Selection(disposition="scored", counted=True, probability=1.0)
UNCOUNTED = Selection(disposition="scored", counted=False, probability=1.0)


def asked(number: int, prompt: str = "same", text: str | None = None, **changes: object) -> Call:
    request = {"messages": [{"role": "user", "content": prompt}], "temperature": 0.7}
    answer = changes.pop("answer", Answer(text=text or f"answer {number}", model="prod"))
    return a_call(id=f"c{number}", request=changes.pop("request", request), answer=answer, **changes)


def said(known: RepeatedRequests, call: Call, selection: Selection = COUNTED) -> str | None:
    outcome = known.second_answer(call, selection)
    return None if outcome is None else outcome.answer.text


def test_a_repeated_request_gets_the_earlier_answer_and_two_answers_make_one_pair() -> None:
    known = RepeatedRequests(2**20)

    assert [said(known, asked(i)) for i in range(5)] == [None, "answer 0", None, "answer 2", None]
    assert (known.counts["paired"], known.counts["kept"]) == (2, 3)


def test_it_is_an_answer_that_nobody_asked_for() -> None:
    known = RepeatedRequests(2**20)
    known.second_answer(asked(0), COUNTED)
    outcome = known.second_answer(asked(1), COUNTED)

    assert outcome is not None
    assert (outcome.arm, outcome.role, outcome.asked) == ("baseline", "baseline", False)
    assert outcome.latency_seconds is outcome.ttft_seconds is outcome.sent_unix_ms is outcome.status is None
    assert outcome.answer.usage.output_tokens is None


def test_the_order_of_keys_does_not_matter_and_every_value_does() -> None:
    known = RepeatedRequests(2**20)
    messages = [{"role": "user", "content": "same"}]
    known.second_answer(asked(0, request={"messages": messages, "temperature": 0.7}), COUNTED)

    assert said(known, asked(1, request={"temperature": 0.6, "messages": messages})) is None
    assert said(known, asked(2, request={"messages": messages, "temperature": 0.7, "seed": 1})) is None
    assert said(known, asked(3, request={"temperature": 0.7, "messages": messages})) == "answer 0"


@pytest.mark.parametrize(
    "call",
    [
        asked(1, notes=("cache_hit",)),
        asked(1, answer=Answer(failure="http_5xx")),
        asked(1, answer=Answer(text="cut", comparable=False)),
        asked(1, answer=Answer(model="prod")),
        asked(1, answer=Answer(text="x", model="another")),
        asked(1, model="another"),
        asked(1, endpoint="completions"),
    ],
)
def test_what_is_no_second_draw_of_the_same_model_is_no_pair(call: Call) -> None:
    known = RepeatedRequests(2**20)
    known.second_answer(asked(0), COUNTED)

    assert said(known, call) is None
    assert said(known, asked(2)) == "answer 0"


def test_a_retry_in_a_session_and_a_record_that_is_delivered_again_are_no_second_draw() -> None:
    known = RepeatedRequests(2**20)
    known.second_answer(asked(0, session="s"), COUNTED)

    assert said(known, asked(1, session="s")) is None
    assert said(known, asked(0, session=None)) is None
    assert said(known, asked(2, session="t")) == "answer 0"


def test_a_turn_that_does_not_count_uses_no_answer_up() -> None:
    known = RepeatedRequests(2**20)
    known.second_answer(asked(0), COUNTED)

    assert said(known, asked(1), UNCOUNTED) is None
    assert said(known, asked(2)) == "answer 0"


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 9000)), max_size=120))
@settings(max_examples=40, deadline=None)
def test_memory_is_bounded_and_no_answer_is_used_twice(calls: list[tuple[int, int]]) -> None:
    known, used = RepeatedRequests(2**16), []
    for number, (prompt, size) in enumerate(calls):
        found = said(known, asked(number, f"prompt {prompt}", f"{number} " + "x" * size))
        assert known.bytes <= 2**16
        if found is not None:
            earlier = int(found.split()[0])
            assert earlier < number
            assert calls[earlier][0] == prompt
            used += [earlier, number]
    assert len(used) == len(set(used))
    assert known.counts["paired"] * 2 == len(used)
    assert sum(known.counts[name] for name in ("paired", "kept", "too_large")) == len(calls)


def test_the_oldest_go_first_and_that_is_counted() -> None:
    known = RepeatedRequests(2**16)
    for i in range(100):
        known.second_answer(asked(i, f"prompt {i}"), COUNTED)

    assert known.counts["forgotten"] > 0
    assert said(known, asked(200, "prompt 0")) is None
    assert said(known, asked(201, "prompt 99")) == "answer 99"


def test_what_no_encoder_takes_is_no_pair() -> None:
    known = RepeatedRequests(2**20)

    assert said(known, asked(0, request={"messages": [{"role": "user", "content": "\ud800"}]})) is None
    assert known.counts == {"unusable": 1}


def test_the_earlier_text_is_not_kept_a_second_time() -> None:
    maker = RowMaker(
        epochs={}, prices={}, meters={}, segments=Segments(9, lambda text: None), clean=str, clean_json=lambda v: v,
        user_key=str, absolute=frozenset(), text="full",
    )  # fmt: skip
    known = RepeatedRequests(2**20)
    known.second_answer(asked(0, text="the earlier text"), COUNTED)
    earlier = known.second_answer(asked(1), COUNTED)
    assert earlier is not None
    scored = ScoredCall(finished=a_finished_call(an_outcome(), earlier, call=asked(1)), scores={})

    assert {row.arm for row in maker.texts(0, scored)} == {"", "incumbent", "cand"}
    assert "earlier" not in "".join(row.text for row in maker.texts(0, scored))
    baseline = next(row for row in maker.outcomes("t", 0, 0, scored, 0) if row.role == "baseline")
    assert (baseline.asked, baseline.latency_seconds, baseline.cost_usd) == (False, None, None)
