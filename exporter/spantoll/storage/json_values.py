"""Members of a JSON column, as constructs of SQLAlchemy with a spelling per database.

Input: a column of JSON and a key, or the name of a kept attribute. Output: SQL of SQLite,
PostgreSQL, MySQL and MariaDB, and ClickHouse. `promoted.py` makes indexes and generated columns of
the same SQL, so that an answer is the same with them and without.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, String
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.visitors import InternalTraversal
from sqlalchemy.types import NullType

from spantoll.storage.promoted_names import name_column, read_columns

__all__ = ["COLLATIONS", "attribute_text", "json_number", "json_text"]


class json_text(FunctionElement[str]):  # noqa: N801  reads like the SQL function it is
    """`json_text(column, key)`: a member of a JSON object as text, NULL when absent."""

    inherit_cache = True
    type = String()


class json_number(FunctionElement[Any]):  # noqa: N801
    """`json_number(column, key)`: a member of a JSON object as a number, NULL when absent."""

    inherit_cache = True
    type = NullType()  # as the driver returns it: int, float or Decimal


class attribute_text(FunctionElement[str]):  # noqa: N801
    """`attribute_text(column, name)`: an attribute in a JSON object as text, NULL when absent.

    The name is part of the SQL, not a parameter: a database finds the index over an expression
    only where both are equal. A database that has the attribute in a generated column reads that.
    """

    # What SQLAlchemy caches compiled statements by: the SQL differs by the name.
    _traverse_internals = [  # noqa: RUF012  as SQLAlchemy has it
        *FunctionElement._traverse_internals,
        ("attribute", InternalTraversal.dp_string),
    ]
    inherit_cache = True
    type = String()

    def __init__(self, column: ColumnElement[Any], attribute: str) -> None:
        super().__init__(column)
        self.attribute = attribute


def _arguments(element: FunctionElement[Any], compiler: SQLCompiler, **kw: Any) -> tuple[str, str]:
    column, key = element.clauses
    return compiler.process(column, **kw), compiler.process(key, **kw)


def _text_sqlite(column: str, key: str) -> str:
    path = f"""'$."' || {key} || '"'"""
    # json_extract answers 1 and 0 for booleans, which would merge them with numbers
    return (
        f"CASE json_type({column}, {path}) WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' "
        f"ELSE CAST(json_extract({column}, {path}) AS TEXT) END"
    )


@compiles(json_number, "sqlite")
def _number_sqlite(element: json_number, compiler: SQLCompiler, **kw: Any) -> str:
    column, key = _arguments(element, compiler, **kw)
    return f"""CAST(json_extract({column}, '$."' || {key} || '"') AS NUMERIC)"""


def _text_postgresql(column: str, key: str) -> str:
    return f"(CAST({column} AS JSON) ->> {key})"


@compiles(json_number, "postgresql")
def _number_postgresql(element: json_number, compiler: SQLCompiler, **kw: Any) -> str:
    return f"CAST({_text_postgresql(*_arguments(element, compiler, **kw))} AS NUMERIC)"


def _text_mysql(column: str, key: str) -> str:
    return f"""JSON_UNQUOTE(JSON_EXTRACT({column}, CONCAT('$."', {key}, '"')))"""


@compiles(json_number, "mysql", "mariadb")
def _number_mysql(element: json_number, compiler: SQLCompiler, **kw: Any) -> str:
    text = _text_mysql(*_arguments(element, compiler, **kw))
    return f"CAST({text} AS DECIMAL(38, 9))"


def _text_clickhouse(column: str, key: str) -> str:
    # Of a member that is absent or null, JSONExtractString says '' too.
    return (
        f"CASE JSONType({column}, {key}) WHEN 'Null' THEN NULL "
        f"WHEN 'String' THEN JSONExtractString({column}, {key}) "
        f"ELSE JSONExtractRaw({column}, {key}) END"
    )


@compiles(json_number, "clickhousedb")
def _number_clickhouse(element: json_number, compiler: SQLCompiler, **kw: Any) -> str:
    text = _text_clickhouse(*_arguments(element, compiler, **kw))
    return f"toDecimal128OrNull({text}, 9)"


COLLATIONS = {"mysql": "utf8mb4_0900_bin", "mariadb": "utf8mb4_nopad_bin"}
"""Compare blanks at the end, too; what JSON_UNQUOTE returns has a collation that takes `x ` for
`x`."""


def _text_collated(column: str, key: str, *, collation: str) -> str:
    return f"({_text_mysql(column, key)} COLLATE {collation})"


SPELL_TEXT: Mapping[str, Callable[[str, str], str]] = {
    "sqlite": _text_sqlite,
    "postgresql": _text_postgresql,
    "mysql": partial(_text_collated, collation=COLLATIONS["mysql"]),
    "mariadb": partial(_text_collated, collation=COLLATIONS["mariadb"]),
    "clickhousedb": _text_clickhouse,
}
"""Dialect -> the SQL that reads a member of a JSON column as text, given the SQL of both."""


@compiles(json_text, *SPELL_TEXT)
def _text(element: json_text, compiler: SQLCompiler, **kw: Any) -> str:
    return SPELL_TEXT[compiler.dialect.name](*_arguments(element, compiler, **kw))


@compiles(attribute_text, *SPELL_TEXT)
def _attribute(element: attribute_text, compiler: SQLCompiler, **kw: Any) -> str:
    generated = name_column(element.attribute)
    if generated in read_columns(compiler.dialect):
        return generated
    [column] = element.clauses
    key = compiler.render_literal_value(element.attribute, String())
    return SPELL_TEXT[compiler.dialect.name](compiler.process(column, **kw), key)
