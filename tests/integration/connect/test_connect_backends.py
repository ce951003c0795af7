"""A server of an arm is asked, and what is wrong with it is said with the remedy."""

import json
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from shadow.app.connecting_backend import check_backend
from shadow.app.connecting_base import Deadline, Line
from shadow.settings import Candidate, Replay, VllmBackend

Answer = Callable[[str, str, dict[str, str], bytes], tuple[int, Any]]


@contextmanager
def serving(answer: Answer, *, tls: tuple[Path, Path] | None = None) -> Iterator[int]:
    """A server whose answers a function gives from (method, path, headers, body); yields its port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {k.lower(): v for k, v in self.headers.items()}
            status, value = answer(self.command, self.path, headers, body)
            data = value if isinstance(value, bytes) else json.dumps(value).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(data)))
            if 300 <= status < 400:
                self.send_header("location", "https://user:pass@elsewhere.example/v1?key=1")
            self.end_headers()
            self.wfile.write(data)

        def do_GET(self) -> None:
            self._any()

        def do_POST(self) -> None:
            self._any()

        def log_message(self, *_: object) -> None: ...

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None: ...

    server = Quiet(("127.0.0.1", 0), Handler)
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*tls)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def engine(method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, Any]:
    """An OpenAI-compatible server with the model `m`."""
    if path == "/v1/models":
        return 200, {"data": [{"id": "m"}, {"id": "other"}]}
    if path == "/v1/chat/completions":
        if json.loads(body)["model"] != "m":
            return 404, {"error": {"message": "no such model"}}
        return 200, {"choices": []}
    return 404, {"detail": "Not Found"}


def ask(url: str, *, seconds: float = 5, variant: dict[str, Any] | None = None, **backend: Any) -> Line:
    """The one line about an arm."""
    given = {"kind": "openai", "url": url, "model": "m", **backend}
    candidate = Candidate.model_validate({"name": "c", "backend": given, "variant": variant or {}})
    (line,) = check_backend("c", candidate, Replay(), Deadline(seconds))
    return line


def test_a_server_that_answers_is_ok() -> None:
    with serving(engine) as port:
        line = ask(f"http://127.0.0.1:{port}/v1")

    assert line.state == "OK"
    assert "answers as m" in line.text


def test_the_call_is_one_token_of_what_the_arm_would_send() -> None:
    bodies: list[dict[str, Any]] = []

    def keep(method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, Any]:
        if body:
            bodies.append(json.loads(body))
        return engine(method, path, headers, body)

    with serving(keep) as port:
        ask(f"http://127.0.0.1:{port}/v1", variant={"sampling": {"temperature": 0.5, "max_tokens": 900}})

    (body,) = bodies
    assert (body["model"], body["temperature"], body["max_tokens"]) == ("m", 0.5, 1)


@pytest.mark.parametrize(
    ("status", "key", "said"),
    [
        (401, None, "asks for a key (401); set api_key_file or api_key_env"),
        (401, "sk-secret-1234", "refuses our key (401)"),
        (403, "sk-secret-1234", "refuses our key (403)"),
        (429, None, "asked too much"),
        (503, None, "answers with 503"),
        (307, None, "redirects to https://elsewhere.example/v1 (307)"),
    ],
)
def test_a_refusal_says_what_to_change(
    status: int, key: str | None, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if key is not None:
        monkeypatch.setenv("TEST_ARM_KEY", key)
    with serving(lambda *_: (status, {"error": {"message": f"bad {key}"}})) as port:
        line = ask(f"http://127.0.0.1:{port}/v1", api_key_env=None if key is None else "TEST_ARM_KEY")

    assert line.state == "FIX"
    assert said in line.text
    assert "secret" not in line.text
    assert "pass" not in line.text


def test_a_model_that_is_not_served_gets_the_list_of_those_that_are() -> None:
    with serving(engine) as port:
        line = ask(f"http://127.0.0.1:{port}/v1", model="n")

    assert line.text.startswith("the model n is not served; it serves m, other")


@pytest.mark.parametrize("path", ["", "/", "/v1/chat/completions", "/api"])
def test_a_wrong_path_gets_the_right_one(path: str) -> None:
    with serving(engine) as port:
        line = ask(f"http://127.0.0.1:{port}{path}")

    assert f"url has to end in /v1: write http://127.0.0.1:{port}/v1" in line.text


def test_a_refused_call_shows_the_servers_words_made_harmless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_ARM_KEY", "sk-secret-1234")

    def refuse(method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, Any]:
        if not body:
            return 200, {"data": [{"id": "m"}]}
        return 400, {"error": {"message": "no top_k \x1b[31m for sk-secret-1234 " + "x" * 5000}}

    with serving(refuse) as port:
        line = ask(f"http://127.0.0.1:{port}/v1", api_key_env="TEST_ARM_KEY")

    assert "a call of one token is refused with 400: no top_k ?[31m for ***" in line.text
    assert len(line.text) < 400


@pytest.mark.parametrize("body", [b"[" * 100_000, b"\xff", b'{"data": 5}', b'{"data": [{"id": null}]}', b"null"])
def test_a_hostile_list_of_models_breaks_nothing(body: bytes) -> None:
    with serving(lambda m, p, h, b: (200, body) if m == "GET" else (200, {})) as port:
        line = ask(f"http://127.0.0.1:{port}/v1")

    assert line.state == "OK"


def test_nobody_listening_and_an_unknown_host_are_told_apart() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    assert "nothing listens" in ask(f"http://127.0.0.1:{port}/v1").text
    assert "is unknown here" in ask("http://no-such-host.invalid/v1").text


def test_a_server_that_never_answers_ends_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        line = ask(f"http://127.0.0.1:{silent.getsockname()[1]}/v1", seconds=0.6)

    assert line.state == "FIX"
    assert "in time" in line.text


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for localhost that nobody has signed but itself."""
    folder = tmp_path_factory.mktemp("tls")
    pem, key = folder / "server.pem", folder / "server.key"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    names = ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(pem)]
    try:
        subprocess.run([*command, *names], check=True, capture_output=True, timeout=60)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no certificate without openssl ({type(error).__name__})")
    return pem, key


def test_tls_and_plain_http_mixed_up_are_named(certificate: tuple[Path, Path]) -> None:
    with serving(engine, tls=certificate) as port:
        assert "expects TLS; write https://" in ask(f"http://127.0.0.1:{port}/v1").text
        assert "authority that is unknown here" in ask(f"https://localhost:{port}/v1").text
    with serving(engine) as port:
        assert "speaks plain HTTP; write http://" in ask(f"https://127.0.0.1:{port}/v1").text


def test_a_name_that_is_not_in_the_certificate_is_named(
    certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    with serving(engine, tls=certificate) as port:
        assert ask(f"https://localhost:{port}/v1").state == "OK"
        assert "not made for the name 127.0.0.1" in ask(f"https://127.0.0.1:{port}/v1").text


def test_a_key_that_cannot_be_read_and_a_login_in_the_url_are_refused(tmp_path: Path) -> None:
    empty = tmp_path / "key"
    empty.write_text("")

    assert "is empty" in ask("http://127.0.0.1:1/v1", api_key_file=str(empty)).text
    line = ask("http://me:hunter2@127.0.0.1:1/v1")
    assert "url carries a password" in line.text
    assert "hunter2" not in line.text


def test_an_engine_that_shadow_starts_itself_is_not_asked() -> None:
    candidate = Candidate(name="c", backend=VllmBackend(model="m"))

    (line,) = check_backend("c", candidate, Replay(), Deadline(1))

    assert line.state == "NOTE"
