"""Aggregates made of mergeable parts (sums, minima, maxima), and counts of distinct values.

Input: columns. Output: an `Aggregate`: parts that windows, groups and roll-ups combine exactly, and
the function that makes the answer of them. A ratio is only taken at the end. A count of distinct
values does not merge: the total over all groups is counted on its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Any, Literal, NamedTuple

from sqlalchemy import ColumnElement, Float, cast, func

__all__ = [
    "Aggregate",
    "Number",
    "Part",
    "count_distinct",
    "divide_money",
    "divide_sums",
    "find_extreme",
    "sum_column",
    "to_count",
    "to_exact_number",
    "to_seconds",
    "to_usd",
]

Number = int | float | Decimal | None
"""None: NULL in every record of the group. Money is Decimal USD, ratios and milliseconds float."""

HALF = 2**32


class Part(NamedTuple):
    """One column to aggregate, and how it merges."""

    how: Literal["sum", "min", "max", "distinct"]
    expression: ColumnElement[Any]
    whole: bool = True
    """Whether the column holds integers."""

    def over(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        """Aggregate `column` the way this part merges."""
        if self.how == "distinct":
            return func.count(column.distinct())
        aggregate: ColumnElement[Any] = getattr(func, self.how)(column)
        return aggregate


class Aggregate(NamedTuple):
    """Parts, how they become the answer, and by which expression over them answers are ordered."""

    parts: tuple[Part, ...]
    finish: Callable[..., Number]
    rank: Callable[..., ColumnElement[Any]]

    def sum_halves(self) -> Aggregate:
        """Return the same aggregate made of sums of half words, which cannot overflow 64 bits."""
        parts: list[Part] = []
        for part in self.parts:
            if part.how == "sum" and part.whole:
                parts += [
                    Part("sum", part.expression // HALF),
                    Part("sum", part.expression % HALF),
                ]
            else:
                parts.append(part)

        def join_halves(values: Sequence[Any], base: Any) -> Iterator[Any]:
            rest = iter(values)
            for part in self.parts:
                value = next(rest)
                if part.how == "sum" and part.whole:
                    low = next(rest)
                    value = None if value is None else value * base + low
                yield value

        return Aggregate(
            tuple(parts),
            lambda *values: self.finish(*join_halves(values, HALF)),
            lambda *columns: self.rank(*join_halves(columns, float(HALF))),
        )


def to_usd(nano: Any) -> Decimal | None:
    """Turn integer nano-USD into dollars, exactly."""
    return None if nano is None else Decimal(int(nano)).scaleb(-9)


def sum_column(
    expression: ColumnElement[Any], finish: Callable[[Any], Number] | None = None
) -> Aggregate:
    """Sum a column; None when it is NULL in every record."""
    return Aggregate((Part("sum", expression),), finish or _to_integer, lambda value: value)


def divide_sums(
    above: ColumnElement[Any], below: ColumnElement[Any], scale: int = 1, *, times: int = 1
) -> Aggregate:
    """Divide two sums, times `times` over `scale`; None where the divisor is 0 or NULL."""
    return Aggregate(
        (Part("sum", above), Part("sum", below)),
        lambda a, b: int(a) * times / (int(b) * scale) if b and a is not None else None,
        lambda a, b: cast(a, Float) / func.nullif(b, 0),
    )


def divide_money(nano: ColumnElement[Any], below: ColumnElement[Any]) -> Aggregate:
    """Divide a sum of nano-USD by a sum, rounded half-even to the nano; None without divisor."""
    return Aggregate(
        (Part("sum", nano), Part("sum", below)),
        lambda a, b: to_usd((Decimal(int(a)) / int(b)).to_integral_value()) if b else None,
        lambda a, b: cast(a, Float) / func.nullif(b, 0),
    )


def count_distinct(column: ColumnElement[Any]) -> Aggregate:
    """Count the different values of a column; NULL is none."""
    return Aggregate((Part("distinct", column),), to_count, lambda value: value)


def find_extreme(how: Literal["min", "max"], column: ColumnElement[Any], scale: int) -> Aggregate:
    """Take the least or greatest value; None when every record has NULL."""
    return Aggregate(
        (Part(how, column),),
        lambda value: None if value is None else int(value) / scale,
        lambda value: value,
    )


def _to_integer(value: Any) -> int | None:
    return None if value is None else int(value)


def to_count(value: Any) -> int:
    """Read a sum as a count: NULL, the sum of no records, is 0."""
    return int(value or 0)


def to_exact_number(value: Any) -> Number:
    """Read a number of any kind without losing digits."""
    if value is None:
        return None
    number = Decimal(str(value))
    return int(number) if number == number.to_integral_value() else number.normalize()


def to_seconds(milliseconds: Any) -> Number:
    """Turn integer milliseconds into seconds, exactly."""
    return None if milliseconds is None else Decimal(int(milliseconds)).scaleb(-3)
