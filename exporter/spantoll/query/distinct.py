"""Count distinct values from roll-ups, apart from the sums of a query.

Input: the rows of a query, whose sums were read without these counts. Output: the same rows with
how many values of a column each group has, and all groups together. A roll-up has a value once for
many records, but only one that groups by the column has it: sums are often read from another one.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Label, func, null, select

from spantoll.query.aggregate import Aggregate
from spantoll.query.measure import Measure
from spantoll.query.plan import Plan
from spantoll.query.query import Query
from spantoll.query.rolled_sums import select_rolled_sums
from spantoll.query.statement import list_order

__all__ = ["fill_distinct", "leave_out_measures", "plan_distinct"]

LEFT_OUT = Aggregate((), lambda: None, null)
"""Of a measure that is read apart from the sums."""


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
    return {i: found for i, found in plans.items() if found.reads_roll_ups}


def leave_out_measures(measures: Sequence[Measure], numbers: Container[int]) -> tuple[Measure, ...]:
    """Return the measures without the parts of those that are read apart, by their numbers."""
    return tuple(
        each._replace(aggregate=LEFT_OUT) if i in numbers else each
        for i, each in enumerate(measures)
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
        # Read once for both counts: a common table expression that is used twice is materialised.
        rolled = select_rolled_sums(query, [*keys, value], {}, plan).cte("rolled").c
        columns = [rolled[name] for name in names]
        total = select(func.count(rolled.value.distinct())).scalar_subquery()
        counts = select(*columns, func.count(rolled.value), total).group_by(*columns)
        answers = {tuple(key): (count, every) for *key, count, every in connection.execute(counts)}
        _, total_count = next(iter(answers.values()), (0, 0))
        for row in found:
            row[f"m{i}p0"], _ = answers.get(tuple(row[name] for name in names), (0, 0))
            row[f"m{i}t0"] = total_count
