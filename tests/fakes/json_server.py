"""A JSON server on the loopback for the tests of scorers that ask one: set replies, set misbehaviour, kept requests."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Canned:
    """`reply` is the JSON body, or a function of the request body; the rest is misbehaviour."""

    reply: Any
    status: int = 200
    delay_seconds: float = 0.0
    drip_bytes_per_second: int = 0
    drip_headers: bool = False
    raw: bytes | None = None
    requests: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)


def chat(text: str) -> dict[str, Any]:
    """A chat completion with this text."""
    return {"choices": [{"message": {"role": "assistant", "content": text}}]}


@contextmanager
def serving(canned: Canned) -> Iterator[str]:
    """The server's base URL; it stops at the end."""
    stopping = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}")
            canned.requests.append(body)
            canned.paths.append(self.path)
            canned.headers.append(dict(self.headers))
            stopping.wait(canned.delay_seconds)
            reply = canned.reply(body) if callable(canned.reply) else canned.reply
            data = canned.raw if canned.raw is not None else json.dumps(reply).encode()
            try:
                head = f"HTTP/1.0 {canned.status} x\r\nContent-Length: {len(data)}\r\n\r\n".encode()
                if canned.drip_headers:
                    data, head = head + data, b""
                self.wfile.write(head)
                if not canned.drip_bytes_per_second:
                    self.wfile.write(data)
                else:
                    for byte in data:
                        if stopping.wait(1 / canned.drip_bytes_per_second):
                            return
                        self.wfile.write(bytes([byte]))
                        self.wfile.flush()
            except OSError:
                return

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        stopping.set()
        server.shutdown()
        server.server_close()
        thread.join(5)
