"""The simulator over a real socket, on a thread of its own."""

import concurrent.futures
import http.client
import json
import re
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from shadow.errors import UnreachableError
from shadow.simulator.thread import SimulatorThread

PROMPT = "What is 2 + 2?"


def wait_for(condition: Any, seconds: float = 5) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the condition did not come true"
        time.sleep(0.005)


def connect(s: SimulatorThread) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", s.port, timeout=10)


def call(
    s: SimulatorThread, path: str, body: Any = None, headers: dict[str, str] | None = None
) -> tuple[int, bytes, dict[str, str]]:
    c = connect(s)
    try:
        c.request("GET" if body is None else "POST", path, None if body is None else json.dumps(body), headers or {})
        r = c.getresponse()
        return r.status, r.read(), dict(r.getheaders())
    finally:
        c.close()


def chat(s: SimulatorThread, prompt: str = PROMPT, **more: Any) -> tuple[int, Any]:
    body = {"model": "m", "messages": [{"role": "user", "content": prompt}], **more}
    status, raw, _ = call(s, "/v1/chat/completions", body)
    return status, raw.decode() if more.get("stream") else json.loads(raw)


def streamed(raw: str) -> str:
    events = [json.loads(x) for x in re.findall(r"data: (\{.*\})", raw)]
    return "".join(c["delta"].get("content", "") for e in events for c in e["choices"])


@pytest.fixture
def simulator() -> Iterator[SimulatorThread]:
    with SimulatorThread(ttft_ms=0, answers={PROMPT: "It is  four.\n\nReally\u2028so \U0001f600"}) as s:
        yield s


def test_a_recorded_answer_comes_back_byte_for_byte(simulator: SimulatorThread) -> None:
    whole = chat(simulator)[1]["choices"][0]
    stream = chat(simulator, stream=True)[1]

    assert whole["message"]["content"] == "It is  four.\n\nReally\u2028so \U0001f600"
    assert streamed(stream) == whole["message"]["content"]
    assert stream.endswith("data: [DONE]\n\n")


def test_an_unknown_prompt_gets_the_same_answer_from_every_simulator(simulator: SimulatorThread) -> None:
    with SimulatorThread(ttft_ms=0) as other:
        first, second = chat(simulator, "who?")[1], chat(other, "who?", stream=True)[1]

    assert first["choices"][0]["message"]["content"] == streamed(second)
    assert first["usage"]["completion_tokens"] == 32


@pytest.mark.parametrize(
    ("limit", "text", "finish"), [(2, "It is", "length"), (1000, "It is  four.\n\nReally\u2028so \U0001f600", "stop")]
)
def test_the_output_limit_cuts_a_recorded_answer_and_says_so(
    simulator: SimulatorThread, limit: int, text: str, finish: str
) -> None:
    choice = chat(simulator, max_tokens=limit)[1]["choices"][0]

    assert (choice["message"]["content"], choice["finish_reason"]) == (text, finish)


def test_tokens_leave_on_schedule(simulator: SimulatorThread) -> None:
    simulator.change(ttft_ms=60, itl_ms=10, timestamps=True, tokens=10)
    c = connect(simulator)
    started = time.monotonic_ns()
    c.request(
        "POST", "/v1/chat/completions", json.dumps({"stream": True, "messages": [{"role": "user", "content": "x"}]})
    )
    raw = c.getresponse().read().decode()
    c.close()
    due = [(int(t) - started) / 1e6 - 60 - 10 * i for i, t in enumerate(re.findall(r'"t":(\d+) *\}', raw))]

    assert len(due) == 10
    assert min(due) > -1.5
    assert sorted(due)[5] < 15, "half of the tokens were late by more than 15 ms"


def test_jitter_is_fixed_for_a_prompt(simulator: SimulatorThread) -> None:
    simulator.change(ttft_ms=20, latency_jitter=1.0)

    def seconds() -> float:
        started = time.monotonic()
        chat(simulator, "jitter 3")
        return time.monotonic() - started

    quick = [seconds() for _ in range(3)]
    assert max(quick) - min(quick) < 0.5


