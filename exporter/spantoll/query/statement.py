"""Compile a query into SQL.

Input: a `Query`, and the runs of equal windows that cover its period. Output: the SQLAlchemy
statements that group, bound and restrict records; no SQL text of one database.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Label, Select, and_, case, false, func, or_, select

from spantoll.query.aggregate import Part
from spantoll.query.conditions import Condition, make_conditions
from spantoll.query.cost_state import STATE_MEASURES
from spantoll.query.dimensions import find_dimension
from spantoll.query.measures import Measure, find_measure
from spantoll.query.plan import Plan
from spantoll.query.query import Query
from spantoll.query.revenue_measures import REVENUE_MEASURES
from spantoll.query.rolled_sums import WINDOW, select_rolled_sums
from spantoll.query.windows import WindowRun
from spantoll.records.columns import usage_record
from spantoll.storage.tables import rate

__all__ = [
    "list_keys",
    "list_measures",
    "list_order",
    "select_bounds",
    "select_groups",
    "select_price_sets",
    "select_values",
]

r = usage_record.c


def list_measures(query: Query) -> tuple[Measure, ...]:
    """List what is measured: what was asked for, the requests, and with money its state."""
    asked = [find_measure(name) for name in query.measures]
    always = STATE_MEASURES if any(each.unit == "USD" for each in asked) else ("requests",)
    if any(each.name in REVENUE_MEASURES for each in asked):
        always = (*always, "requests_without_revenue")
    return tuple(find_measure(name) for name in dict.fromkeys((*query.measures, *always)))


def select_bounds(query: Query) -> Select[int | None, int | None]:
    """Select when the first and last record of a query started."""
    times = select(r.started_ns).where(*make_conditions(query)).limit(1)
    # Each reads an index up to the first record that meets the conditions.
    first = times.order_by(r.started_ns).scalar_subquery()
    last = times.order_by(r.started_ns.desc()).scalar_subquery()
    return select(first, last)


Kept = Sequence[Sequence[Any]]
"""The values of the dimensions of the groups that stay groups of their own."""


def select_groups(
    query: Query, keys: Sequence[Label[Any]], measures: Sequence[Measure], plan: Plan
) -> Select[Any]:
    """Compile a query into its one statement, grouped by `keys`, reading what `plan` says.

    Columns: the keys, per measure its parts `m0p0` ..., the same parts over all groups `m0t0`...,
    and `groups`, how many there are.
    """
    parts = {
        f"m{i}p{j}": part
        for i, each in enumerate(measures)
        for j, part in enumerate(each.aggregate.parts)
    }
    if plan.reads_roll_ups:
        added = {name: part.expression for name, part in parts.items()}
        answer = select_rolled_sums(query, keys, added, plan).subquery("answer")
    else:
        columns = (part.over(part.expression).label(name) for name, part in parts.items())
        answer = (
            select(*keys, *columns)
            .where(*_restrict_to_plan(query, plan))
            # by label: PostgreSQL takes the same expression with other parameters for another one
            .group_by(*(key.name for key in keys))
            .subquery("answer")
        )
    totals = [
        _total(query, plan, part, answer.c[f"m{i}p{j}"]).label(f"m{i}t{j}")
        for i, each in enumerate(measures)
        for j, part in enumerate(each.aggregate.parts)
    ]
    statement = select(answer, *totals, func.count().over().label("groups"))
    return statement.order_by(*_order_by(query, answer.c, measures)).limit(query.limit)


def select_values(
    query: Query, keys: Sequence[Label[Any]], column: ColumnElement[int], plan: Plan
) -> Select[Any]:
    """Select how often each group has each value of a column, in order of value.

    Columns: the keys, `value`, and `n` records. NULL is no value.
    """
    value = column.label("value")
    if plan.reads_roll_ups:
        rolled = select_rolled_sums(query, [*keys, value], {}, plan).subquery("rolled")
        columns = [rolled.c[key.name] for key in keys]
        known = rolled.c.value.is_not(None)
        return select(*columns, rolled.c.value, rolled.c.n).where(known).order_by("value")
    return (
        select(*keys, value, func.count().label("n"))
        .where(*_restrict_to_plan(query, plan), column.is_not(None))
        .group_by(*(key.name for key in keys), "value")
        .order_by("value")
    )


def list_keys(
    query: Query, runs: Sequence[WindowRun], kept: Kept | None = None
) -> list[Label[Any]]:
    """List what groups: `w` window start if there are `runs`, `d0`... dimensions.

    With `kept`, all groups but those are one, whose dimensions are NULL and whose key `o` is 1.
    """
    dimensions = [find_dimension(name).expression for name in query.dimensions]
    keys = [_window_start(runs).label(WINDOW)] if runs else []
    if kept is not None:
        is_kept = or_(
            false(),
            *(
                and_(*(_equals(*pair) for pair in zip(dimensions, values, strict=True)))
                for values in kept
            ),
        )
        keys.append(case((is_kept, 0), else_=1).label("o"))
        dimensions = [case((is_kept, each)) for each in dimensions]
    return [*keys, *(each.label(f"d{i}") for i, each in enumerate(dimensions))]


def _equals(expression: ColumnElement[Any], value: Any) -> Condition:
    return expression.is_(None) if value is None else expression == value


def _total(query: Query, plan: Plan, part: Part, column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Merge a part over all groups; distinct values do not merge and are counted again."""
    if part.how != "distinct":
        merged: Any = part.over(column)
        whole: ColumnElement[Any] = merged.over()
        return whole
    counted = select(part.over(part.expression)).where(*_restrict_to_plan(query, plan))
    return counted.scalar_subquery()


