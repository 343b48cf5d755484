"""Count distinct values from roll-ups, apart from the sums of a query.

Input: the rows of a query, whose sums were read without these counts. Output: the same rows with
how many values of a column each group has, and all groups together. A roll-up has a value once for
many records, but only one that groups by the column has it: sums are often read from another one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Label, func, null, select

from spantoll.query.aggregate import Aggregate
from spantoll.query.measure import Measure
from spantoll.query.query import Query
from spantoll.query.roll_ups import Plan
from spantoll.query.statement import list_order, select_rolled_sums

__all__ = ["fill_distinct", "leave_out_distinct", "plan_distinct"]

LEFT_OUT = Aggregate((), lambda: None, null)


def plan_distinct(
    query: Query,
    keys: Sequence[ColumnElement[Any]],
    measures: Sequence[Measure],
    *,
    plan: Callable[[Sequence[ColumnElement[Any]]], Plan],
) -> dict[int, Plan]:
    """Plan from which roll-ups distinct values are counted, by the number of the measure.

    Without those that the rows are ordered by, which SQL has to know, and those that no roll-up
    groups by: they are counted with the sums.
    """
    order = {name.removeprefix("-") for name in list_order(query)} if keys else set()
    plans = {
        i: plan([*keys, each.aggregate.parts[0].expression])
        for i, each in enumerate(measures)
        if each.aggregate.parts[0].how == "distinct" and each.name not in order
    }
    return {i: found for i, found in plans.items() if found.roll_ups}


def leave_out_distinct(
    measures: Sequence[Measure], plans: Mapping[int, Plan]
) -> tuple[Measure, ...]:
    """Return the measures without the parts of those that `plan_distinct` has planned."""
    return tuple(
        each._replace(aggregate=LEFT_OUT) if i in plans else each for i, each in enumerate(measures)
    )


def fill_distinct(
    connection: Connection,
    query: Query,
    keys: Sequence[Label[Any]],
    measures: Sequence[Measure],
    found: Sequence[dict[str, Any]],
    *,
    plans: Mapping[int, Plan],
) -> None:
    """Count the values of each planned measure, as its part of each row and of all groups."""
    names = [key.name for key in keys]
    for i, plan in plans.items():
        value = measures[i].aggregate.parts[0].expression.label("value")
        rolled = select_rolled_sums(query, [*keys, value], {}, plan).subquery("rolled").c
        columns = [rolled[name] for name in names]
        counts = select(*columns, func.count(rolled.value)).group_by(*columns)
        counted = {tuple(key): count for *key, count in connection.execute(counts)}
        total = connection.scalar(select(func.count(rolled.value.distinct())))
        for row in found:
            row[f"m{i}p0"] = counted.get(tuple(row[name] for name in names), 0)
            row[f"m{i}t0"] = total
