"""A ledger in PostgreSQL, by psycopg 3.

Input: a URL of the scheme `postgresql`. Output: a `Store`: what PostgreSQL does its own way, beside
what `LockingStore` does for all database servers. Records come in by binary COPY
into a temporary table (https://www.postgresql.org/docs/current/populate.html), and from there into
`usage_record`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, cast

import psycopg
from sqlalchemy import (
    URL,
    BigInteger,
    Boolean,
    Connection,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    create_engine,
    event,
    func,
    select,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError

from spantoll.records.column_spec import ColumnSpec
from spantoll.records.record import COLUMNS, UsageRecord
from spantoll.storage.groups import Groups
from spantoll.storage.server import POOL_TIMEOUT_S, WRITER_POOL, LockingStore
from spantoll.storage.shared import is_settling

__all__ = ["PostgresqlStore", "open_url"]

LOCK = 0x7370616E746F6C6C
"""Of the advisory lock of those who migrate or correct: `spantoll` in ASCII."""
LOCK_TIMEOUT_MS = 5_000

_NAMES = ", ".join(f'"{name}"' for name in COLUMNS)
CREATE_INCOMING = (
    "CREATE TEMPORARY TABLE IF NOT EXISTS incoming ON COMMIT DELETE ROWS "  # noqa: S608  our names
    f"AS SELECT {_NAMES} FROM usage_record WITH NO DATA"
)
COPY = f"COPY incoming ({_NAMES}) FROM STDIN (FORMAT BINARY)"
INSERT = (
    f"INSERT INTO usage_record ({_NAMES}) SELECT {_NAMES} FROM incoming "  # noqa: S608  as above
    "ON CONFLICT (tenant_id, trace_id, span_id) DO NOTHING RETURNING id"
)
EMPTY_INCOMING = "TRUNCATE incoming"
CREATE_SETTLING = (
    "CREATE TEMPORARY TABLE IF NOT EXISTS settling (id BIGINT PRIMARY KEY) ON COMMIT DELETE ROWS"
)
HAS_OUTGROWN_STATISTICS = (
    "SELECT pg_relation_size(oid) > 4 * (relpages + 16) * current_setting('block_size')::bigint "
    "FROM pg_class WHERE oid = 'usage_record'::regclass"
)
"""Autovacuum looks at a new ledger after a minute. Until then the planner takes the table for an
empty one, and compares all records with all others where it should probe an index for each."""
FILL_SETTLING = "INSERT INTO settling SELECT unnest(%s::bigint[])"


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


class PostgresqlStore(LockingStore):
    """A ledger in PostgreSQL; see `Store` and `LockingStore`."""

    groups: ClassVar = Groups(is_settling)

    def __init__(self, url: URL, *, create: bool = True) -> None:
        driver = url.set(drivername="postgresql+psycopg")
        writer = create_engine(
            driver, **WRITER_POOL, pool_timeout=POOL_TIMEOUT_S, pool_pre_ping=True
        )
        event.listen(writer, "begin", _prepare_transaction)
        reader = create_engine(
            driver,
            pool_pre_ping=True,
            isolation_level="REPEATABLE READ",
            execution_options={"postgresql_readonly": True},
        )
        super().__init__(
            url.set(drivername="postgresql"), writer=writer, reader=reader, take_lock=_take_lock
        )
        self.open(create=create)

    def insert_records(
        self, connection: Connection, records: Sequence[UsageRecord]
    ) -> Sequence[int]:
        """Copy the records in, then insert those that are not stored; return the new ids."""
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
        inserted = connection.exec_driver_sql(INSERT).scalars().all()
        connection.exec_driver_sql(EMPTY_INCOMING)
        return inserted

    def insert_missing(
        self, connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]
    ) -> None:
        """Insert the rows whose primary key is not there yet."""
        connection.execute(postgresql.insert(table).on_conflict_do_nothing(), rows)

    def continue_numbering(self, connection: Connection, table: Table) -> None:
        """Set the sequence, which rows with ids do not advance, behind the highest id."""
        [key] = table.primary_key
        sequence = func.pg_get_serial_sequence(table.name, key.name)
        highest = select(func.max(key)).scalar_subquery()
        connection.execute(select(func.setval(sequence, highest)).where(highest.is_not(None)))

    def fill_settling(self, connection: Connection, ids: Sequence[int]) -> None:
        """Make the temporary table `settling`, which is empty in a new transaction, and fill it."""
        if connection.exec_driver_sql(HAS_OUTGROWN_STATISTICS).scalar():
            connection.exec_driver_sql("ANALYZE usage_record")
        connection.exec_driver_sql(CREATE_SETTLING)
        connection.exec_driver_sql(FILL_SETTLING, (list(ids),))

    def is_bad_data(self, error: Exception) -> bool:
        """Whether PostgreSQL or its driver refuses the values themselves."""
        cause = error.orig if isinstance(error, DBAPIError) else error
        data = (psycopg.DataError, psycopg.IntegrityError)
        return isinstance(cause, (*data, OverflowError, UnicodeError, TypeError))

    def is_conflict(self, error: BaseException | None) -> bool:
        """Whether PostgreSQL has ended one of two transactions that waited for each other."""
        cause = error.orig if isinstance(error, DBAPIError) else error
        return isinstance(cause, psycopg.errors.DeadlockDetected)


def _prepare_transaction(connection: Connection) -> None:
    # Compiling a statement that probes a few indexes takes longer than to run it.
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}; SET LOCAL jit = off")


def _take_lock(connection: Connection) -> None:
    connection.execute(select(func.pg_advisory_xact_lock(LOCK)))
