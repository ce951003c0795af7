"""A ledger that cannot be used is said with its remedy, and looking at one changes nothing."""

import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from builders_ledger import opened
from postgres_server import Server, programs, running

from shadow.app import connecting_ledger
from shadow.app.connecting_base import Deadline, Line
from shadow.app.connecting_ledger import check_ledger
from shadow.settings import LedgerSettings


def ask(url: str) -> Line:
    """The line about a ledger."""
    (line,) = check_ledger(LedgerSettings(url=url), Deadline(5))
    return line


def test_a_ledger_that_does_not_exist_yet_is_fine_and_is_not_made(tmp_path: Path) -> None:
    line = ask(f"sqlite:///{tmp_path}/shadow.db")

    assert line.state == "OK"
    assert "can be made" in line.text
    assert list(tmp_path.iterdir()) == []


def test_a_ledger_in_use_is_fine(tmp_path: Path) -> None:
    ledger = opened(f"sqlite:///{tmp_path}/shadow.db")
    try:
        line = ask(f"sqlite:///{tmp_path}/shadow.db")
    finally:
        ledger.close()

    assert line.state == "OK"
    assert "schema" in line.text


def test_a_missing_folder_comes_with_the_command_that_makes_it(tmp_path: Path) -> None:
    line = ask(f"sqlite:///{tmp_path}/no/shadow.db")

    assert line.state == "FIX"
    assert f"`mkdir -p {tmp_path}/no`" in line.text


def test_a_folder_that_is_not_ours_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connecting_ledger.os, "access", lambda *_: False)

    assert "cannot be written; check its owner and mode" in ask(f"sqlite:///{tmp_path}/shadow.db").text


def test_a_file_of_another_kind_is_named(tmp_path: Path) -> None:
    (tmp_path / "shadow.db").write_bytes(b"hello, I am a text file, not a database at all" * 100)

    assert "is no SQLite database" in ask(f"sqlite:///{tmp_path}/shadow.db").text


def test_a_newer_schema_is_named(tmp_path: Path) -> None:
    opened(f"sqlite:///{tmp_path}/shadow.db").close()
    with sqlite3.connect(tmp_path / "shadow.db") as connection:
        (table,) = connection.execute("SELECT name FROM sqlite_master WHERE sql LIKE '%version_num%'").fetchone()
        connection.execute(f"UPDATE {table} SET version_num = '9999'")
    connection.close()

    assert "newer schema 9999" in ask(f"sqlite:///{tmp_path}/shadow.db").text


def test_a_ledger_that_another_process_holds_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened(f"sqlite:///{tmp_path}/shadow.db").close()
    monkeypatch.setattr("shadow.app.connecting_base.STEP_SECONDS", 0.2)
    holder = sqlite3.connect(tmp_path / "shadow.db", isolation_level=None)
    try:
        holder.execute("BEGIN IMMEDIATE")
        line = ask(f"sqlite:///{tmp_path}/shadow.db")
    finally:
        holder.close()

    assert "locked by another process" in line.text


def test_a_database_server_that_is_down_is_named_without_its_password() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    line = ask(f"postgresql://shadow:hunter2@127.0.0.1:{port}/shadow")

    assert "nothing listens" in line.text
    assert "hunter2" not in line.text


@pytest.fixture(scope="module")
def postgres() -> Iterator[Server]:
    folder = programs()
    if folder is None:
        pytest.skip("no PostgreSQL server program on this machine")
    with running(folder) as server:
        yield server


@pytest.mark.postgres
def test_postgresql_says_what_is_wrong(postgres: Server) -> None:
    url = postgres.create_database()

    assert "empty: `shadow run` makes the schema" in ask(url).text
    assert "there is no such database" in ask(postgres.url("absent")).text
    opened(url).close()
    assert ask(url).state == "OK"
