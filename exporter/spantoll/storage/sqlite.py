from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from sqlalchemy import (
    URL,
    ColumnElement,
    Connection,
    Engine,
    FromClause,
    bindparam,
    func,
    select,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError

from spantoll.errors import ConfigurationError, RecordRejected, StoreUnavailable
from spantoll.pricing.result import Rate
from spantoll.records.columns import usage_record
from spantoll.records.record import UsageRecord
from spantoll.storage.facts import correct
from spantoll.storage.groups import Groups
from spantoll.storage.insert import RecordInsert
from spantoll.storage.rates import to_row
from spantoll.storage.sqlite_file import SqliteFile
from spantoll.storage.store import Settle, WriteResult
from spantoll.storage.tables import probe, rate

__all__ = ["SqliteStore", "open_url"]

BUSY_TIMEOUT_S = 5.0
PROBE_BYTES = 65_536
LEAST_FREE_BYTES = 1 << 20


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


class SqliteStore:
    """A ledger in SQLite; see `Store`, and `SqliteFile` for how it is opened."""

    def __init__(self, path: Path | None, *, timeout_s: float = BUSY_TIMEOUT_S) -> None:
        self._file = SqliteFile(path, timeout_s=timeout_s)

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
            raise RecordRejected(reasons, [index for index, _ in refused], **result._asdict())
        return result

    def _write(
        self, records: Sequence[UsageRecord], settle: Settle | None, insert: _Insert
    ) -> tuple[WriteResult, list[_Refused]]:
        with self._file.transaction() as connection:
            last = connection.scalar(_last_id)
            inserted, refused = insert(connection, records)
            corrected = 0
            if settle is not None:
                kept = _without(records, refused)
                for group in _groups.find(connection, kept, {"last": last}):
                    corrections = settle(group)
                    _add_rates(connection, [each.rate for each in corrections if each.rate])
                    corrected += correct(connection, group, corrections)
        duplicates = len(records) - len(refused) - inserted
        return WriteResult(inserted, duplicates, corrected), refused

    def add_rates(self, rates: Sequence[Rate]) -> None:
        """Store rates that are not there yet."""
        if rates:
            with self._file.transaction() as connection:
                _add_rates(connection, rates)

    def ping(self) -> None:
        """Commit a row, having seen that there is room for more."""
        with self._file.transaction() as connection:
            path = self._file.path
            if path is not None and shutil.disk_usage(path.parent).free < LEAST_FREE_BYTES:
                raise StoreUnavailable(f"database {self.url}: the disk is full")
            now_ns = time.time_ns()
            room = {"id": 2, "written_ns": now_ns, "padding": bytes(PROBE_BYTES)}
            with connection.begin_nested() as trial:
                connection.execute(probe.insert(), room)
                trial.rollback()
            row = sqlite.insert(probe).values(id=1, written_ns=now_ns)
            again = row.on_conflict_do_update(index_elements=["id"], set_={"written_ns": now_ns})
            connection.execute(again)

    def close(self) -> None:
        """Release the file; later calls raise StoreUnavailable."""
        self._file.close()


def _insert_statement(columns: Sequence[str]) -> str:
    # Not OR IGNORE, which would also drop a record that breaks another constraint.
    statement = (
        sqlite.insert(usage_record)
        .values({name: bindparam(name) for name in columns})
        .on_conflict_do_nothing(index_elements=["tenant_id", "trace_id", "span_id"])
    )
    return str(statement.compile(dialect=sqlite.dialect()))


def _add_rates(connection: Connection, rates: Sequence[Rate]) -> None:
    if rates:
        statement = sqlite.insert(rate).on_conflict_do_nothing()
        connection.execute(statement, [to_row(each) for each in rates])


def _gained(rows: FromClause) -> ColumnElement[bool]:
    # The write has the only lock, so what it inserts is numbered higher than what was there.
    return rows.c.id > bindparam("last")


_insert_records = RecordInsert(_insert_statement)
_groups = Groups(_gained)
_last_id = select(func.coalesce(func.max(usage_record.c.id), 0))

_Refused = tuple[int, str]
"""Position in the write, and why."""

_Insert = Callable[[Connection, Sequence[UsageRecord]], tuple[int, list[_Refused]]]
"""Answers how many records were new, and which can never be stored."""


class _BadData(Exception):
    """Raised when a statement failed for what it was given, not for how the database is."""


def _insert_together(
    connection: Connection, records: Sequence[UsageRecord]
) -> tuple[int, list[_Refused]]:
    try:
        return _insert_records(connection, records), []
    except (DBAPIError, OverflowError, UnicodeError) as error:
        if _is_bad_data(error):
            raise _BadData(error.orig if isinstance(error, DBAPIError) else error) from error
        raise


def _insert_apart(
    connection: Connection, records: Sequence[UsageRecord], first: int = 0
) -> tuple[int, list[_Refused]]:
    """Halve until only what can never be stored is left out."""
    try:
        with connection.begin_nested():
            return _insert_together(connection, records)
    except _BadData as error:
        if len(records) == 1:
            return 0, [(first, str(error))]
    middle = len(records) // 2
    some, some_refused = _insert_apart(connection, records[:middle], first)
    more, more_refused = _insert_apart(connection, records[middle:], first + middle)
    return some + more, some_refused + more_refused


def _without(records: Sequence[UsageRecord], refused: Sequence[_Refused]) -> Sequence[UsageRecord]:
    if not refused:
        return records
    bad = {index for index, _ in refused}
    return [record for index, record in enumerate(records) if index not in bad]


def _is_bad_data(error: Exception) -> bool:
    """Anything unknown is taken for a fault that may pass: the sender should try again."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, sqlite3.InterfaceError | sqlite3.ProgrammingError):
        return str(cause).startswith("Error binding parameter")
    bad = (sqlite3.IntegrityError, sqlite3.DataError, OverflowError, UnicodeError)
    return isinstance(cause, bad)
