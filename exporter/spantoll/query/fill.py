"""Rows for windows in which a group has no records.

Input: rows in order of window, and all windows of the period. Output: every group in every window;
counts are 0 there, and what is unknown of nothing, such as a rate or a cost, is None.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from spantoll.errors import QueryError
from spantoll.query.dimensions import Value
from spantoll.query.query import Query
from spantoll.query.result import Row
from spantoll.query.windows import Window

__all__ = ["MAX_ROWS", "fill_windows"]

MAX_ROWS = 100_000
"""More rows than this are a mistake, not a report."""


def fill_windows(
    rows: Sequence[Row], covering: Sequence[Window], empty: Row, query: Query
) -> Sequence[Row]:
    """Add a row wherever a group has none. Raises QueryError where that makes too many."""
    groups = list(dict.fromkeys(map(_name_group, rows)))
    if not groups and not query.dimensions:
        groups = [((), False)]
    if len(groups) * len(covering) > MAX_ROWS:
        raise QueryError(
            f"fill: {len(groups):,} groups in {len(covering):,} windows are more than "
            f"{MAX_ROWS:,} rows: ask for a wider window, or a limit with others",
            field="fill",
        )
    found: dict[Window | None, list[Row]] = {}
    for row in rows:
        found.setdefault(row.window, []).append(row)
    filled: list[Row] = []
    for window in covering:
        here = found.get(window, [])
        there = {_name_group(row) for row in here}
        missing = [group for group in groups if group not in there]
        filled += here
        filled += (
            replace(empty, window=window, dimensions=dict(dimensions), others=others)
            for dimensions, others in missing
        )
    return filled


def _name_group(row: Row) -> tuple[tuple[tuple[str, Value], ...], bool]:
    return tuple(row.dimensions.items()), row.others
