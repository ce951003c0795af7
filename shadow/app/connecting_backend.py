"""Does an arm's server answer? The models it lists, and one call of one token, sent as the arm would send it."""

import http.client
import json
import re
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from shadow.app.connecting_base import Deadline, Line, Unanswered, connect, speaks_tls, why_not_trusted
from shadow.app.summarising import shown_url
from shadow.errors import ConfigurationError
from shadow.replay.credentials import Credential
from shadow.replay.variants import body_for, model_of, openai_backend, warmup_call
from shadow.settings import Baseline, Candidate, OpenAIBackend, Replay

_MOST_BYTES = 2**20
_SHOWN_MODELS, _SHOWN_CHARACTERS = 6, 160
_LIMITS = ("max_tokens", "max_completion_tokens")
_CA = "install the authority on this machine (or name its file in the variable SSL_CERT_FILE)"
_ODD = re.compile(r"[^\x20-\x7e]+")


@dataclass(frozen=True, slots=True)
class _Reply:
    status: int
    body: bytes
    location: str


def check_backend(name: str, arm: Candidate | Baseline, replay: Replay, deadline: Deadline) -> Iterator[Line]:
    """One line for an arm: OK with what was seen, or what to fix."""
    subject = f"arm {name}"
    server = openai_backend(arm) if isinstance(arm, Baseline) else arm.backend
    if not isinstance(server, OpenAIBackend):
        text = "its engine is started by `shadow run`; there is nobody to ask yet"
        yield Line(state="NOTE", subject=subject, text=text)
        return
    try:
        text = _Server(name, server, deadline).examined(arm, replay)
    except Unanswered as problem:
        yield Line(state="FIX", subject=subject, text=str(problem))
    else:
        yield Line(state="OK", subject=subject, text=text)


