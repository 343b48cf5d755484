"""What databases spell differently, as constructs of SQLAlchemy with a spelling per database.

Input: a column of JSON and a key. Output: SQL of SQLite, PostgreSQL, MySQL and MariaDB, and
ClickHouse.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import String
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import NullType

__all__ = ["json_number", "json_text"]


class json_text(FunctionElement[str]):  # noqa: N801  reads like the SQL function it is
    """`json_text(column, key)`: a member of a JSON object as text, NULL when absent."""

    inherit_cache = True
    type = String()


class json_number(FunctionElement[Any]):  # noqa: N801
    """`json_number(column, key)`: a member of a JSON object as a number, NULL when absent."""

    inherit_cache = True
    type = NullType()  # as the driver returns it: int, float or Decimal


def _arguments(element: FunctionElement[Any], compiler: SQLCompiler, **kw: Any) -> tuple[str, str]:
    column, key = element.clauses
    return compiler.process(column, **kw), compiler.process(key, **kw)


@compiles(json_text, "sqlite")
def _text_sqlite(element: json_text, compiler: SQLCompiler, **kw: Any) -> str:
    column, key = _arguments(element, compiler, **kw)
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


@compiles(json_text, "postgresql")
def _text_postgresql(element: json_text, compiler: SQLCompiler, **kw: Any) -> str:
    column, key = _arguments(element, compiler, **kw)
    return f"(CAST({column} AS JSON) ->> {key})"


@compiles(json_number, "postgresql")
def _number_postgresql(element: json_number, compiler: SQLCompiler, **kw: Any) -> str:
    return f"CAST({_text_postgresql(json_text(*element.clauses), compiler, **kw)} AS NUMERIC)"


@compiles(json_text, "mysql", "mariadb")
def _text_mysql(element: json_text, compiler: SQLCompiler, **kw: Any) -> str:
    column, key = _arguments(element, compiler, **kw)
    return f"""JSON_UNQUOTE(JSON_EXTRACT({column}, CONCAT('$."', {key}, '"')))"""


@compiles(json_number, "mysql", "mariadb")
def _number_mysql(element: json_number, compiler: SQLCompiler, **kw: Any) -> str:
    text = _text_mysql(json_text(*element.clauses), compiler, **kw)
    return f"CAST({text} AS DECIMAL(38, 9))"


@compiles(json_text, "clickhousedb")
def _text_clickhouse(element: json_text, compiler: SQLCompiler, **kw: Any) -> str:
    column, key = _arguments(element, compiler, **kw)
    # Of a member that is absent or null, JSONExtractString says '' too.
    return (
        f"CASE JSONType({column}, {key}) WHEN 'Null' THEN NULL "
        f"WHEN 'String' THEN JSONExtractString({column}, {key}) "
        f"ELSE JSONExtractRaw({column}, {key}) END"
    )


@compiles(json_number, "clickhousedb")
def _number_clickhouse(element: json_number, compiler: SQLCompiler, **kw: Any) -> str:
    text = _text_clickhouse(json_text(*element.clauses), compiler, **kw)
    return f"toDecimal128OrNull({text}, 9)"
