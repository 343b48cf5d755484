"""Select records by time, counting and the filters of a query.

Input: a `Query`, or filters and a period. Output: SQLAlchemy conditions over `usage_record`. What
is unknown (NULL) meets no comparison, and is neither equal nor unequal to a value.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Integer, String, and_, false, func, not_, or_, true

from spantoll.errors import QueryError
from spantoll.query.dimensions import Dimension, Value, find_field
from spantoll.query.names import make_unknown_name_error
from spantoll.query.query import Filter, Operator, Query
from spantoll.records.columns import usage_record

__all__ = [
    "Condition",
    "check_filter",
    "make_conditions",
    "make_filter_conditions",
    "restrict_period",
    "restrict_to_spans",
]

r = usage_record.c

Condition = ColumnElement[bool]


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


def make_filter_conditions(query: Query) -> list[Condition]:
    """Select by the filters of a query alone."""
    return [_make_condition(each) for each in query.filters]


def check_filter(wanted: Filter) -> None:
    """Raise QueryError if the values of a filter cannot be read, or no record ever has them."""
    _make_condition(wanted)


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
        for value in values:
            if found.allowed and value not in found.allowed:
                raise make_unknown_name_error(str(value), field=found.name, allowed=found.allowed)
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


def restrict_to_spans(spans: Iterable[tuple[int | None, int | None]]) -> Condition:
    """Select what started in any of the half-open spans; None is an open end."""
    periods = []
    for start_ns, end_ns in spans:
        conditions = [] if start_ns is None else [r.started_ns >= start_ns]
        conditions += [] if end_ns is None else [r.started_ns < end_ns]
        periods.append(and_(true(), *conditions))
    return or_(false(), *periods)
