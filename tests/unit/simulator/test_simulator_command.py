"""`shadow simulate` as a user starts it."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "shadow", "simulate", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_prints_its_address_serves_and_ends_cleanly_on_a_signal(tmp_path: Path, number: int) -> None:
    answers = tmp_path / "answers.jsonl"
    answers.write_text(json.dumps({"prompt": "hé", "answer": "recorded"}) + "\n")
    child = start("--answers", str(answers), "--port", "0", "--ttft-ms", "1")
    assert child.stdout is not None
    url = child.stdout.readline().strip()
    try:
        body = json.dumps({"messages": [{"role": "user", "content": "hé"}]}).encode()
        with urllib.request.urlopen(urllib.request.Request(f"{url}/chat/completions", body), timeout=5) as response:
            answer = json.load(response)
    finally:
        os.kill(child.pid, number)
        _, err = child.communicate(timeout=10)

    assert answer["choices"][0]["message"]["content"] == "recorded"
    assert child.returncode == 0
    assert "1 recorded answers" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "word", "code"),
    [
        (["--fault", "hng:0.1"], "hng", 2),
        (["--fault", "hang:x"], "hang:0.05", 2),
        (["--fail-rate", "0.7", "--fault", "hang:0.7"], "above 1", 2),
        (["--answers", "/nonexistent/answers.jsonl"], "cannot be read", 2),
        (["--host", "203.0.113.1", "--port", "0"], "cannot listen", 3),
    ],
)
def test_what_cannot_be_is_said_with_its_exit_code(arguments: list[str], word: str, code: int) -> None:
    child = start(*arguments)
    _, err = child.communicate(timeout=10)

    assert word in err
    assert child.returncode == code