def select_price_sets(query: Query, plan: Plan) -> Select[str, str]:
    """Select which price sets priced the records of a query, with their sources."""
    # Grouped: ClickHouse reads a list of many rows in one thread.
    used = select(r.rate_id).where(*_restrict_to_plan(query, plan)).group_by(r.rate_id)
    if plan.reads_roll_ups:
        rolled = select_rolled_sums(query, [r.rate_id.label("rate_id")], {}, plan).subquery()
        used = select(rolled.c.rate_id)
    return (
        select(rate.c.source, rate.c.price_set)
        .where(rate.c.rate_id.in_(used))
        .distinct()
        .order_by(rate.c.source, rate.c.price_set)
    )


def _restrict_to_plan(query: Query, plan: Plan) -> list[Condition]:
    """Select the records of a query where a plan reads nothing but records."""
    deleted = [r.started_ns >= span.end_ns for span in plan.missing if span.end_ns is not None]
    return [*make_conditions(query), *deleted]


def _window_start(runs: Sequence[WindowRun]) -> ColumnElement[int]:
    time = r.started_ns
    starts = [(run, time - (time - run.start_ns) % run.width_ns) for run in runs]
    # Before the first window there are no records, but rows of roll-ups that cancel each other:
    # those of one day in one window, although % of a negative number is negative.
    width_ns = runs[0].width_ns
    into_ns = ((time - runs[0].start_ns) % width_ns + width_ns) % width_ns
    starts[0] = (runs[0], time - into_ns)
    *earlier, (_, last) = starts
    if not earlier:
        return last
    return case(*((time < run.end_ns, start) for run, start in earlier), else_=last)


def _order_by(query: Query, c: Any, measures: Sequence[Measure]) -> list[ColumnElement[Any]]:
    ranks: dict[str, ColumnElement[Any]] = {
        name: c[f"d{i}"] for i, name in enumerate(query.dimensions)
    }
    for i, each in enumerate(measures):
        if each.percentile is not None:
            continue
        parts = (c[f"m{i}p{j}"] for j in range(len(each.aggregate.parts)))
        ranks[each.name] = each.aggregate.rank(*parts)
    ranks.update((name, c[key]) for name, key in (("window", "w"), ("others", "o")) if key in c)
    leading = list(list_order(query))
    leading.insert(leading[:1] == ["window"], "others")
    ties = ("window", *query.dimensions)
    ordered: list[ColumnElement[Any]] = []
    for name in dict.fromkeys((*leading, *ties)):
        rank = ranks.get(name.removeprefix("-"))
        if rank is not None:
            # databases disagree on where NULL sorts
            ordered += [rank.is_(None), rank.desc() if name.startswith("-") else rank]
    return ordered


def list_order(query: Query) -> Sequence[str]:
    """List what the rows are ordered by, the ties aside."""
    if query.order:
        return query.order
    largest = "cost_usd" if "cost_usd" in query.measures else query.measures[0]
    return ("window", f"-{largest}")
