"""Compile a query into SQL.

Input: a `Query`, and the runs of equal windows that cover its period. Output: the SQLAlchemy
statements that group, bound and restrict records; no SQL text of one database.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Integer,
    Label,
    Select,
    String,
    and_,
    case,
    false,
    func,
    not_,
    or_,
    select,
    true,
)

from spantoll.errors import QueryError
from spantoll.query.aggregate import Part
from spantoll.query.cost_state import STATE_MEASURES
from spantoll.query.dimensions import Dimension, Value, find_dimension, find_field
from spantoll.query.measures import Measure, find_measure
from spantoll.query.query import Filter, Operator, Query
from spantoll.query.revenue_measures import REVENUE_MEASURES
from spantoll.query.windows import WindowRun
from spantoll.records.columns import usage_record
from spantoll.storage.tables import rate

__all__ = [
    "list_keys",
    "list_measures",
    "list_order",
    "make_conditions",
    "restrict_period",
    "select_bounds",
    "select_groups",
    "select_price_sets",
    "select_values",
]

r = usage_record.c

Condition = ColumnElement[bool]


def list_measures(query: Query) -> tuple[Measure, ...]:
    """List what is measured: what was asked for, the requests, and with money its state."""
    asked = [find_measure(name) for name in query.measures]
    always = STATE_MEASURES if any(each.unit == "USD" for each in asked) else ("requests",)
    if any(each.name in REVENUE_MEASURES for each in asked):
        always = (*always, "requests_without_revenue")
    return tuple(find_measure(name) for name in dict.fromkeys((*query.measures, *always)))


def select_bounds(query: Query) -> Select[int | None, int | None]:
    """Select when the first and last record of a query started."""
    return select(func.min(r.started_ns), func.max(r.started_ns)).where(*make_conditions(query))


Kept = Sequence[Sequence[Any]]
"""The values of the dimensions of the groups that stay groups of their own."""


def select_groups(
    query: Query, keys: Sequence[Label[Any]], measures: Sequence[Measure]
) -> Select[Any]:
    """Compile a query into its one statement, grouped by `keys`.

    Columns: the keys, per measure its parts `m0p0` ..., the same parts over all groups `m0t0`...,
    and `groups`, how many there are.
    """
    parts = [
        part.over(part.expression).label(f"m{i}p{j}")
        for i, each in enumerate(measures)
        for j, part in enumerate(each.aggregate.parts)
    ]
    answer = (
        select(*keys, *parts)
        .where(*make_conditions(query))
        # by label: PostgreSQL takes the same expression with other parameters for another one
        .group_by(*(key.name for key in keys))
        .subquery("answer")
    )
    totals = [
        _total(query, part, answer.c[f"m{i}p{j}"]).label(f"m{i}t{j}")
        for i, each in enumerate(measures)
        for j, part in enumerate(each.aggregate.parts)
    ]
    statement = select(answer, *totals, func.count().over().label("groups"))
    return statement.order_by(*_order_by(query, answer.c, measures)).limit(query.limit)


def select_values(
    query: Query, keys: Sequence[Label[Any]], column: ColumnElement[int]
) -> Select[Any]:
    """Select how often each group has each value of a column, in order of value.

    Columns: the keys, `value`, and `n` records. NULL is no value.
    """
    value = column.label("value")
    return (
        select(*keys, value, func.count().label("n"))
        .where(*make_conditions(query), column.is_not(None))
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
    keys = [_window_start(runs).label("w")] if runs else []
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


def _total(query: Query, part: Part, column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Merge a part over all groups; distinct values do not merge and are counted again."""
    if part.how != "distinct":
        merged: Any = part.over(column)
        whole: ColumnElement[Any] = merged.over()
        return whole
    return select(part.over(part.expression)).where(*make_conditions(query)).scalar_subquery()


def select_price_sets(query: Query) -> Select[str, str]:
    """Select which price sets priced the records of a query, with their sources."""
    used = select(r.rate_id).where(*make_conditions(query))
    return (
        select(rate.c.source, rate.c.price_set)
        .where(rate.c.rate_id.in_(used))
        .distinct()
        .order_by(rate.c.source, rate.c.price_set)
    )


def make_conditions(query: Query) -> list[Condition]:
    """Select the records a query is about."""
    return restrict_period(
        query.filters, start_ns=query.start_ns, end_ns=query.end_ns, uncounted=query.uncounted
    )


def restrict_period(
    filters: Iterable[Filter], *, start_ns: int | None, end_ns: int | None, uncounted: bool
) -> list[Condition]:
    """Select records by time, counting and filters."""
    wanted: list[Condition] = [] if uncounted else [r.counted == true()]
    if start_ns is not None:
        wanted.append(r.started_ns >= start_ns)
    if end_ns is not None:
        wanted.append(r.started_ns < end_ns)
    return wanted + [_make_condition(each) for each in filters]


def _make_condition(wanted: Filter) -> Condition:
    found = find_field(wanted.field)
    values = [_read_value(found, value) for value in wanted.values]
    known = [value for value in values if value is not None]
    unknown_too = len(known) < len(values)
    if not wanted.negate:
        chosen = _match(found, wanted, known)
        return or_(chosen, found.expression.is_(None)) if unknown_too else chosen
    # NULL NOT IN (...) is NULL: what is not known would be in neither half
    others = not_(_match(found, wanted, known))
    return (
        others & found.expression.is_not(None)
        if unknown_too
        else others | found.expression.is_(None)
    )


def _match(found: Dimension, wanted: Filter, values: Sequence[Any]) -> Condition:
    """Match any of the values by the operator of a filter. Raises QueryError where it has none."""
    column = found.expression
    if wanted.operator == "=":
        return column.in_(values)
    if wanted.operator == "^=":
        if not isinstance(column.type, String):
            raise QueryError(f"filter {found.name}: ^= is for text", field=found.name)
        # not LIKE: SQLite ignores case in it
        begins = (func.substr(column, 1, len(value)) == value for value in values)
        return or_(false(), *begins)
    if len(values) != 1 or not isinstance(column.type, Integer):
        raise QueryError(
            f"filter {found.name}: {wanted.operator} compares a number with one value",
            field=found.name,
        )
    return COMPARE[wanted.operator](column, values[0])


COMPARE: Mapping[Operator, Callable[[Any, Any], Condition]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def _read_value(read_by: Dimension, value: Value) -> Any:
    if value is None or not isinstance(value, str):
        return value
    try:
        return read_by.read(value)
    except ValueError as error:
        raise QueryError(
            f"filter {read_by.name}: cannot read {value!r}: {error}", field=read_by.name
        ) from None


def _window_start(runs: Sequence[WindowRun]) -> ColumnElement[int]:
    time = r.started_ns
    starts = [(run, time - (time - run.start_ns) % run.width_ns) for run in runs]
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
