"""Children of the demo: ended in order, never left behind, and quoted when they die."""

import importlib.util
import os
import socket
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner

from shadow.cli.demo import command
from shadow.demo.processes import Child, free_port, tail
from shadow.errors import UnreachableError

_LEASHED = """
import threading, signal, os
from shadow.demo.leash import on_parent_gone
done = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: done.set())
on_parent_gone(lambda: os.kill(os.getpid(), signal.SIGTERM))
print("ready", flush=True)
while not done.wait(0.05):
    pass
"""


def wait_for(condition, seconds=20.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


def test_a_child_that_ended_by_itself_is_said_with_the_end_of_its_log(tmp_path):
    log = tmp_path / "x.log"
    with Child("the child", "shadow.app", [], log, stop_seconds=5) as child:
        assert wait_for(lambda: "inside of `shadow run`" in log.read_text())

        def died():
            try:
                child.check()
            except UnreachableError as error:
                return "the child ended (exit 2)" in str(error) and "shadow run" in str(error)
            return False

        assert wait_for(died)


def test_a_child_ends_with_the_block_that_started_it(tmp_path):
    with Child("broker", "shadow.demo.leash", ["broker"], tmp_path / "b.log", stop_seconds=10) as child:
        assert wait_for(lambda: "127.0.0.1:" in (tmp_path / "b.log").read_text())
        pid = child.pid

    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_child_ends_when_its_parent_is_gone():
    process = subprocess.Popen([sys.executable, "-c", _LEASHED], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline() == b"ready\n"
        process.stdin.close()

        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait(5)
        process.stdout.close()


def test_the_log_of_a_child_that_never_wrote_has_no_lines(tmp_path):
    assert tail(tmp_path / "absent.log") == []


def test_a_port_that_is_taken_is_said_with_what_to_do():
    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(UnreachableError, match="--port"):
        free_port(listener.getsockname()[1])


def test_a_missing_extra_is_said_with_the_command_that_installs_it(monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "torch" else found(name, *a))

    result = CliRunner().invoke(command, [])

    assert result.exit_code == 2
    assert "pip install 'shadow-monitor[demo]'" in result.output


@pytest.mark.parametrize("value", ["soon", "1s", "2h"])
def test_a_senseless_duration_is_refused(value):
    result = CliRunner().invoke(command, ["--for", value])

    assert result.exit_code == 2
    assert "--for" in result.output
