"""deploy/: the compose file fits the commands and files it names, configurations check, mirror recipes are readable."""

import contextlib
import importlib.machinery
import importlib.util
import json
import subprocess
import sys
import time
import types
import urllib.error
import urllib.request
from pathlib import Path

import click
import monitoring
import pytest
import yaml

from shadow.app.checking import validated
from shadow.cli import main

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
REQUEST = {"model": "prod-v1", "messages": [{"role": "user", "content": "hi"}]}
ANSWER = {"choices": [{"message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}]}


def load(name, path):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def decode(*records):
    lines = "".join(r if isinstance(r, str) else json.dumps(r) + "\n" for r in records)
    result = subprocess.run(
        [sys.executable, "-m", "shadow", "decode"], input=lines, capture_output=True, text=True, timeout=60, check=True
    )
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.mark.parametrize("service", [n for n, s in COMPOSE.items() if "build" in s and "entrypoint" not in s])
def test_every_shadow_service_has_a_command_that_parses(service):
    name, *arguments = COMPOSE[service]["command"]
    command = main.get_command(click.Context(main), name)
    folder = str(DEPLOY / "compose")
    arguments = [a.replace("/etc/shadow", folder) for a in arguments]

    command.make_context(name, arguments)


def compose_problems(document):
    """What the schema of compose files says against it; skips where scripts/install-ops has not brought the schema."""
    from jsonschema import Draft7Validator

    found = sorted((ROOT / ".venv-ops" / "lib").glob("python3*/site-packages/compose/config/compose_spec.json"))
    if not found:
        pytest.skip("the schema of compose files is not installed: scripts/install-ops")
    schema = json.loads(found[0].read_text())
    known = {key: value for key, value in document.items() if not key.startswith("x-")}
    return [f"{list(error.path)}: {error.message}" for error in Draft7Validator(schema).iter_errors(known)]


def test_the_compose_file_fits_the_published_schema():
    document = yaml.safe_load((DEPLOY / "compose.yaml").read_text())

    assert compose_problems({k: v for k, v in document.items() if k != "name"}) == []  # the schema is older than `name`


def test_a_wrong_key_in_the_compose_file_would_be_found():
    document = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    document["services"]["shadow"]["restrat"] = "always"

    assert any("restrat" in problem for problem in compose_problems(document))


def test_the_receiver_prints_who_was_meant_and_what_rings():
    """Where the example configuration of Alertmanager sends to: the same ports and paths, read from it."""
    receivers = yaml.safe_load((DEPLOY / "prometheus" / "alertmanager.yml").read_text())["receivers"]
    urls = [hook["url"] for receiver in receivers for hook in receiver["webhook_configs"]]
    assert {url.rsplit("/", 1)[0] for url in urls} == {f"http://127.0.0.1:{COMPOSE['receiver']['command'][0]}"}
    assert COMPOSE["receiver"]["network_mode"] == "service:alertmanager"
    port = str(monitoring.free_port())
    child = subprocess.Popen(
        [sys.executable, str(DEPLOY / "compose" / "receiver.py"), port], stdout=subprocess.PIPE, text=True
    )
    body = {"alerts": [{"status": "firing", "labels": {"alertname": "A"}, "annotations": {"summary": "it is away"}}]}

    def send(text):
        return urllib.request.urlopen(
            urllib.request.Request(f"http://127.0.0.1:{port}/pager", data=text.encode()), timeout=5
        )

    try:
        for _ in range(100):
            with contextlib.suppress(ConnectionRefusedError, urllib.error.URLError):
                assert send(json.dumps(body)).status == 200
                break
            time.sleep(0.1)
        with pytest.raises(urllib.error.HTTPError, match="400"):
            send("no alerts")
        assert child.stdout.readline() == "pager: firing: A: it is away\n"
    finally:
        child.terminate()
        child.wait(10)
        child.stdout.close()


def test_every_file_the_compose_file_mounts_exists():
    for service in COMPOSE.values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert not source.startswith(".") or (DEPLOY / source).exists(), source


def test_services_wait_only_for_services_that_report_their_health():
    for service in COMPOSE.values():
        for other in service.get("depends_on", {}):
            assert "test" in COMPOSE[other]["healthcheck"]


def test_everything_is_published_on_loopback_only():
    assert all(p.startswith("127.0.0.1:") for s in COMPOSE.values() for p in s.get("ports", []))


def test_the_compose_configuration_is_one_that_shadow_accepts(monkeypatch, tmp_path):
    monkeypatch.setenv("LEDGER", str(tmp_path / "shadow.db"))

    validated(str(DEPLOY / "compose" / "shadow.yaml"))


def test_the_plain_manifests_configuration_is_one_that_shadow_accepts(monkeypatch, tmp_path):
    documents = list(yaml.safe_load_all((DEPLOY / "kubernetes" / "sidecar.yaml").read_text()))
    monkeypatch.setenv("POD_NAME", "shadow-cand-b-0")
    config = tmp_path / "shadow.yaml"
    config.write_text(documents[0]["data"]["shadow.yaml"].replace("/var/lib/shadow", str(tmp_path)))

    validated(str(config))


def test_traffic_is_read_as_replayable_calls():
    traffic = load("compose_traffic", DEPLOY / "compose" / "traffic.py")
    stream = traffic.envelopes(DEPLOY / "compose" / "answers.jsonl", 7)

    (first, second) = decode(next(stream), next(stream))

    assert first["calls"][0]["replayable"] is True
    assert second["calls"][0]["comparable"] is True


@pytest.fixture(scope="module")
def checker():
    loader = importlib.machinery.SourceFileLoader("check_image", str(ROOT / "scripts" / "check-image"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("check_image", loader))
    loader.exec_module(module)
    return module


@pytest.mark.parametrize(("target", "pips"), [("lean", 1), ("semantic", 3)])
def test_the_check_of_the_image_does_the_steps_of_the_dockerfile_and_reads_how_it_starts(
    checker, target, pips, tmp_path
):
    """Only the shell is left out: what would be run is kept."""
    ran = []
    image = checker.Image(str(tmp_path))
    image.run = ran.append
    image.build(checker.stages(), target)

    assert sum(" install " in command and "pip" in command for command in ran) == pips
    assert "python -m venv /opt/shadow" in ran
    assert image.here("/opt/shadow/bin/pip x:/src '/var/lib/shadow'").count(str(tmp_path)) == 3
    assert image.here("usr/opt/shadow") == "usr/opt/shadow"
    assert (tmp_path / "src" / "shadow" / "cli").is_dir()
    assert image.program == ["shadow"]
    assert image.command == ["run", "-c", "/etc/shadow/config/shadow.yaml"]
    assert image.health[:2] == ["python", "-c"]


@pytest.mark.parametrize("image", ["lean", "semantic"])
def test_the_image_runs_as_nobody_in_particular(image):
    text = (DEPLOY / "Dockerfile").read_text()

    assert f"FROM runtime AS {image}" in text
    assert "\nUSER 10001:10001\n" in text


def test_what_the_dockerfile_copies_is_in_its_context():
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copies = [
        line.split()[1:-1] for line in (DEPLOY / "Dockerfile").read_text().splitlines() if line.startswith("COPY ")
    ]
    wanted = {source for copy in copies if not copy[0].startswith("--") for source in copy}

    assert wanted == allowed
    assert all((ROOT / source).exists() for source in wanted)


class Producer:
    def __init__(self):
        self.sent = []

    def send(self, topic, value, key=None):
        self.sent.append((topic, key, value.decode()))


@pytest.fixture
def callback(monkeypatch):
    """The recipe over a stand-in for LiteLLM, which is no dependency."""
    for name in ("litellm", "litellm.integrations", "litellm.integrations.custom_logger"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    sys.modules["litellm.integrations.custom_logger"].CustomLogger = type("CustomLogger", (), {})
    return load("litellm_callback", DEPLOY / "mirror" / "litellm_callback.py")


async def test_litellm_calls_arrive_as_calls_with_request_and_answer(callback):
    producer = Producer()
    payload = {"id": "c1", "litellm_call_id": "c1", "call_type": "acompletion", "session_id": "s", "model": "prod-v1",
               "messages": REQUEST["messages"], "model_parameters": {}, "response": ANSWER, "status": "success",
               "startTime": 1.7e9, "endTime": 1.7e9 + 1}  # fmt: skip
    await callback.Mirror(producer, "t").async_log_success_event({"standard_logging_object": payload}, None, None, None)

    ((topic, key, value),) = producer.sent
    (read,) = decode(value + "\n")

    assert (topic, key) == ("t", b"s")
    assert read["calls"][0]["replayable"] is True
    assert read["calls"][0]["comparable"] is True


async def test_a_broken_payload_never_reaches_the_user_of_litellm(callback):
    await callback.Mirror(Producer(), "t").async_log_success_event({}, None, None, None)


def answering(body, content_type="application/json", status=200):
    async def app(scope, receive, send):
        await receive()
        await send(
            {"type": "http.response.start", "status": status, "headers": [(b"content-type", content_type.encode())]}
        )
        for part in body:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    return app


async def through(app, request, sent):
    middleware = load("asgi_middleware", DEPLOY / "mirror" / "asgi_middleware.py")

    async def receive():
        return {"type": "http.request", "body": request, "more_body": False}

    got = []

    async def send(message):
        got.append(message.get("body", b""))

    scope = {"type": "http", "method": "POST", "path": "/v1/chat/completions", "headers": [(b"x-session-id", b"s1")]}
    await middleware.MirrorMiddleware(app, send=lambda key, value: sent.append((key, value.decode())))(
        scope, receive, send
    )
    return b"".join(got)


@pytest.mark.parametrize("stream", [False, True])
async def test_the_middleware_mirrors_what_the_user_got(stream):
    chunk = {"choices": [{"index": 0, "delta": {"content": "hello"}, "finish_reason": "stop"}]}
    body = [f"data: {json.dumps(chunk)}\n\n".encode(), b"data: [DONE]\n\n"] if stream else [json.dumps(ANSWER).encode()]
    sent = []

    got = await through(answering(body), json.dumps({**REQUEST, "stream": stream}).encode(), sent)
    ((key, value),) = sent
    (read,) = decode(value + "\n")

    assert got == b"".join(body)
    assert key == b"s1"
    assert read["calls"][0]["comparable"] is True


async def test_the_middleware_passes_what_is_no_json_untouched():
    sent = []

    assert await through(answering([b"<html>"]), b"{", sent) == b"<html>"
    assert sent == []


@pytest.mark.parametrize("name", ["otel-collector", "apisix", "kong"])
def test_gateway_recipes_write_to_the_topic_that_shadow_reads(name):
    text = (DEPLOY / "mirror" / f"{name}.yaml").read_text()

    assert yaml.safe_load(text)
    assert "llm.mirror" in text
