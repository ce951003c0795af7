"""A file of envelopes into a topic."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from kafka import KafkaConsumer

from shadow.cli.mirror import command
from shadow.demo.broker.thread import BrokerThread
from shadow.errors import ConfigurationError, UnreachableError
from shadow.settings import KafkaSource
from shadow.sources import mirroring
from shadow.sources.kafka_client import client_options
from shadow.sources.mirroring import envelopes, mirror


@pytest.fixture
def broker() -> Iterator[BrokerThread]:
    with BrokerThread() as b:
        yield b


def source(broker: BrokerThread, **more: Any) -> KafkaSource:
    return KafkaSource(bootstrap_servers=broker.bootstrap, topic="mirrored", **more)


def run(lines: list[bytes], where: KafkaSource, **more: Any) -> tuple[mirroring.Mirrored, list[str]]:
    said: list[str] = []
    options: dict[str, Any] = {"partitions": None, "rate": None, **more}
    return mirror(lines, where, report=said.append, **options), said


def consumed(broker: BrokerThread, count: int) -> list[Any]:
    consumer = KafkaConsumer("mirrored", bootstrap_servers=broker.bootstrap, auto_offset_reset="earliest")
    got: list[Any] = []
    end = time.monotonic() + 10
    while len(got) < count and time.monotonic() < end:
        for records in consumer.poll(200).values():
            got += records
    consumer.close()
    return got


@pytest.mark.parametrize(
    ("line", "key", "well_formed"),
    [
        (b'{"session": "s", "id": "i"}\n', b"s", True),
        (b'{"session": null, "id": "i"}\r\n', b"i", True),
        (b'{"session": "", "id": 7}', b"7", True),
        (b'{"session": {"a": 1}, "id": true}', b"0", True),
        (b'{"request": {"x": NaN}, "id": "i"}', b"i", True),
        (b'{"id": "\\ud800"}', b"?", True),
        (b'{"id": "cut off', b"0", False),
        (b"[1, 2]", b"0", False),
        (b"\xff\xfe", b"0", False),
        (b"[" * 100_000, b"0", False),
    ],
)
def test_the_key_is_the_session_else_the_id_else_the_line_number(line: bytes, key: bytes, well_formed: bool) -> None:
    (envelope,) = envelopes([line])

    assert (envelope.key, envelope.well_formed) == (key, well_formed)
    assert envelope.value == line.rstrip(b"\r\n")


def test_a_traceparent_becomes_a_header() -> None:
    (traced, odd) = envelopes([b'{"traceparent": "00-ab-cd-01"}', b'{"traceparent": 5}'])

    assert traced.headers == [("traceparent", b"00-ab-cd-01")]
    assert odd.headers == []


def test_blank_lines_are_no_records_but_count_as_lines() -> None:
    assert [e.line for e in envelopes([b"{}\n", b"\n", b"  \n", b"x\n"])] == [0, 3]


@given(st.lists(st.binary(max_size=40).map(lambda b: b.replace(b"\n", b" "))))
def test_any_line_becomes_a_record_as_it_is(lines: list[bytes]) -> None:
    assert [e.value for e in envelopes(lines)] == [x.rstrip(b"\r\n") for x in lines if x.rstrip(b"\r\n").strip()]


def test_every_line_arrives_under_its_key_with_its_header(broker: BrokerThread) -> None:
    lines = [json.dumps({"session": f"s{i % 7}", "n": i, "traceparent": "00-1"}).encode() + b"\n" for i in range(500)]
    done, said = run([*lines, b"broken\n"], source(broker), partitions=3)
    records = consumed(broker, 501)

    assert (done.sent, done.malformed, done.refused, done.partitions) == (501, 1, 0, 3)
    assert sorted(r.value for r in records) == sorted([*(x.strip() for x in lines), b"broken"])
    assert {tuple(r.headers) for r in records if r.value != b"broken"} == {(("traceparent", b"00-1"),)}
    for session in {r.key for r in records}:
        mine = [r for r in records if r.key == session]
        assert len({r.partition for r in mine}) == 1
        assert [r.value for r in mine] == [x.strip() for x in lines if b'"%s"' % session in x] or session == b"500"
    assert said == ["mirror: topic mirrored created with 3 partitions"]


def test_an_existing_topic_keeps_its_partitions_and_says_so(broker: BrokerThread) -> None:
    broker.call("create", "mirrored", 2)
    done, said = run([b"{}"], source(broker), partitions=5)

    assert done.partitions == 2
    assert said == ["mirror: topic mirrored exists with 2 partitions and keeps them"]


def test_a_rate_is_kept_over_the_whole_file(broker: BrokerThread) -> None:
    broker.call("create", "mirrored", 1)
    started = time.monotonic()
    run([b"{}"] * 41, source(broker), rate=100)
    took = time.monotonic() - started

    assert 0.4 <= took < 3


def test_records_are_paced_and_not_sent_at_the_end(broker: BrokerThread) -> None:
    run([b"{}"] * 21, source(broker), rate=50)
    stamps = sorted(r.timestamp for r in consumed(broker, 21))

    assert 300 <= stamps[-1] - stamps[0] <= 1500


def test_a_record_the_broker_refuses_is_counted_and_the_rest_arrives(broker: BrokerThread) -> None:
    done, said = run([b'{"id": 1}', b'{"x": "%s"}' % (b"x" * 1_200_000), b'{"id": 2}'], source(broker))

    assert (done.sent, done.refused) == (3, 1)
    assert "line 1 was refused" in said[-1]
    assert len(consumed(broker, 2)) == 2


def test_a_short_outage_is_survived(broker: BrokerThread) -> None:
    broker.call("create", "mirrored", 1)
    broker.call("inject", "Produce", disconnect=True, count=2)
    done, _ = run([b"{}"] * 50, source(broker))

    assert done.sent == 50
    assert len(consumed(broker, 50)) == 50


def test_a_broker_that_goes_away_for_good_is_unreachable(broker: BrokerThread, monkeypatch: pytest.MonkeyPatch) -> None:
    def hasty(source: KafkaSource) -> dict[str, Any]:
        return {**client_options(source), "request_timeout_ms": 1000}

    monkeypatch.setattr(mirroring, "client_options", hasty)
    monkeypatch.setattr(mirroring, "_DELIVERY_SECONDS", 2)
    broker.call("create", "mirrored", 1)

    def lines() -> Iterator[bytes]:
        yield b"{}"
        broker.call("down")
        yield b"{}"

    with pytest.raises(UnreachableError, match="no Kafka broker answers"):
        mirror(lines(), source(broker), partitions=None, rate=None, report=lambda _: None)


def test_no_broker_at_all_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shadow.sources.kafka_client.BOOTSTRAP_TIMEOUT_MS", 500)
    with pytest.raises(UnreachableError, match=r"127\.0\.0\.1:9"):
        mirror([b"{}"], KafkaSource(bootstrap_servers="127.0.0.1:9"), partitions=None, rate=None, report=lambda _: None)


def test_an_unknown_security_option_is_a_configuration_error(broker: BrokerThread) -> None:
    with pytest.raises(ConfigurationError, match="sasl_nonsense"):
        run([b"{}"], source(broker, security={"sasl_nonsense": "x"}))


def configuration(tmp_path: Path, source: dict[str, Any]) -> str:
    backend = {"kind": "openai", "url": "http://127.0.0.1:1/v1", "model": "c"}
    path = tmp_path / "shadow.yaml"
    path.write_text(json.dumps({"source": source, "candidates": [{"name": "c", "backend": backend}]}))
    return str(path)


def test_the_command_sends_standard_input_and_says_what_it_did(broker: BrokerThread, tmp_path: Path) -> None:
    path = configuration(tmp_path, {"kind": "kafka", "bootstrap_servers": broker.bootstrap, "topic": "mirrored"})
    result = CliRunner().invoke(command, ["-", "-c", path, "--partitions", "2"], input=b'{"id": "a"}\nbroken\n')

    assert result.exit_code == 0
    assert "2 records, 1 of them malformed to topic mirrored (2 partitions)" in result.stderr


def test_the_command_exits_1_when_something_was_refused(broker: BrokerThread, tmp_path: Path) -> None:
    path = configuration(tmp_path, {"kind": "kafka", "bootstrap_servers": broker.bootstrap, "topic": "mirrored"})
    result = CliRunner().invoke(command, ["-", "-c", path], input=b'{"x": "%s"}' % (b"x" * 1_200_000))

    assert result.exit_code == 1


def test_a_source_that_is_no_topic_is_a_configuration_error(tmp_path: Path) -> None:
    path = configuration(tmp_path, {"kind": "jsonl", "path": "x.jsonl"})
    result = CliRunner().invoke(command, ["-", "-c", path], input=b"")

    assert "mirror sends to Kafka" in str(result.exception)
