"""What the checks of the outside share: a line that says OK or what to fix, a deadline, and why a connection fails."""

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

State = Literal["OK", "FIX", "NOTE"]

STEP_SECONDS = 3.0
"""The longest that one exchange with a server may take."""

_UNKNOWN_CA = {18, 19, 20, 21}
_HOSTNAME = {62, 64}
_EXPIRED, _NOT_YET = 10, 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One answer: `subject` is who was asked, `text` what was found and, for FIX, the remedy. Holds no secret."""

    state: State
    subject: str
    text: str


Check = Callable[["Deadline"], Iterator[Line]]


class Unanswered(Exception):
    """A step failed for a reason that has a remedy; the message is the text of a FIX line."""


class Deadline:
    """The moment until which a whole check may run."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def step_seconds(self) -> float:
        """How long the next exchange may take. Raises Unanswered when no time is left."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise Unanswered("did not answer in time; check that it is not overloaded, then ask again")
        return min(STEP_SECONDS, left)


def connect(host: str, port: int, deadline: Deadline) -> socket.socket:
    """A TCP connection. Raises Unanswered with the reason as a person would say it."""
    try:
        return socket.create_connection((host, port), timeout=deadline.step_seconds())
    except (socket.gaierror, UnicodeError):
        raise Unanswered(f"the host name {host} is unknown here; correct it, or this machine's DNS") from None
    except ConnectionRefusedError:
        raise Unanswered(
            f"nothing listens on port {port} of {host} (connection refused); start it, or correct the address"
        ) from None
    except TimeoutError:
        raise Unanswered(
            f"port {port} of {host} does not answer; a firewall drops the packets, or the address is wrong"
        ) from None
    except OSError as error:
        raise Unanswered(f"{host} cannot be reached ({error.strerror or type(error).__name__})") from None


def speaks_tls(host: str, port: int, deadline: Deadline) -> bool:
    """Whether a TLS handshake succeeds there, whatever the certificate; the connection is closed again."""
    try:
        with connect(host, port, deadline) as plain:
            plain.settimeout(deadline.step_seconds())
            with unverified().wrap_socket(plain, server_hostname=host):
                return True
    except (Unanswered, OSError):
        return False


def unverified() -> ssl.SSLContext:
    """A context that trusts anybody: only to find out who is there, never to send a secret."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def why_not_trusted(error: ssl.SSLCertVerificationError, host: str, *, ca: str) -> str:
    """What is wrong with a server's certificate. `ca` names the setting that makes an authority known."""
    code = error.verify_code
    if code in _HOSTNAME:
        return (
            f"the certificate is not made for the name {host}; use a name that the certificate holds, "
            "or have one issued for this name"
        )
    if code == _EXPIRED:
        return "the certificate has expired; renew it on the server"
    if code == _NOT_YET:
        return "the certificate is not valid yet; check the clocks of both machines"
    if code in _UNKNOWN_CA:
        return f"the certificate comes from an authority that is unknown here; {ca}"
    return f"the certificate is refused (OpenSSL code {code}); {ca}"
