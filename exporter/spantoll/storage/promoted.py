"""Promote kept attributes: answers that filter by one find its records without reading the others.

Input: the names of attributes. Output: an index over the SQL that reads the attribute out of the
JSON of a record, where the database recognises that SQL in a query; else a generated column. Both
are computed by the database from the record itself, so they have all records, and never differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, Index, MetaData, column, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateIndex

from spantoll.errors import StoreUnavailable
from spantoll.records.columns import usage_record
from spantoll.storage.json_values import COLLATIONS, attribute_text
from spantoll.storage.promoted_names import PREFIX, keep_columns, name_column
from spantoll.storage.sql import SqlStore

__all__ = ["adopt_columns", "fill_columns", "is_promoted", "promote_attribute"]


def promote_attribute(store: SqlStore, attribute: str) -> bool:
    """Promote an attribute; return False where it was. Interrupted, it can be started again.

    The name is one that `parse_promoted` returns. On PostgreSQL, MariaDB and ClickHouse others
    write meanwhile. Raises StoreUnavailable.
    """
    with _begin(store) as connection:
        name = name_column(attribute)
        if name in _list_names(connection):
            return False
        for statement in PROMOTE[connection.dialect.name](connection, attribute, name):
            connection.exec_driver_sql(statement)
    adopt_columns(store.engine)
    return True


def is_promoted(engine: Engine, attribute: str) -> bool:
    """Whether the database has the index or the column of an attribute, complete."""
    with engine.connect() as connection:
        return name_column(attribute) in _list_names(connection)


def fill_columns(store: SqlStore) -> bool:
    """Write the generated columns of ClickHouse for records that are there, until it is done.

    Until then ClickHouse computes them for these when they are read. Returns False on other
    databases, whose indexes have all records. Raises StoreUnavailable.
    """
    if store.engine.dialect.name != "clickhousedb":
        return False
    with _begin(store) as connection:
        for name in sorted(_list_names(connection)):
            connection.exec_driver_sql(
                f"ALTER TABLE usage_record MATERIALIZE COLUMN {name} SETTINGS mutations_sync = 1"
            )
    return True


def adopt_columns(engine: Engine) -> None:
    """Let the queries of an engine read the generated columns that its database has."""
    if engine.dialect.name not in IN_COLUMNS:
        return
    with engine.connect() as connection:
        keep_columns(engine.dialect, _list_names(connection))
    engine.clear_compiled_cache()


@contextmanager
def _begin(store: SqlStore) -> Iterator[Connection]:
    """Begin on a connection for DDL, which may take as long as it takes."""
    engine = store.engine
    if engine.dialect.name == "sqlite":
        with store.transaction() as connection:
            yield connection
        return
    options = {"isolation_level": "AUTOCOMMIT"} if engine.dialect.name != "clickhousedb" else {}
    unlimited = engine
    if engine.dialect.name in ("mysql", "mariadb"):
        # The engine of a store gives up on what takes longer than a write does.
        unlimited = create_engine(engine.url, connect_args={"charset": "utf8mb4"})
    try:
        with unlimited.connect() as connection:
            yield connection.execution_options(postgresql_readonly=False, **options)
    except DBAPIError as error:
        raise StoreUnavailable(f"database {store.url}: {error.orig}") from error
    finally:
        if unlimited is not engine:
            unlimited.dispose()


def _list_names(connection: Connection) -> frozenset[str]:
    found = connection.scalars(text(LIST_NAMES[connection.dialect.name]), {"begin": f"{PREFIX}%"})
    return frozenset(found)


LIST_NAMES: Mapping[str, str] = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'index' AND name LIKE :begin",
    "postgresql": (
        "SELECT c.relname FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid "
        "WHERE i.indrelid = 'usage_record'::regclass AND i.indisvalid AND c.relname LIKE :begin"
    ),
    "clickhousedb": (
        "SELECT name FROM system.columns WHERE database = currentDatabase() "
        "AND table = 'usage_record' AND name LIKE :begin"
    ),
} | dict.fromkeys(
    ("mysql", "mariadb"),
    "SELECT column_name FROM information_schema.columns WHERE table_schema = database() "
    "AND table_name = 'usage_record' AND column_name LIKE :begin",
)
"""Dialect -> the statement that lists what is promoted; an index that was interrupted is none."""

IN_COLUMNS = ("mysql", "mariadb", "clickhousedb")
"""Dialects whose queries must name a column."""


def _index(connection: Connection, attribute: str, name: str) -> Iterator[str]:
    """Index the records that have the attribute, by its value and their time."""
    if connection.dialect.name == "postgresql":
        yield f"DROP INDEX CONCURRENTLY IF EXISTS {name}"
    table = usage_record.to_metadata(MetaData())
    value = attribute_text(table.c["metadata"], attribute)
    known = value.is_not(None)
    index = Index(
        name,
        value,
        table.c.started_ns,
        sqlite_where=known,
        postgresql_where=known,
        postgresql_concurrently=True,
    )
    yield str(CreateIndex(index).compile(dialect=connection.dialect))


def _add_virtual_column(connection: Connection, attribute: str, name: str) -> Iterator[str]:
    """Add a column that takes no space, and an index over it: it is the last, and tells the end."""
    value = _spell(connection, attribute)
    yield (
        f"ALTER TABLE usage_record ADD COLUMN {name} LONGTEXT CHARACTER SET utf8mb4 "
        f"COLLATE {COLLATIONS[connection.dialect.name]} GENERATED ALWAYS AS ({value}) VIRTUAL, "
        f"ADD INDEX ix_{name} ({name}({PREFIX_LENGTH}), started_ns)"
    )


def _add_materialized_column(connection: Connection, attribute: str, name: str) -> Iterator[str]:
    value = _spell(connection, attribute)
    yield (
        f"ALTER TABLE usage_record ADD COLUMN IF NOT EXISTS {name} Nullable(String) "
        f"MATERIALIZED {value}"
    )


def _spell(connection: Connection, attribute: str) -> str:
    value = attribute_text(column("metadata"), attribute)  # without its table, as DDL wants it
    return str(value.compile(dialect=connection.dialect))


PREFIX_LENGTH = 128
"""Characters of a value in the index of MariaDB and MySQL, which take 3,072 bytes."""

PROMOTE: Mapping[str, Callable[[Connection, str, str], Iterator[str]]] = {
    "sqlite": _index,
    "postgresql": _index,
    "mysql": _add_virtual_column,
    "mariadb": _add_virtual_column,
    "clickhousedb": _add_materialized_column,
}
"""Dialect -> the DDL that promotes an attribute."""
