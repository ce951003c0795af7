"""Every test of this folder runs on SQLite and on PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import postgres_server
import pytest
from builders_ledger import a_question, opened
from fakes.clock import FakeClock

from shadow.ledger.schema import metadata
from shadow.ledger.sql import SqlLedger


@pytest.fixture(scope="session")
def postgres() -> Iterator[postgres_server.Server]:
    programs = postgres_server.programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed here (no initdb): apt-get install postgresql")
    with postgres_server.running(programs) as server:
        yield server


@pytest.fixture(scope="session")
def shared(postgres: postgres_server.Server) -> str:
    """A database with a ledger that every test finds empty."""
    url = postgres.create_database()
    opened(url).close()
    return url


BOTH = ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]


@pytest.fixture(params=BOTH)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database in which nothing was written yet."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/ledger.db"
    server: postgres_server.Server = request.getfixturevalue("postgres")
    url: str = request.getfixturevalue("shared")
    server.empty(url, [table.name for table in metadata.sorted_tables if table.name != "shadow_meta"])
    return url


@pytest.fixture(params=BOTH)
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without any table."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/empty.db"
    server: postgres_server.Server = request.getfixturevalue("postgres")
    return server.create_database()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def ledger(url: str, clock: FakeClock) -> Iterator[SqlLedger]:
    """A ledger that has seen partition 0 of topic t."""
    found = opened(url, clock=clock)
    found.load_position(a_question(), group="g")
    yield found
    found.close()
