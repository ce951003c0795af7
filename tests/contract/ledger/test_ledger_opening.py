"""A ledger is created once, upgraded in order, and refuses with a remedy what it cannot use."""

import multiprocessing
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import postgres_server
import pytest
import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from builders_ledger import a_batch, a_question, an_empty_batch, opened

from shadow.errors import LedgerError, ShadowError, UnreachableError
from shadow.ledger import migrations
from shadow.ledger.schema import KNOWN_REVISIONS, SCHEMA_REVISION, VERSION_TABLE, metadata
from shadow.ledger.sql import SqlLedger


def _open_and_report(url: str, results: "multiprocessing.Queue[str]") -> None:
    ledger = opened(url)
    results.put(ledger.ledger_id())
    ledger.close()


def test_processes_that_start_together_make_one_ledger(empty_url: str) -> None:
    context = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[str] = context.Queue()
    processes = [context.Process(target=_open_and_report, args=(empty_url, results)) for _ in range(3)]
    for process in processes:
        process.start()
    ids = {results.get(timeout=60) for _ in processes}
    for process in processes:
        process.join(30)

    assert len(ids) == 1
    assert [process.exitcode for process in processes] == [0, 0, 0]


def test_the_migrations_make_exactly_the_tables_of_the_schema(empty_url: str) -> None:
    ledger = opened(empty_url)
    with ledger._database.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "version_table": VERSION_TABLE})
        assert compare_metadata(context, metadata) == []
    ledger.close()


def test_the_code_knows_every_revision() -> None:
    scripts = ScriptDirectory(str(Path(migrations.__file__).parent))

    assert scripts.get_heads() == [SCHEMA_REVISION]
    assert {script.revision for script in scripts.walk_revisions()} == KNOWN_REVISIONS


def set_revision(url: str, revision: str) -> None:
    ledger = SqlLedger(url, merge=lambda _kind, one, _other: one)
    ledger._database.write(
        lambda c: c.execute(sqlalchemy.text(f"UPDATE {VERSION_TABLE} SET version_num = '{revision}'"))
    )
    ledger.close()


@pytest.mark.parametrize("read_only", [False, True])
def test_a_newer_schema_is_refused_by_name(empty_url: str, read_only: bool) -> None:
    opened(empty_url).close()
    set_revision(empty_url, "9999")

    with pytest.raises(LedgerError, match="newer schema 9999, this program knows 0001; upgrade this Shadow"):
        opened(empty_url, read_only=read_only)


@pytest.mark.parametrize("changes", [{"read_only": True}, {"must_exist": True}])
def test_a_ledger_that_does_not_exist_is_not_made_by_looking(empty_url: str, changes: dict[str, Any]) -> None:
    with pytest.raises(LedgerError, match="does not exist yet; `shadow run -c FILE` creates it"):
        opened(empty_url, **changes)
    with pytest.raises(LedgerError, match="does not exist yet"):
        opened(empty_url, **changes)


def test_an_empty_file_is_no_ledger_yet(tmp_path: Path) -> None:
    (tmp_path / "l.db").touch()

    with pytest.raises(LedgerError, match="does not exist yet"):
        opened(f"sqlite:///{tmp_path}/l.db", read_only=True)


def test_a_missing_folder_is_named_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(UnreachableError, match=f"its folder does not exist; `mkdir -p {tmp_path}/no`"):
        opened(f"sqlite:///{tmp_path}/no/l.db")


def test_a_folder_is_no_ledger(tmp_path: Path) -> None:
    with pytest.raises(UnreachableError, match="it is a folder; name a file in it"):
        opened(f"sqlite:///{tmp_path}")


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "l.db").write_bytes(b"this is text " * 100)

    with pytest.raises(LedgerError, match="is no SQLite database"):
        opened(f"sqlite:///{tmp_path}/l.db")


def test_an_odd_path_is_opened_as_it_is_written(tmp_path: Path) -> None:
    opened(f"sqlite:///{tmp_path}/a b#d%25 é.db").close()

    assert [path.name for path in tmp_path.iterdir()] == ["a b#d% é.db"]


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "sqlite:///file:x?mode=memory"])
def test_a_ledger_in_memory_is_refused(url: str) -> None:
    with pytest.raises(LedgerError, match="names no file"):
        opened(url)


@pytest.mark.parametrize("url", ["mysql://u:secret-word@h/d", "nonsense", "oracle+x://u:secret-word@h/d"])
def test_an_unknown_database_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(LedgerError, match=r"ledger\.url") as caught:
        opened(url)

    assert "secret-word" not in str(caught.value)


