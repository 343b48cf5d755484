"""Queries as people and URLs write them; every surface reads its words here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from spantoll.errors import QueryError
from spantoll.query.dimensions import Value, dimension
from spantoll.query.query import MEASURES, Filter, Query
from spantoll.query.times import ago, instant
from spantoll.query.windows import zone

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
    now_ns: int,
) -> Query:
    """Build a query from words. Raises QueryError naming the one that cannot be read."""
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
    )


def parse_filters(texts: Iterable[str]) -> tuple[Filter, ...]:
    """Read `field=value` and `field!=value`; nothing after the sign means: not known.

    Values for one field given with `=` are alternatives; each `!=` excludes one more.
    """
    values: dict[tuple[str, bool], list[Value]] = {}
    for text in texts:
        field, sign, value = text.partition("=")
        if not sign:
            raise QueryError(f"filter {text!r}: write field=value or field!=value", field="filter")
        negate = field.endswith("!")
        name = dimension(field.removesuffix("!").strip(), field="filter").name
        values.setdefault((name, negate), []).append(value or None)
    return tuple(Filter(name, tuple(of), negate) for (name, negate), of in values.items())


def parse_period(
    *, start: str | None, end: str | None, last: str | None, tz: str, now_ns: int
) -> tuple[int | None, int | None]:
    """Read a period: from (inclusive) and to (exclusive), or the last 7d until now."""
    of = zone(tz)
    if last is not None:
        if start is not None or end is not None:
            raise QueryError("give either last, or from and to", field="last")
        return ago(last, tz=of, now_ns=now_ns), now_ns
    return (
        None if start is None else instant(start, field="from", tz=of, now_ns=now_ns),
        None if end is None else instant(end, field="to", tz=of, now_ns=now_ns),
    )
