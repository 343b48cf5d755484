"""A ledger in a SQLite file, or in memory.

Input: a URL of the scheme `sqlite`. Output: a `Store`: what SQLite does its own way, beside what
`SqlStore` does for all databases. How the file is opened is in `sqlite_file.py`.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any, ClassVar

from sqlalchemy import (
    URL,
    ColumnElement,
    Connection,
    Engine,
    FromClause,
    Table,
    bindparam,
    func,
    select,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError

from spantoll.errors import ConfigurationError, NoLedger, StoreUnavailable
from spantoll.records.columns import usage_record
from spantoll.records.record import UsageRecord
from spantoll.storage.groups import Groups
from spantoll.storage.insert import RecordInsert
from spantoll.storage.roll_ups import add_pending
from spantoll.storage.sql import SqlStore
from spantoll.storage.sqlite_file import SqliteFile

__all__ = ["SqliteStore", "open_url"]

BUSY_TIMEOUT_S = 5.0
LEAST_FREE_BYTES = 1 << 20

CHECKPOINT_RECORDS = 1_024
"""Between two checkpoints of an idle writer: 4,300 pages in the WAL where each 64 records are a
transaction, about a quarter of what a checkpoint within a commit copies at once."""
PENDING_RECORDS = 1_024
"""Added to roll-ups together by an idle writer; as many take 17 ms, 4,096 of them 48."""


def open_url(url: URL, *, create: bool = True) -> SqliteStore:
    """Open `sqlite:///path`; `?timeout=` is how many seconds to wait for another writer."""
    if unknown := set(url.query) - {"timeout"}:
        raise ConfigurationError(f"unknown database option {min(unknown)!r}; one of: timeout")
    try:
        timeout_s = float(str(url.query.get("timeout", BUSY_TIMEOUT_S)))
    except ValueError as error:
        raise ConfigurationError("database option timeout is not a number of seconds") from error
    if url.database in {None, "", ":memory:"}:
        return SqliteStore(None, timeout_s=timeout_s)
    path = Path(str(url.database)).expanduser().absolute()
    if not create and not path.exists():
        raise NoLedger(str(path))
    return SqliteStore(path, timeout_s=timeout_s)


def _insert_statement(columns: Sequence[str]) -> str:
    # Not OR IGNORE, which would also drop a record that breaks another constraint.
    statement = (
        sqlite.insert(usage_record)
        .values({name: bindparam(name) for name in columns})
        .on_conflict_do_nothing(index_elements=["tenant_id", "trace_id", "span_id"])
    )
    return str(statement.compile(dialect=sqlite.dialect()))


def _is_of_write(rows: FromClause) -> ColumnElement[bool]:
    # The write has the only lock, so what it inserts is numbered higher than what was there.
    return rows.c.id > bindparam("last")


_insert_records = RecordInsert(_insert_statement)
_last_id = select(func.coalesce(func.max(usage_record.c.id), 0))


class SqliteStore(SqlStore):
    """A ledger in SQLite; see `Store`, and `SqliteFile` for how it is opened."""

    groups: ClassVar = Groups(_is_of_write)

    def __init__(self, path: Path | None, *, timeout_s: float = BUSY_TIMEOUT_S) -> None:
        self._file = SqliteFile(path, timeout_s=timeout_s)
        self._records_in_wal = 0
        self._records_pending = 0

    @property
    def url(self) -> str:
        """Where the ledger is, as `open_store` takes it."""
        return self._file.url

    @property
    def engine(self) -> Engine:
        """For reading."""
        return self._file.reader

    @property
    def writer(self) -> Engine:
        """The one connection that writes: for maintenance, and for tests that break it."""
        return self._file.writer

    def close(self) -> None:
        """Release the file; later calls raise StoreUnavailable."""
        self._file.close()

    def transaction(self) -> AbstractContextManager[Connection]:
        """Take the file's only lock to write; see `SqlStore`."""
        return self._file.transaction()

    def insert_records(
        self, connection: Connection, records: Sequence[UsageRecord]
    ) -> Sequence[int]:
        """Insert, skipping what is stored; return the ids of the new rows."""
        # With the only lock, and without AUTOINCREMENT, a new id is the highest one plus 1.
        first = (connection.scalar(_last_id) or 0) + 1
        inserted = _insert_records(connection, records)
        self._records_in_wal += inserted
        self._records_pending += inserted
        return range(first, first + inserted)

    def insert_missing(
        self, connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]
    ) -> None:
        """Insert the rows whose primary key is not there yet."""
        connection.execute(sqlite.insert(table).on_conflict_do_nothing(), rows)

    def checkpoint(self) -> None:
        """Add pending records to roll-ups, and copy the WAL to the file, once they are enough."""
        if self._records_pending >= PENDING_RECORDS and self._file.is_there:
            self._records_pending = 0
            # Another writer has the lock: the write that leaves too many pending will add them.
            with suppress(StoreUnavailable), self._file.transaction(wait=False) as connection:
                add_pending(connection, least=PENDING_RECORDS)
        if self._records_in_wal >= CHECKPOINT_RECORDS:
            self._records_in_wal = 0
            self._file.checkpoint()

    def bind_gained(self, connection: Connection, ids: Sequence[int]) -> Mapping[str, Any]:
        """Return the highest id of the rows that were there."""
        return {"last": ids[0] - 1}

    def is_bad_data(self, error: Exception) -> bool:
        """Whether SQLite refuses the values themselves."""
        cause = error.orig if isinstance(error, DBAPIError) else error
        if isinstance(cause, sqlite3.InterfaceError | sqlite3.ProgrammingError):
            return str(cause).startswith("Error binding parameter")
        bad = (sqlite3.IntegrityError, sqlite3.DataError, OverflowError, UnicodeError)
        return isinstance(cause, bad)

    def check_room(self, connection: Connection) -> None:
        """Ask the file system for free space: SQLite finds a full disk in the middle of a write."""
        path = self._file.path
        if path is not None and shutil.disk_usage(path.parent).free < LEAST_FREE_BYTES:
            raise StoreUnavailable(f"database {self.url}: the disk is full")
