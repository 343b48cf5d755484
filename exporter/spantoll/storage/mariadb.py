"""A ledger in MariaDB, by PyMySQL.

Input: a URL of the scheme `mariadb`. Output: a `Store`: what MariaDB does its own way, beside what
`LockingStore` does for all database servers. Records come in by INSERT statements of many rows
(https://mariadb.com/kb/en/how-to-quickly-insert-data-into-mariadb/). All text is compared byte by
byte. How the schema is made without transactions of DDL is in `mariadb_schema.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from functools import lru_cache
from itertools import chain
from typing import Any, ClassVar, NoReturn

import pymysql
from pymysql.constants import ER
from pymysql.converters import conversions
from sqlalchemy import (
    URL,
    Connection,
    Engine,
    Table,
    create_engine,
    event,
)
from sqlalchemy.dialects import mysql
from sqlalchemy.exc import DBAPIError, IntegrityError, InvalidRequestError

from spantoll.errors import ConfigurationError, StoreUnavailable
from spantoll.records.record import UsageRecord
from spantoll.storage.groups import Groups
from spantoll.storage.identities import read_stored
from spantoll.storage.insert import pick_filled
from spantoll.storage.mariadb_schema import prepare_migration, release_locks, take_lock
from spantoll.storage.server import POOL_TIMEOUT_S, WRITER_POOL, LockingStore
from spantoll.storage.shared import is_settling

__all__ = ["MariadbStore", "make_engine", "open_url"]

ROWS = 200
"""Of one INSERT: more bring no more speed, and might exceed the 16 MB of max_allowed_packet."""
ATTEMPTS = 5
"""To insert what another process does not insert meanwhile."""
CONNECT_TIMEOUT_S = 5
ANSWER_TIMEOUT_S = 30
"""As long as the slowest statement of a write; a server that is frozen answers none."""

BAD_DATA = {ER.NO_DEFAULT_FOR_FIELD}
"""Numbers of errors of the values that the driver takes for others: a NULL in a column left out."""

CONFLICTS = {ER.LOCK_DEADLOCK, ER.LOCK_WAIT_TIMEOUT}

CREATE_SETTLING = (
    "CREATE TEMPORARY TABLE IF NOT EXISTS settling (id BIGINT PRIMARY KEY) ENGINE = MEMORY"
)

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


class MariadbStore(LockingStore):
    """A ledger in MariaDB; see `Store` and `LockingStore`."""

    groups: ClassVar = Groups(is_settling)
    dialect: ClassVar = "mariadb"
    """SQLAlchemy's name of the SQL that is sent."""

    def __init__(self, url: URL, *, create: bool = True) -> None:
        url = url.set(drivername=self.dialect)
        if not url.database:
            shown = url.render_as_string(hide_password=True)
            raise ConfigurationError(f"database {shown}: name a database after the host")
        writer = make_engine(url, isolation="READ COMMITTED", conv=WRITER_TYPES, **WRITER_POOL)
        event.listen(writer, "checkin", release_locks)
        reader = make_engine(url, isolation="REPEATABLE READ")
        self._answer_timeout_s: int | None = ANSWER_TIMEOUT_S
        for engine in (writer, reader):
            event.listen(engine, "do_connect", self._set_timeouts)
        super().__init__(url, writer=writer, reader=reader, take_lock=take_lock)
        try:
            self.open(create=create)
        except InvalidRequestError as error:
            # What SQLAlchemy finds that is no MariaDB, by its version.
            raise ConfigurationError(f"database {self.url}: {error}") from error

    def prepare_migration(self, engine: Engine) -> None:
        """See `mariadb_schema`."""
        prepare_migration(engine)

    def update_schema(self) -> None:
        """Run the migrations that are missing: an index of many records takes minutes."""
        with self.long_statements():
            super().update_schema()

    @contextmanager
    def long_statements(self) -> Iterator[None]:
        """Connect anew without a timeout of answers, and with one after the block."""
        self._replace_connections(None)
        try:
            yield
        finally:
            self._replace_connections(ANSWER_TIMEOUT_S)

    def insert_records(
        self, connection: Connection, records: Sequence[UsageRecord]
    ) -> Sequence[int]:
        """Insert all at once; where one is stored already, only those that are not."""
        # Of two copies in one write the first.
        wanted = {record[:3]: record for record in reversed(records)}
        for _ in range(ATTEMPTS):
            try:
                with connection.begin_nested():
                    return self._insert(connection, list(reversed(wanted.values())))
            except IntegrityError as error:
                if _error_number(error.orig) != ER.DUP_ENTRY:
                    raise
            for identity in read_stored(connection, list(wanted)):
                del wanted[identity]
            if not wanted:
                return ()
        raise StoreUnavailable(f"database {self.url}: other processes insert the same records")

    def insert_missing(
        self, connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]
    ) -> None:
        """Insert the rows whose primary key is not there yet."""
        statement = mysql.insert(table)
        same = {each.name: each for each in table.primary_key}
        connection.execute(statement.on_duplicate_key_update(same), rows)

    def fill_settling(self, connection: Connection, ids: Sequence[int]) -> None:
        """Make the temporary table `settling`, empty it and fill it."""
        connection.exec_driver_sql(CREATE_SETTLING)
        connection.exec_driver_sql("DELETE FROM settling")
        connection.exec_driver_sql("INSERT INTO settling VALUES (%s)", [(each,) for each in ids])

    def is_bad_data(self, error: Exception) -> bool:
        """Whether MariaDB or its driver refuses the values themselves."""
        cause = error.orig if isinstance(error, DBAPIError) else error
        number = _error_number(cause)
        if number in BAD_DATA or number == ER.DUP_ENTRY:
            return number in BAD_DATA
        data = (pymysql.err.DataError, pymysql.err.IntegrityError)
        return isinstance(cause, (*data, OverflowError, UnicodeError, TypeError))

    def is_conflict(self, error: BaseException | None) -> bool:
        """Whether MariaDB has ended one of two transactions that waited for each other."""
        cause = error.orig if isinstance(error, DBAPIError) else error
        return _error_number(cause) in CONFLICTS

    def insert_rows(
        self,
        connection: Connection,
        statement: str,
        values: Sequence[Any],
        records: Sequence[UsageRecord],
    ) -> Iterable[int]:
        """Execute an INSERT of records that are not stored; return their ids."""
        return connection.exec_driver_sql(f"{statement} RETURNING id", values).scalars()

    def _replace_connections(self, answer_timeout_s: int | None) -> None:
        self._answer_timeout_s = answer_timeout_s
        self._writer.dispose()
        self._reader.dispose()

    def _set_timeouts(self, _dialect: Any, _record: Any, _args: Any, named: dict[str, Any]) -> None:
        named["read_timeout"] = named["write_timeout"] = self._answer_timeout_s

    def _insert(self, connection: Connection, records: Sequence[UsageRecord]) -> list[int]:
        ids: list[int] = []
        try:
            names, pick = pick_filled(records)
            for start in range(0, len(records), ROWS):
                rows = records[start : start + ROWS]
                statement = _insert_statement(names, len(rows))
                values = tuple(chain.from_iterable(map(pick, rows)))
                ids += self.insert_rows(connection, statement, values, rows)
        except TypeError as error:
            raise DBAPIError("INSERT", None, error) from error
        return ids


def make_engine(url: URL, *, isolation: str, conv: Any = None, **pool: int) -> Engine:
    """Make an engine of PyMySQL for a URL whose scheme is a dialect."""
    return create_engine(
        url.set(drivername=f"{url.drivername}+pymysql"),
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


@lru_cache(maxsize=128)
def _insert_statement(names: Sequence[str], rows: int) -> str:
    # Neither IGNORE, which also stores what does not fit, nor ON DUPLICATE KEY UPDATE, which locks
    # the rows that are there and returns their ids.
    columns = ", ".join(f"`{name}`" for name in names)
    row = f"({', '.join(['%s'] * len(names))})"
    return f"INSERT INTO usage_record ({columns}) VALUES {', '.join([row] * rows)}"  # noqa: S608  our names


def _error_number(error: BaseException | None) -> int | None:
    known = isinstance(error, pymysql.err.MySQLError) and error.args
    return error.args[0] if error is not None and known else None
