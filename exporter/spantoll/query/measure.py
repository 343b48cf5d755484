"""The measures by name, and what makes a function one of them.

Input: functions that return an `Aggregate`, decorated with their unit. Output: `MEASURES`. The
modules `measures`, `health_measures` and `speed_measures` fill it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from sqlalchemy import Column, ColumnElement, case

from spantoll.query.aggregate import Aggregate, sum_column, to_count
from spantoll.records.columns import usage_record

__all__ = [
    "MEASURES",
    "Measure",
    "Percentile",
    "count_known",
    "register_measure",
    "sum_requests_if",
]


class Percentile(NamedTuple):
    """A nearest-rank percentile: of every value of `column`, or of the buckets it is stored in."""

    percent: int
    column: Column[Any]
    """Nanoseconds."""
    bucket: Column[Any] | None = None
    """Number of the logarithmic bucket of `column`, if it is stored."""


class Measure(NamedTuple):
    """An aggregate with its name and unit."""

    name: str
    unit: str
    help: str
    aggregate: Aggregate
    marks: str = ""
    """The marks that an amount of it can carry: `~` estimated, `+` something is left out."""
    percentile: Percentile | None = None
    """Set where the answer is a percentile; the aggregate then counts the values."""


MEASURES: dict[str, Measure] = {}


def register_measure(
    unit: str, *, marks: str = ""
) -> Callable[[Callable[[], Aggregate]], Callable[[], Aggregate]]:
    """Register a function as the measure of its name."""

    def register(function: Callable[[], Aggregate]) -> Callable[[], Aggregate]:
        name = function.__name__
        MEASURES[name] = Measure(name, unit, (function.__doc__ or "").strip(), function(), marks)
        return function

    return register


def count_known(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return 1 where the column is not NULL, else 0."""
    return case((column.is_not(None), 1), else_=0)


def sum_requests_if(condition: ColumnElement[bool]) -> Aggregate:
    """Count the model calls of the records for which the condition holds."""
    return sum_column(case((condition, usage_record.c.requests), else_=0), to_count)
