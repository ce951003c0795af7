"""A topic that cannot be read: every cause is told from the others, and named with its remedy."""

import socket
import time
import uuid
from typing import Any

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ACL, ACLOperation, ACLPermissionType, ResourcePattern, ResourceType
from secure_kafka import Secure

from shadow.app.connecting_base import Deadline, Line
from shadow.app.connecting_kafka import check_kafka
from shadow.demo.broker.thread import BrokerThread
from shadow.settings import KafkaSource

kafka = pytest.mark.kafka


def ask(
    bootstrap: str, *, security: dict[str, Any] | None = None, seconds: float = 9, writes: bool = False, **source: Any
) -> list[Line]:
    """The lines about a source."""
    settings = KafkaSource(bootstrap_servers=bootstrap, security=security or {}, **{"topic": "t", **source})
    return list(check_kafka(settings, Deadline(seconds), writes=writes))


def only(lines: list[Line]) -> Line:
    """The one line there has to be."""
    assert len(lines) == 1, lines
    return lines[0]


# ---- what needs no broker, and the embedded one ----


def test_a_readable_topic_is_ok() -> None:
    with BrokerThread() as broker:
        broker.call("create", "t", 3)
        lines = ask(broker.bootstrap, group_id="g")

    assert [line.state for line in lines] == ["OK", "OK", "OK"]
    assert [line.subject for line in lines[1:]] == ["topic t", "group g"]
    assert "3 partitions" in lines[1].text


def test_heartbeats_into_the_topic_need_the_right_to_write_there() -> None:
    with BrokerThread() as broker:
        broker.call("create", "t", 3)
        lines = ask(broker.bootstrap, group_id="g", writes=True)

    assert [line.text for line in lines if line.subject == "topic t"] == [
        "3 partitions, may read",
        "3 partitions, may write",
    ]


def test_a_missing_topic_comes_with_the_command_that_makes_it_and_is_not_made() -> None:
    with BrokerThread() as broker:
        lines = ask(broker.bootstrap, dead_letter_topic="dead")

        assert broker.broker.state.topics.names == []
    assert [line.state for line in lines if line.subject.startswith("topic")] == ["FIX", "FIX"]
    assert "shadow mirror FILE" in lines[1].text
    assert f"kafka-topics --bootstrap-server {broker.bootstrap} --create --topic dead" in lines[2].text


def test_nobody_listening_and_an_unknown_host_are_told_apart() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    assert "nothing listens" in only(ask(f"127.0.0.1:{port}")).text
    assert "is unknown here" in only(ask("no-such-host.invalid:9092")).text


def test_a_broker_that_is_there_makes_the_others_a_note() -> None:
    with BrokerThread() as broker:
        broker.call("create", "t", 1)
        lines = ask(f"127.0.0.1:1,{broker.bootstrap}")

    assert [line.state for line in lines] == ["NOTE", "OK", "OK", "OK"]


def test_what_listens_and_is_no_broker_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        line = only(ask(f"127.0.0.1:{silent.getsockname()[1]}", seconds=1.0))

    assert line.state == "FIX"
    assert "does not answer as a Kafka broker" in line.text or "in time" in line.text
    assert time.monotonic() - started < 3


def test_a_login_to_the_embedded_broker_is_refused_with_the_way_out() -> None:
    login = {"security_protocol": "SASL_PLAINTEXT", "sasl_mechanism": "PLAIN"}
    with BrokerThread() as broker:
        line = only(ask(broker.bootstrap, security={**login, "sasl_plain_username": "u", "sasl_plain_password": "p"}))

    assert "asks for no login" in line.text
    assert "security_protocol: PLAINTEXT" in line.text


def test_tls_to_the_embedded_broker_is_refused_with_the_way_out() -> None:
    with BrokerThread() as broker:
        line = only(ask(broker.bootstrap, security={"security_protocol": "SSL"}))

    assert "speaks without TLS" in line.text


# ---- a real Kafka ----


@kafka
@pytest.mark.parametrize("protocol", ["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"])
def test_every_listener_lets_in_whoever_is_configured_rightly(secure: Secure, protocol: str) -> None:
    lines = ask(secure.at(protocol), security=secure.security(protocol))

    assert lines[0].state == "OK", lines


@kafka
@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_every_mechanism_with_a_password_is_spoken(secure: Secure, mechanism: str) -> None:
    lines = ask(secure.at("SASL_SSL"), security=secure.security("SASL_SSL", sasl_mechanism=mechanism))

    assert lines[0].state == "OK", lines


