"""Queries as people and URLs write them; every surface parses its text here.

Input: names, periods, filters such as `field=value`. Output: a `Query`, filters, UTC nanoseconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from spantoll.errors import QueryError
from spantoll.query.conditions import check_filter
from spantoll.query.dimensions import Value, find_field
from spantoll.query.names import make_unknown_name_error
from spantoll.query.query import MEASURES, Filter, Operator, Query
from spantoll.query.times import parse_time, subtract_period
from spantoll.query.windows import find_zone

__all__ = ["parse_filters", "parse_period", "parse_query"]

FILTER = re.compile(
    r"(?P<field>[^=<>^!]+)(?P<not>!?)(?P<sign>=|\^=|<=|>=|<|>)(?P<value>.*)", re.DOTALL
)
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
FILTER_FORMS = ("field=value", "field!=value", "field^=prefix", "field>=number", "field<number")


def parse_query(
    *,
    measure: Sequence[str] = (),
    by: Sequence[str] = (),
    where: Sequence[str] = (),
    start: str | None = None,
    end: str | None = None,
    last: str | None = None,
    window: str = "total",
    tz: str = "UTC",
    order: Sequence[str] = (),
    limit: int | None = None,
    uncounted: bool = False,
    exact: bool = False,
    fill: bool = False,
    others: bool = False,
    week_start: str | None = None,
    fiscal_start: int = 1,
    now_ns: int,
) -> Query:
    """Build a query from text, by the names of REST parameters and options of the command line.

    `start` and `end` are `from` and `to` there: `from` is a keyword of Python. Raises QueryError
    naming what cannot be read.
    """
    start_ns, end_ns = parse_period(start=start, end=end, last=last, tz=tz, now_ns=now_ns)
    return Query(
        measures=measure or MEASURES,
        dimensions=by,
        filters=parse_filters(where),
        start_ns=start_ns,
        end_ns=end_ns,
        window=window,
        tz=tz,
        order=order,
        limit=limit,
        uncounted=uncounted,
        exact=exact,
        fill=fill,
        others=others,
        week_start=_read_weekday(week_start),
        fiscal_start=fiscal_start,
    )


def _read_weekday(name: str | None) -> int:
    if name is None:
        return 0
    lower = name.lower()
    found = [i for i, day in enumerate(WEEKDAYS) if len(lower) > 1 and day.startswith(lower)]
    if len(found) != 1:
        raise make_unknown_name_error(name, field="week_start", allowed=WEEKDAYS)
    return found[0]


def parse_filters(texts: Iterable[str]) -> tuple[Filter, ...]:
    """Read `field=value`, `field!=value`, `field^=prefix`, `field>=number` and the like.

    Nothing after the sign matches what is unknown (NULL). Values for one field given with the same
    `=` or `^=` are alternatives; each `!=` excludes one more, each comparison narrows further.
    Raises QueryError for a field or a value that cannot be.
    """
    values: dict[tuple[str, bool, Operator], list[Value]] = {}
    compared: list[Filter] = []
    for text in texts:
        matched = FILTER.fullmatch(text)
        if matched is None:
            raise QueryError(f"filter {text!r}: write {', '.join(FILTER_FORMS)}", field="filter")
        name = find_field(matched["field"].strip()).name
        sign: Any = matched["sign"]
        value, negate = matched["value"], matched["not"] == "!"
        if sign in ("=", "^="):
            values.setdefault((name, negate, sign), []).append(value or None)
        else:
            compared.append(Filter(name, (value,), negate, sign))
    alternatives = (
        Filter(name, tuple(given), negate, sign) for (name, negate, sign), given in values.items()
    )
    filters = (*alternatives, *compared)
    for each in filters:
        check_filter(each)
    return filters


def parse_period(
    *, start: str | None, end: str | None, last: str | None, tz: str, now_ns: int
) -> tuple[int | None, int | None]:
    """Read a period: from (inclusive) and to (exclusive), or the last 7d until now."""
    zone = find_zone(tz)
    if last is not None:
        if start is not None or end is not None:
            raise QueryError("give either last, or from and to", field="last")
        return subtract_period(last, tz=zone, now_ns=now_ns), now_ns
    return (
        None if start is None else parse_time(start, field="from", tz=zone, now_ns=now_ns),
        None if end is None else parse_time(end, field="to", tz=zone, now_ns=now_ns),
    )
