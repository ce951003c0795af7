"""Spans link to production and never carry text; a collector that is down, slow or broken costs no time."""

import socket
import time
from typing import Any

import pytest
from builders_snapshot import NOW_MS, a_settings, an_outcome
from fakes.otlp_sink import OtlpSink

from shadow.exporters.otel import NoTraces, production, sampled, traces_from
from shadow.records import Answer, ArmOutcome, Call, FinishedCall, Selection, Usage

PRODUCTION = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{PRODUCTION}-00f067aa0ba902b7-01"
SECRET = "my password is hunter2"


def a_call(**changes: Any) -> FinishedCall:
    failure = changes.pop("failure", None)
    fields: dict[str, Any] = {
        "index": 0,
        "id": "req-7",
        "request": {"messages": [{"role": "user", "content": SECRET}]},
        "prompt_text": SECRET,
        "route": "support",
        "traceparent": TRACEPARENT,
    }
    answer = Answer(text=SECRET, finish_reason="stop", model="m", usage=Usage(input_tokens=12, output_tokens=40))
    outcome = ArmOutcome(
        arm="qwen3-4b",
        role="candidate",
        answer=answer,
        failure=failure,
        status=200,
        latency_seconds=0.8,
        queue_seconds=0.1,
        ttft_seconds=0.09,
        sent_unix_ms=NOW_MS,
    )
    recorded = ArmOutcome(arm="incumbent", role="incumbent", answer=answer, latency_seconds=1.0)
    return FinishedCall(
        call=Call(**(fields | changes)),
        selection=Selection(disposition="scored", counted=True, probability=1.0),
        outcomes=(recorded, outcome),
    )


def rows() -> list[Any]:
    return [an_outcome(arm="qwen3-4b", scores={"agreement": 0.93, "relevance": None}, labels={"agreement": "same"})]


def tracing(url: str, ratio: float = 1.0) -> Any:
    return traces_from(a_settings(otel={"endpoint": url, "sample_ratio": ratio}), "0.1.0")


def test_a_replay_is_a_new_root_linked_to_production_with_an_arm_and_its_evaluation() -> None:
    with OtlpSink() as sink:
        traces = tracing(sink.url)
        trace_id = traces.record(a_call(), rows())
        traces.close()

    by_name = {span.name: span for span in sink.spans()}
    root, arm, (event,) = by_name["shadow.replay"], by_name["chat model"], sink.events()
    assert root.trace_id.hex() == trace_id != PRODUCTION
    assert not root.parent_span_id
    assert [link.trace_id.hex() for link in root.links] == [PRODUCTION]
    assert arm.parent_span_id == root.span_id
    assert (arm.start_time_unix_nano, arm.end_time_unix_nano) == (NOW_MS * 10**6, NOW_MS * 10**6 + 8 * 10**8)
    assert root.start_time_unix_nano == NOW_MS * 10**6 - 10**8
    attributes = {a.key: a.value for a in arm.attributes}
    assert attributes["gen_ai.usage.output_tokens"].int_value == 40
    assert attributes["gen_ai.provider.name"].string_value == "openai"
    assert attributes["server.port"].int_value == 8001
    assert event.event_name == "gen_ai.evaluation.result"
    assert event.span_id == arm.span_id
    assert {a.key for a in event.attributes} == {
        "gen_ai.evaluation.name",
        "gen_ai.evaluation.score.value",
        "gen_ai.evaluation.score.label",
    }


def test_no_text_leaves_the_process() -> None:
    with OtlpSink() as sink:
        traces = tracing(sink.url)
        traces.record(a_call(), rows())
        traces.close()

    assert sink.raw
    assert not any(b"hunter2" in body for body in sink.raw)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "garbage",
        "00-" + "0" * 32 + "-00f067aa0ba902b7-01",
        f"ff-{PRODUCTION}-00f067aa0ba902b7-01",
        "٣" * 55,
        "0" * 9999,
    ],
)
def test_a_broken_traceparent_gives_no_link_and_no_error(header: str | None) -> None:
    assert production(header) is None


def test_the_share_is_kept_failures_are_always_traced_and_outages_are_not() -> None:
    calls = [a_call(id=f"r{i}", traceparent=None) for i in range(4_000)]
    traced = sum(sampled(call, 0.1, None) for call in calls)

    assert 320 < traced < 480
    assert [sampled(call, 0.1, None) for call in calls[:50]] == [sampled(call, 0.1, None) for call in calls[:50]]
    assert sampled(a_call(failure="timeout"), 0.0, None)
    assert not sampled(a_call(failure="unavailable"), 0.0, None)


def test_without_an_endpoint_there_is_nothing() -> None:
    traces = traces_from(a_settings(), "0.1.0")

    assert isinstance(traces, NoTraces)
    assert traces.record(a_call(), rows()) is None
    traces.close()


def closed_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


@pytest.mark.parametrize("collector", ["down", "slow", "broken"])
def test_no_collector_can_hold_up_a_shutdown(collector: str) -> None:
    with OtlpSink(status=503 if collector == "broken" else 200, delay_seconds=30 if collector == "slow" else 0) as sink:
        traces = tracing(closed_port() if collector == "down" else sink.url)
        started = time.monotonic()
        for _ in range(50):
            traces.record(a_call(), rows())
        recorded = time.monotonic() - started
        traces.close()

        assert recorded < 1.0
        assert time.monotonic() - started < 3.5