WRONG = [
    # configured protocol, changes, listener, what is said
    ("PLAINTEXT", {}, "SSL", "expects TLS; set source.security.security_protocol: SSL"),
    ("PLAINTEXT", {}, "SASL_PLAINTEXT", "asks for a login (it offers PLAIN, SCRAM-SHA-256, SCRAM-SHA-512)"),
    ("PLAINTEXT", {}, "SASL_SSL", "expects TLS and a login"),
    ("PLAINTEXT", {}, "CONTROLLER", "a controller's port"),
    ("SSL", {}, "PLAINTEXT", "speaks without TLS"),
    ("SSL", {}, "SASL_PLAINTEXT", "security_protocol: SASL_PLAINTEXT"),
    ("SSL", {}, "SASL_SSL", "asks for a login"),
    ("SSL", {"ssl_certfile": None, "ssl_keyfile": None}, "SSL", "wants a certificate from us"),
    ("SSL", {"ssl_cafile": None}, "SSL", "authority that is unknown here; set source.security.ssl_cafile"),
    ("SASL_SSL", {"ssl_cafile": None}, "SASL_SSL", "authority that is unknown here"),
    ("SASL_PLAINTEXT", {}, "PLAINTEXT", "asks for no login"),
    ("SASL_PLAINTEXT", {}, "SASL_SSL", "expects TLS and a login"),
    ("SASL_SSL", {}, "PLAINTEXT", "security_protocol: PLAINTEXT"),
    ("SASL_SSL", {}, "SASL_PLAINTEXT", "security_protocol: SASL_PLAINTEXT"),
    ("SASL_SSL", {"sasl_plain_password": "hunter2"}, "SASL_SSL", "refuses the login of shadow"),
    ("SASL_PLAINTEXT", {"sasl_plain_username": "nobody"}, "SASL_PLAINTEXT", "refuses the login of nobody"),
    ("SASL_SSL", {"sasl_mechanism": "PLAIN", "sasl_plain_password": "hunter2"}, "SASL_SSL", "refuses the login"),
    ("SASL_SSL", {"sasl_mechanism": "GSSAPI"}, "SASL_SSL", "does not offer the mechanism GSSAPI; it offers PLAIN"),
    ("SASL_SSL", {"sasl_mechanism": None}, "SASL_SSL", "no sasl_mechanism is configured; the broker offers PLAIN"),
    ("SASL_SSL", {"sasl_plain_password": None}, "SASL_SSL", "sasl_plain_password is missing"),
]


@kafka
@pytest.mark.parametrize(("protocol", "changes", "listener", "said"), WRONG)
def test_every_wrong_way_in_is_told_from_the_others(
    secure: Secure, protocol: str, changes: dict[str, Any], listener: str, said: str
) -> None:
    started = time.monotonic()
    line = only(ask(secure.at(listener), security=secure.security(protocol, **changes)))

    assert line.state == "FIX"
    assert said in line.text
    assert "hunter2" not in line.text
    assert "shadow-secret" not in line.text
    assert time.monotonic() - started < 9.5


@kafka
def test_a_host_that_is_not_in_the_certificate_is_named(secure: Secure, monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.create_connection
    monkeypatch.setattr(socket, "create_connection", lambda address, **kw: real((secure.host, address[1]), **kw))
    port = secure.at("SASL_SSL").rpartition(":")[2]

    line = only(ask(f"kafka.example:{port}", security=secure.security("SASL_SSL")))

    assert "not made for the name kafka.example" in line.text


@kafka
def test_rights_are_asked_one_by_one(secure: Secure) -> None:
    topic, group = f"t-{uuid.uuid4().hex[:8]}", f"g-{uuid.uuid4().hex[:8]}"
    admin = KafkaAdminClient(bootstrap_servers=secure.at("PLAINTEXT"))
    try:
        admin.create_topics({topic: {"num_partitions": 2, "replication_factor": 1}})

        def told(**more: Any) -> list[Line]:
            user = secure.security("SASL_SSL")
            return ask(secure.at("SASL_SSL"), security=user, topic=topic, group_id=group, **more)

        def states() -> list[str]:
            return [line.state for line in told()]

        def grant(kind: Any, name: str, operation: Any) -> None:
            pattern = ResourcePattern(kind, name)
            admin.create_acls([ACL("User:shadow", "*", operation, ACLPermissionType.ALLOW, pattern)])

        def soon(expected: list[str]) -> None:
            end = time.monotonic() + 10
            while (seen := states()) != expected:
                assert time.monotonic() < end, seen
                time.sleep(0.1)

        if states() == ["OK", "OK", "OK"]:
            pytest.skip("this broker has no authorizer")
        assert states() == ["OK", "FIX", "FIX"]
        grant(ResourceType.TOPIC, topic, ACLOperation.DESCRIBE)
        grant(ResourceType.GROUP, group, ACLOperation.DESCRIBE)
        time.sleep(0.5)
        lines = told()
        assert [line.state for line in lines] == ["OK", "FIX", "FIX"], "to see is not to read"
        assert f"--allow-principal User:shadow --operation Read --topic {topic}" in lines[1].text
        grant(ResourceType.TOPIC, topic, ACLOperation.READ)
        soon(["OK", "OK", "FIX"])
        grant(ResourceType.GROUP, group, ACLOperation.READ)
        soon(["OK", "OK", "OK"])
        lines = told(writes=True)
        assert [line.state for line in lines] == ["OK", "OK", "FIX", "OK"], "to read is not to write"
        assert f"--allow-principal User:shadow --operation Write --topic {topic}" in lines[2].text
    finally:
        admin.close()