def test_connections_are_kept_alive_and_pipelined_requests_are_answered_in_order(simulator: SimulatorThread) -> None:
    body = [
        json.dumps({"messages": [{"role": "user", "content": f"p{i}"}], "max_tokens": i + 1}).encode() for i in range(3)
    ]
    raw = b"".join(
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%b" % (len(b), b) for b in body
    )
    with socket.create_connection(("127.0.0.1", simulator.port), 5) as s:
        s.sendall(raw)
        got = b""
        while got.count(b'"usage"') < 3:
            block = s.recv(65536)
            assert block, "the connection was closed"
            got += block

    assert [int(n) for n in re.findall(rb'"completion_tokens":(\d+)', got)] == [1, 2, 3]


@pytest.mark.parametrize("extra", [b"HTTP/1.0\r\n\r\n", b"HTTP/1.1\r\nconnection: close\r\n\r\n"])
def test_a_client_that_wants_the_connection_closed_gets_that(simulator: SimulatorThread, extra: bytes) -> None:
    with socket.create_connection(("127.0.0.1", simulator.port), 5) as s:
        s.sendall(b"GET /v1/models " + extra)
        got = b""
        while block := s.recv(65536):
            got += block

    assert b'"id":"simulated"' in got


@pytest.mark.parametrize(
    "raw", [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GET / HTTP/9\r\n\r\n", b"A" * 200_000]
)
def test_what_is_not_http_is_refused_and_the_server_goes_on(simulator: SimulatorThread, raw: bytes) -> None:
    with socket.create_connection(("127.0.0.1", simulator.port), 5) as s:
        try:
            s.sendall(raw)
            while s.recv(65536):
                pass
        except ConnectionError:
            pass

    assert chat(simulator)[0] == 200


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("http_500", 500),
        ("http_429", 429),
        ("http_503", 503),
        ("http_400", 400),
        ("context_length", 400),
        ("out_of_memory", 500),
    ],
)
def test_a_refusing_fault_answers_with_its_status(simulator: SimulatorThread, kind: str, status: int) -> None:
    simulator.change(faults={kind: 1.0})
    got, body = chat(simulator)

    assert got == status
    assert body["error"]["code"] == status
    assert simulator.stats.faults == {kind: 1}


@pytest.mark.parametrize("stream", [True, False])
def test_close_cuts_before_a_byte_and_close_mid_stream_after_some(simulator: SimulatorThread, stream: bool) -> None:
    simulator.change(faults={"close": 1.0})
    with pytest.raises(http.client.RemoteDisconnected):
        chat(simulator, stream=stream)

    simulator.change(faults={"close_mid_stream": 1.0})
    with pytest.raises(http.client.IncompleteRead) as caught:
        chat(simulator, stream=stream)
    assert caught.value.partial


def test_a_hanging_request_is_given_up_when_its_client_leaves(simulator: SimulatorThread) -> None:
    simulator.change(faults={"hang": 1.0})
    c = http.client.HTTPConnection("127.0.0.1", simulator.port, timeout=0.2)
    c.request("POST", "/v1/chat/completions", json.dumps({"messages": [{"role": "user", "content": "x"}]}))
    with pytest.raises(TimeoutError):
        c.getresponse()
    assert simulator.stats.inflight == 1
    c.close()

    wait_for(lambda: simulator.stats.inflight == 0)
    assert simulator.stats.aborted == 1


def test_a_fault_of_some_attempts_passes_afterwards(simulator: SimulatorThread) -> None:
    simulator.change(faults={"http_500": 1.0}, fail_attempts=2)

    assert [chat(simulator)[0] for _ in range(3)] == [500, 500, 200]


@pytest.mark.parametrize("kind", ["garbage", "error_in_200", "empty"])
@pytest.mark.parametrize("stream", [True, False])
def test_a_fault_inside_a_200_has_no_answer_text(simulator: SimulatorThread, kind: str, stream: bool) -> None:
    simulator.change(faults={kind: 1.0})
    body = {"messages": [{"role": "user", "content": PROMPT}], "stream": stream}
    status, raw, _ = call(simulator, "/v1/chat/completions", body)

    assert status == 200
    assert b"four" not in raw


