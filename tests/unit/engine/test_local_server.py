"""The processes behind a port of this machine, from the real /proc."""

import os
import socket
import subprocess
import sys
import time

import pytest

from shadow.exporters.processes import LocalServer, descendants, resident_bytes

_SERVER = """
import socket, subprocess, sys, time
held = bytearray(b"x" * 60_000_000)
listening = socket.create_server(("127.0.0.1", int(sys.argv[1])))
work = "import time; held = bytearray(b'x' * 30_000_000); print(1, flush=True); time.sleep(60)"
worker = subprocess.Popen([sys.executable, "-c", work])
print(worker.pid, listening.getsockname()[1], flush=True)
time.sleep(60)
"""


@pytest.fixture
def server():
    started = []

    def start(port=0):
        process = subprocess.Popen(
            [sys.executable, "-c", _SERVER, str(port)], stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        started.append(process)
        worker, bound = map(int, process.stdout.readline().split())
        process.stdout.readline()  # the worker holds its memory now
        return process, worker, bound

    yield start
    for process in started:
        os.killpg(process.pid, 9)
        process.wait(10)
        process.stdout.close()


def test_a_server_is_its_listener_with_its_workers_and_their_memory_together(server):
    process, worker, port = server()
    found = LocalServer(port).processes()

    assert {process.pid, worker} <= found
    assert os.getpid() not in found
    assert 90_000_000 < resident_bytes(found) < 250_000_000


def test_a_server_that_starts_again_on_its_port_is_found_again(server):
    first, _, port = server()
    local = LocalServer(port)
    assert first.pid in local.processes()
    os.killpg(first.pid, 9)
    first.wait(10)
    deadline = time.monotonic() + 10
    while local.processes() and time.monotonic() < deadline:
        time.sleep(0.05)
    second, _, _ = server(port)

    assert second.pid in local.processes()
    assert first.pid not in local.processes()


def test_a_port_where_nobody_listens_has_no_processes_and_no_memory():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        found = LocalServer(free.getsockname()[1]).processes()

    assert found == frozenset()
    assert resident_bytes(found) is None


def test_a_machine_without_proc_knows_nothing(tmp_path):
    assert LocalServer(80, tmp_path).processes() == frozenset()
    assert descendants(1, tmp_path) == frozenset({1})
    assert resident_bytes(frozenset({1}), tmp_path) is None
