"""A ledger in PostgreSQL, by psycopg 3.

Input: a URL of the scheme `postgresql`. Output: a `Store`: what PostgreSQL does its own way, beside
what `SqlStore` does for all databases. Records come in by binary COPY into a temporary table
(https://www.postgresql.org/docs/current/populate.html), and from there into `usage_record`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, ClassVar, cast

import psycopg
from sqlalchemy import (
    URL,
    BigInteger,
    Boolean,
    ColumnElement,
    Connection,
    Engine,
    FromClause,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    bindparam,
    create_engine,
    event,
    func,
    select,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from spantoll.errors import NoLedger, StoreUnavailable
from spantoll.records.column_spec import ColumnSpec
from spantoll.records.columns import usage_record
from spantoll.records.record import COLUMNS, UsageRecord
from spantoll.storage.groups import Groups
from spantoll.storage.migrate import is_current, migrate
from spantoll.storage.sql import SqlStore

__all__ = ["PostgresqlStore", "open_url"]

LOCK = 0x7370616E746F6C6C
"""Of the advisory lock that a writer holds: `spantoll` in ASCII."""
LOCK_TIMEOUT_MS = 5_000
POOL_TIMEOUT_S = 5.0

_NAMES = ", ".join(f'"{name}"' for name in COLUMNS)
CREATE_INCOMING = (
    "CREATE TEMPORARY TABLE IF NOT EXISTS incoming ON COMMIT DELETE ROWS "  # noqa: S608  our names
    f"AS SELECT {_NAMES} FROM usage_record WITH NO DATA"
)
COPY = f"COPY incoming ({_NAMES}) FROM STDIN (FORMAT BINARY)"
INSERT = (
    f"INSERT INTO usage_record ({_NAMES}) SELECT {_NAMES} FROM incoming "  # noqa: S608  as above
    "ON CONFLICT (tenant_id, trace_id, span_id) DO NOTHING"
)
EMPTY_INCOMING = "TRUNCATE incoming"


def _copy_type(spec: ColumnSpec) -> str:
    for kind, name in COPY_TYPES.items():
        if isinstance(spec.type, kind):
            return name
    return "text"


COPY_TYPES: Mapping[type, str] = {
    Boolean: "bool",
    LargeBinary: "bytea",
    SmallInteger: "int2",
    BigInteger: "int8",
    Integer: "int4",
}
"""SQLAlchemy type -> PostgreSQL's, subclasses first; binary COPY converts nothing."""
TYPES = [_copy_type(spec) for spec in COLUMNS.values()]


def open_url(url: URL, *, create: bool = True) -> PostgresqlStore:
    """Open `postgresql://user:password@host/name`; the database itself must exist."""
    return PostgresqlStore(url, create=create)


def _is_of_write(rows: FromClause) -> ColumnElement[bool]:
    # Writers take turns, so what a write inserts is numbered higher than what was there.
    return rows.c.id > bindparam("last")


_last_id = select(func.coalesce(func.max(usage_record.c.id), 0))


class PostgresqlStore(SqlStore):
    """A ledger in PostgreSQL; see `Store`. Writers of all processes take turns by one lock."""

    groups: ClassVar = Groups(_is_of_write)

    def __init__(self, url: URL, *, create: bool = True) -> None:
        self._url = url.set(drivername="postgresql+psycopg")
        self._closed = False
        self._writer = create_engine(
            self._url, pool_size=1, max_overflow=0, pool_timeout=POOL_TIMEOUT_S, pool_pre_ping=True
        )
        event.listen(self._writer, "begin", _take_lock)
        self._reader = create_engine(
            self._url,
            pool_pre_ping=True,
            isolation_level="REPEATABLE READ",
            execution_options={"postgresql_readonly": True},
        )
        with ExitStack() as unless_opened:
            unless_opened.callback(self.close)
            try:
                if not is_current(self._reader):
                    if not create:
                        raise NoLedger(self.url)
                    migrate(self._writer)
            except DBAPIError as error:
                raise self._make_error(error) from error
            unless_opened.pop_all()

    @property
    def url(self) -> str:
        """Where the ledger is, without the password."""
        return self._url.set(drivername="postgresql").render_as_string(hide_password=True)

    @property
    def engine(self) -> Engine:
        """For reading: each transaction sees one snapshot."""
        return self._reader

    def close(self) -> None:
        """Release the connections; later calls raise StoreUnavailable."""
        self._closed = True
        self._reader.dispose()
        self._writer.dispose()

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Take the lock of all writers; see `SqlStore`."""
        if self._closed:
            raise StoreUnavailable(f"database {self.url} is closed")
        try:
            with self._writer.begin() as connection:
                yield connection
        except (DBAPIError, PoolTimeout) as error:
            raise self._make_error(error) from error

    def insert_records(self, connection: Connection, records: Sequence[UsageRecord]) -> int:
        """Copy the records in, then insert those that are not stored; return how many were new."""
        connection.exec_driver_sql(CREATE_INCOMING)
        driver: psycopg.Connection = cast(Any, connection.connection.driver_connection)
        try:
            with driver.cursor() as cursor, cursor.copy(COPY) as copy:
                copy.set_types(TYPES)
                for record in records:
                    copy.write_row(record)
        except (psycopg.Error, TypeError) as error:
            # TypeError is what the driver raises for a value that its column's type does not take.
            raise DBAPIError(COPY, None, error) from error
        inserted = connection.exec_driver_sql(INSERT).rowcount
        connection.exec_driver_sql(EMPTY_INCOMING)
        return inserted

    def insert_missing(
        self, connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]
    ) -> None:
        """Insert the rows whose primary key is not there yet."""
        connection.execute(postgresql.insert(table).on_conflict_do_nothing(), rows)

    def mark_write(self, connection: Connection) -> Mapping[str, Any]:
        """Return the highest id of the rows that are there."""
        return {"last": connection.scalar(_last_id)}

    def is_bad_data(self, error: Exception) -> bool:
        """Whether PostgreSQL or its driver refuses the values themselves."""
        cause = error.orig if isinstance(error, DBAPIError) else error
        data = (psycopg.DataError, psycopg.IntegrityError)
        return isinstance(cause, (*data, OverflowError, UnicodeError, TypeError))

    def check_room(self, connection: Connection) -> None:
        """Do nothing: a server that is full refuses the row that a ping writes."""

    def _make_error(self, error: DBAPIError | PoolTimeout) -> StoreUnavailable:
        reason = error.orig if isinstance(error, DBAPIError) else error
        return StoreUnavailable(f"database {self.url}: {' '.join(str(reason).split())}")


def _take_lock(connection: Connection) -> None:
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}")
    connection.execute(select(func.pg_advisory_xact_lock(LOCK)))
