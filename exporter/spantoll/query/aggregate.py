"""Aggregates made of mergeable parts (sums, minima, maxima).

The parts of windows, groups and roll-ups combine exactly; a ratio is only taken at the end.
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
    "count",
    "exact",
    "extreme",
    "ratio",
    "seconds",
    "total",
    "usd",
]

Number = int | float | Decimal | None
"""None: nothing in the group says. Money is Decimal USD, ratios and milliseconds are float."""

HALF = 2**32


class Part(NamedTuple):
    """One column to aggregate, and how it merges."""

    how: Literal["sum", "min", "max"]
    expression: ColumnElement[Any]
    whole: bool = True
    """Whether the column holds integers."""

    def over(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        """Aggregate `column` the way this part merges."""
        aggregate: ColumnElement[Any] = getattr(func, self.how)(column)
        return aggregate


class Aggregate(NamedTuple):
    """Parts, how they become the answer, and by which expression over them answers are ordered."""

    parts: tuple[Part, ...]
    finish: Callable[..., Number]
    rank: Callable[..., ColumnElement[Any]]

    def halved(self) -> Aggregate:
        """Give the same aggregate made of sums of half words, which cannot overflow 64 bits."""
        parts: list[Part] = []
        for part in self.parts:
            if part.how == "sum" and part.whole:
                parts += [
                    Part("sum", part.expression // HALF),
                    Part("sum", part.expression % HALF),
                ]
            else:
                parts.append(part)

        def joined(values: Sequence[Any], base: Any) -> Iterator[Any]:
            rest = iter(values)
            for part in self.parts:
                value = next(rest)
                if part.how == "sum" and part.whole:
                    low = next(rest)
                    value = None if value is None else value * base + low
                yield value

        return Aggregate(
            tuple(parts),
            lambda *values: self.finish(*joined(values, HALF)),
            lambda *columns: self.rank(*joined(columns, float(HALF))),
        )


def usd(nano: Any) -> Decimal | None:
    """Turn integer nano-USD into dollars, exactly."""
    return None if nano is None else Decimal(int(nano)).scaleb(-9)


def total(
    expression: ColumnElement[Any], finish: Callable[[Any], Number] | None = None
) -> Aggregate:
    """Add up; None when no record knows."""
    return Aggregate((Part("sum", expression),), finish or _whole, lambda value: value)


def ratio(above: ColumnElement[Any], below: ColumnElement[Any], scale: int = 1) -> Aggregate:
    """Divide two sums; None over nothing."""
    return Aggregate(
        (Part("sum", above), Part("sum", below)),
        lambda a, b: int(a) / (int(b) * scale) if b else None,
        lambda a, b: cast(a, Float) / func.nullif(b, 0),
    )


def extreme(how: Literal["min", "max"], column: ColumnElement[Any], scale: int) -> Aggregate:
    """Take the least or greatest value; None over nothing."""
    return Aggregate(
        (Part(how, column),),
        lambda value: None if value is None else int(value) / scale,
        lambda value: value,
    )


def _whole(value: Any) -> int | None:
    return None if value is None else int(value)


def count(value: Any) -> int:
    """Read a sum in which nothing is zero."""
    return int(value or 0)


def exact(value: Any) -> Number:
    """Read a number of any kind without losing digits."""
    if value is None:
        return None
    number = Decimal(str(value))
    return int(number) if number == number.to_integral_value() else number.normalize()


def seconds(milliseconds: Any) -> Number:
    """Turn integer milliseconds into seconds, exactly."""
    return None if milliseconds is None else Decimal(int(milliseconds)).scaleb(-3)
