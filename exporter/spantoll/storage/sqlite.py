from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import (
    URL,
    Connection,
    Engine,
    QueuePool,
    bindparam,
    create_engine,
    event,
    func,
    select,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from spantoll.errors import ConfigurationError, RecordRejected, StoreUnavailable
from spantoll.pricing.result import Rate
from spantoll.records.columns import usage_record
from spantoll.records.record import UsageRecord
from spantoll.storage import tables
from spantoll.storage.facts import correct
from spantoll.storage.groups import Groups
from spantoll.storage.insert import RecordInsert
from spantoll.storage.migrate import migrate
from spantoll.storage.rates import to_row
from spantoll.storage.store import Settle, WriteResult

__all__ = ["SqliteStore", "open_url"]

log = logging.getLogger(__name__)

BUSY_TIMEOUT_S = 5.0
PROBE_BYTES = 65_536
LEAST_FREE_BYTES = 1 << 20

WRITER_PRAGMAS = (
    "journal_mode=WAL",
    # NORMAL would survive a killed process, but not a power loss.
    "synchronous=FULL",
    # 64 MB instead of 4: checkpoints in the middle of steady writing halve the rate.
    "wal_autocheckpoint=16000",
    "journal_size_limit=67108864",
    "cache_size=-65536",
)
READER_PRAGMAS = ("query_only=ON", "cache_size=-16384")


def open_url(url: URL) -> SqliteStore:
    """Open `sqlite:///path`; `?timeout=` says how many seconds to wait for another writer."""
    if unknown := set(url.query) - {"timeout"}:
        raise ConfigurationError(f"unknown database option {min(unknown)!r}; one of: timeout")
    try:
        timeout_s = float(str(url.query.get("timeout", BUSY_TIMEOUT_S)))
    except ValueError as error:
        raise ConfigurationError("database option timeout is not a number of seconds") from error
    if url.database in {None, "", ":memory:"}:
        return SqliteStore(None, timeout_s=timeout_s)
    return SqliteStore(Path(str(url.database)).expanduser().absolute(), timeout_s=timeout_s)


def _insert_statement(columns: Sequence[str]) -> str:
    # Not OR IGNORE, which would also drop a record that breaks another constraint.
    statement = (
        sqlite.insert(usage_record)
        .values({name: bindparam(name) for name in columns})
        .on_conflict_do_nothing(index_elements=["tenant_id", "trace_id", "span_id"])
    )
    return str(statement.compile(dialect=sqlite.dialect()))


_insert_records = RecordInsert(_insert_statement)
_last_id = select(func.coalesce(func.max(usage_record.c.id), 0))
# A write holds the only write lock, so what it inserted is what is numbered higher.
_groups = Groups(lambda rows: rows.c.id > bindparam("last"))

_Refused = tuple[int, str]
_Insert = Callable[[Connection, Sequence[UsageRecord]], tuple[int, list[_Refused]]]


class _BadData(Exception):
    """Raised when a statement failed for what it was given, not for how the database is."""


def _insert_together(
    connection: Connection, records: Sequence[UsageRecord]
) -> tuple[int, list[_Refused]]:
    try:
        return _insert_records(connection, records), []
    except (DBAPIError, OverflowError, UnicodeError) as error:
        if _is_bad_data(error):
            raise _BadData from error
        raise


def _insert_apart(
    connection: Connection, records: Sequence[UsageRecord], first: int = 0
) -> tuple[int, list[_Refused]]:
    """Halve until only what can never be stored is left out: (its position, why) each."""
    try:
        with connection.begin_nested():
            return _insert_together(connection, records)
    except _BadData as error:
        if len(records) == 1:
            cause = error.__cause__
            return 0, [(first, str(cause.orig if isinstance(cause, DBAPIError) else cause))]
    middle = len(records) // 2
    some, some_refused = _insert_apart(connection, records[:middle], first)
    more, more_refused = _insert_apart(connection, records[middle:], first + middle)
    return some + more, some_refused + more_refused


def _is_bad_data(error: Exception) -> bool:
    """Anything unknown is taken for a fault that may pass: the sender should try again."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, sqlite3.InterfaceError | sqlite3.ProgrammingError):
        return str(cause).startswith("Error binding parameter")
    bad = (sqlite3.IntegrityError, sqlite3.DataError, OverflowError, UnicodeError)
    return isinstance(cause, bad)


class SqliteStore:
    """A ledger in one SQLite file, or in memory where `path` is None.

    One connection writes, whoever calls; readers have a pool of their own and see the last commit
    (in memory they share the one connection and take turns). A file that is removed or replaced
    under the process is noticed before a write is acknowledged, and opened anew by the next.
    """

    def __init__(self, path: Path | None, *, timeout_s: float = BUSY_TIMEOUT_S) -> None:
        if path is not None and path.is_dir():
            raise ConfigurationError(f"database {path} is a directory")
        if path is not None and not path.parent.is_dir():
            raise ConfigurationError(f"database {path}: there is no directory {path.parent}")
        self._path = path
        self._timeout_s = timeout_s
        self._file: tuple[int, int] | None = None
        self._opening = threading.Lock()
        self._closed = False
        self.writer = self._make_engine(
            lambda: _connect(str(path or ":memory:"), timeout_s, WRITER_PRAGMAS),
            pool_size=1,
            max_overflow=0,
        )
        event.listen(self.writer, "begin", _begin_immediate)
        self.engine = self.writer
        if path is not None:
            # "rw" so that a reader never creates the file.
            uri = f"{path.as_uri()}?mode=rw"
            self.engine = self._make_engine(lambda: _connect(uri, timeout_s, READER_PRAGMAS))
            event.listen(self.engine, "begin", _begin)
        try:
            self._open()
        except DBAPIError as error:
            self.close()
            if _name(error) == "SQLITE_NOTADB":
                raise ConfigurationError(f"{path} is not a SQLite database") from error
            raise self._unavailable(error) from error

    @property
    def url(self) -> str:
        """Where the ledger is, as `open_store` takes it."""
        return f"sqlite:///{self._path}" if self._path else "memory:"

    def write(self, records: Sequence[UsageRecord], *, settle: Settle | None = None) -> WriteResult:
        """Store records, each once; see `Store`."""
        if not records:
            return WriteResult(0, 0, 0)
        try:
            result, refused = self._write(records, settle, _insert_together)
        except _BadData:
            result, refused = self._write(records, settle, _insert_apart)
        if refused:
            reasons = "; ".join(sorted({reason for _, reason in refused}))
            raise RecordRejected(reasons, [index for index, _ in refused])
        return result

    def _write(
        self, records: Sequence[UsageRecord], settle: Settle | None, insert: _Insert
    ) -> tuple[WriteResult, list[_Refused]]:
        with self._transaction() as connection:
            last = connection.scalar(_last_id)
            inserted, refused = insert(connection, records)
            corrected = 0
            if settle is not None:
                for group in _groups.find(connection, records, {"last": last}):
                    corrected += correct(connection, group, settle(group))
        duplicates = len(records) - len(refused) - inserted
        return WriteResult(inserted, duplicates, corrected), refused

    def add_rates(self, rates: Sequence[Rate]) -> None:
        """Store rates that are not there yet."""
        if rates:
            statement = sqlite.insert(tables.rate).on_conflict_do_nothing()
            with self._transaction() as connection:
                connection.execute(statement, [to_row(rate) for rate in rates])

    def ping(self) -> None:
        """Commit a row, having seen that there is room for more."""
        with self._transaction() as connection:
            if self._path and shutil.disk_usage(self._path.parent).free < LEAST_FREE_BYTES:
                raise StoreUnavailable(f"database {self.url}: the disk is full")
            now_ns = time.time_ns()
            room = {"id": 2, "written_ns": now_ns, "padding": bytes(PROBE_BYTES)}
            with connection.begin_nested() as trial:
                connection.execute(tables.probe.insert(), room)
                trial.rollback()
            row = sqlite.insert(tables.probe).values(id=1, written_ns=now_ns)
            again = row.on_conflict_do_update(index_elements=["id"], set_={"written_ns": now_ns})
            connection.execute(again)

    def close(self) -> None:
        """Give the connections back; the last one checkpoints. What comes later is refused."""
        self._closed = True
        self.engine.dispose()
        self.writer.dispose()

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        """The write transaction. Raises StoreUnavailable, or what the block raises."""
        if self._closed:
            raise StoreUnavailable(f"database {self.url} is closed")
        try:
            self._open()
            with self.writer.connect() as connection:
                try:
                    with connection.begin():
                        yield connection
                except DBAPIError:
                    if self._path is not None:
                        # Whatever it was: the next write starts on a connection of its own.
                        connection.invalidate()
                    raise
        except (DBAPIError, PoolTimeout, OSError) as error:
            raise self._unavailable(error) from error
        if self._file != _identity(self._path):
            raise StoreUnavailable(f"database {self.url} was removed or replaced during the write")

    def _open(self) -> None:
        """Make the file at `path` the one that is written, with this version's schema."""
        with self._opening:
            if self._file is not None:
                if self._file == _identity(self._path):
                    return
                log.warning("database %s was removed or replaced, opening it anew", self.url)
                self.writer.dispose()
                self.engine.dispose()
            migrate(self.writer)
            self._file = _identity(self._path)

    def _make_engine(self, connect: Callable[[], sqlite3.Connection], **pool: int) -> Engine:
        return create_engine(
            URL.create("sqlite", database=str(self._path or ":memory:")),
            creator=connect,
            poolclass=QueuePool,
            pool_timeout=self._timeout_s,
            **pool,
        )

    def _unavailable(self, error: Exception) -> StoreUnavailable:
        if isinstance(error, PoolTimeout):
            reason = f"another write has been going on for {self._timeout_s:g} s"
        else:
            reason = str(error.orig if isinstance(error, DBAPIError) else error)
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


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def _identity(path: Path | None) -> tuple[int, int] | None:
    if path is None:
        return 0, 0
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _name(error: DBAPIError) -> str:
    return str(getattr(error.orig, "sqlite_errorname", ""))
