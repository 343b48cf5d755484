"""The table of `/explore`: a row for each group and window, which leads to its records.

Input: a result, or a result beside that of an earlier period. Output: `Table`, whose amounts and
changes are texts in the order of the measures. No row is left out silently: `groups` counts all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from spantoll.query import Growth, Result, Window
from spantoll.query.dimensions import Value
from spantoll.surfaces.cells import format_amount, format_measure
from spantoll.surfaces.dashboard.comparison import describe_change
from spantoll.surfaces.dashboard.period import View

__all__ = ["ROWS", "Table", "TableRow", "list_compared_rows", "list_rows"]

ROWS = 200
"""Shown at most; a download has all."""


class TableRow(NamedTuple):
    """A group in a window."""

    window: Window | None
    dimensions: Mapping[str, Value]
    amounts: Sequence[str]
    link: str
    """Address of its records."""
    changes: Sequence[str] = ()
    """Of each measure against the earlier period; empty without one."""


class Table(NamedTuple):
    """What the page shows of an answer."""

    result: Result
    rows: Sequence[TableRow]
    total: TableRow
    groups: int
    """Rows of the whole answer."""


def list_rows(view: View, result: Result) -> Table:
    """Write the rows of a result."""
    measures = result.query.measures
    rows = [
        TableRow(
            row.window,
            row.dimensions,
            [format_measure(row, name) for name in measures],
            link_records(view, row.window, row.dimensions),
        )
        for row in result.rows
    ]
    totals = [format_measure(result.totals, name) for name in measures]
    total = TableRow(None, {}, totals, view.link("/records"))
    return Table(result, rows, total, result.groups)


def list_compared_rows(view: View, growth: Growth) -> Table:
    """Write the rows of a result with the change of each; groups that are gone come last."""
    measures = growth.result.query.measures
    rows = [
        TableRow(
            row.window,
            row.dimensions,
            [format_amount(row.now, name, row.change(name).now) for name in measures],
            link_records(view, row.window, row.dimensions),
            [describe_change(row, name) for name in measures],
        )
        for row in growth.rows[:ROWS]
    ]
    now = growth.result.totals
    total = TableRow(
        None,
        {},
        [format_measure(now, name) for name in measures],
        view.link("/records"),
        [
            "" if growth.totals.before is None else describe_change(growth.totals, name)
            for name in measures
        ],
    )
    return Table(growth.result, rows, total, len(growth.rows))


def link_records(view: View, window: Window | None, dimensions: Mapping[str, Value]) -> str:
    """Return the address of the records of a group in a window."""
    filters = [f"{name}={'' if value is None else value}" for name, value in dimensions.items()]
    within = view if window is None else view.limit_to(window)
    return within.link("/records", *filters)