def test_a_huge_answer_waits_for_a_reader_that_does_not_read(simulator: SimulatorThread) -> None:
    simulator.change(faults={"huge": 1.0}, huge_bytes=50_000_000)
    with socket.create_connection(("127.0.0.1", simulator.port), 5) as s:
        body = b'{"stream": true, "messages": [{"role": "user", "content": "x"}]}'
        s.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
        s.recv(1000)
        assert simulator.stats.inflight == 1
        assert simulator.stats.finished == 0

    wait_for(lambda: simulator.stats.inflight == 0)


def test_requests_above_the_limit_wait_and_above_the_queue_are_refused(simulator: SimulatorThread) -> None:
    simulator.change(ttft_ms=200, max_inflight=1, max_queue=1)
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        calls = [pool.submit(chat, simulator, f"q{i}") for i in range(3)]
        wait_for(lambda: simulator.stats.waiting == 1 and simulator.stats.inflight == 1)
        metrics = call(simulator, "/metrics")[1].decode()
        statuses = sorted(c.result()[0] for c in calls)

    assert 'vllm:num_requests_waiting{engine="0",model_name="simulated"} 1' in metrics
    assert statuses == [200, 200, 503]
    assert simulator.stats.max_inflight == 1


def test_a_long_queue_of_instant_failures_is_worked_off(simulator: SimulatorThread) -> None:
    simulator.change(faults={"hang": 1.0}, max_inflight=1)
    socks = [socket.create_connection(("127.0.0.1", simulator.port), 5) for _ in range(300)]
    body = b'{"messages": [{"role": "user", "content": "x"}]}'
    request = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
    socks[0].sendall(request)
    wait_for(lambda: simulator.stats.inflight == 1)
    simulator.change(faults={"http_500": 1.0})
    for s in socks[1:]:
        s.sendall(request)
    wait_for(lambda: simulator.stats.waiting == 299)
    socks[0].close()
    answers = [s.recv(100)[:12] for s in socks[1:]]
    for s in socks[1:]:
        s.close()

    assert answers == [b"HTTP/1.1 500"] * 299


def test_metrics_parse_and_count(simulator: SimulatorThread) -> None:
    chat(simulator)
    chat(simulator, max_tokens=1, stream=True)
    page = call(simulator, "/metrics")[1].decode()
    samples = {
        (s.name, s.labels.get("finished_reason"), s.labels.get("le")): s.value
        for f in text_string_to_metric_families(page)
        for s in f.samples
    }

    assert samples["vllm:request_success_total", "stop", None] == 1
    assert samples["vllm:request_success_total", "length", None] == 1
    assert samples["vllm:time_to_first_token_seconds_count", None, None] == 2
    assert samples["vllm:e2e_request_latency_seconds_bucket", None, "+Inf"] == 2
    assert samples["vllm:generation_tokens_total", None, None] == 7


def test_a_pretended_load_is_reported(simulator: SimulatorThread) -> None:
    simulator.change(load={"running": 5, "waiting": 7, "kv_cache_usage_ratio": 0.93})
    page = call(simulator, "/metrics")[1].decode()

    assert re.search(r"vllm:num_requests_waiting\{[^}]*\} 7\n", page)
    assert re.search(r"vllm:kv_cache_usage_perc\{[^}]*\} 0.93\n", page)


def test_control_changes_switches_and_names_what_is_wrong(simulator: SimulatorThread) -> None:
    status, raw, _ = call(simulator, "/control", {"faults": {"http_503": 1.0}})
    assert (status, json.loads(raw)["behaviour"]["faults"]) == (200, {"http_503": 1.0})
    assert chat(simulator)[0] == 503

    status, raw, _ = call(simulator, "/control", {"fautls": {}})
    assert status == 400
    assert b"fautls" in raw
    assert call(simulator, "/control", {}, {"origin": "http://evil.example"})[0] == 403


