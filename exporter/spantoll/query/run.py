"""Answer a query from committed records.

Input: an engine and a `Query`. Output: a `Result`, from one statement (`query/statement.py`), whose
sums are finished in Python: money as Decimal, ratios last.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Engine, Label
from sqlalchemy import Row as DatabaseRow
from sqlalchemy.exc import DBAPIError

from spantoll.errors import StoreUnavailable
from spantoll.query.bucket_ends import BucketEnd, find_bucket_ends
from spantoll.query.conditions import make_filter_conditions
from spantoll.query.dimensions import Dimension, find_dimension
from spantoll.query.distinct import fill_distinct, leave_out_measures, plan_distinct
from spantoll.query.extremes import fill_extremes, find_extremes
from spantoll.query.fill import fill_windows
from spantoll.query.measures import Measure, find_measure
from spantoll.query.newest import read_bounds
from spantoll.query.percentiles import fill_percentiles
from spantoll.query.plan import Plan, Span, leave_out_deleted
from spantoll.query.query import Query
from spantoll.query.result import PriceSetUsed, Result, Row
from spantoll.query.retention import (
    answer_whole,
    describe_deleted,
    drop_missing_windows,
    read_deleted_bounds,
)
from spantoll.query.roll_ups import make_plan, read_gaps
from spantoll.query.rolled_sums import WINDOW
from spantoll.query.statement import (
    Kept,
    list_keys,
    list_measures,
    list_order,
    select_groups,
    select_price_sets,
)
from spantoll.query.windows import LAST_NS, Window, find_zone, join_windows, list_windows
from spantoll.records.columns import usage_record
from spantoll.storage.roll_up_pending import read_pending_after

__all__ = ["reading", "run"]


def run(engine: Engine, query: Query) -> Result:
    """Answer a query from committed records.

    Raises QueryError when it asks for too many windows, StoreUnavailable when the database cannot
    be read.
    """
    with reading(engine) as connection:
        return answer_whole(connection, partial(_run, connection, query))


def _run(connection: Connection, query: Query, deleted_before_ns: int) -> Result:
    measures = list_measures(query)
    covering: tuple[Window, ...] = ()
    asked = query
    if query.window != "total":
        start_ns, end_ns = _close_period(connection, query, deleted_before_ns)
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
    period = Span(query.start_ns, query.end_ns)
    gaps = _read_usable_gaps(connection, query, deleted_before_ns)
    ends = [] if gaps is None else find_bucket_ends(connection, query.end_ns, deleted_before_ns)
    pending_after = read_pending_after(connection)
    plans = _Plans(asked, period, covering, gaps, deleted_before_ns, ends, pending_after)
    kept = None
    if query.others:
        ranking = replace(asked, window="total", others=False, fill=False)
        total = plans._replace(query=ranking, covering=())
        order = {name.removeprefix("-") for name in list_order(ranking)}
        ranks = [each for each in measures if each.name in order]
        ranked = _fetch_groups(connection, total, ranks)
        kept = [each.keys for each in ranked.groups]
        asked = replace(asked, limit=None, others=False)
        plans = plans._replace(query=asked, gaps=ranked.gaps)
    found = _fetch_groups(connection, plans, measures, kept=kept)
    used: Sequence[DatabaseRow[str, str]] = ()
    if _has_money(measures):
        rates = plans._replace(covering=(), gaps=found.gaps).make([usage_record.c.rate_id])
        used = connection.execute(select_price_sets(asked, rates)).all()
    rows: Sequence[Row] = [each.row for each in found.groups]
    if query.fill:
        windows = drop_missing_windows(
            covering, [span for each in found.plans for span in each.missing]
        )
        rows = fill_windows(rows, windows, _make_row({}, "p", measures), query)
    count = len(rows) if query.fill or query.others else found.total_groups
    price_sets = tuple(PriceSetUsed(*each) for each in used)
    notes = describe_deleted(period, found.plans, deleted_before_ns, tz=query.tz)
    sources = list(dict.fromkeys(name for plan in found.plans for name in plan.describe()))
    return Result(query, rows, found.totals, count, price_sets, sources, notes)


class _Plans(NamedTuple):
    """What decides from where the records of a query are read."""

    query: Query
    period: Span
    """As it was asked for: beyond the windows that cover it there are no records."""
    covering: Sequence[Window]
    gaps: Sequence[Span] | None
    """None where roll-ups are not to be read."""
    deleted_before_ns: int
    """The mark of retention."""
    bucket_ends: Sequence[BucketEnd]
    pending_after: int | None

    def make(self, keys: Sequence[ColumnElement[Any]], measures: Sequence[Measure] = ()) -> Plan:
        """Plan what groups by `keys` and adds up what `measures` are made of."""
        return leave_out_deleted(self._cover(keys, measures), self.deleted_before_ns)

    def read_records(self) -> Plan:
        """Plan what no roll-up has."""
        return leave_out_deleted(Plan((), (self.period,)), self.deleted_before_ns)

    def _cover(self, keys: Sequence[ColumnElement[Any]], measures: Sequence[Measure]) -> Plan:
        dimensions = [key for key in keys if key.key != WINDOW]
        parts = [part for each in measures for part in each.aggregate.parts]
        if self.gaps is None or not all(part.how == "sum" and part.whole for part in parts):
            return Plan((), (self.period,))
        return make_plan(
            self.period,
            needed=[*dimensions, *make_filter_conditions(self.query)],
            added=[part.expression for part in parts],
            covering=self.covering,
            gaps=self.gaps,
            bucket_ends=self.bucket_ends,
            pending_after=self.pending_after,
        )


def _read_usable_gaps(
    connection: Connection, query: Query, deleted_before_ns: int
) -> list[Span] | None:
    # Roll-ups are of counted records.
    rolled = query.roll_ups and not query.uncounted
    return read_gaps(connection, deleted_before_ns) if rolled else None


class _Group(NamedTuple):
    keys: tuple[Any, ...]
    """The dimensions as the database returns them."""
    row: Row


class _Found(NamedTuple):
    groups: Sequence[_Group]
    totals: Row
    total_groups: int
    """Those beyond the limit included."""
    plans: Sequence[Plan]
    """Of the sums, then of what is read apart from them."""
    gaps: Sequence[Span] | None
    """None where roll-ups are not to be read any more: the snapshot is another one."""


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
    plans: _Plans,
    measures: Sequence[Measure],
    *,
    kept: Kept | None = None,
) -> _Found:
    """Read the groups of a query in its order; with `kept`, all but those as one group."""
    query, covering = plans.query, plans.covering
    keys = list_keys(query, join_windows(covering), kept)
    order = list_order(query)
    by_percentile = _orders_by_percentile(query)
    asked = replace(query, limit=None) if by_percentile else query
    plans = plans._replace(query=asked)
    try:
        found, made = _execute(connection, plans, keys, measures)
    except DBAPIError:
        # A sum may exceed 64 bits, for which each database has an error of its own: one span
        # whose counters are noise must not end every report. Sums of halves cannot overflow;
        # whatever else is wrong fails again.
        connection.rollback()
        measures = tuple(map(_sum_halves, measures))
        plans = plans._replace(gaps=None)
        found, made = _execute(connection, plans, keys, measures)
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
    return _Found(groups, totals, found[0]["groups"] if found else 0, made, plans.gaps)


def _execute(
    connection: Connection,
    plans: _Plans,
    keys: Sequence[Label[Any]],
    measures: Sequence[Measure],
) -> tuple[list[dict[str, Any]], Sequence[Plan]]:
    """Read the groups of a query; return also the plans by which they were read, sums first."""
    query = plans.query
    distinct = plan_distinct(query, keys, measures, plan=plans.make)
    extremes = find_extremes(query, keys, measures)
    summed = leave_out_measures(measures, {*distinct, *extremes})
    plan = plans.make(keys, summed)
    if not plan.reads_roll_ups:  # one pass over the records reads all of them
        distinct, extremes, summed = {}, {}, tuple(measures)
    made = [plan, *distinct.values()]

    def plan_values(keys: Sequence[ColumnElement[Any]]) -> Plan:
        made.append(plans.make(keys))
        return made[-1]

    statement = select_groups(query, keys, summed, plan)
    found = [row._asdict() for row in connection.execute(statement)]
    if found:
        fill_percentiles(connection, query, keys, measures, found, plan=plan_values)
        fill_distinct(connection, query, keys, measures, found, plans=distinct)
        if extremes:
            made.append(plans.read_records())
            fill_extremes(connection, query, keys, found, extremes=extremes, plan=made[-1])
    return found, made


def _sum_halves(measure: Measure) -> Measure:
    if measure.percentile is not None:  # it counts values, which fit
        return measure
    return measure._replace(aggregate=measure.aggregate.sum_halves())


def _close_period(connection: Connection, query: Query, deleted_before_ns: int) -> tuple[int, int]:
    """Close an open beginning or end with the first or last record; empty when there is none.

    Of deleted records there are the buckets of roll-ups, whatever the filters are.
    """
    if query.start_ns is not None and query.end_ns is not None:
        return query.start_ns, query.end_ns
    first, last = read_bounds(connection, query)
    spans = [] if first is None or last is None else [Span(first, min(last + 1, LAST_NS))]
    if (deleted := read_deleted_bounds(connection, deleted_before_ns)) is not None:
        spans.append(deleted)
    if not spans:
        return 0, 0
    return (
        min(span.start_ns or 0 for span in spans) if query.start_ns is None else query.start_ns,
        max(span.end_ns or 0 for span in spans) if query.end_ns is None else query.end_ns,
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
