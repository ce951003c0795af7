"""One connection to one Kafka broker, a request at a time: enough to see why a client would not get in.

The client library retries until its timeout and then says the same for every cause; here each step fails on its own.
"""

import socket
import ssl
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kafka.protocol.admin import DescribeGroupsRequest, DescribeGroupsResponse
from kafka.protocol.metadata import (
    ApiVersionsRequest,
    ApiVersionsResponse,
    FindCoordinatorRequest,
    FindCoordinatorResponse,
    MetadataRequest,
    MetadataResponse,
)
from kafka.protocol.sasl import (
    SaslAuthenticateRequest,
    SaslAuthenticateResponse,
    SaslHandshakeRequest,
    SaslHandshakeResponse,
)

from shadow.app.connecting_base import Deadline, connect

_MOST_BYTES = 16 * 2**20
_ANSWERS: dict[Any, Any] = {
    ApiVersionsRequest: ApiVersionsResponse,
    MetadataRequest: MetadataResponse,
    FindCoordinatorRequest: FindCoordinatorResponse,
    DescribeGroupsRequest: DescribeGroupsResponse,
    SaslHandshakeRequest: SaslHandshakeResponse,
    SaslAuthenticateRequest: SaslAuthenticateResponse,
}


class NotKafka(Exception):
    """The other side closed the connection, kept silent, or answered what is no Kafka response."""


@dataclass(frozen=True, slots=True)
class Address:
    """A broker's host and port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Wire:
    """A connection that was opened; close it. Blocks for at most a step of the deadline per call."""

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self._sock, self._deadline = sock, deadline
        self._correlation = 0
        self.versions: dict[int, int] = {}
        """The highest version of each request that the broker offers, once it was asked."""

    @classmethod
    def open(cls, address: Address, tls: ssl.SSLContext | None, deadline: Deadline) -> "Wire":
        """Connects, with TLS when a context is given. Raises Unanswered or, from the handshake, OSError."""
        sock = connect(address.host, address.port, deadline)
        if tls is None:
            return cls(sock, deadline)
        try:
            sock.settimeout(deadline.step_seconds())
            return cls(tls.wrap_socket(sock, server_hostname=address.host), deadline)
        except BaseException:
            sock.close()
            raise

    def close(self) -> None:
        """Ends the connection."""
        self._sock.close()

    def __enter__(self) -> "Wire":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def introduce(self) -> None:
        """Asks which requests the broker knows: answered before any login. Raises NotKafka."""
        answer = self.ask(ApiVersionsRequest, 0)
        self.versions = {key.api_key: key.max_version for key in answer.api_keys}
        if not self.versions:
            raise NotKafka

    def newest(self, request: Any, most: int) -> int:
        """The highest version both sides know, `most` at the highest; 0 where the broker did not say."""
        return min(most, self.versions.get(request.API_KEY, 0))

    def ask(self, request: Any, version: int, **fields: Any) -> Any:
        """Sends one request and reads its answer. Raises NotKafka, or ssl.SSLError when TLS refuses."""
        self._correlation += 1
        message = request(version=version, **fields)
        message.with_header(correlation_id=self._correlation, client_id="shadow")
        try:
            self._sock.settimeout(self._deadline.step_seconds())
            self._sock.sendall(message.encode(header=True, framed=True))
            size = struct.unpack(">i", self._read(4))[0]
            if not 4 <= size <= _MOST_BYTES:
                raise NotKafka
            data = self._read(size)
        except ssl.SSLError:
            raise
        except OSError:
            raise NotKafka from None
        if struct.unpack(">i", data[:4])[0] != self._correlation:
            raise NotKafka
        try:
            return _ANSWERS[request].decode(data, version=version, header=True)
        except (ValueError, TypeError, IndexError, struct.error):
            raise NotKafka from None

    def _read(self, count: int) -> bytes:
        parts: list[bytes] = []
        while count:
            self._sock.settimeout(self._deadline.step_seconds())
            part = self._sock.recv(min(count, 65536))
            if not part:
                raise NotKafka
            parts.append(part)
            count -= len(part)
        return b"".join(parts)


def context_of(security: Mapping[str, Any]) -> ssl.SSLContext:
    """TLS as kafka-python would set it up from the same options. Raises OSError for a file that cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = bool(security.get("ssl_check_hostname", True))
    if security.get("ssl_cafile"):
        context.load_verify_locations(security["ssl_cafile"])
    else:
        context.load_default_certs()
    if security.get("ssl_certfile"):
        context.load_cert_chain(
            security["ssl_certfile"], keyfile=security.get("ssl_keyfile"), password=security.get("ssl_password") or ""
        )
    return context


def addresses(bootstrap_servers: str) -> list[Address]:
    """The brokers that `source.bootstrap_servers` names; 9092 where no port is given."""
    found = []
    for part in (p.strip() for p in bootstrap_servers.split(",")):
        if not part:
            continue
        part = part.rpartition("://")[2].rpartition("@")[2]
        host, colon, port = part.rpartition(":")
        if colon and port.isdigit() and int(port) < 65536:
            found.append(Address(host.strip("[]"), int(port)))
        else:
            found.append(Address(part.strip("[]"), 9092))
    return found
