"""Answer a query from committed records.

Input: an engine and a `Query`. Output: a `Result`, from one statement (`query/statement.py`), whose
sums are finished in Python: money as Decimal, ratios last.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from spantoll.errors import StoreUnavailable
from spantoll.query.dimensions import Dimension, find_dimension
from spantoll.query.measures import Measure, find_measure
from spantoll.query.percentiles import fill_percentiles
from spantoll.query.query import Query
from spantoll.query.result import PriceSetUsed, Result, Row
from spantoll.query.statement import (
    list_measures,
    list_order,
    select_bounds,
    select_groups,
    select_price_sets,
)
from spantoll.query.windows import LAST_NS, Window, find_zone, join_windows, list_windows

__all__ = ["reading", "run"]


def run(engine: Engine, query: Query) -> Result:
    """Answer a query from committed records, in one statement.

    Raises QueryError when it asks for too many windows, StoreUnavailable when the database cannot
    be read.
    """
    measures = list_measures(query)
    with reading(engine) as connection:
        covering: tuple[Window, ...] = ()
        asked = query
        if query.window != "total":
            start_ns, end_ns = _close_period(connection, query)
            covering = list_windows(
                query.window, start_ns=start_ns, end_ns=end_ns, tz=find_zone(query.tz)
            )
            if not covering:
                return Result(query, (), _make_row({}, "t", measures), 0)
            asked = replace(query, start_ns=start_ns, end_ns=end_ns)
        by_percentile = _orders_by_percentile(query)
        if by_percentile:
            asked = replace(asked, limit=None)
        try:
            found = _fetch_groups(connection, asked, covering, measures)
        except DBAPIError:
            # A sum may exceed 64 bits, for which each database has an error of its own: one span
            # whose counters are noise must not end every report. Sums of halves cannot overflow;
            # whatever else is wrong fails again.
            connection.rollback()
            measures = tuple(map(_sum_halves, measures))
            found = _fetch_groups(connection, asked, covering, measures)
        used = connection.execute(select_price_sets(asked)).all() if _has_money(measures) else ()
    if not found:
        return Result(query, (), _make_row({}, "t", measures), 0)
    by_start = {window.start_ns: window for window in covering}
    dimensions = [find_dimension(name) for name in query.dimensions]
    rows = [
        _make_row(each, "p", measures, dimensions, by_start[each["w"]] if covering else None)
        for each in found
    ]
    if by_percentile:
        rows = _sort_rows(rows, list_order(query))[: query.limit]
    sets = tuple(PriceSetUsed(*each) for each in used)
    return Result(query, rows, _make_row(found[0], "t", measures), found[0]["groups"], sets)


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Connect for reading. Raises StoreUnavailable for every error of the database."""
    try:
        with engine.connect() as connection:
            yield connection
    except DBAPIError as error:
        raise StoreUnavailable(f"cannot read the database: {error.orig}") from error


def _fetch_groups(
    connection: Connection,
    query: Query,
    covering: Sequence[Window],
    measures: Sequence[Measure],
) -> list[dict[str, Any]]:
    runs = join_windows(covering)
    found = [row._asdict() for row in connection.execute(select_groups(query, runs, measures))]
    if found:
        fill_percentiles(connection, query, runs, measures, found)
    return found


def _sum_halves(measure: Measure) -> Measure:
    if measure.percentile is not None:  # it counts values, which fit
        return measure
    return measure._replace(aggregate=measure.aggregate.sum_halves())


def _close_period(connection: Connection, query: Query) -> tuple[int, int]:
    """Close an open beginning or end with the first or last record; empty when there is none."""
    if query.start_ns is not None and query.end_ns is not None:
        return query.start_ns, query.end_ns
    first, last = connection.execute(select_bounds(query)).one()
    if first is None or last is None:
        return 0, 0
    return (
        first if query.start_ns is None else query.start_ns,
        min(last + 1, LAST_NS) if query.end_ns is None else query.end_ns,
    )


def _orders_by_percentile(query: Query) -> bool:
    names = {name.removeprefix("-") for name in list_order(query)}
    return any(find_measure(name).percentile for name in names & set(query.measures))


def _sort_rows(rows: Sequence[Row], order: Sequence[str]) -> list[Row]:
    """Sort by what SQL cannot sort by; rows without an answer come last, ties stay as they are."""
    ordered = list(rows)
    for text in reversed(order):
        name = text.removeprefix("-")
        values: list[Any] = [row.window if name == "window" else row[name] for row in ordered]
        known = [i for i, value in enumerate(values) if value is not None]
        unknown = [i for i, value in enumerate(values) if value is None]
        known.sort(key=values.__getitem__, reverse=text.startswith("-"))
        ordered = [ordered[i] for i in (*known, *unknown)]
    return ordered


def _has_money(measures: Sequence[Measure]) -> bool:
    return any(each.unit == "USD" for each in measures)


def _make_row(
    found: Mapping[str, Any],
    parts: str,
    measures: Sequence[Measure],
    dimensions: Sequence[Dimension] = (),
    window: Window | None = None,
) -> Row:
    """Finish the aggregates whose parts are called `p` (of a group) or `t` (of all groups)."""
    return Row(
        window=window,
        dimensions={each.name: each.show(found[f"d{i}"]) for i, each in enumerate(dimensions)},
        measures={
            each.name: each.aggregate.finish(
                *(found.get(f"m{i}{parts}{j}") for j in range(len(each.aggregate.parts)))
            )
            for i, each in enumerate(measures)
        },
    )
