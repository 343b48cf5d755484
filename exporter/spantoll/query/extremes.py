"""Read least and greatest values from records, apart from the sums of a query.

Input: the rows of a query, whose sums were read without these measures. Output: the same rows with
the extremes of each group, and of all groups together. Roll-ups have no extremes: a row cannot be
subtracted from them. Read apart, they keep no sum from being read from roll-ups.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Label

from spantoll.query.measure import Measure
from spantoll.query.plan import Plan
from spantoll.query.query import Query
from spantoll.query.statement import list_order, select_groups

__all__ = ["fill_extremes", "find_extremes"]


def find_extremes(
    query: Query, keys: Sequence[Label[Any]], measures: Sequence[Measure]
) -> Mapping[int, Measure]:
    """Find the measures that are extremes, by their number in `measures`.

    Without those that the rows are ordered by, which SQL has to know.
    """
    order = {name.removeprefix("-") for name in list_order(query)} if keys else set()
    return {
        i: each
        for i, each in enumerate(measures)
        if each.name not in order
        and any(part.how in ("min", "max") for part in each.aggregate.parts)
    }


def fill_extremes(
    connection: Connection,
    query: Query,
    keys: Sequence[Label[Any]],
    found: Collection[dict[str, Any]],
    *,
    extremes: Mapping[int, Measure],
    plan: Plan,
) -> None:
    """Read the extremes, as their parts of each row and of all groups; None where none is known."""
    names = [key.name for key in keys]
    every_group = replace(query, limit=None)
    statement = select_groups(every_group, keys, list(extremes.values()), plan)
    rows = {
        tuple(row[name] for name in names): row
        for row in (each._asdict() for each in connection.execute(statement))
    }
    total = next(iter(rows.values()), {})
    for row in found:
        own = rows.get(tuple(row[name] for name in names), {})
        for j, (i, measure) in enumerate(extremes.items()):
            for k in range(len(measure.aggregate.parts)):
                row[f"m{i}p{k}"] = own.get(f"m{j}p{k}")
                row[f"m{i}t{k}"] = total.get(f"m{j}t{k}")