class _Server:
    """One server and the questions it is asked."""

    def __init__(self, arm: str, settings: OpenAIBackend, deadline: Deadline) -> None:
        self._settings, self._deadline = settings, deadline
        parts = urlsplit(settings.url)
        try:
            self._host, port = parts.hostname or "", parts.port
        except ValueError:
            raise Unanswered("the port in url is no number between 0 and 65535; correct it") from None
        if not self._host:
            raise Unanswered('url names no host; write one such as "http://127.0.0.1:8001/v1"')
        if parts.username is not None or parts.password is not None:
            raise Unanswered("url carries a password; move it to api_key_file, api_key_env or headers")
        self._https = parts.scheme == "https"
        self._port = port or (443 if self._https else 80)
        self._base = parts.path.rstrip("/")
        try:
            key = Credential(arm=arm, api_key_file=settings.api_key_file, api_key_env=settings.api_key_env).header
        except ConfigurationError as error:
            raise Unanswered(error.problems[0].partition(": ")[2]) from None
        self._headers = {"user-agent": "shadow-monitor", "accept-encoding": "identity", **settings.headers}
        if key is not None:
            self._headers["authorization"] = key
        self._secrets = [s for s in ((key or "").removeprefix("Bearer "), *settings.headers.values()) if len(s) >= 4]

    def examined(self, arm: Candidate | Baseline, replay: Replay) -> str:
        """What was seen, for an OK line. Raises Unanswered with the remedy."""
        listing = self._ask("GET", "/models")
        self._refuse_what_is_wrong_everywhere(listing)
        model = model_of(arm)
        names = _names(listing)
        begun = time.monotonic()
        reply = self._ask("POST", "/chat/completions", _tiny(arm, replay))
        took = time.monotonic() - begun
        if reply.status == 200:
            listed = "" if names is None or model in names else " (although it does not list that model)"
            return f"{shown_url(self._settings.url)} answers as {model}{listed}, a call of one token took {took:.2f} s"
        self._refuse_what_is_wrong_everywhere(reply)
        if names is not None and model not in names:
            raise Unanswered(
                f"the model {model} is not served; {_listed(names)}: correct `model`, or start the server with it"
            )
        if reply.status == 404:
            raise Unanswered(f"{self._path('/chat/completions')} is not there (404); {self._advice_on_path()}")
        raise Unanswered(
            f"a call of one token is refused with {reply.status}: {self._message(reply)}; correct model, variant, drop or map"
        )

    def _refuse_what_is_wrong_everywhere(self, reply: _Reply) -> None:
        status = reply.status
        if status in (401, 403):
            source = "api_key_file" if self._settings.api_key_file else "api_key_env"
            given = "authorization" in {name.lower() for name in self._headers}
            raise Unanswered(
                f"refuses our key ({status}); check what {source} holds and what it may use"
                if given
                else f"asks for a key ({status}); set api_key_file or api_key_env"
            )
        if status == 429:
            raise Unanswered("answers that it is asked too much (429); wait, or raise the limit of this key")
        if 300 <= status < 400:
            place = shown_url(reply.location) if "://" in reply.location else "another address"
            raise Unanswered(
                f"redirects to {_plain(place)} ({status}), which is not followed; write that address in url"
            )
        if status >= 500:
            raise Unanswered(f"answers with {status}: {self._message(reply)}; it may be loading its model, see its log")
        if status == 400 and not self._https and speaks_tls(self._host, self._port, self._deadline):
            raise Unanswered("expects TLS; write https:// in url")

    def _path(self, end: str) -> str:
        return f"{self._base}{end}"

    def _advice_on_path(self) -> str:
        """After a 404: which path would have been right."""
        for base in dict.fromkeys((f"{self._base}/v1", self._base.partition("/v1")[0] + "/v1", "/v1")):
            if base != self._base and self._asked("GET", f"{base}/models").status in (200, 401, 403):
                root = f"http{'s' if self._https else ''}://{urlsplit(self._settings.url).netloc}"
                return f"url has to end in /v1: write {root}{base}"
        if not self._base.endswith("/v1"):
            return "url has to end in /v1"
        return "does this server speak the OpenAI protocol, with a chat template for its model?"

    def _ask(self, method: str, end: str, body: bytes | None = None) -> _Reply:
        return self._asked(method, self._path(end), body)

    def _asked(self, method: str, path: str, body: bytes | None = None) -> _Reply:
        """One exchange; any status is an answer. Raises Unanswered when there is none."""
        connection = self._connection()
        try:
            headers = {**self._headers, **({"content-type": "application/json"} if body is not None else {})}
            connection.request(method, path, body=body, headers=headers)
            response = connection.getresponse()
            return _Reply(response.status, response.read(_MOST_BYTES), response.getheader("location") or "")
        except ssl.SSLCertVerificationError as error:
            raise Unanswered(f"TLS: {why_not_trusted(error, self._host, ca=_CA)}") from None
        except ssl.SSLError:
            raise Unanswered("the server speaks plain HTTP; write http:// in url, or use its TLS port") from None
        except TimeoutError:
            raise Unanswered(
                "takes the connection and does not answer in time; it is overloaded, or still loading its model"
            ) from None
        except (http.client.HTTPException, OSError, ValueError):
            if not self._https and speaks_tls(self._host, self._port, self._deadline):
                raise Unanswered("expects TLS; write https:// in url") from None
            raise Unanswered(
                "something listens there that does not answer as an HTTP server; check host and port"
            ) from None
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        seconds = self._deadline.step_seconds()
        connect(self._host, self._port, self._deadline).close()  # its reasons are better than http.client's
        if self._https:
            return http.client.HTTPSConnection(
                self._host, self._port, timeout=seconds, context=ssl.create_default_context()
            )
        return http.client.HTTPConnection(self._host, self._port, timeout=seconds)

    def _message(self, reply: _Reply) -> str:
        """The server's own words about our call, made harmless, without anything secret."""
        try:
            found = json.loads(reply.body)
            error = found.get("error", found) if isinstance(found, dict) else found
            words = error.get("message", "") if isinstance(error, dict) else error
        except (ValueError, RecursionError):
            words = ""
        text = str(words) if isinstance(words, str) else ""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return _plain(text) or "no reason given"


def _tiny(arm: Candidate | Baseline, replay: Replay) -> bytes:
    """The smallest call, with the arm's variant and adjustments, of one token at most."""
    body = body_for(warmup_call(1), arm, replay).body
    for key in _LIMITS:
        if key in body:
            body[key] = 1
    return json.dumps(body).encode()


def _names(reply: _Reply) -> list[str] | None:
    """The models a server lists; None where it does not."""
    if reply.status != 200:
        return None
    try:
        found: Any = json.loads(reply.body)
        return [str(m["id"]) for m in found["data"]]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def _listed(names: list[str]) -> str:
    shown = ", ".join(_plain(name) for name in names[:_SHOWN_MODELS])
    return f"it serves {shown or 'none'}{' and more' if len(names) > _SHOWN_MODELS else ''}"


def _plain(text: str) -> str:
    shown = _ODD.sub("?", text).strip()
    return shown if len(shown) <= _SHOWN_CHARACTERS else shown[:_SHOWN_CHARACTERS] + "..."
