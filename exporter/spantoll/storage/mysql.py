"""A ledger in MySQL, by PyMySQL: compiled for MySQL 8.0.17 or newer, and never run on it.

Input: a URL of the scheme `mysql`. Output: a `Store`: a `MariadbStore` where the server is MariaDB,
whose drivers use the scheme too. What MySQL lacks: INSERT ... RETURNING,
the collation `utf8mb4_nopad_bin`, and DDL of columns and indexes with IF EXISTS
(https://dev.mysql.com/doc/refman/8.0/en/charset-unicode-sets.html).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from sqlalchemy import URL, Connection, Engine
from sqlalchemy.exc import DBAPIError

from spantoll.errors import StoreUnavailable
from spantoll.records.record import UsageRecord
from spantoll.storage.identities import select_ids
from spantoll.storage.mariadb import MariadbStore, make_engine
from spantoll.storage.mariadb_schema import set_collation

__all__ = ["MysqlStore", "open_url"]

COLLATION = "utf8mb4_0900_bin"
"""Compares code points, blanks at the end included."""


def open_url(url: URL, *, create: bool = True) -> MariadbStore:
    """Open `mysql://user:password@host/name`; the database itself must exist."""
    store = MariadbStore if _is_mariadb(url) else MysqlStore
    return store(url, create=create)


class MysqlStore(MariadbStore):
    """A ledger in MySQL; see `MariadbStore`."""

    dialect: ClassVar = "mysql"

    def prepare_migration(self, engine: Engine) -> None:
        """Make texts of a database without tables comparable byte by byte."""
        set_collation(engine, COLLATION)

    def insert_rows(
        self,
        connection: Connection,
        statement: str,
        values: Sequence[Any],
        records: Sequence[UsageRecord],
    ) -> Iterable[int]:
        """Execute an INSERT of records that are not stored; read their ids by their identity."""
        connection.exec_driver_sql(statement, values)
        return connection.scalars(select_ids([record[:3] for record in records]))


def _is_mariadb(url: URL) -> bool:
    """Ask a server for its version. Raises StoreUnavailable."""
    engine = make_engine(url.set(drivername="mysql"), isolation="READ COMMITTED")
    try:
        with engine.connect() as connection:
            return bool(getattr(connection.dialect, "is_mariadb", False))
    except DBAPIError as error:
        shown = url.render_as_string(hide_password=True)
        raise StoreUnavailable(f"database {shown}: {error.orig}") from error
    finally:
        engine.dispose()
