"""The question of `/explore` as a command, a request of the REST API and a SQL statement.

Input: what is asked, as parameters of the REST API and as a `Query`. Output: texts to copy. The SQL
is of the view `v1_call`, which keeps its columns (docs/grafana.md), in the dialect of the ledger.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import Column, ColumnElement, Dialect, column, func, select, table
from sqlalchemy.sql import visitors

from spantoll.query import Query
from spantoll.query.conditions import restrict_period
from spantoll.query.dimensions import find_dimension
from spantoll.query.measures import find_measure
from spantoll.records.columns import usage_record
from spantoll.records.record import COLUMNS
from spantoll.storage.views import MONEY, NAMED

__all__ = ["write_command", "write_request", "write_sql"]

DOLLARS = {name: COLUMNS[name].outside for name in MONEY}
"""Columns of nano-USD, with those of the view that have the same in dollars."""
CALL = table("v1_call", column("started_ns"), *map(column, (*NAMED, *DOLLARS.values())))
SUMMED = ("USD", "requests", "tokens")
"""Units of measures that may be the sum of one column."""


class _NotInViewError(Exception):
    """Raised for a column of a record that the view does not have, or has as another type."""


def write_command(parameters: Sequence[tuple[str, str]]) -> str:
    """Return the command that asks the same."""
    options = (f"--{name.replace('_', '-')} {shlex.quote(value)}" for name, value in parameters)
    return " ".join(("spantoll usage", *options))


def write_request(parameters: Sequence[tuple[str, str]], *, server: str, needs_key: bool) -> str:
    """Return the curl command that asks the same of a server, such as `http://127.0.0.1:4318`."""
    key = ' -H "Authorization: Bearer stk_..."' if needs_key else ""
    return f"curl{key} {shlex.quote(f'{server}/api/v1/usage/query?{urlencode(parameters)}')}"


def write_sql(query: Query, dialect: Dialect) -> str | None:
    """Return the statement that asks the same of `v1_call`.

    None for windows, whose bounds depend on the zone, and for what is not a sum of its columns.
    """
    if query.window != "total":
        return None
    try:
        keys = [_move(find_dimension(name).expression).label(name) for name in query.dimensions]
        sums = list(_list_sums(query))
        conditions = [
            _move(each)
            for each in restrict_period(
                query.filters, start_ns=query.start_ns, end_ns=query.end_ns, uncounted=True
            )
        ]
    except _NotInViewError:
        return None
    statement = select(*keys, *sums).select_from(CALL).where(*conditions).group_by(*keys)
    compiled = statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True})
    return f"{compiled};"


def _list_sums(query: Query) -> Iterator[ColumnElement[Any]]:
    for name in query.measures:
        measure = find_measure(name)
        parts = measure.aggregate.parts
        if len(parts) != 1 or parts[0].how != "sum" or measure.unit not in SUMMED:
            raise _NotInViewError(name)
        yield func.sum(_move(parts[0].expression)).label(name)


def _move(expression: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return an expression over records as one over the view. Raises _NotInViewError."""

    def replace(element: Any, **_: Any) -> Any:
        if not isinstance(element, Column) or element.table is not usage_record:
            return None
        name = DOLLARS.get(element.name, element.name)
        if name not in CALL.c or element.type.python_type is bytes:
            raise _NotInViewError(name)
        return CALL.c[name]

    moved: ColumnElement[Any] = visitors.replacement_traverse(expression, {}, replace)
    return moved
