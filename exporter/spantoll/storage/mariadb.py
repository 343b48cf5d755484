"""A ledger in MariaDB, by PyMySQL.

Input: a URL of the scheme `mariadb`. Output: a `Store`: what MariaDB does its own way, beside what
`SqlStore` does for all databases. Records come in by INSERT statements of many rows
(https://mariadb.com/kb/en/how-to-quickly-insert-data-into-mariadb/). All text is compared byte by
byte. How the schema is made without transactions of DDL is in `mariadb_schema.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from typing import Any, ClassVar, NoReturn

import pymysql
from pymysql.constants import ER
from pymysql.converters import conversions
from sqlalchemy import (
    URL,
    ColumnElement,
    Connection,
    Engine,
    FromClause,
    Table,
    bindparam,
    create_engine,
    event,
    func,
    select,
    tuple_,
)
from sqlalchemy.dialects import mysql
from sqlalchemy.exc import DBAPIError, IntegrityError, InvalidRequestError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from spantoll.errors import ConfigurationError, NoLedger, StoreUnavailable
from spantoll.records.columns import usage_record
from spantoll.records.record import UsageRecord
from spantoll.storage.groups import Groups
from spantoll.storage.insert import RecordInsert
from spantoll.storage.mariadb_schema import prepare_migration, release_locks, take_lock
from spantoll.storage.migrate import is_current, migrate
from spantoll.storage.sql import SqlStore

__all__ = ["MariadbStore", "open_url"]

CHUNK = 1_000
"""Identities in one IN list."""
CONNECT_TIMEOUT_S = 5
ANSWER_TIMEOUT_S = 30
"""As long as the slowest statement of a write; a server that is frozen answers none."""
POOL_TIMEOUT_S = 5.0

BAD_DATA = {ER.NO_DEFAULT_FOR_FIELD}
"""Numbers of errors of the values that the driver takes for others: a NULL in a column left out."""

SESSION = (
    "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', time_zone = '+00:00', "
    "innodb_lock_wait_timeout = 5"
)
"""Strict: otherwise what does not fit a column is cut, and stored."""


def open_url(url: URL, *, create: bool = True) -> MariadbStore:
    """Open `mariadb://user:password@host/name`; the database itself must exist."""
    return MariadbStore(url, create=create)


def _refuse_decimal(value: Decimal, mapping: Any = None) -> NoReturn:
    raise TypeError(f"no column takes a Decimal: {value}")


WRITER_TYPES = {**conversions, Decimal: _refuse_decimal}
"""The server would round a Decimal to the integer of its column."""


def _insert_statement(columns: Sequence[str]) -> str:
    # Neither IGNORE, which also stores what does not fit, nor ON DUPLICATE KEY UPDATE, which locks
    # the rows that are there.
    statement = mysql.insert(usage_record).values({name: bindparam(name) for name in columns})
    return str(statement.compile(dialect=mysql.dialect(paramstyle="format")))


def _is_of_write(rows: FromClause) -> ColumnElement[bool]:
    # Writers take turns, so what a write inserts is numbered higher than what was there.
    return rows.c.id > bindparam("last")


_insert_records = RecordInsert(_insert_statement)
_last_id = select(func.coalesce(func.max(usage_record.c.id), 0))
_identity = (usage_record.c.tenant_id, usage_record.c.trace_id, usage_record.c.span_id)
_stored_among = select(*_identity).where(
    tuple_(*_identity).in_(bindparam("identities", expanding=True))
)


class MariadbStore(SqlStore):
    """A ledger in MariaDB; see `Store`. Writers of all processes take turns by one lock."""

    groups: ClassVar = Groups(_is_of_write)

    def __init__(self, url: URL, *, create: bool = True) -> None:
        self._url = url.set(drivername="mariadb")
        if not url.database:
            raise ConfigurationError(f"database {self.url}: name a database after the host")
        self._closed = False
        self._writer = self._make_engine(
            isolation="READ COMMITTED", conv=WRITER_TYPES, pool_size=1, max_overflow=0
        )
        event.listen(self._writer, "begin", take_lock)
        event.listen(self._writer, "checkin", release_locks)
        self._reader = self._make_engine(isolation="REPEATABLE READ")
        with ExitStack() as unless_opened:
            unless_opened.callback(self.close)
            try:
                if not is_current(self._reader):
                    if not create:
                        raise NoLedger(self.url)
                    prepare_migration(self._writer)
                    migrate(self._writer)
            except DBAPIError as error:
                raise self._make_error(error) from error
            except InvalidRequestError as error:
                # What SQLAlchemy finds that is no MariaDB, by its version.
                raise ConfigurationError(f"database {self.url}: {error}") from error
            unless_opened.pop_all()

    @property
    def url(self) -> str:
        """Where the ledger is, without the password."""
        return self._url.render_as_string(hide_password=True)

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
        """Insert all at once; where one is stored already, only those that are not."""
        wanted = {record[:3]: record for record in reversed(records)}
        new = list(reversed(wanted.values()))
        try:
            with connection.begin_nested():
                return self._insert(connection, new)
        except IntegrityError as error:
            if _error_number(error.orig) != ER.DUP_ENTRY:
                raise
        identities = list(wanted)
        for start in range(0, len(identities), CHUNK):
            chunk = identities[start : start + CHUNK]
            for row in connection.execute(_stored_among, {"identities": chunk}):
                wanted.pop(tuple(row), None)
        new = list(reversed(wanted.values()))
        return self._insert(connection, new) if new else 0

    def insert_missing(
        self, connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]
    ) -> None:
        """Insert the rows whose primary key is not there yet."""
        statement = mysql.insert(table)
        same = {each.name: each for each in table.primary_key}
        connection.execute(statement.on_duplicate_key_update(same), rows)

    def mark_write(self, connection: Connection) -> Mapping[str, Any]:
        """Return the highest id of the rows that are there."""
        return {"last": connection.scalar(_last_id)}

    def is_bad_data(self, error: Exception) -> bool:
        """Whether MariaDB or its driver refuses the values themselves."""
        cause = error.orig if isinstance(error, DBAPIError) else error
        number = _error_number(cause)
        if number in BAD_DATA or number == ER.DUP_ENTRY:
            return number in BAD_DATA
        data = (pymysql.err.DataError, pymysql.err.IntegrityError)
        return isinstance(cause, (*data, OverflowError, UnicodeError, TypeError))

    def check_room(self, connection: Connection) -> None:
        """Do nothing: a server that is full refuses the row that a ping writes."""

    def _insert(self, connection: Connection, records: Sequence[UsageRecord]) -> int:
        try:
            return _insert_records(connection, records)
        except TypeError as error:
            raise DBAPIError("INSERT", None, error) from error

    def _make_engine(self, *, isolation: str, conv: Any = None, **pool: int) -> Engine:
        return create_engine(
            self._url.set(drivername="mariadb+pymysql"),
            isolation_level=isolation,
            pool_pre_ping=True,
            pool_timeout=POOL_TIMEOUT_S,
            connect_args={
                "charset": "utf8mb4",
                "conv": conv or conversions,
                "connect_timeout": CONNECT_TIMEOUT_S,
                "read_timeout": ANSWER_TIMEOUT_S,
                "write_timeout": ANSWER_TIMEOUT_S,
                "init_command": SESSION,
            },
            **pool,
        )

    def _make_error(self, error: DBAPIError | PoolTimeout) -> StoreUnavailable:
        reason = error.orig if isinstance(error, DBAPIError) else error
        return StoreUnavailable(f"database {self.url}: {' '.join(str(reason).split())}")


def _error_number(error: BaseException | None) -> int | None:
    known = isinstance(error, pymysql.err.MySQLError) and error.args
    return error.args[0] if error is not None and known else None
