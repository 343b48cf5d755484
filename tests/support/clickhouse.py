"""ClickHouse for the tests: the engine itself, in this process, in a temporary directory."""

from __future__ import annotations

import atexit
import importlib.util
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from itertools import count
from pathlib import Path
from typing import NoReturn

from sqlalchemy import Connection, create_engine, make_url
from sqlalchemy.pool import NullPool

__all__ = ["INSTALL", "Server", "find_programs", "open_database", "start_server"]

INSTALL = "pip install chdb clickhouse-connect"

_numbers = count(1)


class Server:
    """The engine of this process; every database it makes is empty."""

    def __init__(self, directory: str) -> None:
        self._directory = directory

    def make_database(self) -> str:
        """Create a database; return its URL."""
        name = f"ledger_{next(_numbers)}"
        self._run(f"CREATE DATABASE {name}")
        return f"clickhouse:///{name}?interface=chdb&path={self._directory}"

    def drop_database(self, url: str) -> None:
        """Drop a database: the engine works on the tables of all that there are."""
        self._run(f"DROP DATABASE {make_url(url).database} SYNC")

    def connect(self) -> Connection:
        """Connect to no database of a ledger."""
        url = f"clickhousedb://?interface=chdb&path={self._directory}"
        return create_engine(url, poolclass=NullPool).connect()

    def _run(self, statement: str) -> None:
        with self.connect() as connection:
            connection.exec_driver_sql(statement)


def find_programs() -> Path | None:
    """Find the engine, which is a package."""
    found = importlib.util.find_spec("chdb")
    return Path(found.origin) if found is not None and found.origin else None


@contextmanager
def start_server(programs: Path) -> Iterator[Server]:
    """Give the engine a directory: a process has one, until it ends.

    The engine starts for the first connection and stops after the last, so that one stays open.
    """
    server = Server(_make_directory())
    with server.connect():
        yield server


@contextmanager
def open_database(missing: Callable[[str, str], NoReturn]) -> Iterator[str]:
    """Give the URL of an empty database, which is dropped afterwards; `missing` ends the test."""
    programs = find_programs()
    if programs is None:
        missing("chdb", INSTALL)
    with start_server(programs) as server:
        url = server.make_database()
        yield url
        server.drop_database(url)


@cache
def _make_directory() -> str:
    directory = tempfile.mkdtemp(prefix="spantoll-clickhouse-")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return directory
