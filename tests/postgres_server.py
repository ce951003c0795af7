"""A private PostgreSQL server for tests: own data folder, free port, fast because it may lose everything."""

import glob
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

USER = "shadow"


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A running server. `port` listens on 127.0.0.1 and asks for `password`."""

    port: int
    password: str

    def url(self, database: str) -> str:
        return f"postgresql://{USER}:{self.password}@127.0.0.1:{self.port}/{database}"

    def create_database(self) -> str:
        """The URL of a new, empty database."""
        import psycopg

        name = f"d{secrets.token_hex(6)}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")  # type: ignore[call-overload]
        return self.url(name)

    def empty(self, url: str, tables: list[str]) -> None:
        """Ends every other connection to a database and empties its tables: ten times faster than a new database."""
        import psycopg

        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            connection.execute(f"TRUNCATE {', '.join(tables)} RESTART IDENTITY")  # type: ignore[call-overload]


def programs() -> Path | None:
    """The folder of initdb and postgres; None when there is no PostgreSQL here."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
    program = found[-1] if found else shutil.which("initdb")
    return Path(program).parent if program else None


@contextmanager
def running(bin_folder: Path) -> Iterator[Server]:
    """A server for as long as the block runs; as root it runs as the user `postgres`, as PostgreSQL demands."""
    folder = Path(tempfile.mkdtemp(prefix="shadow-pg-"))
    as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    server = Server(port=_free_port(), password=secrets.token_hex(8))
    try:
        (folder / "password").write_text(server.password)
        folder.chmod(0o700)
        if as_user:
            for path in (folder, folder / "password"):
                shutil.chown(path, "postgres")
        data = folder / "data"
        _run(
            *as_user, bin_folder / "initdb", "-D", data, "-U", USER, "-A", "scram-sha-256", "-N",
            "--no-instructions", f"--pwfile={folder / 'password'}",
        )  # fmt: skip
        options = f"-p {server.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder}"
        fast = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c shared_buffers=32MB"
        _run(
            *as_user, bin_folder / "pg_ctl", "-D", data, "-l", folder / "log", "-w", "-t", "30",
            "-o", f"{options} {fast}", "start",
        )  # fmt: skip
        try:
            yield server
        finally:
            _run(*as_user, bin_folder / "pg_ctl", "-D", data, "-m", "immediate", "-w", "-t", "30", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(*arguments: object) -> None:
    # no pipe: the server would keep it open for its whole life
    with tempfile.TemporaryFile() as output:
        done = subprocess.run(
            [str(a) for a in arguments], stdin=subprocess.DEVNULL, stdout=output, stderr=output, timeout=90, cwd="/"
        )
        if done.returncode:
            output.seek(0)
            raise RuntimeError(output.read().decode(errors="replace"))


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
