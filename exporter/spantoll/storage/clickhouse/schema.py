"""The tables of a ledger in ClickHouse, made of the same declarations as those of other databases.

Input: `metadata`. Output: DDL. A table is a ReplacingMergeTree: a row is replaced by a row of the
same key and a higher `row_version`, and is gone where that says `is_deleted`
(https://clickhouse.com/docs/engines/table-engines/mergetree-family/replacingmergetree).
Alembic's migrations change tables in ways that ClickHouse has not, so that the schema is brought up
to date by what is missing: tables and columns. Each statement can be repeated.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Engine,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    inspect,
    text,
)

from spantoll import storage
from spantoll.errors import SchemaMismatch
from spantoll.records.columns import metadata, usage_record
from spantoll.storage.clickhouse.dialect import LONGEST_FIXED
from spantoll.storage.migrate import HEAD, REVISIONS
from spantoll.storage.registry import MODULES
from spantoll.storage.roll_ups import ROLL_UPS
from spantoll.storage.views import make_views

__all__ = ["IS_DELETED", "NOW_NS", "NUMBERS", "ROW_VERSION", "migrate", "spell_type"]

ROW_VERSION, IS_DELETED = "row_version", "is_deleted"
NUMBERS = "record_number"
VERSIONS = "alembic_version"

NOW_NS = "toUInt64(toUnixTimestamp64Nano(now64(9)))"

KEY = ("tenant_id", "received_ns", "trace_id", "span_id")
"""What records are ordered by, and their versions replaced by. When a record was received is the
same in all its versions, so that the last two would do. With the time before them, blocks that are
written one after the other hold different ranges of the key, of which nothing has to be merged to
read the latest versions; and records of about one time are beside each other."""

INDEXED = {
    "id": "bloom_filter(0.001)",
    "trace_id": "bloom_filter(0.0001)",
    "response_key": "bloom_filter(0.001)",
    "usage_key": "bloom_filter(0.001)",
    "started_ns": "minmax",
}
"""Columns of `usage_record` by which records are found: the skip index. A write looks up as many
traces as it has records, of which the index of a granule of 8,192 must match few by mistake."""

GROUPED = {name for each in ROLL_UPS for name in each.dimensions} - {"tenant_id", "user_id"}
"""Columns of `usage_record` by which reports group and filter. Those of text have few values and
are kept as numbers of a dictionary, which are faster to compare
(https://clickhouse.com/docs/sql-reference/data-types/lowcardinality). Users may be too many for
one, and the tenant is in the key, where it takes next to nothing."""

SUMMED = frozenset(each.table for each in ROLL_UPS)
BY_TIME = "ix_bucket_ns bucket_ns TYPE minmax GRANULARITY 1"
"""Sums are ordered by ids, which are given out day after day: an index of times leaves out most."""

DURABLE = "fsync_after_insert = 1, fsync_part_directory = 1"
"""A write that was acknowledged survives a power loss; ClickHouse by default leaves that to the
operating system (https://clickhouse.com/docs/operations/settings/merge-tree-settings)."""

WEEK_NS = 7 * 24 * 3600 * 10**9
MERGE_AFTER_S = 3_600
WEEKLY = f"intDiv(received_ns, {WEEK_NS})"
MERGED = (
    f"min_age_to_force_merge_seconds = {MERGE_AFTER_S}, "
    "min_age_to_force_merge_on_partition_only = 1"
)
"""A week that has got nothing for an hour becomes one part, in which each record has one version:
reading it takes no comparing of versions (https://clickhouse.com/docs/guides/replacing-merge-tree).
No correction changes when a record was received, as one may change when it started, so all versions
of a record are in one partition."""


def migrate(engine: Engine) -> None:
    """Make what is missing of the schema. Raises SchemaMismatch for one that is newer."""
    _load_declarations()
    with engine.connect() as connection:
        present = set(inspect(connection).get_table_names())
        _check(connection, present)
        for statement in _list_statements(connection, present):
            connection.execute(text(statement))
        make_views(connection)
        connection.execute(text(f"INSERT INTO {VERSIONS} (version_num) VALUES ('{HEAD}')"))  # noqa: S608  our names


def _load_declarations() -> None:
    """Import the modules of `storage` that declare tables, backends apart."""
    for module in iter_modules(storage.__path__):
        if module.name not in {*MODULES.values(), "migrations"}:
            import_module(f"{storage.__name__}.{module.name}")


def _check(connection: Connection, present: set[str]) -> None:
    if VERSIONS in present:
        found = connection.scalars(text(f"SELECT version_num FROM {VERSIONS}")).first()  # noqa: S608  our name
        if found is not None and found not in REVISIONS:
            raise SchemaMismatch(
                f"{connection.engine.url} has schema {found}, and this version of SpanToll knows "
                f"schemas up to {HEAD}: a newer version has written it; upgrade spantoll"
            )
    elif foreign := present & metadata.tables.keys():
        raise SchemaMismatch(
            f"{connection.engine.url} has a table {min(foreign)} that no migration has made: "
            "give the ledger a database of its own"
        )


def _list_statements(connection: Connection, present: set[str]) -> Iterator[str]:
    # The table of versions first, empty: what is there with it was interrupted.
    yield (
        f"CREATE TABLE IF NOT EXISTS {VERSIONS} (version_num String, "
        f"{ROW_VERSION} UInt64 DEFAULT {NOW_NS}) "
        f"ENGINE = ReplacingMergeTree({ROW_VERSION}) ORDER BY tuple()"
    )
    # An INSERT is given a number of its own, in the order of the server: see `numbers.py`.
    yield (
        f"CREATE TABLE IF NOT EXISTS {NUMBERS} (claim String, floor Int64) ENGINE = MergeTree "
        f"ORDER BY tuple() SETTINGS enable_block_number_column = 1, {DURABLE}"
    )
    for table in metadata.sorted_tables:
        if table.name not in present:
            yield _create(table)
            continue
        known = {column["name"] for column in inspect(connection).get_columns(table.name)}
        if table in SUMMED:
            yield f"ALTER TABLE {table.name} ADD INDEX IF NOT EXISTS {BY_TIME}"
        for column in table.columns:
            if column.name not in known:
                yield f"ALTER TABLE {table.name} ADD COLUMN IF NOT EXISTS {_declare(column)}"


def _create(table: Table) -> str:
    parts = [_declare(column) for column in table.columns]
    key = [column.name for column in table.primary_key]
    layout, settings = "", DURABLE
    if table is usage_record:
        key = list(KEY)
        layout, settings = f"PARTITION BY {WEEKLY} ", f"{DURABLE}, {MERGED}"
        parts += [
            f"INDEX ix_{name} {name} TYPE {kind} GRANULARITY 1" for name, kind in INDEXED.items()
        ]
    if table in SUMMED:
        parts.append(f"INDEX {BY_TIME}")
    parts += [f"{ROW_VERSION} UInt64 DEFAULT {NOW_NS}", f"{IS_DELETED} UInt8 DEFAULT 0"]
    return (
        f"CREATE TABLE IF NOT EXISTS {table.name} ({', '.join(parts)}) "
        f"ENGINE = ReplacingMergeTree({ROW_VERSION}, {IS_DELETED}) "
        f"{layout}ORDER BY ({', '.join(key)}) SETTINGS {settings}"
    )


def _declare(column: Column[Any]) -> str:
    kind = spell_type(column)
    if column.table is usage_record and column.name in GROUPED and isinstance(column.type, String):
        kind = f"LowCardinality({kind})"
    return f"`{column.name}` {kind}"


def spell_type(column: Column[Any]) -> str:
    """Return the type in which ClickHouse is given the values of a column."""
    kind = next(name for kind, name in TYPES.items() if isinstance(column.type, kind))
    length = getattr(column.type, "length", None)
    if isinstance(column.type, LargeBinary) and length is not None and length <= LONGEST_FIXED:
        kind = f"FixedString({length})"
    return f"Nullable({kind})" if column.nullable else kind


TYPES = {
    Boolean: "Bool",
    SmallInteger: "Int16",
    BigInteger: "Int64",
    Integer: "Int32",
    String: "String",
    LargeBinary: "String",
}
"""SQLAlchemy type -> ClickHouse's, subclasses first."""
