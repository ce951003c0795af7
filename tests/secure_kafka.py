"""A real Kafka with TLS, logins and rights, for tests.

It is `SHADOW_TEST_KAFKA_SECURE=host:port,folder` (listeners at port, +2 SSL, +3 SASL_PLAINTEXT, +4 SASL_SSL; the
authority in folder/tls/ca.pem), or is started where the program for it exists.
"""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).parents[2] / "shared" / "kafka" / "run-kafka"
_START_SECONDS = 90
_PROPERTIES = (
    "auto.create.topics.enable=false",
    "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users=User:ANONYMOUS",
    "listener.name.ssl.ssl.client.auth=required",
)


@dataclass(frozen=True)
class Secure:
    """A broker whose plaintext listener may do everything, and whose user `shadow` may do what it was granted."""

    host: str
    port: int
    folder: Path

    def at(self, listener: str) -> str:
        """host:port of a listener."""
        offset = {"PLAINTEXT": 0, "CONTROLLER": 1, "SSL": 2, "SASL_PLAINTEXT": 3, "SASL_SSL": 4}[listener]
        return f"{self.host}:{self.port + offset}"

    def file(self, name: str) -> str:
        """A file of its TLS folder."""
        return str(self.folder / "tls" / name)

    def security(self, protocol: str, **changes: Any) -> dict[str, Any]:
        """The options that get in through a listener of this protocol."""
        found: dict[str, Any] = {"security_protocol": protocol}
        if protocol.endswith("SSL"):
            found["ssl_cafile"] = self.file("ca.pem")
        if protocol == "SSL":
            found |= {"ssl_certfile": self.file("client.pem"), "ssl_keyfile": self.file("client.key")}
        if protocol.startswith("SASL"):
            found |= {
                "sasl_mechanism": "SCRAM-SHA-256",
                "sasl_plain_username": "shadow",
                "sasl_plain_password": "shadow-secret",
            }
        return {k: v for k, v in (found | changes).items() if v is not None}


@contextmanager
def running(folder: Path) -> Iterator[Secure]:
    """A real Kafka for the length of the block. Skips the test where none can be had."""
    if given := os.environ.get("SHADOW_TEST_KAFKA_SECURE"):
        address, _, place = given.partition(",")
        host, _, port = address.rpartition(":")
        yield Secure(host, int(port), Path(place))
        return
    if not PROGRAM.exists() or shutil.which("java") is None:
        pytest.skip("no real Kafka: neither SHADOW_TEST_KAFKA_SECURE nor a program to start one")
    port_number = _five_free_ports()
    with (folder / "log.txt").open("wb") as log:
        command = [str(PROGRAM), str(port_number), str(folder / "data"), "--secure", *_PROPERTIES]
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        _wait_for(port_number + 4, process)
        yield Secure("127.0.0.1", port_number, folder / "data")
    finally:
        process.kill()
        process.wait(20)


def _five_free_ports() -> int:
    for first in range(21_000 + os.getpid() % 5_000, 32_000, 10):
        try:
            for port in range(first, first + 5):
                socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return first
    pytest.skip("no five free ports in a row")


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end:
        if process.poll() is not None:
            pytest.skip(f"the real Kafka ended with {process.returncode} while it started")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.2)
            continue
        return
    pytest.fail(f"the real Kafka did not listen within {_START_SECONDS} s")
