"""A PostgreSQL server of the tests' own: on a free port, in a temporary directory."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg

__all__ = ["INSTALL", "Server", "find_programs", "start_server"]

INSTALL = "apt-get install postgresql"

_numbers = count(1)


class Server:
    """A running server."""

    def __init__(self, port: int) -> None:
        self._port = port

    def make_database(self) -> str:
        """Create an empty database; return its URL."""
        return self._create("template1")

    def copy_database(self, url: str) -> str:
        """Create a database with what another has, to which nobody is connected; return its URL."""
        return self._create(url.rpartition("/")[2])

    def drop_database(self, url: str) -> None:
        """Drop a database, of which each is as large as an empty one: 7 MB."""
        self._execute(f"DROP DATABASE {url.rpartition('/')[2]} WITH (FORCE)")

    def _create(self, template: str) -> str:
        name = f"ledger_{next(_numbers)}"
        self._execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement)

    def url(self, name: str) -> str:
        return f"postgresql://spantoll@127.0.0.1:{self._port}/{name}"


def find_programs() -> Path | None:
    """Find the folder of initdb and postgres: on the path, or where Debian keeps them."""
    if found := shutil.which("initdb"):
        return Path(found).parent
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return debian[-1].parent if debian else None


@contextmanager
def start_server(programs: Path) -> Iterator[Server]:
    """Start a server and stop it at the end. It refuses to run as root, so root lends a user."""
    user = "postgres" if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="spantoll-postgresql-") as directory:
        data = f"{directory}/data"
        if user is not None:
            shutil.chown(directory, user)
        options = ["--auth=trust", "--username=spantoll", "--encoding=UTF8", "--locale=C"]
        subprocess.run(
            [f"{programs}/initdb", "-D", data, "--no-sync", *options],
            check=True, user=user, cwd="/", stdout=subprocess.DEVNULL,
        )  # fmt: skip
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        # What is tested is the client, so nothing waits for a disk.
        settings = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={directory}"
        settings += " -c fsync=off -c full_page_writes=off -c synchronous_commit=off"
        control = [f"{programs}/pg_ctl", "-D", data, "-w", "-l", f"{directory}/log"]
        subprocess.run(
            [*control, "-o", settings, "start"],
            check=True, user=user, cwd="/", stdout=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            yield Server(port)
        finally:
            subprocess.run(
                [*control, "-m", "immediate", "stop"],
                check=True, user=user, cwd="/", stdout=subprocess.DEVNULL,
            )  # fmt: skip