def test_a_simulator_that_is_not_ready_answers_503_everywhere(simulator: SimulatorThread) -> None:
    simulator.change(ready=False)

    assert [call(simulator, p)[0] for p in ("/health", "/v1/models")] == [503, 503]
    assert chat(simulator)[0] == 503
    simulator.change(ready=True)
    assert call(simulator, "/health")[0] == 200


def test_named_models_are_listed_and_others_unknown() -> None:
    with SimulatorThread(ttft_ms=0, models=("m", "n")) as s:
        listed = json.loads(call(s, "/v1/models")[1])

        assert [m["id"] for m in listed["data"]] == ["m", "n"]
        assert chat(s)[0] == 200
        assert call(s, "/v1/chat/completions", {"model": "x", "messages": [{"role": "user", "content": "a"}]})[0] == 404


def test_what_clients_sent_can_be_looked_at(simulator: SimulatorThread) -> None:
    call(simulator, "/v1/chat/completions", {"messages": [{"role": "user", "content": "look"}]}, {"X-Test": "1"})
    last = simulator.stats.last

    assert last is not None
    assert (last.path, last.headers["x-test"]) == ("/v1/chat/completions", "1")
    assert b"look" in last.body


def test_a_stopped_simulator_refuses_and_comes_back_on_its_port() -> None:
    with SimulatorThread(ttft_ms=0) as s:
        s.stop()
        with pytest.raises(ConnectionRefusedError):
            chat(s)
        s.restart()

        assert chat(s)[0] == 200


def test_a_taken_port_is_unreachable(simulator: SimulatorThread) -> None:
    with pytest.raises(UnreachableError, match=str(simulator.port)):
        SimulatorThread(port=simulator.port).start()


def test_early_headers_come_before_the_first_token(simulator: SimulatorThread) -> None:
    simulator.change(ttft_ms=300, early_headers=True)
    c = connect(simulator)
    started = time.monotonic()
    c.request(
        "POST", "/v1/chat/completions", json.dumps({"stream": True, "messages": [{"role": "user", "content": "x"}]})
    )
    response = c.getresponse()
    headers_after = time.monotonic() - started
    response.read()
    body_after = time.monotonic() - started
    c.close()

    assert headers_after < 0.2
    assert body_after > 0.29


@pytest.mark.parametrize("path", ["/", "/v1/embeddings", "/../etc/passwd"])
def test_other_paths_are_not_found(simulator: SimulatorThread, path: str) -> None:
    assert call(simulator, path)[0] == 404


def test_a_head_request_gets_the_head_only(simulator: SimulatorThread) -> None:
    with socket.create_connection(("127.0.0.1", simulator.port), 5) as s:
        s.sendall(b"HEAD /v1/models HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        got = b""
        while block := s.recv(65536):
            got += block

    assert got.startswith(b"HTTP/1.1 200")
    assert got.endswith(b"\r\n\r\n")


def test_models_behind_one_server_share_its_capacity_and_have_histograms_of_their_own() -> None:
    with SimulatorThread(ttft_ms=20, load_ms=60, models=("prod", "cand")) as s:
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            crowd = [pool.submit(chat, s, f"q{i}", model="cand") for i in range(3)]
            wait_for(lambda: s.stats.inflight == 3)
            began = time.monotonic()
            chat(s, "beside three others", model="prod")
            took = time.monotonic() - began
            [one.result() for one in crowd]
        page = call(s, "/metrics")[1].decode()

    assert took > 0.190  # 20 ms and three times 60 ms
    counts = {
        sample.labels["model_name"]: sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name == "vllm:time_to_first_token_seconds_count"
    }
    assert counts == {"prod": 1, "cand": 3}
    assert page.count("# TYPE vllm:time_to_first_token_seconds histogram") == 1


def test_load_delays_the_first_token_of_nobody_who_is_alone() -> None:
    from shadow.simulator.behaviour import Behaviour
    from shadow.simulator.server import _timing

    behaviour = Behaviour(ttft_ms=20, load_ms=60)
    assert [round(_timing("x", behaviour, others=n).ttft, 6) for n in (0, 1, 3)] == [0.02, 0.08, 0.2]
