"""Answer a query from committed records.

Input: an engine and a `Query`. Output: a `Result`, from one statement (`query/statement.py`), whose
sums are finished in Python: money as Decimal, ratios last.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, Label
from sqlalchemy.exc import DBAPIError

from spantoll.errors import StoreUnavailable
from spantoll.query.dimensions import Dimension, find_dimension
from spantoll.query.fill import fill_windows
from spantoll.query.measures import Measure, find_measure
from spantoll.query.percentiles import fill_percentiles
from spantoll.query.query import Query
from spantoll.query.result import PriceSetUsed, Result, Row
from spantoll.query.statement import (
    Kept,
    list_keys,
    list_measures,
    list_order,
    select_bounds,
    select_groups,
    select_price_sets,
)
from spantoll.query.windows import LAST_NS, Window, find_zone, join_windows, list_windows

__all__ = ["reading", "run"]


def run(engine: Engine, query: Query) -> Result:
    """Answer a query from committed records.

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
                query.window,
                start_ns=start_ns,
                end_ns=end_ns,
                tz=find_zone(query.tz),
                calendar=query.calendar,
            )
            if not covering:
                return Result(query, (), _make_row({}, "t", measures), 0)
            asked = replace(query, start_ns=start_ns, end_ns=end_ns)
        kept = None
        if query.others:
            ranking = replace(asked, window="total", others=False, fill=False)
            kept = [each.keys for each in _fetch_groups(connection, ranking, (), measures).groups]
            asked = replace(asked, limit=None, others=False)
        found = _fetch_groups(connection, asked, covering, measures, kept=kept)
        used = connection.execute(select_price_sets(asked)).all() if _has_money(measures) else ()
    rows: Sequence[Row] = [each.row for each in found.groups]
    if query.fill:
        rows = fill_windows(rows, covering, _make_row({}, "p", measures), query)
    count = len(rows) if query.fill or query.others else found.total_groups
    return Result(query, rows, found.totals, count, tuple(PriceSetUsed(*each) for each in used))


class _Group(NamedTuple):
    keys: tuple[Any, ...]
    """The dimensions as the database returns them."""
    row: Row


class _Found(NamedTuple):
    groups: Sequence[_Group]
    totals: Row
    total_groups: int
    """Those beyond the limit included."""


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
    *,
    kept: Kept | None = None,
) -> _Found:
    """Read the groups of a query in its order; with `kept`, all but those as one group."""
    keys = list_keys(query, join_windows(covering), kept)
    order = list_order(query)
    by_percentile = _orders_by_percentile(query)
    asked = replace(query, limit=None) if by_percentile else query
    try:
        found = _execute(connection, asked, keys, measures)
    except DBAPIError:
        # A sum may exceed 64 bits, for which each database has an error of its own: one span
        # whose counters are noise must not end every report. Sums of halves cannot overflow;
        # whatever else is wrong fails again.
        connection.rollback()
        measures = tuple(map(_sum_halves, measures))
        found = _execute(connection, asked, keys, measures)
    by_start: Mapping[Any, Window] = {window.start_ns: window for window in covering}
    dimensions = [find_dimension(name) for name in query.dimensions]
    groups = [
        _Group(
            tuple(each[f"d{i}"] for i in range(len(dimensions))),
            _make_row(each, "p", measures, dimensions, by_start.get(each.get("w"))),
        )
        for each in found
    ]
    if by_percentile:
        groups = _sort_groups(groups, order)[: query.limit]
    totals = _make_row(found[0] if found else {}, "t", measures)
    return _Found(groups, totals, found[0]["groups"] if found else 0)


def _execute(
    connection: Connection, query: Query, keys: Sequence[Label[Any]], measures: Sequence[Measure]
) -> list[dict[str, Any]]:
    found = [row._asdict() for row in connection.execute(select_groups(query, keys, measures))]
    if found:
        fill_percentiles(connection, query, keys, measures, found)
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


def _sort_groups(groups: Sequence[_Group], order: Sequence[str]) -> list[_Group]:
    """Sort by what SQL cannot sort by; rows without an answer come last, ties stay as they are."""
    ordered = list(groups)
    for text in reversed(order):
        name = text.removeprefix("-")
        values: list[Any] = [
            each.row.window if name == "window" else each.row[name] for each in ordered
        ]
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
        others=found.get("o") == 1,
        dimensions={each.name: each.show(found[f"d{i}"]) for i, each in enumerate(dimensions)},
        measures={
            each.name: each.aggregate.finish(
                *(found.get(f"m{i}{parts}{j}") for j in range(len(each.aggregate.parts)))
            )
            for i, each in enumerate(measures)
        },
    )