def test_a_file_that_another_process_locks_is_said_to_be_locked(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/l.db"
    ledger = opened(url, busy_seconds=0.05)
    ledger.load_position(a_question(), group="g")
    other = sqlite3.connect(tmp_path / "l.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(UnreachableError, match="locked by another process"):
        ledger.commit(a_batch(0, 1))
    other.execute("ROLLBACK")
    other.close()
    ledger.commit(a_batch(0, 1))

    assert ledger.positions()[0].next_offset == 1
    ledger.close()


def test_a_full_disk_is_said_and_survived(tmp_path: Path) -> None:
    ledger = opened(f"sqlite:///{tmp_path}/l.db")
    ledger.load_position(a_question(), group="g")

    def limit(pages: int) -> None:
        with ledger._database.alone() as connection:
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

    limit(1)  # SQLite takes the present size instead
    with pytest.raises(UnreachableError, match="the disk is full; free space"):
        ledger.commit(a_batch(0, 200))
    assert (ledger.positions()[0].next_offset, ledger.dispositions()) == (0, {})
    limit(2**30)
    ledger.commit(a_batch(0, 200))

    assert ledger.dispositions() == {"scored": 200}
    ledger.close()


def test_a_read_only_file_is_said_to_be_unwritable(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/l.db"
    opened(url).close()
    ledger = opened(url)
    ledger.load_position(a_question(), group="g")
    with ledger._database.alone() as connection:
        connection.exec_driver_sql("PRAGMA query_only = ON")  # what a read-only mount answers; root ignores file modes

    with pytest.raises(UnreachableError, match="cannot be written; check owner and mode"):
        ledger.commit(a_batch(0, 1))
    ledger.close()


def refused(url: str) -> str:
    """What a ledger says that cannot be opened, in full, with everything a traceback would print."""
    import traceback

    with pytest.raises(ShadowError) as caught:
        opened(url)
    assert isinstance(caught.value, UnreachableError)
    shown = "".join(traceback.format_exception(caught.value))
    assert "DETAIL" not in shown
    return shown


@pytest.mark.postgres
def test_a_wrong_password_is_said_and_never_shown(postgres: postgres_server.Server) -> None:
    shown = refused(postgres.url("postgres").replace(postgres.password, "hunter2"))

    assert "the password is refused; check the password of this user in ledger.url" in shown
    assert "hunter2" not in shown
    assert postgres.password not in shown


@pytest.mark.postgres
def test_a_password_among_the_options_is_never_shown(postgres: postgres_server.Server) -> None:
    shown = refused(f"postgresql://shadow@127.0.0.1:{postgres.port}/postgres?password=hunter2")

    assert "hunter2" not in shown


@pytest.mark.postgres
def test_a_database_that_is_missing_is_said_to_be_missing(postgres: postgres_server.Server) -> None:
    assert "there is no such database; create it with `createdb`" in refused(postgres.url("nowhere"))


def test_a_server_that_does_not_listen_is_said_not_to_answer() -> None:
    pytest.importorskip("psycopg")

    assert "does not answer; check that the server runs and that host and port are right" in refused(
        "postgresql://shadow:hunter2@127.0.0.1:1/shadow"
    )


@pytest.mark.postgres
def test_a_user_without_rights_is_told_the_grant(postgres: postgres_server.Server) -> None:
    import psycopg

    url = postgres.create_database()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS guest")
        connection.execute("CREATE ROLE guest LOGIN PASSWORD 'guest-word'")

    shown = refused(url.replace(f"shadow:{postgres.password}", "guest:guest-word"))

    assert "GRANT USAGE, CREATE ON SCHEMA public" in shown
    assert "guest-word" not in shown


@pytest.mark.postgres
def test_a_worker_frozen_inside_its_transaction_gives_its_partition_up(postgres: postgres_server.Server) -> None:
    import psycopg

    url = postgres.create_database()
    ledger = opened(url)
    ledger.load_position(a_question(), group="g")
    frozen = psycopg.connect(url, options="-c idle_in_transaction_session_timeout=2000")
    frozen.execute("UPDATE shadow_position SET next_offset = 5 WHERE next_offset = 0")

    started = time.monotonic()
    ledger.commit(an_empty_batch(0, 3))
    waited = time.monotonic() - started
    with pytest.raises(psycopg.Error):
        frozen.commit()
    frozen.close()

    assert 0.5 < waited < 10
    assert ledger.positions()[0].next_offset == 3
    ledger.close()


@pytest.mark.postgres
def test_our_own_connections_end_when_they_stand_idle_in_a_transaction(postgres: postgres_server.Server) -> None:
    ledger = opened(postgres.create_database())

    with ledger._database.engine.connect() as connection:
        shown = [
            connection.exec_driver_sql(f"SHOW {name}").scalar()
            for name in ("idle_in_transaction_session_timeout", "lock_timeout")
        ]
    ledger.close()

    assert shown == ["2s", "5s"]


@pytest.mark.postgres
def test_a_server_that_restarted_is_found_again(postgres: postgres_server.Server) -> None:
    import psycopg

    url = postgres.create_database()
    ledger = opened(url)
    ledger.load_position(a_question(), group="g")
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [url.rpartition("/")[2]]
        )

    ledger.commit(an_empty_batch(0, 3))

    assert ledger.positions()[0].next_offset == 3
    ledger.close()


def test_errors_never_quote_rows(ledger: SqlLedger) -> None:
    def work(connection: sqlalchemy.Connection) -> None:
        connection.execute(
            sqlalchemy.text("INSERT INTO shadow_state (name, value) VALUES (:name, NULL)"), {"name": "jane@example.com"}
        )

    with pytest.raises(LedgerError, match="refused a statement") as caught:
        ledger._database.write(work)

    import traceback

    assert "jane@example.com" not in "".join(traceback.format_exception(caught.value))


def test_threads_that_open_a_new_file_together_take_turns(tmp_path: Path) -> None:
    for turn in range(8):
        gate = threading.Barrier(6)

        def open_at_once(url: str = f"sqlite:///{tmp_path}/{turn}.db", gate: threading.Barrier = gate) -> str:
            gate.wait(30)
            ledger = opened(url)
            ledger.close()
            return ledger.ledger_id()

        with ThreadPoolExecutor(6) as threads:
            ids = [done.result(60) for done in [threads.submit(open_at_once) for _ in range(6)]]

        assert len(set(ids)) == 1
