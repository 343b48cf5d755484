"""UPDATE and DELETE in ClickHouse: rows of the same key with a higher version.

Input: the statements of `storage`, as SQLAlchemy is about to execute them. Output: an INSERT of
whole rows. What a statement changes is read before, so the caller must hold the lock of all who
correct rows. Rows of a table whose key counts up are numbered here too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Column,
    ColumnElement,
    Connection,
    Delete,
    Engine,
    Insert,
    MetaData,
    SmallInteger,
    Table,
    Update,
    event,
    false,
    func,
    literal,
    literal_column,
    select,
)
from sqlalchemy.sql.elements import BinaryExpression

from spantoll.storage.clickhouse.schema import IS_DELETED, NOW_NS, ROW_VERSION

__all__ = ["keep_row_versions", "read_highest", "with_version"]

CHUNK = 1_000
"""Values in one IN list."""

Executed = tuple[Any, Sequence[Mapping[str, Any]], Mapping[str, Any]]
"""A statement, and its parameters: of many rows, or of one."""

_NOTHING = select(literal(1)).where(false())


def keep_row_versions(engine: Engine) -> None:
    """Let the statements of an engine insert what they would change."""
    event.listen(engine, "before_execute", _rewrite, retval=True)


@lru_cache(maxsize=64)
def with_version(table: Table) -> Table:
    """Return a table with the columns that only ClickHouse has."""
    columns: list[Column[Any]] = [
        Column(column.name, column.type, primary_key=column.primary_key, autoincrement=False)
        for column in table.columns
    ]
    return Table(
        table.name,
        MetaData(),
        *columns,
        Column(ROW_VERSION, BigInteger),
        Column(IS_DELETED, SmallInteger),
    )


def _rewrite(
    connection: Connection,
    statement: Any,
    many: Sequence[Mapping[str, Any]],
    one: Mapping[str, Any],
    options: Any,
) -> Executed:
    if isinstance(statement, Insert):
        return _number_rows(connection, statement, many, one)
    if isinstance(statement, Update):
        changed = _read_values(statement)
        if len(many) > 1:
            return _insert(statement.table, _update_many(connection, statement, changed, many))
        bound = many[0] if many else one
        return _insert(statement.table, _select_new(connection, statement, changed, bound))
    if isinstance(statement, Delete):
        deleted = _select_new(connection, statement, {}, many[0] if many else one)
        return _insert(statement.table, [{**row, IS_DELETED: 1} for row in deleted])
    return statement, many, one


def _insert(table: Any, rows: Sequence[Mapping[str, Any]]) -> Executed:
    return (with_version(table).insert(), rows, {}) if rows else (_NOTHING, (), {})


def _number_rows(
    connection: Connection,
    statement: Insert,
    many: Sequence[Mapping[str, Any]],
    one: Mapping[str, Any],
) -> Executed:
    """Give rows the numbers that other databases would count up."""
    table: Any = statement.table
    key = table.autoincrement_column
    rows = many or [one]
    if key is None or key.name in _read_values(statement) or statement.select is not None:
        return statement, many, one
    if all(key.name in row for row in rows):
        return statement, many, one
    first = read_highest(connection, key) + 1
    numbered = [{**row, key.name: number} for number, row in enumerate(rows, first)]
    return (statement, numbered, {}) if many else (statement, (), numbered[0])


def read_highest(connection: Connection, number: ColumnElement[int]) -> int:
    """Read the highest number of a table's rows, deleted ones too; 0 for none.

    A deletion could hide a row that had its number again, were the server's clock set back.
    """
    highest = select(func.max(number)).execution_options(settings={"final": 0})
    return connection.scalar(highest) or 0


def _select_new(
    connection: Connection,
    statement: Update | Delete,
    changed: Mapping[str, ColumnElement[Any]],
    bound: Mapping[str, Any],
) -> list[dict[str, Any]]:
    """Read the rows that a statement selects, as they are after it.

    Values that are given are not sent and read back: bytes that are no UTF-8 come back as NULL.
    """
    table: Any = statement.table
    given = {
        name: bound.get(value.key, value.value)
        for name, value in changed.items()
        if isinstance(value, BindParameter)
    }
    computed = {name: value for name, value in changed.items() if name not in given}
    # Not labelled by the columns' names, which conditions would take for the new values.
    values = [
        computed.get(column.name, column).label(f"new_{column.name}") for column in table.columns
    ]
    found = select(*values, *_next_version(table))
    if (condition := statement.whereclause) is not None:
        found = found.where(condition)
    names = [*table.columns.keys(), ROW_VERSION, IS_DELETED]
    rows = connection.execute(found, dict(bound)).all()
    return [dict(zip(names, row, strict=True)) | given for row in rows]


def _next_version(table: Any) -> list[ColumnElement[Any]]:
    version: ColumnElement[Any] = literal_column(f"{table.name}.{ROW_VERSION}", BigInteger())
    newer = func.greatest(version + 1, literal_column(NOW_NS))
    return [newer.label("newer"), literal_column("0").label("deleted")]


def _update_many(
    connection: Connection,
    statement: Update,
    changed: Mapping[str, Any],
    many: Sequence[Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """Change rows of which each is selected by one value, all of them at once.

    Raises NotImplementedError for an update of other conditions or other values.
    """
    condition: Any = statement.whereclause
    if not isinstance(condition, BinaryExpression) or not all(
        isinstance(each, BindParameter) for each in (condition.right, *changed.values())
    ):
        raise NotImplementedError(f"ClickHouse: an update of many rows by {condition}")
    column: Any = condition.left
    wanted: Any = condition.right.key
    by_value = {row[wanted]: row for row in many}
    table: Any = statement.table
    rows: list[dict[str, Any]] = []
    values = list(by_value)
    names = [*table.columns.keys(), ROW_VERSION, IS_DELETED]
    for start in range(0, len(values), CHUNK):
        chosen = column.in_(values[start : start + CHUNK])
        found = select(*table.columns, *_next_version(table)).where(chosen)
        for row in connection.execute(found).all():
            kept = dict(zip(names, row, strict=True))
            given = by_value[kept[column.name]]
            rows.append(kept | {name: given[bound.key] for name, bound in changed.items()})
    return rows


def _read_values(statement: Insert | Update) -> dict[str, Any]:
    """Return what VALUES or SET gives to each column: of this SQLAlchemy has no public reading."""
    given: Mapping[Any, Any] = statement._values or {}
    return {getattr(column, "name", column): value for column, value in given.items()}
