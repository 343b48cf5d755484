"""Queries as people and URLs write them; every surface parses its text here.

Input: `field=value` filters, periods, names. Output: a `Query`, filters, UTC nanoseconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from spantoll.errors import QueryError
from spantoll.query.dimensions import Value, find_dimension
from spantoll.query.query import MEASURES, Filter, Query
from spantoll.query.times import parse_time, subtract_period
from spantoll.query.windows import find_zone

__all__ = ["parse_filters", "parse_period", "parse_query"]


def parse_query(
    *,
    measures: Sequence[str] = (),
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
    now_ns: int,
) -> Query:
    """Build a query from text. Raises QueryError naming what cannot be read."""
    start_ns, end_ns = parse_period(start=start, end=end, last=last, tz=tz, now_ns=now_ns)
    return Query(
        measures=measures or MEASURES,
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
    )


def parse_filters(texts: Iterable[str]) -> tuple[Filter, ...]:
    """Read `field=value` and `field!=value`; nothing after the sign matches what is unknown (NULL).

    Values for one field given with `=` are alternatives; each `!=` excludes one more.
    """
    values: dict[tuple[str, bool], list[Value]] = {}
    for text in texts:
        field, sign, value = text.partition("=")
        if not sign:
            raise QueryError(f"filter {text!r}: write field=value or field!=value", field="filter")
        negate = field.endswith("!")
        name = find_dimension(field.removesuffix("!").strip(), field="filter").name
        values.setdefault((name, negate), []).append(value or None)
    return tuple(Filter(name, tuple(given), negate) for (name, negate), given in values.items())


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
