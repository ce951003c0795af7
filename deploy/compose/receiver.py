"""Stands for pager, tickets and chat in the compose file: prints every alert that Alertmanager sends, one line each.

usage: receiver.py PORT
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Receiver(BaseHTTPRequestHandler):
    """The last part of the path says whom Alertmanager meant: pager, tickets or chat."""

    def do_POST(self) -> None:
        try:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
            for alert in body["alerts"]:
                said = alert["annotations"].get("summary", "")
                whom, name = self.path.strip("/"), alert["labels"]["alertname"]
                sys.stdout.write(f"{whom}: {alert['status']}: {name}: {said}\n")
            sys.stdout.flush()
        except (ValueError, KeyError, TypeError):
            self.send_error(400)
            return
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Requests are not worth a line of their own."""


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver).serve_forever()
