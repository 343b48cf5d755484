"""A MariaDB server of the tests' own: on a free port, in a temporary directory."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import NamedTuple

import pymysql
from pymysql.constants import CLIENT

from tests.support.ports import free_port

__all__ = ["INSTALL", "MariadbServer", "Programs", "find_programs", "start_server"]

INSTALL = "make servers, or apt-get install mariadb-server"

START_TIMEOUT_S = 60.0

_numbers = count(1)


class Programs(NamedTuple):
    """Where the server and what makes its system tables are."""

    server: Path
    install: Path


class Schema(NamedTuple):
    """What makes a database like another: the options of CREATE DATABASE, then the statements."""

    options: str
    statements: str


class MariadbServer:
    """A running server."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._schemas: dict[str, Schema] = {}

    def make_database(self, options: str = "") -> str:
        """Create an empty database with options of CREATE DATABASE; return its URL."""
        return self._create(Schema(options, ""))

    def copy_database(self, url: str) -> str:
        """Create a database with the tables, views and rows of another; return its URL.

        The statements are read once: what is written to the other later is not copied.
        """
        if url not in self._schemas:
            self._schemas[url] = self._read_schema(url.rpartition("/")[2])
        return self._create(self._schemas[url])

    def _create(self, schema: Schema) -> str:
        name = f"ledger_{next(_numbers)}"
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute(
                f"CREATE DATABASE {name} {schema.options}; USE {name};{schema.statements}"
            )
            while cursor.nextset():
                pass
        return f"mariadb://spantoll:secret@127.0.0.1:{self.port}/{name}"

    def drop_database(self, url: str) -> None:
        """Drop a database: its tables take some megabytes, however few rows they have.

        It fails if a test has left a transaction open, rather than wait for its end.
        """
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute("SET lock_wait_timeout = 30")
            cursor.execute(f"DROP DATABASE {url.rpartition('/')[2]}")

    def _read_schema(self, database: str) -> Schema:
        statements = ["SET foreign_key_checks = 0"]
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"SHOW CREATE DATABASE {database}")
            [(_, made)] = cursor.fetchall()
            cursor.execute(f"SHOW FULL TABLES FROM {database}")
            # Tables before views, which read them.
            for name, kind in sorted(cursor.fetchall(), key=lambda row: str(row[1])):
                cursor.execute(f"SHOW CREATE TABLE {database}.{name}")
                [(_, statement, *_)] = cursor.fetchall()
                statements.append(statement.replace(f"`{database}`.", ""))
                if kind == "BASE TABLE" and cursor.execute(f"SELECT 1 FROM {database}.{name}"):
                    statements.append(f"INSERT INTO {name} SELECT * FROM {database}.{name}")
        return Schema(made.partition(f"`{database}`")[2], ";".join(statements))

    def connect(self) -> pymysql.Connection[pymysql.cursors.Cursor]:
        """Connect as the user of the ledgers, to no database."""
        return pymysql.connect(
            host="127.0.0.1",
            port=self.port,
            user="spantoll",
            password="secret",
            autocommit=True,
            client_flag=CLIENT.MULTI_STATEMENTS,
        )


def find_programs() -> Programs | None:
    """Find mariadbd and mariadb-install-db: on the path, or where Debian keeps them."""
    path = ":".join(["/usr/sbin", "/usr/bin", "/usr/local/bin", "/usr/local/sbin"])
    server, install = (
        shutil.which(name) or shutil.which(name, path=path)
        for name in ("mariadbd", "mariadb-install-db")
    )
    return Programs(Path(server), Path(install)) if server and install else None


@contextmanager
def start_server(programs: Programs) -> Iterator[MariadbServer]:
    """Start a server and stop it at the end."""
    with tempfile.TemporaryDirectory(prefix="spantoll-mariadb-") as directory:
        data, port = f"{directory}/data", free_port()
        setup = Path(directory, "setup.sql")
        # A statement a line; an anonymous user would come before one of any host.
        setup.write_text(
            "CREATE USER spantoll@localhost IDENTIFIED BY 'secret';\n"
            "GRANT ALL ON *.* TO spantoll@localhost;\n"
        )
        # Run by the user of the tests, root too: the data are in a directory of the tests' own.
        user = ["--no-defaults", "--user=root"]
        with Path(directory, "log").open("wb") as log:
            subprocess.run(
                [programs.install, *user, f"--datadir={data}", "--skip-test-db"],
                check=True, stdout=log, stderr=log,
            )  # fmt: skip
            # What is tested is the client, so nothing waits for a disk.
            settings = ["--innodb-flush-log-at-trx-commit=0", "--skip-log-bin", "--sync-binlog=0"]
            settings += ["--innodb-buffer-pool-size=64M", "--bind-address=127.0.0.1"]
            server = subprocess.Popen(
                [
                    programs.server, *user, *settings, f"--datadir={data}", f"--port={port}",
                    f"--socket={directory}/socket", f"--init-file={setup}",
                ],
                stdout=log, stderr=log,
            )  # fmt: skip
            try:
                running = MariadbServer(port)
                _await_server(server, running, Path(directory, "log"))
                yield running
            finally:
                server.kill()
                server.wait()


def _await_server(process: subprocess.Popen[bytes], server: MariadbServer, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            server.connect().close()
        except pymysql.OperationalError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"MariaDB did not start:\n{log.read_text()}") from None
            time.sleep(0.1)
        else:
            return
