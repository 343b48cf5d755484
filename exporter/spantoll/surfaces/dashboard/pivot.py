"""The answer of `/explore` as a pivot table: the last dimension across, all else down.

Input: a query by two dimensions or more, or by one over windows. Output: one measure by row and
column, with totals of both. Totals are queries of their own: not every measure can be added up, and
they are of all groups, while ROWS and COLUMNS of the largest are shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from sqlalchemy import Engine

from spantoll.query import Filter, Query, Result, Row, Value, Window, run
from spantoll.surfaces.cells import format_measure
from spantoll.surfaces.dashboard.explore_table import link_records
from spantoll.surfaces.dashboard.period import View

__all__ = ["Pivot", "can_pivot", "make_pivot"]

ROWS = 50
COLUMNS = 10


class PivotCell(NamedTuple):
    """An amount, and the address of its records; empty for a group without calls."""

    text: str = ""
    link: str = ""


class PivotRow(NamedTuple):
    """A window and the values of the dimensions that are down the side."""

    names: Sequence[str]
    cells: Sequence[PivotCell]
    total: PivotCell


class Pivot(NamedTuple):
    """A pivot table."""

    measure: str
    headings: Sequence[str]
    columns: Sequence[str]
    rows: Sequence[PivotRow]
    totals: Sequence[PivotCell]
    """Of the columns, then of everything."""
    hidden_rows: int
    hidden_columns: int


Place = tuple[Window | None, tuple[Value, ...]]


def can_pivot(query: Query) -> bool:
    """Return whether a query has something to show down as well as across."""
    return len(query.dimensions) + (query.window != "total") >= 2 and bool(query.dimensions)


def make_pivot(engine: Engine, view: View, query: Query) -> Pivot:
    """Answer the first measure of a query as a pivot table. Raises what `run` raises."""
    measure = query.measures[0]
    *down, across = query.dimensions
    asked = replace(query, measures=(measure,), order=(), limit=None)
    rows = run(engine, replace(asked, dimensions=down, limit=ROWS))
    columns = run(engine, replace(asked, dimensions=(across,), window="total", limit=COLUMNS))
    shown = [
        Filter(name, tuple({row.dimensions[name]: None for row in result.rows}))
        for name, result in (*((name, rows) for name in down), (across, columns))
        if result.rows
    ]
    cells = run(engine, replace(asked, filters=(*query.filters, *shown)))
    found = {_find_place(row, query.dimensions): row for row in cells.rows}
    values = [row.dimensions[across] for row in columns.rows]
    return Pivot(
        measure,
        [*([query.window.capitalize()] if query.window != "total" else []), *down],
        [_name(value) for value in values],
        [_make_row(view, row, measure, query, values, found) for row in rows.rows],
        [_make_cell(view, row, measure) for row in (*columns.rows, rows.totals)],
        _count_hidden(rows),
        _count_hidden(columns),
    )


def _make_row(
    view: View,
    row: Row,
    measure: str,
    query: Query,
    values: Sequence[Value],
    found: Mapping[Place, Row],
) -> PivotRow:
    names = [] if row.window is None else [view.label(row.window, query.window)]
    window, place = _find_place(row, query.dimensions[:-1])
    cells = [found.get((window, (*place, value))) for value in values]
    return PivotRow(
        [*names, *map(_name, row.dimensions.values())],
        [PivotCell() if cell is None else _make_cell(view, cell, measure) for cell in cells],
        _make_cell(view, row, measure),
    )


def _make_cell(view: View, row: Row, measure: str) -> PivotCell:
    return PivotCell(format_measure(row, measure), link_records(view, row.window, row.dimensions))


def _find_place(row: Row, dimensions: Sequence[str]) -> Place:
    return row.window, tuple(row.dimensions[name] for name in dimensions)


def _count_hidden(result: Result) -> int:
    return result.groups - len(result.rows)


def _name(value: Value) -> str:
    return "unknown" if value is None else str(value)
