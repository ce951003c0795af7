"""A collector in the test's process: decodes what arrives over OTLP/HTTP, or is down, slow or broken on request."""

import gzip
import http.server
import threading
import time
from types import TracebackType
from typing import Any

from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as trace


class OtlpSink:
    """with OtlpSink() as sink: settings.otel.endpoint = sink.url"""

    def __init__(self, *, status: int = 200, delay_seconds: float = 0.0) -> None:
        self.bodies: dict[str, list[Any]] = {"/v1/traces": [], "/v1/logs": []}
        self.raw: list[bytes] = []
        sink = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                time.sleep(delay_seconds)
                if status == 200:
                    request: Any = (
                        trace.ExportTraceServiceRequest()
                        if self.path == "/v1/traces"
                        else logs.ExportLogsServiceRequest()
                    )
                    request.ParseFromString(body)
                    sink.bodies[self.path].append(request)
                    sink.raw.append(body)
                try:
                    self.send_response(status)
                    self.send_header("content-length", "0")
                    self.end_headers()
                except OSError:
                    return  # the client has given up, as it should

            def log_message(self, format: str, *args: object) -> None:
                return

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "OtlpSink":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace_: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def spans(self) -> list[Any]:
        """Every span that arrived."""
        return [s for b in self.bodies["/v1/traces"] for r in b.resource_spans for x in r.scope_spans for s in x.spans]

    def events(self) -> list[Any]:
        """Every log record that arrived."""
        return [
            e for b in self.bodies["/v1/logs"] for r in b.resource_logs for x in r.scope_logs for e in x.log_records
        ]
