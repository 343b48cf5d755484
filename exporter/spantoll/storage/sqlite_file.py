"""The connections to a SQLite file.

Input: a path, or None for a database in memory. Output: transactions that are durable when they
end, and an engine for readers. A file that is removed or replaced is noticed, as
https://www.sqlite.org/howtocorrupt.html section 1.4 asks.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, QueuePool, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from spantoll.errors import ConfigurationError, StoreUnavailable
from spantoll.storage.migrate import is_current, migrate

__all__ = ["SqliteFile"]

log = logging.getLogger(__name__)

WRITER_PRAGMAS = (
    "journal_mode=WAL",
    # NORMAL would survive a killed process, but not a power loss.
    "synchronous=FULL",
    # 64 MB instead of 4: checkpoints in the middle of steady writing halve the rate.
    "wal_autocheckpoint=16000",
    "journal_size_limit=67108864",
    "cache_size=-49152",
)
READER_PRAGMAS = ("query_only=ON", "cache_size=-16384")

MEMORY = (0, 0)


class SqliteFile:
    """The connections to one SQLite file, or to one database in memory where `path` is None.

    One connection writes, whoever asks; readers have a pool of their own and see the last commit
    (in memory they share the one connection and take turns). A file that is removed or replaced
    under the process is noticed before a write is acknowledged, and opened anew by the next.
    """

    def __init__(self, path: Path | None, *, timeout_s: float) -> None:
        if path is not None and path.is_dir():
            raise ConfigurationError(f"database {path} is a directory")
        if path is not None and not path.parent.is_dir():
            raise ConfigurationError(f"database {path}: there is no directory {path.parent}")
        self.path = path
        self.url = f"sqlite:///{path}" if path else "memory:"
        self._timeout_s = timeout_s
        self._opening = threading.Lock()
        self._file: tuple[int, int] | None = None
        self._journal: tuple[int, int] | None = None
        self._closed = False
        self.writer = self._make_engine(
            lambda: _connect(str(path or ":memory:"), timeout_s, WRITER_PRAGMAS),
            pool_size=1,
            max_overflow=0,
        )
        # The lock to write is taken at once: a transaction that read first could not get it later.
        event.listen(self.writer, "begin", lambda each: each.exec_driver_sql("BEGIN IMMEDIATE"))
        self.reader = self.writer
        if path is not None:
            # "rw" so that a reader never creates the file.
            uri = f"{path.as_uri()}?mode=rw"
            self.reader = self._make_engine(lambda: _connect(uri, timeout_s, READER_PRAGMAS))
            event.listen(self.reader, "begin", lambda each: each.exec_driver_sql("BEGIN"))
        with ExitStack() as unless_opened:
            unless_opened.callback(self.close)
            try:
                self._open()
            except DBAPIError as error:
                if getattr(error.orig, "sqlite_errorname", "") == "SQLITE_NOTADB":
                    raise ConfigurationError(f"{path} is not a SQLite database") from error
                raise self._make_error(error) from error
            unless_opened.pop_all()

    @property
    def is_there(self) -> bool:
        """Whether the file that was opened is still the one at `path`."""
        return self._file == self._identify_file()

    @contextmanager
    def transaction(self, *, wait: bool = True) -> Iterator[Connection]:
        """The write transaction: durable when the block has ended without an error.

        What the driver raises becomes StoreUnavailable, other errors pass through. Without `wait`
        a lock that another connection has is such an error at once.
        """
        if self._closed:
            raise StoreUnavailable(f"database {self.url} is closed")
        try:
            self._open()
            pool = self.writer.pool
            with self.writer.connect() as connection:
                try:
                    with self._waiting(connection, wait), connection.begin():
                        yield connection
                except DBAPIError:
                    if self.path is not None:
                        # Whatever it was: the next write starts on a connection of its own.
                        connection.invalidate()
                    raise
                finally:
                    if self.writer.pool is not pool:
                        # Disposed of during the write, by `close`: nobody else closes this one.
                        connection.invalidate()
        except (DBAPIError, PoolTimeout) as error:
            raise self._make_error(error) from error
        if not self.is_there:
            raise StoreUnavailable(f"database {self.url} was removed or replaced during the write")
        if self._journal is None:
            self._journal = self._identify_file("-wal")

    @contextmanager
    def _waiting(self, connection: Connection, wait: bool) -> Iterator[None]:
        """Let the beginning of a transaction fail instead of waiting for another writer."""
        if wait:
            yield
            return
        driver = connection.connection
        driver.cursor().execute("PRAGMA busy_timeout=0")
        try:
            yield
        finally:
            if driver.is_valid:
                driver.cursor().execute(f"PRAGMA busy_timeout={self._timeout_s * 1000:.0f}")

    def checkpoint(self) -> None:
        """Copy the WAL to the file, as far as no reader is in the way; raises StoreUnavailable.

        FULL takes the lock to write, so that no other connection begins the WAL anew meanwhile:
        SQLite before 3.51.3 can corrupt the file then (https://sqlite.org/wal.html#walresetbug).
        """
        if self._closed:
            raise StoreUnavailable(f"database {self.url} is closed")
        if self.path is None or not self.is_there:
            return
        try:
            connection = self.writer.raw_connection()
            try:
                cursor = connection.cursor()
                cursor.execute("PRAGMA busy_timeout=0")  # it would wait for readers
                cursor.execute("PRAGMA wal_checkpoint(FULL)").fetchall()
                cursor.execute(f"PRAGMA busy_timeout={self._timeout_s * 1000:.0f}")
            except sqlite3.Error:
                connection.invalidate()
                raise
            finally:
                connection.close()
        except (DBAPIError, PoolTimeout) as error:
            raise self._make_error(error) from error
        except sqlite3.Error as error:
            raise StoreUnavailable(f"database {self.url}: {error}") from error

    def close(self) -> None:
        """Close the connections; the last one checkpoints. Later calls raise StoreUnavailable."""
        self._closed = True
        self.reader.dispose()
        self.writer.dispose()

    def _open(self) -> None:
        """Make the file at `path` the one that is written, with this version's schema."""
        with self._opening:
            if self._file is not None:
                if self._file == self._identify_file():
                    return
                log.warning("database %s was removed or replaced, opening it anew", self.url)
                self._release()
            if self._identify_file() is None or not is_current(self.reader):
                migrate(self.writer)
            self._file = self._identify_file()

    def _release(self) -> None:
        stale = self._journal is not None and self._journal == self._identify_file("-wal")
        self.reader.dispose()
        self.writer.dispose()
        if stale and self.path is not None:
            # The journal of the file that went away would be played into the one that came, see
            # section 1.4 of https://www.sqlite.org/howtocorrupt.html
            for suffix in ("-wal", "-shm"):
                Path(f"{self.path}{suffix}").unlink(missing_ok=True)
        self._file = self._journal = None

    def _identify_file(self, suffix: str = "") -> tuple[int, int] | None:
        """Return device and inode of the file, or None; an open file keeps its inode."""
        if self.path is None:
            return MEMORY
        try:
            found = os.stat(f"{self.path}{suffix}")
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _make_engine(self, connect: Callable[[], sqlite3.Connection], **pool: int) -> Engine:
        return create_engine(
            URL.create("sqlite", database=str(self.path or ":memory:")),
            creator=connect,
            poolclass=QueuePool,
            pool_timeout=self._timeout_s,
            **pool,
        )

    def _make_error(self, error: DBAPIError | PoolTimeout) -> StoreUnavailable:
        if isinstance(error, PoolTimeout):
            reason = f"another write has been going on for {self._timeout_s:g} s"
        else:
            reason = str(error.orig)
        return StoreUnavailable(f"database {self.url}: {reason}")


def _connect(database: str, timeout_s: float, pragmas: Sequence[str]) -> sqlite3.Connection:
    connection = sqlite3.connect(
        database,
        timeout=timeout_s,
        isolation_level=None,
        check_same_thread=False,
        uri=database.startswith("file:"),
    )
    try:
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")
    except sqlite3.Error:
        connection.close()
        raise
    return connection
